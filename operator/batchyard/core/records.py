"""The plain records that decisions are made on: what the API server holds, reduced to what the core needs.

The runtime's cache builds and owns them; the planner reads them as one snapshot and never changes them. Those of which
every event makes a new one are named tuples: of these many fields, a dataclass takes four times as long to copy.
Times are seconds since the epoch (UTC); resources are integers in the units of `core.resources`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from batchyard.api.batchjob import DependencyType, JobState, StopMode
from batchyard.api.strategy import ExitAction
from batchyard.core.arrayrecords import ArrayShape, ArrayStatus, IndexedJob
from batchyard.core.gangrecords import Gang
from batchyard.core.indexes import IndexSet
from batchyard.core.queuerecords import Held
from batchyard.core.reasons import Reason
from batchyard.core.resources import Resources

DEFAULT_STARTUP_GRACE_SECONDS = 300

NOTHING: Mapping[str, int] = MappingProxyType({})

Key = tuple[str, str]
"""Namespace and name of a namespaced object."""

TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED})
BEFORE_THE_QUEUE = frozenset({JobState.SUBMITTED, JobState.PENDING})
WAITING = BEFORE_THE_QUEUE | {JobState.RUNNABLE}
"""Before a run of a job, and between two of them."""
TAKEN_BACK = frozenset({Reason.CREATE_FAILED, Reason.UNSCHEDULABLE})
"""Reasons of attempts that gave their place back before anything of them had run."""


@dataclass(slots=True, frozen=True)
class Dependency:
    """Another job of the namespace, and what must become of it before this one may be queued: succeed, fail or end."""

    job: str
    type: DependencyType = DependencyType.SUCCEEDED
    rerun: bool = False
    """Whether it is the array of which indexes run again."""

    @property
    def by_index(self) -> bool:
        """Whether it matters which of its indexes have succeeded."""
        return self.rerun or self.type is DependencyType.N_TO_N


@dataclass(slots=True, frozen=True)
class EndedDependency:
    """One entry of `status.dependencies`: the memory that outlives the job it is about."""

    job: str
    state: JobState
    cause: str = ""
    """The job at the root, where this one failed only because its own dependencies were not met."""
    succeeded: IndexSet = field(default_factory=IndexSet)
    """Of an array that is waited for index by index, not all of which have succeeded: those that have."""
    size: int = 0
    """Of an array: how many indexes it has."""
    merged_into: str = ""
    """The job whose entry counts for this one, too, as it has the indexes that succeeded in both."""


class Attempt(NamedTuple):
    """One entry of `status.attempts`: what became of one Kubernetes Job.

    `run` counts Kubernetes Jobs from 1 and names them; `attempt` counts only those that the retry strategy pays for,
    so an interrupted run and the run that replaces it share one attempt number.
    """

    run: int
    attempt: int
    job_name: str
    environment: str
    pod_name: str = ""
    node_name: str = ""
    started_at: float | None = None
    stopped_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    memory: int | None = None
    """Bytes of memory that the run's pod asked for."""
    out_of_memory: tuple[str, ...] = ()
    """Containers that failed because they were killed for their use of memory."""


class Status(NamedTuple):
    """A BatchJob's status as decided; `manifests.status` renders it."""

    state: JobState = JobState.SUBMITTED
    reason: str = ""
    message: str = ""
    revision: int | None = None
    definition_uid: str = ""
    """The JobDefinition that the revision is of: one deleted and created anew starts with revision 1 again."""
    digest: str = ""
    """Of the content of the revision."""
    queue_position: int | None = None
    estimated_start: float | None = None
    """Of a job that waits for room, where it is known how long what goes before it takes; infinity where that is so
    long that no date is told."""
    environment: str = ""
    job_name: str = ""
    started_at: float | None = None
    stopped_at: float | None = None
    attempts: tuple[Attempt, ...] = ()
    interruptions: int = 0
    stalled: bool = False
    not_before: float | None = None
    queued_at: float | None = None
    """From when its place in the queue counts, where it could not have been queued as it was submitted."""
    dependencies: tuple[EndedDependency, ...] = ()
    array: ArrayStatus | None = None
    held: Held | None = None
    refusals: int = 0
    """How often in a row the API server has not taken what the job needs. Not stored: a wait starts small again."""

    @property
    def given_back_at(self) -> float | None:
        """When a job gave a place back, that has: its turn is that of one submitted then."""
        if self.attempts and self.attempts[-1].reason in TAKEN_BACK:
            return self.attempts[-1].stopped_at
        return self.not_before if self.refusals else None

    @property
    def queued_since(self) -> float | None:
        """From when its place in the queue counts, where that is not its submission."""
        times = [each for each in (self.given_back_at, self.queued_at) if each is not None]
        return max(times, default=None)


