"""JobQueue: where jobs wait, in which order they start, and which compute environments they may use."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api import names
from batchyard.api.models.base import Integer, ListMap, Model, Name, Number, Rule, StatusModel, Timestamp, pattern
from batchyard.api.models.meta import Condition, LabelSelector, ObjectMeta
from batchyard.api.models.queuefront import BlockedQueue, QueueHead, WaitingJob
from batchyard.api.reasons import Reason


class EnabledState(StrEnum):
    """Whether new work is taken."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class PolicyType(StrEnum):
    """The order in which jobs of a queue start."""

    FIFO = "FIFO"
    FAIR_SHARE = "FairShare"


class ShareAdmission(StrEnum):
    """Which shares jobs may name."""

    ANY = "Any"
    LISTED = "Listed"
    NAMESPACE = "Namespace"


MAX_SHARES = 500
"""How many shares a queue's status lists at most."""

SHOWN_AT_FRONT = 10
"""How many waiting jobs a queue's status lists at most."""

MAX_WEIGHTS = 400
"""How many entries the API server can compare with each other within its budget for rules."""


class Share(Model):
    """The weight of one share identifier, or of all that begin alike."""

    share_identifier: Annotated[
        str,
        Field(max_length=255),
        pattern(
            r"[a-zA-Z0-9][a-zA-Z0-9-]*\*?",
            "must be letters, digits and '-', not begin with '-', and end with '*' if it is a beginning",
        ),
    ]
    """Share identifier, or its beginning followed by `*`."""
    weight_factor: Annotated[
        Number,
        Field(gt=0, le=999.9999),
        Rule("self >= 0.0001", "must be at least 0.0001", lambda weight: weight >= 0.0001),
    ] = 1.0
    """Weight of usage: the lower, the more the share gets."""
    max_running_jobs: Annotated[Integer, Field(ge=1)] | None = None
    """How many jobs of the share may run at the same time, in the place of the queue's `maxRunningJobsPerShare`; of a
    beginning, each share that begins so."""


def _no_overlap(shares: tuple[Share, ...]) -> bool:
    listed = {share.share_identifier.removesuffix("*") for share in shares}
    covering = {share.share_identifier[:-1] for share in shares if share.share_identifier.endswith("*")}
    if len(listed) < len(shares) and covering:
        return False
    return not any(text[:length] in covering for text in listed for length in range(1, len(text)))


class FairShare(Model):
    """How capacity is divided between shares."""

    share_decay_seconds: Annotated[Integer, Field(ge=0, le=604800)] = 600
    """How long past usage counts, less and less; 0 stands for 600."""
    compute_reservation: Annotated[Integer, Field(ge=0, le=99)] = 0
    """Percentage of vCPUs kept back while one share is active; with two, its square (50: 25 percent), and so on."""
    shares: Annotated[
        tuple[Share, ...],
        Field(max_length=MAX_WEIGHTS),
        ListMap("share_identifier"),
        Rule(
            "self.map(it, it.shareIdentifier.endsWith('*'), it.shareIdentifier.replace('*', ''))"
            ".all(beginning, self.exists_one(it, it.shareIdentifier.startsWith(beginning)))",
            "a beginning such as 'team*' may not cover another entry: remove one of the two",
            _no_overlap,
        ),
    ] = ()
    """Weights of shares; one that is not listed has the weight 1."""
    share_admission: ShareAdmission = ShareAdmission.ANY
    """Which shares jobs may name: Any, those that are Listed in `shares`, or only one that has the name of the job's
    Namespace. With Any, whoever names a fresh share for each job gets around limits of shares, and counts as new."""


class SchedulingPolicy(Model):
    """The order in which the jobs of the queue start."""

    type: PolicyType = PolicyType.FIFO
    """FIFO starts jobs in the order of their submission, FairShare by what their shares have used lately. It cannot be
    changed."""
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


_SHARES_FAIRLY = "has({0}.schedulingPolicy) && {0}.schedulingPolicy.type == 'FairShare'"


class WaitingReason(StrEnum):
    """What a job may show that is looked at and cannot be placed (`status.reason`)."""

    INSUFFICIENT_CAPACITY = Reason.INSUFFICIENT_CAPACITY
    INSUFFICIENT_INSTANCE_CAPACITY = Reason.INSUFFICIENT_INSTANCE_CAPACITY
    WAITING_FOR_HIGHER_PRIORITY = Reason.WAITING_FOR_HIGHER_PRIORITY
    RESERVED_FOR_OTHER_SHARES = Reason.RESERVED_FOR_OTHER_SHARES
    QUEUE_LIMIT_REACHED = Reason.QUEUE_LIMIT_REACHED
    SHARE_LIMIT_REACHED = Reason.SHARE_LIMIT_REACHED
    CONSUMABLE_RESOURCE_UNAVAILABLE = Reason.CONSUMABLE_RESOURCE_UNAVAILABLE
    CONSUMABLE_RESOURCE_NOT_FOUND = Reason.CONSUMABLE_RESOURCE_NOT_FOUND
    EXCEEDS_CONSUMABLE_RESOURCE = Reason.EXCEEDS_CONSUMABLE_RESOURCE
    EXCEEDS_CAPACITY = Reason.EXCEEDS_CAPACITY
    NO_NODE_MATCHES = Reason.NO_NODE_MATCHES
    NOT_WITHOUT_NODES = Reason.NOT_WITHOUT_NODES
    NO_NODES = Reason.NO_NODES
    COMPUTE_ENVIRONMENT_NOT_FOUND = Reason.COMPUTE_ENVIRONMENT_NOT_FOUND
    COMPUTE_ENVIRONMENT_DISABLED = Reason.COMPUTE_ENVIRONMENT_DISABLED
    JOB_QUEUE_DISABLED = Reason.JOB_QUEUE_DISABLED


