"""What runs and grants hold of the limits of queues and shares, whoever else might be waiting for it.

It follows from the Kubernetes Jobs that exist, so a restarted operator counts the same.
"""

from collections import Counter
from collections.abc import Hashable

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.limits import Name, Needs, needs
from batchyard.runtime.state.accounts.account import Account, Occupancy


class LimitUsage(Account):
    """Amounts by limit, and by what holds them."""

    def __init__(self) -> None:
        self.amounts: Counter[Name] = Counter()
        self._items: dict[Hashable, tuple[Needs, int]] = {}

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Count what so many slots hold; what the job's grant held before is forgotten."""
        consumables = resolved.consumables if resolved is not None else {}
        self._hold(job.key, needs(job.queue, job.share, consumables), count)

    def withdraw(self, key: Key) -> None:
        """Count a job's grant no more."""
        self._release(key)

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Count what a run holds as long as it lives."""
        if not occupancy.living:
            self._release(occupancy.item)
            return
        held = self._items.get(occupancy.item)
        if held is None or held[1] != occupancy.slots:
            self._hold(occupancy.item, needs(run.queue, run.share, run.consumables), occupancy.slots)

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Count a run no more, unless other Jobs of it go on."""
        self.observe_run(run, run, occupancy)

    def reset(self) -> None:
        """Keep what is held: it follows from the grants and the Jobs that are known, whoever acts."""

    def _hold(self, item: Hashable, needs: Needs, slots: int) -> None:
        self._release(item)
        self._items[item] = (needs, slots)
        for name, amount in needs.items():
            self.amounts[name] += amount * slots

    def _release(self, item: Hashable) -> None:
        needs, slots = self._items.pop(item, ({}, 0))
        for name, amount in needs.items():
            self.amounts[name] -= amount * slots
            if not self.amounts[name]:
                del self.amounts[name]