@dataclass(slots=True, frozen=True)
class ExitRule:
    """One entry of `evaluateOnExit`: patterns that must all match, then the action is taken."""

    action: ExitAction
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None


@dataclass(slots=True, frozen=True)
class MemoryGrowth:
    """How much more memory a container gets each time it ran out of it (`onOutOfMemory`)."""

    multiplier: float = 2.0
    max_bytes: int | None = None


@dataclass(slots=True, frozen=True)
class RetryPolicy:
    """How often an attempt may be repeated and how long to wait before the next (`retryStrategy`)."""

    attempts: int = 1
    initial_seconds: float = 10.0
    multiplier: float = 2.0
    max_seconds: float = 300.0
    jitter: float = 0.5
    max_interruptions: int = 20
    exit_rules: tuple[ExitRule, ...] = ()
    memory_growth: MemoryGrowth | None = None


@dataclass(slots=True, frozen=True)
class Stop:
    """The wish that a job ends (`spec.stop`); it is never taken back."""

    mode: StopMode
    reason: str


@dataclass(slots=True, frozen=True)
class BatchJob:
    """One submission. `spec` is the object's own spec, as stored."""

    key: Key
    uid: str
    generation: int
    created: float
    queue: str
    definition: str
    pinned_revision: int | None
    spec: Mapping[str, Any]
    depends_on: tuple[Dependency, ...] = ()
    ttl_seconds: int | None = None
    deleting: bool = False
    refusal: str = ""
    suspended: bool = False
    stop: Stop | None = None
    share: str = ""
    """The share of a fair-share queue that it counts for."""
    array: ArrayShape | None = None

    @property
    def start_blocked(self) -> bool:
        """Whether its spec says that nothing of it may be started now."""
        return self.suspended or self.stop is not None


@dataclass(slots=True, frozen=True)
class Resolved:
    """What a BatchJob's spec and its definition revision come to together.

    Fixed for the life of the job, but for the memory that grows when it runs out of it.
    """

    revision: int
    template: Mapping[str, Any]
    """The pod, without the values of parameters; of a multi-node job that of the main node."""
    request: Resources
    """What the job takes while it runs; of a multi-node job all nodes together, their number as `pods`; of an array
    one index."""
    retry: RetryPolicy
    timeout_seconds: int | None
    startup_grace_seconds: int
    ungrown: Mapping[str, Any] | None = None
    """The template before its memory grew; None while it has not."""
    gang: Gang | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What stands for `Ref::name` in its commands."""
    priority: int = 0
    """Order inside its share; means nothing in a queue without fair share."""
    consumables: Mapping[str, int] = field(default_factory=dict)
    """What each of its places takes of consumable resources."""
    definition_uid: str = ""
    digest: str = ""
    """Of the content of the revision."""


@dataclass(slots=True, frozen=True)
class Refusal:
    """What is known of why a run has no pod, or lacks the Job of another of its nodes."""

    message: str
    """The API server's words; empty where they were looked for in vain."""
    since: float
    looked_at: float = 0.0
    definite: bool = True
    """Whether it is the API server's last word for now."""
    node: int | None = None
    """Of a multi-node job: the node whose Job it is about."""


