"""ComputeEnvironment: a pool of capacity that queues start jobs in."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api import names
from batchyard.api.models.base import Integer, Labels, ListMap, Model, Number, Quantity, Rule, StatusModel, Timestamp
from batchyard.api.models.jobqueue import EnabledState
from batchyard.api.models.managed import Managed
from batchyard.api.models.meta import Condition, ObjectMeta, Toleration
from batchyard.api.models.serverless import Serverless, ServerlessProvisioner

UNSCHEDULABLE_SECONDS = 300
"""How long a pod may wait for a node where no environment says otherwise."""


class EnvironmentType(StrEnum):
    """Where the nodes come from."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"
    SERVERLESS = "Serverless"


class Unmanaged(Model):
    """Nodes that exist, chosen by their labels."""

    node_selector: Labels = Field({})
    """Labels of the nodes that belong to the environment; empty, all nodes."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=64)] = ()
    """Taints of the environment's nodes that its pods tolerate."""


class ComputeEnvironmentSpec(Model):
    """Which nodes the environment has, and how much of them jobs may use."""

    type: EnvironmentType = EnvironmentType.UNMANAGED
    """Unmanaged uses nodes that exist, Managed has them made, Serverless runs pods without nodes of its own."""
    state: EnabledState = EnabledState.ENABLED
    """A disabled environment takes no new job; running ones go on."""
    max_vcpus: Annotated[Number, Field(gt=0, le=10_000_000)] | None = None
    """Ceiling on the vCPUs that jobs use together; left out, what the nodes have. Of the type Managed also on what its
    nodes have together, in use or not; there, and of the type Serverless, it has to be given."""
    max_memory: Quantity | None = None
    """Ceiling on the memory that jobs use together; left out, what the nodes have. Of the type Managed also on what its
    nodes have together; left out, any amount."""
    max_gpus: Annotated[Integer, Field(ge=0, le=1_000_000)] | None = None
    """Ceiling on the GPUs that jobs use together; left out, what the nodes have. Of the type Managed also on what its
    nodes have together; left out, any number."""
    unschedulable_seconds: Annotated[Integer, Field(ge=10, le=604_800)] = UNSCHEDULABLE_SECONDS
    """How long a pod may wait for a node before its job gives the place back and is tried again later, at no cost of
    attempts."""
    count_other_pods: bool = True
    """Whether pods that are not Batchyard's count on the environment's nodes; false where they give way, such as by a
    lower PriorityClass."""
    unmanaged: Unmanaged | None = None
    """The nodes of the type Unmanaged."""
    managed: Managed | None = None
    """The nodes of the type Managed."""
    serverless: Serverless | None = None
    """Where pods run of the type Serverless."""

    rules = (
        Rule(
            "self.type != 'Unmanaged' || (has(self.unmanaged) && !has(self.managed) && !has(self.serverless))",
            "the type Unmanaged needs unmanaged, and nothing else of the kind; write `unmanaged: {}` to use all nodes",
            lambda it: it.type != EnvironmentType.UNMANAGED or _has_only(it, it.unmanaged),
        ),
        Rule(
            "self.type != 'Managed' || (has(self.managed) && !has(self.unmanaged) && !has(self.serverless))",
            "the type Managed needs managed, and neither unmanaged nor serverless",
            lambda it: it.type != EnvironmentType.MANAGED or _has_only(it, it.managed),
        ),
        Rule(
            "self.type != 'Serverless' || (has(self.serverless) && !has(self.unmanaged) && !has(self.managed))",
            "the type Serverless needs serverless, and neither unmanaged nor managed",
            lambda it: it.type != EnvironmentType.SERVERLESS or _has_only(it, it.serverless),
        ),
        Rule(
            "self.type == 'Unmanaged' || has(self.maxVcpus)",
            "the types Managed and Serverless need maxVcpus: nothing else keeps them from growing without end",
            lambda it: it.type == EnvironmentType.UNMANAGED or it.max_vcpus is not None,
        ),
        Rule(
            "!has(self.maxGpus) || self.maxGpus == 0 || !has(self.serverless) ||"
            " self.serverless.provisioner != 'fargate'",
            "Fargate has no GPUs: leave maxGpus out, or take an environment with nodes for jobs that need them",
            lambda it: (
                not it.max_gpus
                or it.serverless is None
                or it.serverless.provisioner is not ServerlessProvisioner.FARGATE
            ),
            field="maxGpus",
        ),
    )


def _has_only(spec: ComputeEnvironmentSpec, wanted: Model | None) -> bool:
    """Whether what a type needs is there, and nothing that belongs to another."""
    return wanted is not None and sum(it is not None for it in (spec.unmanaged, spec.managed, spec.serverless)) == 1


