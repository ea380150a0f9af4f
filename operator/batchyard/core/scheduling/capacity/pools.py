"""What an environment has: its nodes as they are now, what may still come, and the ceilings on what jobs may use.

A serverless one has no nodes, and all that its ceilings allow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.podset import PodSets, total_of
from batchyard.core.model.pods.zones import are_together, in_zone
from batchyard.core.model.resources import Resources, add, fits, subtract
from batchyard.core.model.selectors import usable
from batchyard.core.model.serverless.offer import Serverless
from batchyard.core.scheduling.capacity.coming.room import MARK, ComingRoom
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, Supply, supply, within
from batchyard.core.scheduling.capacity.labelindex import LabelIndex
from batchyard.core.scheduling.capacity.serverless.sizes import sized
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessRoom, ServerlessSupply
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
    """The sum over the nodes, cut to the environment's ceilings; where capacity comes as needed, those themselves."""
    index: LabelIndex = field(repr=False, compare=False)
    """The nodes by their labels."""
    _space: Space = field(repr=False, compare=False)
    supply: Supply | None = field(default=None, repr=False)
    """What may still come; None where no nodes are made."""
    serverless: ServerlessSupply | None = field(default=None, repr=False)
    """What pods can have without nodes of the environment; None where they need such."""
    _answers: dict[PodSets, bool] = field(default_factory=dict, repr=False, compare=False)
    _zones: tuple[str, ...] | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.members)

    @property
    def offers(self) -> bool:
        """Whether there is any node, or may be."""
        return bool(self.members) or self.supply is not None or self.serverless is not None

    @property
    def is_choosy(self) -> bool:
        """Whether it takes jobs of some namespaces only."""
        return self.serverless is not None and bool(self.serverless.offer.namespaces)

    @property
    def withheld(self) -> str:
        """Why nothing comes that pods could run on, of an environment where that comes as they need it; else empty."""
        source = self.supply or self.serverless
        return "" if source is None else source.withheld

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones of the nodes that are there or on their way."""
        if self._zones is None:
            nodes = [*self.index.nodes, *(self.supply.coming.values() if self.supply is not None else ())]
            found = {node.labels.get(ZONE, "") for node in nodes}
            object.__setattr__(self, "_zones", tuple(sorted(found)))
        return self._zones or ()

    def zone_of(self, node: str) -> str | None:
        """The zone of a node that is there or on its way; None of others."""
        found = self.index.node(node)
        if found is None and self.supply is not None:
            found = self.supply.coming.get(node.removeprefix(MARK))
        return None if found is None else found.labels.get(ZONE, "")

    def ways(self, pods: PodSets) -> list[PodSets]:
        """The pods as room is looked for: those that are to be in one zone in each of the zones there are, if any."""
        zones = self.zones if are_together(pods) else ()
        return [in_zone(pods, zone) for zone in zones] or [pods]

    def charged(self, pods: PodSets) -> PodSets:
        """What pods count for here."""
        return pods if self.serverless is None else sized(pods, self.serverless.offer)

    def room(self) -> ComingRoom | ServerlessRoom | None:
        """What a pass finds beside the nodes that are there; None where there is nothing."""
        if self.serverless is not None:
            return self.serverless.room()
        return None if self.supply is None else ComingRoom(self.supply)

    def could_hold(self, pods: PodSets) -> bool:
        """Whether there would be room for all of these pods at once if nothing else ran here."""
        known = self._answers.get(pods)
        if known is None:
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            known = self._answers[pods] = self._could_hold(pods)
        return known

    def _could_hold(self, pods: PodSets) -> bool:
        total = total_of(self.charged(pods))
        if not within(total, self.environment.ceilings):
            return False
        if self.serverless is not None:
            return all(map(self.serverless.holds, pods))
        return (fits(total, self.capacity) and any(map(self._on_nodes, self.ways(pods)))) or self._on_others(pods)

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
    free = {node.name: node.allocatable for each in pools.values() for node in each.index.nodes if each.members}
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
    if environment.serverless is not None:
        return _without_nodes(environment, environment.serverless, nodes)
    members: dict[str, Resources] = {}
    nodes = list(nodes)
    total: dict[str, int] = {}
    own = sorted((node for node in nodes if usable(environment, node)), key=lambda it: it.name)
    for node in own:
        total = add(total, node.allocatable)
        always = taken.get(node.name) if taken else None
        members[node.name] = subtract(node.allocatable, always) if always else node.allocatable
    for name, ceiling in environment.ceilings.items():
        total[name] = ceiling if environment.grows else min(total.get(name, 0), ceiling)
    index = LabelIndex(own)
    space = Space(members, {environment.name: (tuple(members), index.matching)})
    more = None
    if environment.managed is not None:
        own_claims = [claim for claim in claims if claim.environment == environment.name]
        machines = {node.machine: node for node in nodes}
        found = supply(environment.managed, environment.ceilings, own_claims, machines, members, seen or {})
        more = replace(found, withheld=withheld)
    return Pool(environment, members, total, index, space, more)


def _without_nodes(environment: Environment, offer: Serverless, nodes: Iterable[Node]) -> Pool:
    """What a serverless environment has. Virtual nodes take pods, but how much is free there says nothing."""
    if offer.node_labels is not None:
        own = [Node("", dict(offer.node_labels), {})]
    else:
        own = [node for node in nodes if usable(environment, node)]
    index, withheld = LabelIndex(own), ""
    if not own:
        labels = ",".join(f"{key}={value}" for key, value in sorted(environment.node_selector.items()))
        withheld = (
            f"no ready virtual node has the labels {labels} and only taints that the environment tolerates: see that"
            " the virtual kubelet runs, or change spec.serverless.nodeSelector or tolerations"
        )
    space = Space({}, {environment.name: ((), index.matching)})
    supply = ServerlessSupply(offer, index, withheld)
    return Pool(environment, {}, dict(environment.ceilings), index, space, serverless=supply)