@dataclass(slots=True, frozen=True)
class RunTerms:
    """What a run was granted with, by which its end is judged; an operator that wrote none granted the defaults."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    startup_grace_seconds: int = DEFAULT_STARTUP_GRACE_SECONDS
    definition_uid: str = ""
    digest: str = ""


class Run(NamedTuple):
    """The Kubernetes Job of one run, as the API server shows it."""

    name: str
    uid: str
    owner: Key
    owner_uid: str
    """The BatchJob that the run belongs to; a job deleted and created anew has another uid."""
    number: int
    attempt: int
    queue: str
    environment: str
    revision: int
    request: Resources
    created: float
    active: int = 0
    ready: int = 0
    started_at: float | None = None
    condition: str = ""
    """`Complete` or `Failed` once the Job has ended and all of its pods have, else empty."""
    condition_reason: str = ""
    condition_message: str = ""
    ended_at: float | None = None
    deleting: bool = False
    node: int | None = None
    """Of a multi-node job: the index of the node."""
    main_uid: str = ""
    """Of a multi-node job's other nodes: the uid of the main node's Job, which is the run that they belong to."""
    share: str = ""
    consumables: Mapping[str, int] = NOTHING
    """What it takes of consumable resources; of an array each of its places."""
    indexed: IndexedJob | None = None
    """Of an array: what its Indexed Job shows. `request` is that of one pod."""
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index
    """Of the Job of a single index of an array: that index."""
    suspended_at: float | None = None
    """Since when its Job is suspended, by somebody else than Batchyard."""
    refusal: Refusal | None = None
    terms: RunTerms | None = None
    """What it was granted with, where its Job tells that."""

    @property
    def ended(self) -> bool:
        """Whether nothing of this run can still be running."""
        return bool(self.condition)


class Pod(NamedTuple):
    """What the pod of a run tells beyond its Job: where it runs, why it waits, how it ended."""

    name: str
    uid: str
    owner: Key
    owner_uid: str
    run: str
    """Name of the Kubernetes Job."""
    created: float
    job_uid: str = ""
    """Uid of the Kubernetes Job that controls it."""
    node_name: str = ""
    phase: str = "Pending"
    bound_at: float | None = None
    """When a node was found for it."""
    ran: bool = False
    """Whether any of its containers, also of those that go before the main one, has started."""
    started_at: float | None = None
    """When the main container started."""
    stopped_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    out_of_memory: tuple[str, ...] = ()
    """Containers that failed because they were killed for their use of memory."""
    failed_container: str = ""
    """The container whose exit code that is, if it failed."""
    main: str = ""
    """The main container."""
    main_stopped_at: float | None = None
    main_exit_code: int | None = None
    outlived: bool = False
    """Whether other containers have gone on after it; those that the kubelet then stops do not count."""
    outlasting: tuple[str, ...] = ()
    """Those that still do."""
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index
    """Of an array: the index that it runs."""
    waiting_reason: str = ""
    """What keeps the main container from starting, or the containers that have not started although it has ended."""
    waiting_message: str = ""
    doubtful: str = ""
    """Which amount of memory was hardly meant as it stands, where the main container cannot start, or may not."""
    silent: bool = False
    """Whether only Events can tell why the main container does not start."""
    told_at: float | None = None
    """When they were last read."""
    unschedulable: str = ""
    disruption: str = ""
    """The reason of the pod's DisruptionTarget condition, when it has one."""
    asked_to_stop_at: float | None = None
    """When somebody outside first evicted, preempted or deleted it."""
    forced: bool = False
    """Deleted by force: whoever did that knows that it does not run any more."""
    accepted_at: float | None = None
    """When the kubelet took it: its timeout counts from there."""
    deadline: float | None = None
    """When its timeout is over."""
    address: str = ""
    deleting: bool = False
    """Told to go: somebody has deleted it, or it was evicted."""
    gone: bool = False
    """Deleted from the API server; the record is kept for what it tells about the run's end."""

    @property
    def live(self) -> bool:
        """Whether containers of the pod may still be running."""
        return not self.gone and self.phase not in ("Succeeded", "Failed")


@dataclass(slots=True, frozen=True)
class Revision:
    """One immutable revision of a JobDefinition; `content` is the definition's spec as it was then."""

    definition: Key
    number: int
    content: Mapping[str, Any]
    digest: str
    created: float
    owner_uid: str = ""
    """The JobDefinition it was made for; one deleted and created anew starts with revision 1 again."""
    uid: str = ""


@dataclass(slots=True, frozen=True)
class Origin:
    """The revision that a job got before; those of a definition made anew have the same numbers, and other contents."""

    number: int
    definition_uid: str = ""
    digest: str = ""
    """Both empty where an operator of an earlier version noted the number only."""


@dataclass(slots=True, frozen=True)
class Definition:
    """A JobDefinition as it is now; its revisions are kept apart."""

    key: Key
    uid: str
    generation: int
    spec: Mapping[str, Any]
    digest: str
    inactive: frozenset[int] = frozenset()
    history_limit: int = 10
    refusal: str = ""
