"""The part of a ComputeEnvironment that says which nodes are made for it, and by whom."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api.models.base import Integer, LabelKey, LabelValue, ListMap, ListSet, Model, Number, Quantity, Rule

MAX_PENDING_PODS = 200
"""How many pods may wait for nodes that were not asked for yet, where the environment does not say."""
IDLE_SECONDS = 60
"""How long a node stays that no pod uses where the environment does not say."""
SHORTAGE_GRACE_SECONDS = 60
"""How long a pod waits for a node that the provider does not have, where the environment does not say."""
LEAVE_ALONE_SECONDS = 180
"""For how long an environment is left alone by jobs that got no node there, where it does not say."""
FAMILY_GROUPS = ("karpenter.k8s.aws", "karpenter.kwok.sh")
"""Groups of node classes whose provider labels nodes with `<group>/instance-family`, `-size`, `-generation`."""
_OF_A_FAMILY = ("instanceFamilies", "instanceSizes", "minGeneration", "gpuNames")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)


class Provisioner(StrEnum):
    """Who makes the nodes of a managed environment."""

    KARPENTER = "karpenter"


class AllocationStrategy(StrEnum):
    """How instance types are chosen, in AWS Batch's words."""

    BEST_FIT = "BEST_FIT"
    BEST_FIT_PROGRESSIVE = "BEST_FIT_PROGRESSIVE"
    SPOT_CAPACITY_OPTIMIZED = "SPOT_CAPACITY_OPTIMIZED"
    SPOT_PRICE_CAPACITY_OPTIMIZED = "SPOT_PRICE_CAPACITY_OPTIMIZED"


_OF_SPOT = (AllocationStrategy.SPOT_CAPACITY_OPTIMIZED, AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED)


