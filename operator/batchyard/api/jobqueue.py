"""JobQueue: where jobs wait, in which order they start, and which compute environments they may use."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api import names
from batchyard.api.base import Integer, ListMap, Model, Name, Number, Rule, StatusModel, pattern
from batchyard.api.meta import Condition, LabelSelector, ObjectMeta


class EnabledState(StrEnum):
    """Whether new work is taken."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class PolicyType(StrEnum):
    """The order in which jobs of a queue start."""

    FIFO = "FIFO"
    FAIR_SHARE = "FairShare"


class Share(Model):
    """The weight of one share identifier, or of all that begin alike."""

    share_identifier: Annotated[
        str,
        Field(max_length=255),
        pattern(r"[a-zA-Z0-9]+\*?", "must be letters and digits, with a '*' at the end if it is a beginning"),
    ]
    """Share identifier, or its beginning followed by `*`."""
    weight_factor: Annotated[Number, Field(gt=0, le=999.9999)] = 1.0
    """Weight of usage: the lower, the more the share gets."""


class FairShare(Model):
    """How capacity is divided between shares."""

    share_decay_seconds: Annotated[Integer, Field(ge=0, le=604800)] = 600
    """How long past usage counts."""
    compute_reservation: Annotated[Integer, Field(ge=0, le=99)] = 0
    """Percentage kept back for shares that are not active yet."""
    shares: Annotated[tuple[Share, ...], Field(max_length=500), ListMap("share_identifier")] = ()
    """Weights of shares; one that is not listed has the weight 1."""


class SchedulingPolicy(Model):
    """The order in which the jobs of the queue start."""

    type: PolicyType = PolicyType.FIFO
    """FIFO starts jobs in the order of their submission."""
    fair_share: FairShare | None = None
    """Settings of the type FairShare."""

    rules = (
        Rule(
            "!has(self.fairShare) || self.type == 'FairShare'",
            "fairShare needs the type FairShare",
            lambda it: it.fair_share is None or it.type == PolicyType.FAIR_SHARE,
            field="fairShare",
        ),
    )


class JobStateTimeLimit(Model):
    """Cancels the job at the head of the queue when it cannot be placed for too long."""

    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """The reason of waiting that the limit is for."""
    state: Literal["Runnable"] = "Runnable"
    """The state the limit is for."""
    max_time_seconds: Annotated[Integer, Field(ge=600, le=86400)]
    """How long the job may wait for this reason."""
    action: Literal["Cancel"] = "Cancel"
    """What is done then."""


class Preemption(Model):
    """Whether jobs of this queue may displace running ones of queues with a lower priority."""

    policy: Literal["Never", "LowerPriority"] = "Never"
    """LowerPriority displaces running jobs of queues with a lower priority."""
    minimum_run_seconds: Annotated[Integer, Field(ge=0, le=604800)] = 0
    """A job that runs for less than this is not displaced."""


class QueueLimits(Model):
    """Ceilings on what runs at the same time."""

    max_running_jobs: Annotated[Integer, Field(ge=1)] | None = None
    """How many jobs of the queue may run at the same time."""


class JobQueueSpec(Model):
    """Priority, order and capacity of the queue."""

    priority: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """Queues that share a compute environment are served by priority, the highest first."""
    state: EnabledState = EnabledState.ENABLED
    """A disabled queue starts no new job; running ones go on."""
    namespace_selector: LabelSelector | None = None
    """Namespaces whose jobs the queue takes; left out, all."""
    compute_environments: Annotated[
        tuple[Name, ...],
        Field(min_length=1, max_length=10),
        Rule(
            "self.all(a, self.exists_one(b, a == b))",
            "each compute environment may be listed once only; remove the repeated name",
            lambda environments: len(set(environments)) == len(environments),
        ),
    ]
    """Compute environments in the order in which they are tried."""
    scheduling_policy: SchedulingPolicy = SchedulingPolicy()
    """The order in which the jobs of the queue start."""
    job_state_time_limits: Annotated[tuple[JobStateTimeLimit, ...], Field(max_length=16)] = ()
    """Cancels jobs that cannot be placed for too long."""
    preemption: Preemption | None = None
    """Whether jobs may displace running ones of queues with a lower priority."""
    limits: QueueLimits | None = None
    """Ceilings on what runs at the same time."""


class QueueCounts(StatusModel):
    """Jobs of the queue by state."""

    submitted: Integer | None = None
    """Jobs not looked at yet."""
    pending: Integer | None = None
    """Jobs that wait for something outside the queue, such as a missing definition."""
    runnable: Integer | None = None
    """Jobs that wait for capacity."""
    starting: Integer | None = None
    """Jobs whose pod is about to run."""
    running: Integer | None = None
    """Jobs that run."""


class JobQueueStatus(StatusModel):
    """What the operator sees in the queue."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    jobs: QueueCounts | None = None
    """Jobs of the queue by state."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = ()
    """Ready says whether the queue can start jobs, and if not, why."""


class JobQueue(Model):
    """Where jobs wait: priority, order and the compute environments they may use."""

    api_version: Literal["batchyard.dev/v1alpha1"] = "batchyard.dev/v1alpha1"
    """Version of the API."""
    kind: Literal["JobQueue"] = "JobQueue"
    """Kind of the object."""
    metadata: ObjectMeta
    """Name and labels."""
    spec: JobQueueSpec
    """Priority, order and capacity of the queue."""
    status: JobQueueStatus | None = None
    """What the operator sees in the queue."""

    rules = (
        Rule(
            f"self.metadata.name.size() <= {names.MAX_LABEL_VALUE}",
            f"the name of a JobQueue may have at most {names.MAX_LABEL_VALUE} characters: it labels its jobs",
            lambda it: len(it.metadata.name) <= names.MAX_LABEL_VALUE,
            field="metadata.name",
        ),
    )