MOST_KINDS = 64
"""Of how many kinds of nodes a status tells."""


class NodeCount(StatusModel):
    """How many nodes of one kind were asked for."""

    zone: str
    """The zone; empty while it is not known."""
    instance_type: str
    """The instance type; empty while it is not known."""
    capacity_type: str
    """Such as on-demand or spot; empty while it is not known."""
    nodes: Integer
    """How many there are or are on their way."""


class Vcpus(StatusModel):
    """What nodes that are made have, and what of it is of use, in vCPU."""

    desired: Number
    """What jobs ask for that run or were granted capacity."""
    provisioned: Number
    """What all nodes have that were asked for, as far as that is known."""
    in_use: Number
    """What pods of jobs take of these."""
    idle: Number
    """What no job takes of those that have come and are not being taken away. Pods of the system and of DaemonSets take
    their share of it."""


class Interruptions(StatusModel):
    """Nodes that were taken away while jobs ran there, other than with the environment."""

    nodes: Integer
    """How many, since the environment exists."""
    last_at: Timestamp | None = None
    """When that happened last."""
    per_hour: Number
    """How many there were an hour as of `lastAt`: each counts exp(-age / 1 h). Some time later, it is this times
    exp(-time / 1 h)."""


class ComputeEnvironmentStatus(StatusModel):
    """What the operator sees of the environment's nodes."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    nodes: Integer | None = None
    """Number of nodes that can take pods."""
    capacity: dict[str, str] = Field({})
    """What jobs may use together, by resource."""
    used: dict[str, str] = Field({})
    """What running jobs have been granted, by resource."""
    used_by_others: dict[str, str] = Field({})
    """What pods that are not Batchyard's ask for on the environment's nodes, by resource; only where they count."""
    free: dict[str, str] = Field({})
    """What is left for further jobs on all nodes together, by resource."""
    largest_free: dict[str, str] = Field({})
    """What is left on the node that has the most vCPU free, by resource: about the largest pod that would start now.
    The less this is beside free, the more what is free lies in pieces."""
    jobs: Integer | None = None
    """Number of jobs that have been granted capacity."""
    nodes_coming: Integer | None = None
    """Of the type Managed: number of nodes that were asked for and cannot take pods yet."""
    provisioned: dict[str, str] | None = None
    """Of the type Managed: what the nodes that were made, or are on their way, have together, by resource. That is what
    counts under the ceilings."""
    made_nodes: Annotated[tuple[NodeCount, ...], Field(max_length=MOST_KINDS)] | None = None
    """Of the type Managed: the same nodes by zone, instance type and capacity type; of many kinds, those with the most
    nodes."""
    at_zero_since: Timestamp | None = None
    """Of the type Managed: since when it has no node, and none is on its way; absent while there is one."""
    vcpus: Vcpus | None = None
    """Of the type Managed: what its nodes have, and what of it is of use. What is provisioned and neither in use nor
    idle is on nodes that come or go."""
    scale_ups: Integer | None = None
    """Of the type Managed: number of nodes that were asked for since it exists."""
    interruptions: Interruptions | None = None
    """Of the type Managed: nodes that were taken away while jobs ran there."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = ()
    """Ready says whether the environment can take jobs, and if not, why. Doubtful is there while something that its
    nodes or the pods on them say makes no sense and counts as nothing, Scaling while nodes are on their way, Degraded
    while nodes that were asked for do not come, with the provider's words. Of a managed environment, Valid says whether
    what its spec says can be done."""


class ComputeEnvironment(Model):
    """A pool of capacity that queues start jobs in."""

    api_version: Literal["batchyard.dev/v1alpha1"] = "batchyard.dev/v1alpha1"
    """Version of the API."""
    kind: Literal["ComputeEnvironment"] = "ComputeEnvironment"
    """Kind of the object."""
    metadata: ObjectMeta
    """Name and labels."""
    spec: ComputeEnvironmentSpec
    """Which nodes the environment has, and how much of them jobs may use."""
    status: ComputeEnvironmentStatus | None = None
    """What the operator sees of the environment's nodes."""

    rules = (
        Rule(
            f"self.metadata.name.size() <= {names.MAX_LABEL_VALUE}",
            f"the name of a ComputeEnvironment may have at most {names.MAX_LABEL_VALUE} characters: it labels its jobs",
            lambda it: len(it.metadata.name) <= names.MAX_LABEL_VALUE,
            field="metadata.name",
        ),
    )