class NodeClassRef(Model):
    """The object in which Karpenter's provider finds what is special to its cloud: images, subnets, permissions."""

    group: Annotated[str, Field(min_length=1, max_length=253)]
    """API group of the object, such as karpenter.k8s.aws."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind of the object, such as EC2NodeClass."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""


class NodeRequirement(Model):
    """One condition on a label of the nodes that are made."""

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the label is compared with the values."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()
    """Values to compare with: needed for In and NotIn, one whole number for Gt and Lt, none for the others."""

    rules = (
        Rule(
            "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : "
            "has(self.values) && (self.operator in ['In', 'NotIn'] ? size(self.values) > 0 : "
            "size(self.values) == 1 && self.values[0].matches(r'^[0-9]{1,15}$'))",
            "values must be given for the operators In and NotIn, be one whole number for Gt and Lt, and be left out"
            " for Exists and DoesNotExist",
            lambda it: _values_suit(it.operator, it.values),
            field="values",
        ),
    )


def _values_suit(operator: str, values: tuple[str, ...]) -> bool:
    if operator in {"Exists", "DoesNotExist"}:
        return not values
    if operator in {"In", "NotIn"}:
        return bool(values)
    return len(values) == 1 and _WHOLE_NUMBER.fullmatch(values[0]) is not None


class InstanceShape(Model):
    """What a node of one instance type has, as its provider states it."""

    instance_type: Annotated[LabelValue, Field(min_length=1)]
    """Name of the instance type, such as m5.xlarge."""
    vcpus: Annotated[Number, Field(gt=0, le=10_000)]
    """Its vCPUs."""
    memory: Quantity
    """Its memory."""
    gpus: Annotated[Integer, Field(ge=0, le=1_000)] = 0
    """Its GPUs."""


class DeletionPolicy(StrEnum):
    """What becomes of the nodes of an environment that is deleted."""

    WAIT = "Wait"
    DRAIN = "Drain"


class OnShortage(Model):
    """What follows when no node comes for a pod."""

    grace_seconds: Annotated[Integer, Field(ge=0, le=604_800)] = SHORTAGE_GRACE_SECONDS
    """How long a pod waits while the provider says that it has no such node. Then its job gives the slot back, at no
    cost of attempts, and the next environment of the queue is tried."""
    leave_alone_seconds: Annotated[Integer, Field(ge=10, le=604_800)] = LEAVE_ALONE_SECONDS
    """For how long no job that asks for the same is started here after that. Then one is tried, and others once that
    one has got its node."""


_Values = Annotated[tuple[Annotated[LabelValue, Field(min_length=1)], ...], Field(max_length=64), ListSet()]


class Managed(Model):
    """Nodes that are made when jobs need them, and go when they are idle."""

    provisioner: Provisioner = Provisioner.KARPENTER
    """Who makes the nodes. With karpenter, the environment has a NodePool of its own name."""
    node_class_ref: NodeClassRef
    """What is special to the cloud; you make that object as the provider's documentation says."""
    capacity_types: Annotated[tuple[Literal["OnDemand", "Spot"], ...], Field(min_length=1, max_length=2), ListSet()] = (
        "OnDemand",
    )
    """Whether nodes may be such that the cloud can reclaim at any time (Spot). With both, Karpenter takes spot where
    there is some."""
    allocation_strategy: AllocationStrategy | None = None
    """How instance types are chosen, in AWS Batch's words; left out, as Karpenter chooses in any case:
    BEST_FIT_PROGRESSIVE for nodes on demand, SPOT_PRICE_CAPACITY_OPTIMIZED for spot. It changes nothing of that: it
    states what is wanted, and is refused where other fields rule it out."""
    on_demand_percent: Annotated[Integer, Field(ge=0, le=100)] = 0
    """Which part of the vCPUs that run here is on demand at least, where capacityTypes has both. A multi-node job is as
    a whole, and so is an array."""
    instance_types: _Values = ()
    """Instance types that nodes may have, such as m5.xlarge; left out, any."""
    instance_families: _Values = ()
    """Families of instance types, such as m5; left out, any."""
    instance_sizes: _Values = ()
    """Sizes of instance types, such as xlarge; left out, any."""
    min_generation: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """The oldest generation of instance types, such as 5 for m5 and newer."""
    gpu_names: _Values = ()
    """Names of GPUs, such as t4; left out, any, and none where pods ask for none."""
    architectures: Annotated[tuple[Literal["amd64", "arm64"], ...], Field(min_length=1, max_length=2), ListSet()] = (
        "amd64",
    )
    """Processors that nodes may have. The images must run on each of them."""
    zones: _Values = ()
    """Zones in which nodes may be; left out, all that the provider offers."""
    requirements: Annotated[tuple[NodeRequirement, ...], Field(max_length=32)] = ()
    """Further conditions on the labels of nodes, as the provider documents them."""
    shapes: Annotated[tuple[InstanceShape, ...], Field(max_length=256), ListMap("instance_type")] = ()
    """The only instance types that nodes may have, and what each has. Then the planner knows which pods fit before any
    node is there; without, it goes by the ceilings and by the nodes that it has seen."""
    min_vcpus: Annotated[Number, Field(ge=0)] | None = None
    """Capacity that is kept even when no job needs it."""
    max_pending_pods: Annotated[Integer, Field(ge=1, le=100_000)] = MAX_PENDING_PODS
    """How many pods may wait for nodes that were not asked for yet. A large job starts in waves of that many, as a
    provisioner gets slow with more."""
    on_shortage: OnShortage = OnShortage()
    """What follows when no node comes for a pod."""
    idle_seconds: Annotated[Integer, Field(ge=0, le=86_400)] = IDLE_SECONDS
    """How long a node stays that no pod uses."""
    deletion_policy: DeletionPolicy = DeletionPolicy.WAIT
    """What becomes of running jobs when the environment is deleted: its nodes wait until they have ended (Wait), or go
    at once (Drain), which interrupts them."""

    rules = (
        Rule(
            "!has(self.allocationStrategy) || self.allocationStrategy != 'BEST_FIT' || (has(self.instanceTypes) && "
            "size(self.instanceTypes) == 1) || (has(self.shapes) && size(self.shapes) == 1)",
            "BEST_FIT means to wait for one instance type: name just one in instanceTypes or shapes, or choose"
            " BEST_FIT_PROGRESSIVE",
            lambda it: (
                it.allocation_strategy is not AllocationStrategy.BEST_FIT
                or len(it.instance_types) == 1
                or len(it.shapes) == 1
            ),
            field="allocationStrategy",
        ),
        Rule(
            f"!has(self.allocationStrategy) || !(self.allocationStrategy in "
            f"[{', '.join(repr(each.value) for each in _OF_SPOT)}]) || (has(self.capacityTypes) && "
            "'Spot' in self.capacityTypes)",
            f"{' and '.join(_OF_SPOT)} are about spot nodes: add Spot to capacityTypes, or choose BEST_FIT_PROGRESSIVE",
            lambda it: it.allocation_strategy not in _OF_SPOT or "Spot" in it.capacity_types,
            field="allocationStrategy",
        ),
        Rule(
            "!has(self.onDemandPercent) || self.onDemandPercent == 0 || (has(self.capacityTypes) && "
            "'OnDemand' in self.capacityTypes && 'Spot' in self.capacityTypes)",
            "onDemandPercent needs both OnDemand and Spot in capacityTypes: there is nothing to divide otherwise",
            lambda it: not it.on_demand_percent or set(it.capacity_types) == {"OnDemand", "Spot"},
            field="onDemandPercent",
        ),
        Rule(
            f"!({' || '.join(f'has(self.{field})' for field in _OF_A_FAMILY)}) || self.nodeClassRef.group in "
            f"[{', '.join(repr(group) for group in FAMILY_GROUPS)}]",
            f"{', '.join(_OF_A_FAMILY)} are known of the node classes of {' and '.join(FAMILY_GROUPS)} only: name the"
            " labels of your provider in requirements",
            lambda it: (
                it.node_class_ref.group in FAMILY_GROUPS
                or not (it.instance_families or it.instance_sizes or it.min_generation is not None or it.gpu_names)
            ),
        ),
        Rule(
            "!has(self.shapes) || size(self.shapes) == 0 || !has(self.instanceTypes) ||"
            " size(self.instanceTypes) == 0 || (size(self.shapes) == size(self.instanceTypes) && "
            "self.shapes.all(shape, shape.instanceType in self.instanceTypes))",
            "shapes and instanceTypes name different instance types: list the same in both, or leave instanceTypes out",
            lambda it: (
                not it.shapes
                or not it.instance_types
                or {each.instance_type for each in it.shapes} == set(it.instance_types)
            ),
            field="shapes",
        ),
    )
