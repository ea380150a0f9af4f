"""What was used up of the resources that jobs do not give back: fed by `charges` with grants and runs.

The figures follow from the last count in a resource's status and from the Kubernetes Jobs that exist; so a process that
begins to act builds them anew, and comes to what the last one had.
"""

from collections.abc import Collection, Mapping

from batchyard.core.model.consumable import Consumable
from batchyard.core.model.job import Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.consumption import Consumption
from batchyard.core.scheduling.decisions import Placement
from batchyard.objects.kinds.consumableresource import read_count
from batchyard.runtime.state.catalogue import Catalogue


class Consumptions:
    """The books of every resource that is not replenishable."""

    def __init__(self) -> None:
        self._books: dict[str, tuple[str, Consumption]] = {}
        """By name, with the uid of the resource that each is about."""

    def reset(self) -> None:
        """Forget what was seen while another process acted: its counts know more."""
        self._books.clear()

    def books(self, catalogue: Catalogue, runs: Collection[Run]) -> Mapping[str, Consumption]:
        """Return the book of each resource; of one seen for the first time, from its last count and `runs`."""
        wanted = {each.name: each for each in catalogue.consumables.values() if not each.replenishable}
        for name in self._books.keys() - wanted.keys():
            del self._books[name]
        for name, resource in wanted.items():
            if name not in self._books or self._books[name][0] != resource.uid:
                self._books[name] = (resource.uid, self._begun(resource, catalogue))
                for run in runs:
                    if name in run.consumables:
                        self.follow(run)
        return {name: book for name, (_, book) in self._books.items()}

    @staticmethod
    def _begun(resource: Consumable, catalogue: Catalogue) -> Consumption:
        status = catalogue.statuses.get(("ConsumableResource", "", resource.name), {})
        return Consumption(read_count(status, resource.created))

    def granted(self, placement: Placement, consumables: Mapping[str, int], count: int) -> None:
        """Count so many places of a grant, whose Kubernetes Jobs do not exist yet."""
        for name, amount in consumables.items():
            if name in self._books:
                self._books[name][1].grant(placement.key, amount * count)

    def withdrawn(self, key: Key) -> None:
        """Take a grant back."""
        for _, book in self._books.values():
            book.withdraw(key)

    def follow(self, run: Run) -> None:
        """Count a run from its creation on; a multi-node job as a whole, by its main node."""
        if run.main_uid:
            return
        for name, amount in run.consumables.items():
            if name in self._books:
                places = run.indexed.size if run.indexed is not None else 1
                self._books[name][1].start(run.uid, run.created, amount * places)
