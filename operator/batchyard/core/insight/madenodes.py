"""What the status of a managed environment says of its nodes: how many there are of which kinds, and how many come."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.core.insight.interruptions import NodeHistory
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
class Vcpus:
    """What its nodes have, and what of that is of use, in milli-vCPU."""

    desired: int = 0
    """What jobs ask for that run or were granted capacity."""
    provisioned: int = 0
    """What all nodes have that were asked for, as far as that is known."""
    in_use: int = 0
    """What pods of jobs take of these: bound there, or about to be."""
    idle: int = 0
    """What no job takes of those that have come and are not being taken away, the share of the system included."""


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
    there: Mapping[str, int] = field(default_factory=dict)
    """The nodes that have come and stay, with what vCPU their machines have."""
    leaving: tuple[str, ...] = ()
    """The nodes that are being taken away."""
    vcpus: Vcpus = field(default_factory=Vcpus)
    history: NodeHistory = field(default_factory=NodeHistory)


def made_nodes(claims: Iterable[NodeClaim], machines: Mapping[str, Node], usable: Collection[str]) -> MadeNodes:
    """Sum up the claims of an environment.

    `machines` are nodes by the machine that they are on, `usable` the names of those that can take its pods.
    """
    claims = list(claims)
    provisioned: Resources = {}
    kinds: Counter[NodeKind] = Counter()
    coming: list[float] = []
    there: dict[str, int] = {}
    leaving: list[str] = []
    for claim in claims:
        provisioned = add(provisioned, claim.capacity)
        kinds[NodeKind(*(claim.labels.get(key, "") for key in (ZONE, INSTANCE_TYPE, CAPACITY_TYPE)))] += 1
        node = machines.get(claim.machine)
        if is_on_its_way(claim, machines, usable):
            coming.append(claim.created)
        elif node is not None and claim.deleting:
            leaving.append(node.name)
        elif node is not None:
            there[node.name] = claim.capacity.get("cpu", 0)
    return MadeNodes(
        len(claims),
        len(coming),
        min(coming, default=0.0),
        provisioned,
        tuple(sorted(kinds.items())),
        there,
        tuple(leaving),
    )


def vcpus(made: MadeNodes, used: Resources, taken: Callable[[str], Resources]) -> Vcpus:
    """Say what of the nodes is of use. `used` is what jobs were granted, `taken` what they take of a node."""
    idle, in_use = 0, sum(taken(node).get("cpu", 0) for node in made.leaving)
    for node, has in made.there.items():
        of_jobs = taken(node).get("cpu", 0)
        in_use += of_jobs
        idle += max(has - of_jobs, 0)
    return Vcpus(used.get("cpu", 0), made.provisioned.get("cpu", 0), in_use, idle)
