"""What is taken of each environment's capacity: by grants, and by runs until nothing of them can still run.

A multi-node job is charged as a whole, while any of its Kubernetes Jobs or pods has not ended; an Indexed Job for the
slots that it takes up as its indexes end. What pods ask for beyond what was granted is charged once they are there.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.resources import add, subtract
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.ledger import Charge, amount_of
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.account import Account, Occupancy


class Charges(Account):
    """Amounts by what they are charged for. `freed` is called on credit."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self.used: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Requests of the runs that have not ended and of what is granted, per environment."""
        self.charges: dict[Hashable, Charge] = {}
        """What those requests are, one by one."""
        self._freed = freed

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Charge so many slots; what the job's grant was charged before is credited."""
        self._credit(job.key)
        self._charge(job.key, Charge(placement.environment, amount_of(placement.request, count), job.key))

    def withdraw(self, key: Key) -> None:
        """Credit a job's grant."""
        self._credit(key)

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Charge a run as a whole while it lives."""
        item = occupancy.item
        if not occupancy.living:
            self._credit(item)
            return
        amount = amount_of(run.request, occupancy.slots)
        if occupancy.excess:
            amount = add(amount, occupancy.excess)
        charge = Charge(run.environment, amount, run.owner, run, occupancy.bound)
        if charge == self.charges.get(item):
            self.charges[item] = charge  # with the run as it is now
            return
        self._credit(item)
        self._charge(item, charge)

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Credit a run unless other Jobs of it go on."""
        self.observe_run(run, run, occupancy)

    def reset(self) -> None:
        """Keep what is charged: it follows from the grants and the Jobs that are known, whoever acts."""

    def _charge(self, item: Hashable, charge: Charge) -> None:
        self.charges[item] = charge
        self.used[charge.environment] = add(self.used[charge.environment], charge.amount)

    def _credit(self, item: Hashable) -> None:
        if charge := self.charges.pop(item, None):
            rest = subtract(self.used[charge.environment], charge.amount)
            self.used[charge.environment] = rest
            if not any(rest.values()):
                del self.used[charge.environment]
            self._freed()
