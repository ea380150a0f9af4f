"""What an environment has: its nodes as they are now, what may still come, and the ceilings on what jobs may use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.podset import PodSets, total_of
from batchyard.core.model.resources import Resources, add, fits, subtract
from batchyard.core.model.selectors import usable
from batchyard.core.scheduling.capacity.coming.room import ComingRoom
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, Supply, supply, within
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
    """The sum over the nodes, cut to the environment's ceilings; where nodes are made, the ceilings themselves."""
    index: LabelIndex = field(repr=False, compare=False)
    """The nodes by their labels."""
    _space: Space = field(repr=False, compare=False)
    supply: Supply | None = field(default=None, repr=False)
    """What may still come; None where no nodes are made."""
    _answers: dict[PodSets, bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.members)

    @property
    def offers(self) -> bool:
        """Whether there is any node, or may be."""
        return bool(self.members) or self.supply is not None

    def could_hold(self, pods: PodSets) -> bool:
        """Whether there would be room for all of these pods at once if nothing else ran here."""
        known = self._answers.get(pods)
        if known is None:
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            known = self._answers[pods] = self._could_hold(pods)
        return known

    def _could_hold(self, pods: PodSets) -> bool:
        total = total_of(pods)
        if not within(total, self.environment.ceilings):
            return False
        return (fits(total, self.capacity) and self._on_nodes(pods)) or self._on_others(pods)

    def _on_nodes(self, pods: PodSets) -> bool:
        """Whether the nodes that are there would have room."""
        space, name = self._space.fork(), self.environment.name
        return all(space.put(name, each) is not None for each in pods for _ in range(each.count))

    def _on_others(self, pods: PodSets) -> bool:
        """Whether nodes could be made that would."""
        if self.supply is None:
            return False
        room = ComingRoom(self.supply.at_most())
        return all(room.put(each, further=True) is not None for each in pods for _ in range(each.count))


def space_of(pools: Mapping[str, Pool], others: Mapping[str, Resources] | None = None) -> Space:
    """Return what is free on the nodes of all environments while no job runs. `others` is what pods of others take."""
    free = {node.name: node.allocatable for each in pools.values() for node in each.index.nodes}
    blind = [name for name, each in pools.items() if not each.environment.count_other_pods]
    views = {name: (tuple(each.members), each.index.matching) for name, each in pools.items()}
    return Space(free, views, others, blind)


def pool(
    environment: Environment,
    nodes: Iterable[Node],
    taken: Mapping[str, Resources] | None = None,
    claims: Iterable[NodeClaim] = (),
    seen: Mapping[str, KnownShape] | None = None,
    withheld: str = "",
) -> Pool:
    """Return what an environment has. `taken` is what is always taken of nodes, such as by the pods of DaemonSets.

    Where its nodes are made, `claims` are those that were asked for, `seen` is what is known of instance types, and
    `withheld` says why no further node comes, if so.
    """
    members: dict[str, Resources] = {}
    nodes = list(nodes)
    total: dict[str, int] = {}
    own = sorted((node for node in nodes if usable(environment, node)), key=lambda it: it.name)
    for node in own:
        total = add(total, node.allocatable)
        always = taken.get(node.name) if taken else None
        members[node.name] = subtract(node.allocatable, always) if always else node.allocatable
    for name, ceiling in environment.ceilings.items():
        total[name] = min(total.get(name, 0), ceiling) if environment.managed is None else ceiling
    index = LabelIndex(own)
    space = Space(members, {environment.name: (tuple(members), index.matching)})
    more = None
    if environment.managed is not None:
        own_claims = [claim for claim in claims if claim.environment == environment.name]
        machines = {node.machine: node for node in nodes}
        found = supply(environment.managed, environment.ceilings, own_claims, machines, members, seen or {})
        more = replace(found, withheld=withheld)
    return Pool(environment, members, total, index, space, more)
