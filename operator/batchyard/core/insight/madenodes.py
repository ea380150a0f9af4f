"""What the status of a managed environment says of its nodes: how many there are of which kinds, and how many come."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.managed import CAPACITY_TYPE, INSTANCE_TYPE, ZONE
from batchyard.core.model.resources import Resources, add
from batchyard.core.scheduling.capacity.coming.supply import is_on_its_way


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


def made_nodes(claims: Iterable[NodeClaim], machines: Mapping[str, Node], usable: Collection[str]) -> MadeNodes:
    """Sum up the claims of an environment.

    `machines` are nodes by the machine that they are on, `usable` the names of those that can take its pods.
    """
    claims = list(claims)
    provisioned: Resources = {}
    kinds: Counter[NodeKind] = Counter()
    for claim in claims:
        provisioned = add(provisioned, claim.capacity)
        kinds[NodeKind(*(claim.labels.get(key, "") for key in (ZONE, INSTANCE_TYPE, CAPACITY_TYPE)))] += 1
    coming = [claim.created for claim in claims if is_on_its_way(claim, machines, usable)]
    return MadeNodes(len(claims), len(coming), min(coming, default=0.0), provisioned, tuple(sorted(kinds.items())))
