"""What a provisioner may still bring an environment: the nodes on their way, and what the ceilings leave for others.

It follows from the environment, from what is known of instance types, and from the nodes that were asked for. A pass
hands it out through a `ComingRoom`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.managed import INSTANCE_TYPE, ManagedNodes, Shape
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.resources import Resources, add, subtract
from batchyard.core.scheduling.capacity.coming.labels import Labels, instance_types
from batchyard.core.scheduling.capacity.nodefit import admits


@dataclass(slots=True, frozen=True)
class KnownShape:
    """An instance type: what a node of it has, and what of that pods can have."""

    instance_type: str
    capacity: Resources
    allocatable: Resources


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
    most_pending: int = 0
    """How many pods may wait for nodes."""
    withheld: str = ""
    """Why nothing comes now, as a sentence; empty where it does."""

    def admits(self, constraints: Constraints) -> bool:
        """Whether a node to come could be one for a pod, amounts apart."""
        if any(admits(constraints, node) for node in self.coming.values()):
            return True
        if not self.shapes:
            return self.labels.admits(constraints)
        return any(self.labels.admits(constraints, shape.instance_type) for shape in self.shapes)

    def at_most(self) -> "Supply":
        """The same if no node had been asked for yet."""
        return replace(self, left=self.ceilings, coming={})


def within(amount: Resources, bounds: Resources) -> bool:
    """Whether an amount is within bounds; what has none is not bounded."""
    return all(amount.get(name, 0) <= bound for name, bound in bounds.items())


def supply(
    nodes: ManagedNodes,
    ceilings: Resources,
    claims: Iterable[NodeClaim],
    usable: Iterable[str],
    seen: Mapping[str, KnownShape],
) -> Supply:
    """Return what may still come. `usable` are the names of the nodes that can take pods already; `seen` is what is
    known of instance types from nodes that have been there."""
    here, taken, coming = set(usable), dict[str, int](), dict[str, Node]()
    for claim in claims:
        taken = add(taken, claim.capacity)
        if claim.launched and not claim.deleting and claim.node not in here:
            labels = {**nodes.labels, **claim.labels}
            coming[claim.name] = Node(claim.node or claim.name, labels, claim.allocatable)
    left = subtract(ceilings, {name: taken.get(name, 0) for name in ceilings})
    return Supply(Labels(nodes), ceilings, left, _shapes(nodes, seen), coming, nodes.max_pending_pods)


def _shapes(nodes: ManagedNodes, seen: Mapping[str, KnownShape]) -> tuple[KnownShape, ...]:
    """All instance types that nodes may have; none where some are not known."""
    known = {shape.instance_type: _of_provider(shape) for shape in nodes.shapes} | {
        shape.instance_type: seen[shape.instance_type] for shape in nodes.shapes if shape.instance_type in seen
    }
    if not known:
        allowed = instance_types(nodes.requirements)
        if allowed is None or not allowed <= seen.keys():
            return ()
        known = {name: seen[name] for name in allowed}
    return tuple(sorted(known.values(), key=_size))


def _of_provider(shape: Shape) -> KnownShape:
    """An instance type before a node of it was seen: what the system takes of it is not known yet."""
    return KnownShape(shape.instance_type, shape.capacity, {**shape.capacity, "pods": _PODS})


_PODS = 110
"""How many pods a node carries that was not seen yet, as kubelets have it by default."""


def _size(shape: KnownShape) -> tuple[int, int, int, str]:
    devices = sum(amount for name, amount in shape.capacity.items() if "/" in name)
    return devices, shape.capacity.get("cpu", 0), shape.capacity.get("memory", 0), shape.instance_type


def learned(
    claims: Iterable[NodeClaim], nodes: Mapping[str, Node], taken: Mapping[str, Resources]
) -> dict[str, KnownShape]:
    """What claims, and the nodes that were made for them, tell of instance types.

    Jobs can have less than claims say where pods of DaemonSets take a part: that is what `taken` is, by node.
    """
    found: dict[str, KnownShape] = {}
    for claim in claims:
        name = claim.labels.get(INSTANCE_TYPE, "")
        if not name or not claim.launched:
            continue
        node = nodes.get(claim.node)
        if node is not None and node.ready:
            found[name] = KnownShape(name, claim.capacity, subtract(node.allocatable, taken.get(node.name, {})))
        else:
            found.setdefault(name, KnownShape(name, claim.capacity, claim.allocatable))
    return found
