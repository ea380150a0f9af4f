"""What an environment can hold, what of it is taken, and whether a request fits.

The planner opens one `Ledger` per pass from the snapshot, charges every grant to it as it is decided, and throws
it away: the truth of a charge is the Kubernetes Job that exists (or is being created), never this memory.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from batchyard.core.model.environment import Environment, Node
from batchyard.core.model.gang import Gang
from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources, add, fits, subtract, times
from batchyard.core.model.run import Run
from batchyard.core.model.selectors import usable

POD_SLOT: Resources = {"pods": 1}
"""Nodes limit how many pods they carry."""


def with_pods(request: Resources) -> Resources:
    """What a run takes, pod slots included: one, unless the request says how many."""
    return request if request.get("pods") else {**request, **POD_SLOT}


def amount_of(request: Resources, count: int) -> Resources:
    """What so many slots of a request take, those for pods included."""
    return times(with_pods(request), count)


@dataclass(slots=True, frozen=True)
class Charge:
    """What one run takes of an environment, or a placement whose run does not exist yet."""

    environment: str
    amount: Resources
    """Pod slots included; of an array that of all its slots."""
    key: Key
    """The job."""
    run: Run | None = field(default=None, compare=False)


@dataclass(slots=True, frozen=True)
class Pool:
    """An environment's capacity: the sum over its usable nodes, cut to the environment's ceilings."""

    environment: Environment
    nodes: int
    capacity: Resources
    shapes: tuple[Resources, ...]
    """The distinct allocatable amounts of its nodes: a pod must fit on one node, not on the sum of several."""
    alike: tuple[int, ...] = ()
    """How many nodes there are of each shape."""

    def could_hold(self, request: Resources, gang: Gang | None = None) -> bool:
        """Whether the request would fit if nothing else ran here; with a gang, all of its pods at once."""
        if not fits(request, self.capacity):
            return False
        if gang is None:
            return any(fits(request, shape) for shape in self.shapes)
        return all(self._carries(group.request) >= len(group.nodes) for group in gang.groups)

    def _carries(self, pod: Resources) -> int:
        """How many such pods the nodes can carry at the same time."""
        needed = {name: amount for name, amount in with_pods(pod).items() if amount > 0}
        return sum(
            count * min(shape.get(name, 0) // amount for name, amount in needed.items())
            for shape, count in zip(self.shapes, self.alike, strict=True)
        )


def pool(environment: Environment, nodes: Iterable[Node]) -> Pool:
    """Sum up the nodes that the environment may use now."""
    total: dict[str, int] = {}
    shapes: dict[tuple[tuple[str, int], ...], Resources] = {}
    alike: Counter[tuple[tuple[str, int], ...]] = Counter()
    count = 0
    for node in nodes:
        if usable(environment, node):
            count += 1
            total = add(total, node.allocatable)
            shape = tuple(sorted(node.allocatable.items()))
            shapes.setdefault(shape, node.allocatable)
            alike[shape] += 1
    for name, ceiling in environment.ceilings.items():
        total[name] = min(total.get(name, 0), ceiling)
    return Pool(environment, count, total, tuple(shapes.values()), tuple(alike[shape] for shape in shapes))


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
        return ("pods" in request or free.get("pods", 0) >= 1) and fits(request, free)

    def room(self, environment: str, request: Resources) -> int:
        """How many pods of the request fit into what is free now, going by the sums."""
        free = self._free[environment]
        needed = {name: amount for name, amount in with_pods(request).items() if amount > 0}
        return max(min(free.get(name, 0) // amount for name, amount in needed.items()), 0)

    def charge(self, environment: str, request: Resources) -> None:
        """Take the request, and its pod slots, out of what is free."""
        free = self._free[environment]
        for name, amount in request.items():
            free[name] = free.get(name, 0) - amount
        if "pods" not in request:
            free["pods"] = free.get("pods", 0) - 1

    def free(self, environment: str) -> Resources:
        """What is free now; negative where capacity shrank below what runs."""
        return self._free[environment]

    @classmethod
    def empty(cls, pools: Mapping[str, Pool]) -> Self:
        """Return a ledger in which nothing is taken."""
        return cls(pools, {})
