"""From what a ComputeEnvironment says of the nodes that are made for it to the record of that.

Karpenter takes several requirements on one label as all of them, so none of these has to be merged with another.
"""

from collections.abc import Iterator

from batchyard.api import names
from batchyard.api.models.managed import DeletionPolicy, InstanceShape, Managed, NodeRequirement
from batchyard.core.model.environment import Toleration
from batchyard.core.model.managed import CAPACITY_TYPE, INSTANCE_TYPE, ZONE, ManagedNodes, NodeClass, Shape
from batchyard.core.model.pods.constraints import Requirement
from batchyard.core.model.resources import parse_resources

ARCHITECTURE = "kubernetes.io/arch"
OPERATING_SYSTEM = "kubernetes.io/os"
_CAPACITY_TYPES = {"OnDemand": "on-demand", "Spot": "spot"}


def read_managed(environment: str, managed: Managed) -> ManagedNodes:
    """Read how the nodes of this environment are made."""
    reference = managed.node_class_ref
    return ManagedNodes(
        node_class=NodeClass(reference.group, reference.kind, reference.name),
        requirements=tuple(_requirements(managed)),
        labels=labels_of(environment),
        shapes=tuple(_shape(each) for each in managed.shapes),
        max_pending_pods=managed.max_pending_pods,
        shortage_grace_seconds=managed.on_shortage.grace_seconds,
        leave_alone_seconds=managed.on_shortage.leave_alone_seconds,
        idle_seconds=managed.idle_seconds,
        on_demand_percent=managed.on_demand_percent,
        drains=managed.deletion_policy is DeletionPolicy.DRAIN,
    )


def labels_of(environment: str) -> dict[str, str]:
    """The labels that nodes made for this environment have."""
    return {names.NODE_ENVIRONMENT: environment}


def tolerations_of(environment: str) -> tuple[Toleration, ...]:
    """What pods need to be on them: the taint keeps all others off."""
    return (Toleration(names.NODE_ENVIRONMENT, "Equal", environment, "NoSchedule"),)


def _requirements(managed: Managed) -> Iterator[Requirement]:
    own = [_requirement(each) for each in managed.requirements]
    yield Requirement(CAPACITY_TYPE, "In", tuple(_CAPACITY_TYPES[each] for each in managed.capacity_types))
    yield Requirement(ARCHITECTURE, "In", tuple(managed.architectures))
    if not any(each.key == OPERATING_SYSTEM for each in own):
        yield Requirement(OPERATING_SYSTEM, "In", ("linux",))
    group = managed.node_class_ref.group
    chosen = {
        ZONE: managed.zones,
        INSTANCE_TYPE: managed.instance_types or tuple(each.instance_type for each in managed.shapes),
        f"{group}/instance-family": managed.instance_families,
        f"{group}/instance-size": managed.instance_sizes,
        f"{group}/instance-gpu-name": managed.gpu_names,
    }
    yield from (Requirement(key, "In", values) for key, values in chosen.items() if values)
    if managed.min_generation is not None:
        yield Requirement(f"{group}/instance-generation", "Gt", (str(managed.min_generation - 1),))
    yield from own


def _requirement(requirement: NodeRequirement) -> Requirement:
    return Requirement(requirement.key, requirement.operator, requirement.values)


def _shape(shape: InstanceShape) -> Shape:
    gpus = {"nvidia.com/gpu": shape.gpus} if shape.gpus else {}
    return Shape(shape.instance_type, parse_resources({"cpu": str(shape.vcpus), "memory": shape.memory, **gpus}))
