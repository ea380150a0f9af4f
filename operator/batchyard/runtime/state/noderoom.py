"""What is free on each node, kept current, so that a pass does not have to add up all that runs.

It follows from the nodes, from what runs and grants are charged for, and from the pods of others. It is made anew when
nodes or environments change; anything else changes it by as much as has changed.
"""

from collections.abc import Callable, Mapping

from batchyard.core.model.pods.podset import On
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.pools import Pool, space_of
from batchyard.core.scheduling.capacity.space import Space


class NodeRoom:
    """`others` are the sums of other pods by node, as they are now."""

    def __init__(self, others: Mapping[str, Resources]) -> None:
        self._others = others
        self._seen: dict[str, Resources] = {}
        """Those sums as the space has them."""
        self._taken: dict[str, dict[str, int]] = {}
        """What runs and grants take, by node; no entry is empty."""
        self._space: Space | None = None
        self._pools: Mapping[str, Pool] | None = None
        self.on_renewal: Callable[[], None] = lambda: None
        """Called before all is made anew: what is expected on nodes may be better expected elsewhere."""
        self.on_others: Callable[[str], None] = lambda _: None
        """Called when pods of others take something else of a node than before."""

    def space(self, pools: Mapping[str, Pool]) -> Space:
        """Return what is free; nobody else may change it."""
        if self._space is None or self._pools is not pools:
            self._space = None
            self.on_renewal()
            self._pools, self._seen = pools, {node: dict(amount) for node, amount in self._others.items()}
            self._space = space_of(pools, self._seen)
            for node, amount in self._taken.items():
                self._space.change(node, amount)
        return self._space

    def take(self, amounts: On) -> None:
        """Have so much more taken of nodes; what is below zero is free again."""
        for node, amount in amounts.items():
            total = self._taken.setdefault(node, {})
            for name, number in amount.items():
                total[name] = total.get(name, 0) + number
                if not total[name]:
                    del total[name]
            if not total:
                del self._taken[node]
            if self._space is not None:
                self._space.change(node, amount)

    def taken(self, node: str) -> Resources:
        """Return what runs and grants take of a node: pods that are bound there, or are about to be."""
        return self._taken.get(node, {})

    def others_changed(self, node: str) -> None:
        """Take over what other pods take of a node now."""
        if self._space is None:
            return
        self._change_others(self._space, node)
        self.on_others(node)

    def _change_others(self, space: Space, node: str) -> None:
        space.change_others(node, self._seen.pop(node, {}), 1)
        if now := self._others.get(node):
            self._seen[node] = dict(now)
            space.change_others(node, now, -1)

    def is_overcommitted(self, node: str) -> bool:
        """Whether more is taken of a node than it has, as far as that has been worked out."""
        return self._space is not None and any(amount < 0 for amount in self._space.of("", node).values())
