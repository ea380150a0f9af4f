"""What an environment has: its nodes as they are now, and the ceilings on what jobs may use of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.podset import PodSets, total_of
from batchyard.core.model.resources import Resources, add, fits, subtract
from batchyard.core.model.selectors import usable
from batchyard.core.scheduling.capacity.labelindex import LabelIndex
from batchyard.core.scheduling.capacity.space import Space

_KEPT = 10_000
"""Answers that are kept at most."""


@dataclass(slots=True, frozen=True)
class Pool:
    """An environment, and the nodes that it may use now."""

    environment: Environment
    members: Mapping[str, Resources]
    """What jobs can have of each: what the node can allocate, without what is always taken of it."""
    capacity: Resources
    """The sum over the nodes, cut to the environment's ceilings."""
    index: LabelIndex = field(repr=False, compare=False)
    """The nodes by their labels."""
    _space: Space = field(repr=False, compare=False)
    _answers: dict[PodSets, bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.members)

    def could_hold(self, pods: PodSets) -> bool:
        """Whether there would be room for all of these pods at once if nothing else ran here."""
        known = self._answers.get(pods)
        if known is None:
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            known = self._answers[pods] = self._could_hold(pods)
        return known

    def _could_hold(self, pods: PodSets) -> bool:
        if not fits(total_of(pods), self.capacity):
            return False
        space, name = self._space.fork(), self.environment.name
        for each in pods:
            for _ in range(each.count):
                if space.put(name, each) is None:
                    return False
        return True


def space_of(pools: Mapping[str, Pool], others: Mapping[str, Resources] | None = None) -> Space:
    """Return what is free on the nodes of all environments while no job runs. `others` is what pods of others take."""
    free = {node.name: node.allocatable for each in pools.values() for node in each.index.nodes}
    blind = [name for name, each in pools.items() if not each.environment.count_other_pods]
    views = {name: (tuple(each.members), each.index.matching) for name, each in pools.items()}
    return Space(free, views, others, blind)


def pool(environment: Environment, nodes: Iterable[Node], taken: Mapping[str, Resources] | None = None) -> Pool:
    """Return what an environment has. `taken` is what is always taken of nodes, such as by the pods of DaemonSets."""
    members: dict[str, Resources] = {}
    total: dict[str, int] = {}
    own = sorted((node for node in nodes if usable(environment, node)), key=lambda it: it.name)
    for node in own:
        total = add(total, node.allocatable)
        always = taken.get(node.name) if taken else None
        members[node.name] = subtract(node.allocatable, always) if always else node.allocatable
    for name, ceiling in environment.ceilings.items():
        total[name] = min(total.get(name, 0), ceiling)
    index = LabelIndex(own)
    space = Space(members, {environment.name: (tuple(members), index.matching)})
    return Pool(environment, members, total, index, space)
