"""What a provisioner may still bring an environment: the nodes on their way, and what the ceilings leave for others.

It follows from the environment, from what is known of instance types, and from the nodes that were asked for. A pass
hands it out through a `ComingRoom`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.managed import INSTANCE_TYPE, ManagedNodes, Shape
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.resources import Resources, add, subtract
from batchyard.core.scheduling.capacity.coming.labels import Labels, instance_types, number_of_zones
from batchyard.core.scheduling.capacity.nodefit import admits


@dataclass(slots=True, frozen=True)
class KnownShape:
    """An instance type: what a node of it has, and what of that pods can have."""

    instance_type: str
    capacity: Resources
    allocatable: Resources
    seen: bool = True
    """Whether a node of it was there, so that what is not named is not there."""

    def carries(self, load: Resources) -> bool:
        """Whether pods that ask for so much together find room on such a node, as far as that is known."""
        for name, amount in load.items():  # noqa: SIM110 - asked for each pod that waits, and all() is slower
            if amount > self.allocatable.get(name, 0 if self.seen else amount):
                return False
        return True


@dataclass(slots=True, frozen=True)
class Supply:
    """Of one environment."""

    labels: Labels
    ceilings: Resources
    left: Resources
    """What its ceilings leave beside all nodes that were asked for; below zero where ceilings were lowered."""
    shapes: tuple[KnownShape, ...] = ()
    """All instance types that nodes may have, smallest first; empty where not all are known. Then a node is taken to be
    as large as its pods need."""
    coming: Mapping[str, Node] = field(default_factory=dict)
    """The nodes on their way whose size is known, by the name of their claim."""
    zones: int = 1
    """How many zones further nodes may be in."""
    most_pending: int = 0
    """How many pods may wait for nodes that were not asked for yet."""
    withheld: str = ""
    """Why nothing comes now, as a sentence; empty where it does."""

    def admits(self, constraints: Constraints) -> bool:
        """Whether a node to come could be one for a pod, amounts apart."""
        return any(admits(constraints, node) for node in self.coming.values()) or self.makes(constraints)

    def makes(self, constraints: Constraints) -> bool:
        """The same of a node that was not asked for yet."""
        if not self.shapes:
            return self.labels.admits(constraints)
        return any(self.labels.admits(constraints, shape.instance_type) for shape in self.shapes)

    def at_most(self) -> "Supply":
        """The same if what was asked for took nothing of the ceilings."""
        return replace(self, left=self.ceilings)


def within(amount: Resources, bounds: Resources) -> bool:
    """Whether an amount is within bounds; what has none is not bounded."""
    return all(amount.get(name, 0) <= bound for name, bound in bounds.items())


def supply(
    nodes: ManagedNodes,
    ceilings: Resources,
    claims: Iterable[NodeClaim],
    machines: Mapping[str, Node],
    usable: Collection[str],
    seen: Mapping[str, KnownShape],
) -> Supply:
    """Return what may still come.

    `machines` are the nodes that are there by the machine that they are on, `usable` the names of those that can take
    pods, `seen` is what is known of instance types from nodes that have been there.
    """
    taken, coming, labels = dict[str, int](), dict[str, Node](), Labels(nodes)
    for claim in claims:
        taken = add(taken, claim.capacity)
        if claim.launched and is_on_its_way(claim, machines, usable):
            coming[claim.name] = Node(claim.name, {**nodes.labels, **claim.labels}, _for_pods(claim, seen))
    left = subtract(ceilings, {name: taken.get(name, 0) for name in ceilings})
    shapes, zones = _shapes(nodes, labels, seen), number_of_zones(nodes.requirements)
    return Supply(labels, ceilings, left, shapes, coming, zones, nodes.max_pending_pods)


def is_on_its_way(claim: NodeClaim, machines: Mapping[str, Node], usable: Collection[str]) -> bool:
    """Whether the node of a claim is yet to take its first pods. One that cannot take any now has been there."""
    if claim.deleting:
        return False
    node = machines.get(claim.machine)
    return node is None or (node.name not in usable and not node.lost and not node.labels.get(INITIALIZED))


def _for_pods(claim: NodeClaim, seen: Mapping[str, KnownShape]) -> Resources:
    """What pods can have of a node on its way: no more than of one of its type that was there."""
    known = seen.get(claim.labels.get(INSTANCE_TYPE, ""))
    if known is None:
        return claim.allocatable
    return {name: min(amount, known.allocatable.get(name, amount)) for name, amount in claim.allocatable.items()}


def _shapes(nodes: ManagedNodes, labels: Labels, seen: Mapping[str, KnownShape]) -> tuple[KnownShape, ...]:
    """All instance types that nodes may have; none where some are not known."""
    stated = {shape.instance_type: _of_provider(shape) for shape in nodes.shapes}
    allowed = instance_types(nodes.requirements)
    if allowed is None or not allowed <= stated.keys() | seen.keys():
        return ()
    known = (seen.get(name) or stated[name] for name in allowed if labels.allows(INSTANCE_TYPE, name))
    return tuple(sorted(known, key=_size))


def _of_provider(shape: Shape) -> KnownShape:
    """An instance type before a node of it was seen: what its system takes is not known yet, but it takes something."""
    amounts = {"nvidia.com/gpu": 0, **shape.capacity}
    allocatable = {name: int(amount * (1 - _SYSTEM.get(name, 0))) for name, amount in amounts.items()}
    return KnownShape(shape.instance_type, shape.capacity, {**allocatable, "pods": _PODS}, seen=False)


INITIALIZED = "karpenter.sh/initialized"
"""The label of nodes that can take pods, or could."""
_PODS = 110
"""How many pods a node carries that was not seen yet, as kubelets have it by default."""
_SYSTEM = {"cpu": 0.01, "memory": 0.03}
"""Which part of a node its system takes at least; with the providers that are known it is more."""


def _size(shape: KnownShape) -> tuple[int, int, int, str]:
    devices = sum(amount for name, amount in shape.capacity.items() if "/" in name)
    return devices, shape.capacity.get("cpu", 0), shape.capacity.get("memory", 0), shape.instance_type


def learned(
    claims: Iterable[NodeClaim],
    machines: Mapping[str, Node],
    taken: Mapping[str, Resources],
    before: Mapping[str, KnownShape],
) -> dict[str, KnownShape]:
    """What nodes that were made tell of instance types, beside what was known `before`.

    Jobs can have less of them than they offer where pods of DaemonSets take a part: that is what `taken` is, by node.
    Of several nodes of a type, the one counts of which they can have least: on others, such pods may be still to come.
    """
    found: dict[str, KnownShape] = {}
    for claim in claims:
        name, node = claim.labels.get(INSTANCE_TYPE, ""), machines.get(claim.machine)
        if not name or not claim.launched or node is None or not node.ready:
            continue
        usable = subtract(node.allocatable, taken.get(node.name, {}))
        if name in found:
            usable = {each: min(amount, usable.get(each, 0)) for each, amount in found[name].allocatable.items()}
        found[name] = KnownShape(name, claim.capacity, usable)
    return {**before, **found}
