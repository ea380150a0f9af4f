"""What is taken of each environment's capacity: by grants, and by runs until nothing of them can still run.

A multi-node job is charged as a whole, while any of its Kubernetes Jobs has not ended; an Indexed Job for the places
that it takes up as its indexes end.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.resources import add, subtract
from batchyard.core.model.run import Run
from batchyard.core.scheduling.consumption import Consumption
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.ledger import Charge, places
from batchyard.core.scheduling.limits import needs
from batchyard.runtime.state.accounts.consumption import Consumptions
from batchyard.runtime.state.accounts.limitusage import LimitUsage
from batchyard.runtime.state.catalogue import Catalogue
from batchyard.runtime.state.runs import Runs


class Charges:
    """Amounts by what they are charged for. `runs` are the cache's own, `freed` is called on credit."""

    def __init__(self, runs: Runs, freed: Callable[[], None]) -> None:
        self.used: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Requests of the runs that have not ended and of what is granted, per environment."""
        self.limit_usage = LimitUsage()
        self.consumptions = Consumptions()
        self._runs = runs
        self._freed = freed
        self.charges: dict[Hashable, Charge] = {}
        """What those requests are, one by one."""
        self._starting: Counter[Hashable] = Counter()
        """How many nodes of a run are being created."""

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Charge so many places of a placement, whose Jobs do not exist yet; what was charged is forgotten."""
        consumables = resolved.consumables if resolved is not None else {}
        if job.key in self.charges:
            self.withdraw(job.key)
        self.limit_usage.hold(job.key, needs(job.queue, job.share, consumables), count)
        self.consumptions.granted(placement, consumables, count)
        self._charge(placement.key, Charge(placement.environment, places(placement.request, count), placement.key))

    def used_up(self, catalogue: Catalogue) -> Mapping[str, int]:
        """Return what runs and grants have taken of each resource that jobs do not give back."""
        return {name: book.taken for name, book in self.books(catalogue).items()}

    def books(self, catalogue: Catalogue) -> Mapping[str, Consumption]:
        """Return the books of these resources, by name."""
        return self.consumptions.books(catalogue, self._runs.all())

    def withdraw(self, key: Key) -> None:
        """Credit a job's placement."""
        self.consumptions.withdrawn(key)
        self._credit(key)

    def account(self, run: Run) -> None:
        """Charge or credit a run as it is now; the Job of a multi-node job's other node stands for its run."""
        self.consumptions.follow(run)
        item = _item(run)
        if not self._lives(run, item):
            self._credit(item)
            return
        count = run.slots_taken if run.indexed is not None else 1
        charge = Charge(run.environment, places(run.request, count), run.owner, run)
        if self.charges.get(item) != charge:
            if run.indexed is not None:
                self._credit(item)
            if item not in self.charges:
                self._charge(item, charge)
                self.limit_usage.hold(item, needs(run.queue, run.share, run.consumables), count)

    @contextmanager
    def starting(self, main: Run) -> Iterator[None]:
        """Keep a multi-node job's charge while one of its nodes is being created, even should the main node end."""
        item = _item(main)
        self._starting[item] += 1
        try:
            yield
        finally:
            self._starting -= Counter([item])
            self.account(main)

    def _lives(self, run: Run, item: Hashable) -> bool:
        of_job = self._runs.of(run.owner_uid)
        if run.index is not None:
            own = of_job.indexes.get(run.name)
            return own is not None and not own.ended
        main = of_job.mains.get(run.number)
        if main is not None and not main.ended:
            return True
        if run.node is None:
            return False
        children = (each for each in of_job.children.values() if each.number == run.number)
        return self._starting[item] > 0 or any(not each.ended for each in children)

    def _charge(self, item: Hashable, charge: Charge) -> None:
        self.charges[item] = charge
        self.used[charge.environment] = add(self.used[charge.environment], charge.amount)

    def _credit(self, item: Hashable) -> None:
        self.limit_usage.release(item)
        if charge := self.charges.pop(item, None):
            rest = subtract(self.used[charge.environment], charge.amount)
            self.used[charge.environment] = rest
            if not any(rest.values()):
                del self.used[charge.environment]
            self._freed()


def _item(run: Run) -> Hashable:
    """What a run is charged under: all nodes of a multi-node job under one and the same."""
    return ("run", run.owner_uid, run.number, run.index)
