"""What an environment can hold, what of it is taken, and whether a request fits.

The planner opens one `Ledger` per pass from the snapshot, charges every grant to it as it is decided, and throws
it away: the truth of a charge is the Kubernetes Job that exists (or is being created), never this memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from batchyard.core.records import Environment, Node
from batchyard.core.resources import Resources, add, fits, subtract
from batchyard.core.selectors import usable

POD_SLOT: Resources = {"pods": 1}
"""Every run is one pod, and nodes limit how many pods they carry."""


@dataclass(slots=True, frozen=True)
class Pool:
    """An environment's capacity: the sum over its usable nodes, cut to the environment's ceilings."""

    environment: Environment
    nodes: int
    capacity: Resources
    shapes: tuple[Resources, ...]
    """The distinct allocatable amounts of its nodes: a pod must fit on one node, not on the sum of several."""

    def could_hold(self, request: Resources) -> bool:
        """Whether the request would fit if nothing else ran here."""
        return fits(request, self.capacity) and any(fits(request, shape) for shape in self.shapes)


def pool(environment: Environment, nodes: Iterable[Node]) -> Pool:
    """Sum up the nodes that the environment may use now."""
    total: dict[str, int] = {}
    shapes: dict[tuple[tuple[str, int], ...], Resources] = {}
    count = 0
    for node in nodes:
        if usable(environment, node):
            count += 1
            total = add(total, node.allocatable)
            shapes.setdefault(tuple(sorted(node.allocatable.items())), node.allocatable)
    for name, ceiling in environment.ceilings.items():
        total[name] = min(total.get(name, 0), ceiling)
    return Pool(environment, count, total, tuple(shapes.values()))


class Ledger:
    """Free capacity per environment during one pass."""

    def __init__(self, pools: Mapping[str, Pool], used: Mapping[str, Resources]) -> None:
        self._free = {
            name: subtract(pool.capacity, used[name]) if name in used else dict(pool.capacity)
            for name, pool in pools.items()
        }

    def fits(self, environment: str, request: Resources) -> bool:
        """Whether the request fits into what is free now."""
        free = self._free[environment]
        return free.get("pods", 0) >= 1 and fits(request, free)

    def charge(self, environment: str, request: Resources) -> None:
        """Take the request, and one pod slot, out of what is free."""
        self._free[environment] = subtract(subtract(self._free[environment], request), POD_SLOT)

    def free(self, environment: str) -> Resources:
        """What is free now; negative where capacity shrank below what runs."""
        return self._free[environment]

    @classmethod
    def empty(cls, pools: Mapping[str, Pool]) -> Self:
        """Return a ledger in which nothing is taken."""
        return cls(pools, {})
