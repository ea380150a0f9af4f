"""Room on nodes that are not there yet, handed out during one pass.

The provisioner fills a node with as many pods as the largest instance type carries, and takes the smallest that holds
what came together; so does this. A node that is thought up grows with its pods, and counts under the ceilings as the
smallest shape that carries them. Pods that were granted stay without an expected node until theirs is there: each pass
thinks up anew what they need, in the same order.
"""

from collections.abc import Collection
from dataclasses import dataclass

from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import Assignment, PodSet
from batchyard.core.model.resources import Resources, add, fits, subtract, times
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, Supply, within
from batchyard.core.scheduling.capacity.nodefit import admits

MARK = "+"
"""Begins the names of nodes that are not there yet; no name of a node does."""


def is_coming(node: str) -> bool:
    """Whether a node is one that is not there yet."""
    return node.startswith(MARK)


def on_nodes(assigned: Assignment) -> Assignment:
    """What is assigned to nodes that are there."""
    if not any(is_coming(node) for node, _ in assigned):
        return assigned
    return tuple(each for each in assigned if not is_coming(each[0]))


@dataclass(slots=True, frozen=True)
class _Node:
    """A node that is thought up: its pods together, and the smallest shape that carries them."""

    constraints: Constraints
    load: Resources
    shape: KnownShape


_NO_SHAPE = KnownShape("", {}, {})


class ComingRoom:
    """What a pass has put where. Forks change nothing of each other."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._left = dict(supply.left)
        self._pending = 0
        self._free: dict[str, Resources] = {f"{MARK}{name}": node.allocatable for name, node in supply.coming.items()}
        self._made: dict[str, _Node] = {}
        self._last: dict[PodSet, str] = {}
        """Where the last such pod went: the next goes there, too, as long as it can."""
        self._full: set[PodSet] = set()
        """Pods for which no node had room; until some is given back, only another node could have."""

    def fork(self) -> "ComingRoom":
        """Return the same, to be changed apart."""
        twin = object.__new__(ComingRoom)
        twin._supply, twin._left, twin._pending = self._supply, dict(self._left), self._pending
        twin._free, twin._made = dict(self._free), dict(self._made)
        twin._last, twin._full = dict(self._last), set(self._full)
        return twin

    @property
    def left(self) -> Resources:
        """What the ceilings leave for nodes that nobody needs yet."""
        return self._left

    @property
    def withheld(self) -> str:
        """Why nothing comes now, whatever the ceilings leave; empty where it does."""
        return self._supply.withheld

    @property
    def open(self) -> bool:
        """Whether further pods may wait for nodes."""
        return not self.full and not self.withheld

    @property
    def full(self) -> bool:
        """Whether as many pods wait for nodes as may. Pods that start together may go beyond that together."""
        return self._pending >= self._supply.most_pending

    def put(self, pods: PodSet, without: Collection[str] = ()) -> str | None:
        """Take room for one pod of a set; returns on which node, or None where there is none to come.

        Where a node that is not there yet is among those that are kept, all of them are: what the ceilings leave for
        one they do not leave for another.
        """
        if any(map(is_coming, without)):
            return None
        node = self._on_known(pods) or self._on_another(pods)
        if node is not None:
            self._pending += 1
            self._last[pods] = node
        return node

    def _on_known(self, pods: PodSet) -> str | None:
        """A node that is on its way or was thought up already."""
        last = self._last.get(pods)
        if last is not None and self._add(last, pods):
            return last
        if pods in self._full or pods.constraints.ports:
            return None  # who takes ports of a node gets one of his own
        for name in (*self._free, *self._made):
            if self._admits(name, pods.constraints) and self._add(name, pods):
                return name
        self._full.add(pods)
        return None

    def _admits(self, name: str, constraints: Constraints) -> bool:
        made = self._made.get(name)
        if made is not None:
            return made.constraints == constraints
        return admits(constraints, self._supply.coming[name.removeprefix(MARK)])

    def _add(self, name: str, pods: PodSet) -> bool:
        """Put a pod on a node, if that can take it."""
        if pods.constraints.ports:
            return False
        free = self._free.get(name)
        if free is not None:
            if fits(pods.takes, free):
                self._free[name] = subtract(free, pods.takes)
                return True
            return False
        made = self._made.get(name)
        return made is not None and self._load(name, pods.constraints, add(made.load, pods.takes), made.shape.capacity)

    def _on_another(self, pods: PodSet) -> str | None:
        """A further node, if the ceilings leave one."""
        if not self._supply.shapes:
            return self._beside_ceilings(pods)
        name = f"{MARK}{MARK}{len(self._made)}"
        return name if self._load(name, pods.constraints, pods.takes, {}) else None

    def _load(self, name: str, constraints: Constraints, load: Resources, before: Resources) -> bool:
        """Have a node carry this, if there is a shape that does and the ceilings leave enough for it."""
        for shape in self._supply.shapes:
            if fits(load, shape.allocatable) and self._supply.labels.admits(constraints, shape.instance_type):
                more = {each: amount - before.get(each, 0) for each, amount in shape.capacity.items()}
                if all(more.get(each, 0) <= max(left, 0) for each, left in self._left.items()):
                    self._left = {each: left - more.get(each, 0) for each, left in self._left.items()}
                    self._made[name] = _Node(constraints, load, shape)
                    return True
        return False

    def _beside_ceilings(self, pods: PodSet) -> str | None:
        """Room on a node as large as it has to be."""
        if not within(pods.takes, self._left) or not self._supply.labels.admits(pods.constraints):
            return None
        self._left = {each: left - pods.takes.get(each, 0) for each, left in self._left.items()}
        return MARK

    def change(self, node: str, amount: Resources, sign: int) -> None:
        """Take an amount off what is free on a node, or give it back (`sign` 1)."""
        self._pending -= sign * amount.get("pods", 0)
        self._full.clear()
        if node == MARK:
            self._left = {each: left + sign * amount.get(each, 0) for each, left in self._left.items()}
        elif node in self._free:
            self._free[node] = _shifted(self._free[node], amount, sign)
        elif node in self._made:
            self._shrink(node, amount, sign)

    def _shrink(self, node: str, amount: Resources, sign: int) -> None:
        """Have a node carry so much less, or more; one that carries nothing takes nothing of the ceilings."""
        made = self._made[node]
        load = add(made.load, times(amount, -sign))
        able = (each for each in self._supply.shapes if fits(load, each.allocatable))
        shape = next(able, made.shape) if any(number > 0 for number in load.values()) else _NO_SHAPE
        self._made[node] = _Node(made.constraints, load, shape)
        for each in self._left:
            self._left[each] += made.shape.capacity.get(each, 0) - shape.capacity.get(each, 0)

    def room(self, pods: PodSet, most: int) -> int:
        """Return how many pods of a set find room at the same time, up to `most`."""
        most = min(most, self._supply.most_pending - self._pending) if self.open else 0
        thought, found = self.fork(), 0
        while found < most and thought.put(pods) is not None:
            found += 1
        return found


def _shifted(before: Resources, amount: Resources, sign: int) -> Resources:
    return {name: each + sign * amount.get(name, 0) for name, each in before.items()}
