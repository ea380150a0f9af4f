"""Room on nodes that are not there yet, handed out during one pass.

The provisioner fills a node with as many pods as the largest instance type carries, and takes the smallest that holds
what came together; so does this. A node that is thought up grows with its pods, and counts under the ceilings as the
smallest shape that carries them. Only pods that ask the same of labels are thought on one.

Pods that were granted stay without an expected node until theirs is there: each pass thinks up anew what they need, in
the same order.
"""

from collections.abc import Collection
from dataclasses import dataclass

from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import Assignment, PodSet
from batchyard.core.model.resources import Resources, add, fits, shifted, subtract, times
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, Supply, within
from batchyard.core.scheduling.capacity.nodefit import admits

MARK = "+"
"""Begins the names of nodes that are not there yet; no name of a node does."""
_THOUGHT_UP = 2 * MARK
"""Begins the names of those that were not asked for."""


def is_coming(node: str) -> bool:
    """Whether a node is one that is not there yet."""
    return node.startswith(MARK)


def is_thought_up(node: str) -> bool:
    """Whether a node is one that was not asked for yet."""
    return node == MARK or node.startswith(_THOUGHT_UP)


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
"""Of a node that carries nothing any more: it takes nothing of the ceilings, and may be filled again."""


class ComingRoom:
    """What a pass has put where. Forks change nothing of each other."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._left = dict(supply.left)
        self._pending = 0
        self._free: dict[str, Resources] = {f"{MARK}{name}": node.allocatable for name, node in supply.coming.items()}
        self._made: dict[str, _Node] = {}
        self._names = list(self._free)
        """Of the nodes on their way, then of those that are thought up, in the order in which that was done."""
        self._first: dict[PodSet, int] = {}
        """By pods that are alike: the first of the nodes that could have room for one more; those before have none."""

    def fork(self) -> "ComingRoom":
        """Return the same, to be changed apart."""
        twin = object.__new__(ComingRoom)
        twin._supply, twin._left, twin._pending = self._supply, dict(self._left), self._pending
        twin._free, twin._made, twin._names = dict(self._free), dict(self._made), list(self._names)
        twin._first = dict(self._first)
        return twin

    @property
    def left(self) -> Resources:
        """What the ceilings leave for nodes that nobody needs yet."""
        return self._left

    @property
    def withheld(self) -> str:
        """Why no further node comes now, whatever the ceilings leave; empty where one may."""
        return self._supply.withheld

    @property
    def open(self) -> bool:
        """Whether pods may wait for further nodes."""
        return not self.full and not self.withheld

    @property
    def full(self) -> bool:
        """Whether as many pods wait for further nodes as may. Pods that start together may go beyond that together."""
        return self._pending >= self._supply.most_pending

    def put(self, pods: PodSet, without: Collection[str] = (), *, further: bool) -> str | None:
        """Take room for one pod of a set; returns on which node, or None where there is none.

        Unless a `further` node may be asked for, it has to be on its way. Where a node that is not there yet is among
        those that are kept, all of them are: what the ceilings leave for one they do not leave for another.
        """
        if any(map(is_coming, without)):
            return None
        node = self._on_known(pods, further=further and not pods.constraints.spread)
        if node is None and further:
            node = self._spread_out(pods) if pods.constraints.spread else self._on_another(pods)
        if node is not None and node not in self._free:
            self._pending += 1
        return node

    def _on_known(self, pods: PodSet, *, further: bool) -> str | None:
        """A node that is on its way or, where a further one may come, was thought up already."""
        if pods.constraints.ports:
            return None  # who takes ports of a node gets one of his own
        names, first = self._names, self._first.get(pods, 0)
        for position in range(first, len(names) if further else min(len(self._free), len(names))):
            if self._add(names[position], pods):
                self._first[pods] = position
                return names[position]
        if further:
            self._first[pods] = len(names)
        return None

    def _spread_out(self, pods: PodSet) -> str | None:
        """A further node, of which there is one in each zone before a second one is filled, then all equally."""
        made = [(it.load["pods"], name) for name, it in self._made.items() if it.constraints.alike(pods.constraints)]
        node = self._on_another(pods) if len(made) < self._supply.zones else None
        return node or next((name for _, name in sorted(made) if self._add(name, pods)), None) or self._on_another(pods)

    def _add(self, name: str, pods: PodSet) -> bool:
        """Put a pod on a node, if that can take it. Amounts are looked at first, as most nodes have too little."""
        free = self._free.get(name)
        if free is not None:
            coming = self._supply.coming[name.removeprefix(MARK)]
            if not fits(pods.takes, free) or not admits(pods.constraints, coming):
                return False
            self._free[name] = subtract(free, pods.takes)
            return True
        made = self._made[name]
        if made.load["pods"] and not made.constraints.alike(pods.constraints):
            return False
        load = add(made.load, pods.takes)
        return self._load(name, pods.constraints, load, made.shape.capacity)

    def _on_another(self, pods: PodSet) -> str | None:
        """A further node, if the ceilings leave one."""
        if not self._supply.shapes:
            return self._beside_ceilings(pods)
        name = f"{_THOUGHT_UP}{len(self._made)}"
        if not self._load(name, pods.constraints, pods.takes, {}):
            return None
        self._names.append(name)
        if not pods.constraints.ports:
            self._first[pods] = len(self._names) - 1
        return name

    def _load(self, name: str, constraints: Constraints, load: Resources, before: Resources) -> bool:
        """Have a node carry this, if there is a shape that does and the ceilings leave enough for it."""
        for shape in self._supply.shapes:
            if shape.carries(load) and self._supply.labels.admits(constraints, shape.instance_type):
                more = {each: amount - before.get(each, 0) for each, amount in shape.capacity.items()}
                if all(more.get(each, 0) <= max(left, 0) for each, left in self._left.items()):
                    self._left = shifted(self._left, more, -1)
                    self._made[name] = _Node(constraints, load, shape)
                    return True
        return False

    def _beside_ceilings(self, pods: PodSet) -> str | None:
        """Room on a node as large as it has to be."""
        if not within(pods.takes, self._left) or not self._supply.labels.admits(pods.constraints):
            return None
        self._left = shifted(self._left, pods.takes, -1)
        return MARK

    def change(self, node: str, amount: Resources, sign: int) -> None:
        """Take an amount off what is free on a node, or give it back (`sign` 1)."""
        if node in self._free:
            self._free[node] = shifted(self._free[node], amount, sign)
        else:
            self._pending -= sign * amount.get("pods", 0)
            if node == MARK:
                self._left = shifted(self._left, amount, sign)
                return
            self._reload(node, amount, sign)
        if sign > 0:
            position = self._names.index(node)
            self._first = {pods: min(first, position) for pods, first in self._first.items()}

    def _reload(self, node: str, amount: Resources, sign: int) -> None:
        """Have a node that was thought up carry so much less (`sign` 1), or more."""
        made = self._made[node]
        load = add(made.load, times(amount, -sign))
        able = (each for each in self._supply.shapes if each.carries(load))
        shape = next(able, made.shape) if load["pods"] > 0 else _NO_SHAPE
        self._made[node] = _Node(made.constraints, load, shape)
        for each in self._left:
            self._left[each] += made.shape.capacity.get(each, 0) - shape.capacity.get(each, 0)

    def room(self, pods: PodSet, most: int, *, further: bool = True) -> int:
        """Return how many pods of a set find room at the same time, up to `most`, however many waves that takes."""
        thought, found = self.fork(), 0
        while found < most and thought.put(pods, further=further and not self.withheld) is not None:
            found += 1
        return found
