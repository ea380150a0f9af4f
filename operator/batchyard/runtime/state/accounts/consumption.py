"""What was used up of the resources that jobs do not give back.

The figures follow from the last count in a resource's status and from the Kubernetes Jobs that exist; so a process that
begins to act builds them anew, and comes to what the last one had.
"""

from collections.abc import Mapping

from batchyard.api import names
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.consumption import Consumption
from batchyard.core.scheduling.decisions import Placement
from batchyard.objects.kinds.consumableresource import read_count
from batchyard.runtime.state.accounts.account import Account, Existing, Occupancy
from batchyard.runtime.state.catalogue import Catalogue


class Consumptions(Account):
    """The books of every resource that is not replenishable."""

    def __init__(self, existing: Existing) -> None:
        self._existing = existing
        self._books: dict[str, tuple[str, Consumption]] = {}
        """By name, with the uid of the resource that each is about."""

    def reset(self) -> None:
        """Forget what was seen while another process acted: its counts know more."""
        self._books.clear()

    def books(self, catalogue: Catalogue) -> Mapping[str, Consumption]:
        """Return the book of each resource; of one seen for the first time, from its last count and what exists."""
        wanted = {each.name: each for each in catalogue.consumables.values() if not each.replenishable}
        for name in self._books.keys() - wanted.keys():
            del self._books[name]
        fresh = {name: each for name, each in wanted.items() if self._books.get(name, ("",))[0] != each.uid}
        for name, resource in fresh.items():
            self._books[name] = (resource.uid, self._begun(resource, catalogue))
        if fresh:
            for run, occupancy in self._existing():
                if not fresh.keys().isdisjoint(run.consumables):
                    self.observe_run(run, None, occupancy)
        return {name: book for name, (_, book) in self._books.items()}

    @staticmethod
    def _begun(resource: Consumable, catalogue: Catalogue) -> Consumption:
        status = catalogue.statuses.get((names.CONSUMABLE_RESOURCE, "", resource.name), {})
        return Consumption(read_count(status, resource.created))

    def used_up(self, catalogue: Catalogue) -> Mapping[str, int]:
        """Return what runs and grants have taken of each of these resources."""
        return {name: book.taken for name, book in self.books(catalogue).items()}

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Count so many slots as promised; what the job was promised before is forgotten."""
        self.withdraw(job.key)
        for name, amount in (resolved.consumables if resolved is not None else {}).items():
            if name in self._books:
                self._books[name][1].grant(job.key, amount * count)

    def withdraw(self, key: Key) -> None:
        """Take a promise back."""
        for _, book in self._books.values():
            book.withdraw(key)

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Count a run from its creation on, an array with all of its indexes."""
        if not (occupancy.counts and run.consumables):
            return
        for name, amount in run.consumables.items():
            if name in self._books:
                slots = run.indexed.size if run.indexed is not None else 1
                self._books[name][1].start(run.uid, run.created, amount * slots)

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Keep what it has used up."""
