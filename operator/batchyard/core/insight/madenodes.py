"""What the status of a managed environment says of its nodes: how many there are of which kinds, and how many come."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.managed import CAPACITY_TYPE, INSTANCE_TYPE, ZONE
from batchyard.core.model.resources import Resources, add


class NodeKind(NamedTuple):
    """What tells nodes apart; empty where that is not known yet."""

    zone: str
    instance_type: str
    capacity_type: str


@dataclass(slots=True, frozen=True)
class MadeNodes:
    """Of one environment."""

    claims: int = 0
    """How many were asked for and are not gone."""
    coming: int = 0
    """How many of them cannot take pods yet."""
    coming_since: float = 0.0
    """When the first of those was asked for."""
    provisioned: Resources = field(default_factory=dict)
    """What all of them have together, as far as that is known."""
    kinds: tuple[tuple[NodeKind, int], ...] = ()
    """How many there are of each kind, sorted."""


def made_nodes(claims: Iterable[NodeClaim], nodes: Mapping[str, Node], usable: Iterable[str]) -> MadeNodes:
    """Sum up the claims of an environment. `usable` are the names of the nodes that can take its pods."""
    claims, here = list(claims), frozenset(usable)
    provisioned: Resources = {}
    kinds: Counter[NodeKind] = Counter()
    for claim in claims:
        provisioned = add(provisioned, claim.capacity)
        kinds[NodeKind(*(claim.labels.get(key, "") for key in (ZONE, INSTANCE_TYPE, CAPACITY_TYPE)))] += 1
    coming = [claim.created for claim in claims if claim.node not in here and _comes(claim, nodes.get(claim.node))]
    return MadeNodes(len(claims), len(coming), min(coming, default=0.0), provisioned, tuple(sorted(kinds.items())))


def _comes(claim: NodeClaim, node: Node | None) -> bool:
    """Whether a node that cannot take pods is yet to do so. One that is lost or cordoned has been there."""
    return not claim.deleting and (node is None or (node.schedulable and not node.lost))