class JobStateTimeLimit(Model):
    """Cancels a job that cannot be placed for too long: the first of its queue or share, or one that waits aside."""

    reason: WaitingReason
    """The reason of waiting that the limit is for, as the job's status shows it. Jobs behind others show
    WaitingInQueue, and have no limit."""
    state: Literal["Runnable"] = "Runnable"
    """The state the limit is for."""
    max_time_seconds: Annotated[Integer, Field(ge=600, le=86400)]
    """How long the job may show this reason without a break."""
    action: Literal["Cancel"] = "Cancel"
    """What is done then."""


class Preemption(Model):
    """Whether jobs of this queue may displace running ones of queues with a lower priority."""

    policy: Literal["Never", "LowerPriority"] = "Never"
    """LowerPriority displaces running work of queues with a lower priority, in the same compute environment, when a job
    of this queue finds no room."""
    minimum_run_seconds: Annotated[Integer, Field(ge=0, le=604800)] = 0
    """Work that has run for less than this is not displaced."""


class QueueingPolicy(StrEnum):
    """What others may do while the job at the head of the queue finds no room."""

    BYPASS = "Bypass"
    STRICT = "Strict"


class Queueing(Model):
    """What happens while the job at the head of the queue finds no room."""

    policy: QueueingPolicy = QueueingPolicy.BYPASS
    """With Bypass others may start before it, of this queue and of those with the same priority, until it has been at
    the head for `maxBypassSeconds`. With Strict nobody may, except for those who do not delay it by their timeouts."""
    max_bypass_seconds: Annotated[Integer, Field(ge=0, le=604800)] = 600
    """With Bypass: for how long others may start before a job that has come to the head of the queue, or of its share,
    and finds no room. From then on the order is strict for it. With Strict it means nothing."""


class QueueLimits(Model):
    """Ceilings on what runs at the same time, jobs that start included. A single or multi-node job counts once, of an
    array each index. Where a limit is lowered below what runs, that goes on."""

    max_running_jobs: Annotated[Integer, Field(ge=1)] | None = None
    """How many jobs of the queue may run at the same time."""
    max_running_jobs_per_share: Annotated[Integer, Field(ge=1)] | None = None
    """How many jobs of each share may run at the same time; `shares` may say otherwise of some."""


LIMITS_OF_SHARES = Rule(
    f"!has(self.limits) || !has(self.limits.maxRunningJobsPerShare) || ({_SHARES_FAIRLY.format('self')})",
    "maxRunningJobsPerShare needs the scheduling policy FairShare: other queues have no shares",
    lambda it: (
        it.limits is None
        or it.limits.max_running_jobs_per_share is None
        or it.scheduling_policy.type == PolicyType.FAIR_SHARE
    ),
    field="limits",
)


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
    queueing: Queueing = Queueing()
    """What happens while the job at the head of the queue finds no room."""
    job_state_time_limits: Annotated[tuple[JobStateTimeLimit, ...], Field(max_length=16), ListMap("reason")] = ()
    """Cancels jobs that cannot be placed for too long."""
    preemption: Preemption | None = None
    """Whether jobs may displace running ones of queues with a lower priority."""
    limits: QueueLimits | None = None
    """Ceilings on what runs at the same time."""

    rules = (
        Rule(
            f"({_SHARES_FAIRLY.format('self')}) == ({_SHARES_FAIRLY.format('oldSelf')})",
            "the type of a queue's scheduling policy cannot be changed; make another queue and submit to that",
            field="schedulingPolicy",
        ),
        LIMITS_OF_SHARES,
    )


class QueueCounts(StatusModel):
    """Jobs of the queue by state. An array counts once, as the state of its indexes: running while any of them does."""

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


class ShareUsage(StatusModel):
    """What one share has used, and what it uses now."""

    share_identifier: str
    """The share."""
    used_vcpu_seconds: Number
    """Seconds of its jobs times their vCPUs, less and less the longer ago. The lower this times the weight, the sooner
    its turn."""
    vcpus: Number
    """What its jobs hold now."""
    runnable: Integer
    """Jobs of the share that wait for capacity."""
    last_used_at: Timestamp | None = None
    """When it last used anything."""


class FairShareStatus(StatusModel):
    """A count of what shares have used, made now and then; a restarted operator goes on from it."""

    counted_at: Timestamp
    """When it was made."""
    shares: Annotated[tuple[ShareUsage, ...], Field(max_length=MAX_SHARES), ListMap("share_identifier")] = ()
    """Active shares: those with jobs that wait or run, or ran within the decay window."""


class JobQueueStatus(StatusModel):
    """What the operator sees in the queue."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    jobs: QueueCounts | None = None
    """Jobs of the queue by state."""
    fair_share: FairShareStatus | None = None
    """What the shares of a fair-share queue have used."""
    head: QueueHead | None = None
    """The job that goes next, and why it does not start; absent while none waits."""
    front: Annotated[tuple[WaitingJob, ...], Field(max_length=SHOWN_AT_FRONT)] | None = None
    """The first jobs that wait, in order; of a fair-share queue, the first job of each of the shares that go next."""
    blocked: BlockedQueue | None = None
    """Set once jobs wait and none could be placed for half a minute."""
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
