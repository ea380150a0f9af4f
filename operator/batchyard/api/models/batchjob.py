"""BatchJob: one submission of work to a queue, and what became of it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api import names
from batchyard.api.models.arrays import ArrayProperties, ArrayStatus, IndexStop
from batchyard.api.models.base import (
    Boolean,
    Integer,
    ListMap,
    Model,
    Name,
    Rule,
    StatusModel,
    Timestamp,
    fixed,
    pattern,
)
from batchyard.api.models.container import ContainerOverrides
from batchyard.api.models.jobdefinition import NodeRangeText, Parameters
from batchyard.api.models.meta import Condition, ObjectMeta
from batchyard.api.models.strategy import RetryStrategy, Timeout


class JobState(StrEnum):
    """Where a job stands, in the order it goes through."""

    SUBMITTED = "Submitted"
    PENDING = "Pending"
    RUNNABLE = "Runnable"
    STARTING = "Starting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class StopMode(StrEnum):
    """How far a wish to stop a job goes."""

    CANCEL = "Cancel"
    TERMINATE = "Terminate"


class DependencyType(StrEnum):
    """What must have become of the other job."""

    SUCCEEDED = "Succeeded"
    FINISHED = "Finished"
    FAILED = "Failed"
    SEQUENTIAL = "Sequential"
    N_TO_N = "NToN"


class Dependency(Model):
    """Another job that this one waits for."""

    job: Name | None = None
    """Name of the other BatchJob in the same namespace. With type Sequential it may be left out: then the
    indexes of this array run one after another."""
    type: DependencyType = DependencyType.SUCCEEDED
    """Whether the other job must have succeeded, failed or just finished. NToN is for two arrays of the same size:
    each index waits for the same index of the other array to succeed. Sequential with another job is the same as
    Succeeded."""

    rules = (
        Rule(
            "has(self.job) || self.type == 'Sequential'",
            "job is required unless type is Sequential",
            lambda it: it.job is not None or it.type == DependencyType.SEQUENTIAL,
            field="job",
        ),
    )


class NodeRangeOverride(Model):
    """What one job changes for a range of nodes."""

    target_nodes: NodeRangeText
    """The range of the definition that is changed."""
    container_overrides: ContainerOverrides = ()
    """Changes of the containers of these nodes."""


class NodeOverrides(Model):
    """What one job changes of a multi-node definition."""

    num_nodes: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """Replaces the number of nodes; the definition needs a range with an open end."""
    node_ranges: Annotated[tuple[NodeRangeOverride, ...], Field(max_length=5)] = ()
    """Changes by ranges of node indexes."""


def _different_jobs(dependencies: tuple[Dependency, ...]) -> bool:
    return len({each.job for each in dependencies}) == len(dependencies)


class Stop(Model):
    """The wish that the job ends. It cannot be taken back; Cancel can be raised to Terminate, with a new reason."""

    mode: StopMode
    """Cancel ends a job that has not started and lets one that runs go on, without another attempt; Terminate
    also stops a run: SIGTERM, then SIGKILL when the pod's grace period is over."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in your words; it ends up in the status message."""

    rules = (
        Rule(
            "self == oldSelf || (oldSelf.mode == 'Cancel' && self.mode == 'Terminate')",
            "stop can be changed in one way only: from mode Cancel to Terminate, with a new reason if you like",
        ),
    )


class Submission(Model):
    """The part of a job's spec that is fixed when the job is submitted."""

    job_queue: Name
    """Name of the JobQueue the job is submitted to."""
    job_definition: Annotated[
        str,
        Field(max_length=80),
        pattern(
            r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[1-9][0-9]{0,8})?",
            "must be the name of a JobDefinition, or name:revision such as transcode:3",
        ),
    ]
    """The JobDefinition in the same namespace: `name` for its latest active revision (resolved once), or
    `name:revision`."""
    parameters: Parameters = Field({})
    """Values of parameters, replacing the definition's defaults one by one."""
    container_overrides: ContainerOverrides = ()
    """Changes of the definition's containers, by container name."""
    retry_strategy: RetryStrategy | None = None
    """Replaces the definition's retry strategy as a whole."""
    timeout: Timeout | None = None
    """Replaces the definition's timeout."""
    ttl_seconds_after_finished: Annotated[Integer, Field(ge=0, le=2_147_483_647)] | None = None
    """Seconds after its end when the BatchJob is deleted; left out, it is kept until somebody deletes it."""
    array: ArrayProperties | None = None
    """Makes the job an array."""
    depends_on: Annotated[
        tuple[Dependency, ...],
        Field(max_length=20),
        Rule(
            "self.all(a, self.exists_one(b, (has(a.job) ? a.job : '') == (has(b.job) ? b.job : '')))",
            "each job may be named once only; remove the repeated entry",
            _different_jobs,
        ),
    ] = ()
    """Jobs that must end before this one starts."""
    node_overrides: NodeOverrides | None = None
    """Changes of a multi-node definition."""
    share_identifier: (
        Annotated[
            str,
            Field(max_length=255),
            pattern(r"[a-zA-Z0-9][a-zA-Z0-9-]*", "must be letters, digits and '-', and not begin with '-'"),
        ]
        | None
    ) = None
    """The share that the job counts for. A fair-share queue needs it, another one refuses it."""
    scheduling_priority_override: Annotated[Integer, Field(ge=0, le=9999)] | None = None
    """Replaces the definition's schedulingPriority: order inside one share, higher first."""


def _index_dependencies_are_of_arrays(submission: Submission) -> bool:
    of_indexes = (DependencyType.N_TO_N, DependencyType.SEQUENTIAL)
    wanted = any(
        each.type in of_indexes and (each.job is None or each.type is DependencyType.N_TO_N)
        for each in submission.depends_on
    )
    return submission.array is not None or not wanted


def _rerun_job(submission: Submission) -> str | None:
    return submission.array.rerun.job if submission.array and submission.array.rerun else None


class BatchJobSpec(Submission):
    """What is asked for. Only suspend, stop and stopIndexes can be changed after
    submission."""

    suspend: Boolean = False
    """Holds a job that has not started, until this is false again. A run that has started goes on."""
    stop: Stop | None = None
    """Cancels or terminates the job. Can be set at any time; a job that has ended stays as it is."""
    stop_indexes: Annotated[
        tuple[IndexStop, ...],
        Field(max_length=50),
        ListMap("indexes"),
        Rule(
            "oldSelf.all(before, self.exists(now, now.indexes == before.indexes))",
            "an entry cannot be taken back; submit a new job for these indexes instead",
        ),
    ] = ()
    """Terminates single indexes of an array: one that runs gets SIGTERM, then SIGKILL when the pod's grace period is
    over; one that waits is not started, or stopped as soon as it is. Entries can be added at any time."""

    rules = (
        *fixed(
            Submission,
            "cannot be changed after submission; delete the job and submit a new one"
            " (suspend, stop and stopIndexes can change)",
        ),
        Rule(
            "has(self.array) || !has(self.dependsOn) ||"
            " !self.dependsOn.exists(it, it.type == 'NToN' || (it.type == 'Sequential' && !has(it.job)))",
            "the types NToN, and Sequential without a job, are for arrays: give spec.array, or choose another type",
            _index_dependencies_are_of_arrays,
            field="dependsOn",
        ),
        Rule(
            "!has(self.array) || !has(self.array.rerun) || !has(self.dependsOn) ||"
            " !self.dependsOn.exists(it, has(it.job) && it.job == self.array.rerun.job)",
            "a rerun waits for the end of the array that it names: remove that one from dependsOn",
            lambda it: _rerun_job(it) is None or all(each.job != _rerun_job(it) for each in it.depends_on),
            field="dependsOn",
        ),
        Rule(
            "!has(self.stopIndexes) || has(self.array)",
            "stopIndexes is for arrays; use stop",
            lambda it: not it.stop_indexes or it.array is not None,
            field="stopIndexes",
        ),
        Rule(
            "!has(oldSelf.stopIndexes) || has(self.stopIndexes)",
            "stopIndexes cannot be taken back; submit a new job instead",
            field="stopIndexes",
        ),
        Rule(
            "!has(oldSelf.stop) || has(self.stop)",
            "stop cannot be taken back; submit a new job instead",
            field="stop",
        ),
    )


class Attempt(StatusModel):
    """One run of the job."""

    run: Integer
    """Number of the run, from 1; every start counts."""
    attempt: Integer
    """Number of the attempt, from 1; a run that repeats an interrupted one has the same number."""
    job_name: str
    """Name of the Kubernetes Job."""
    compute_environment: str | None = None
    """The compute environment it ran in."""
    pod_name: str | None = None
    """Name of the pod."""
    node_name: str | None = None
    """Name of the node."""
    started_at: Timestamp | None = None
    """When the container started."""
    stopped_at: Timestamp | None = None
    """When the run ended."""
    exit_code: Integer | None = None
    """Exit code of the container."""
    reason: str | None = None
    """One word on how the run ended, such as Error or OOMKilled."""
    message: str | None = None
    """A sentence on how the run ended."""
    memory: str | None = None
    """Memory that the pod asked for, or of the size that it had; of a multi-node job, all nodes together."""
    out_of_memory: tuple[str, ...] | None = None
    """Containers that were killed because they used more memory than their limit."""
    charged_as: str | None = None
    """The size that each pod had, and counts for, in a serverless environment that has sizes."""


class EndedDependency(StatusModel):
    """A dependency that has ended."""

    job: str
    """Name of the other BatchJob."""
    state: JobState
    """How it ended."""
    cause: str | None = None
    """Name of the BatchJob at the root, when the other one failed only because of its own dependencies."""
    succeeded_indexes: str | None = None
    """Of an array that is waited for index by index, not all of which have succeeded: those that have, as ranges or
    bits (see status.array.succeededIndexes)."""
    merged_into: str | None = None
    """Where lists of several arrays got long: the later entry that lists the indexes that succeeded in all of them."""
    size: Integer | None = None
    """Of an array: number of its indexes."""


class BatchJobStatus(StatusModel):
    """What became of the job."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    state: JobState | None = None
    """Where the job stands."""
    reason: str | None = None
    """One word on why the job is in this state."""
    message: str | None = None
    """A sentence on why the job is in this state."""
    job_definition: str | None = None
    """The definition and revision the job got, such as transcode:3."""
    job_definition_uid: str | None = None
    """The uid of that JobDefinition: one that is deleted and made anew has another."""
    job_definition_digest: str | None = None
    """A hash of what the revision says. Further attempts run nothing else, even where the definition is made anew."""
    queue_position: Integer | None = None
    """Place among the waiting jobs of its queue, or of its share in a fair-share queue, from 1."""
    estimated_start_at: Timestamp | None = None
    """About when a job that waits for room will start, going by how long runs took lately, or by timeouts. Absent where
    that is not known. It is no promise, and renewed seldom."""
    compute_environment: str | None = None
    """The compute environment the job was placed in."""
    job_name: str | None = None
    """Name of the current or last Kubernetes Job."""
    started_at: Timestamp | None = None
    """When the job first started to run."""
    stopped_at: Timestamp | None = None
    """When the job ended."""
    interruptions: Integer | None = None
    """How often a run was lost with its node or evicted, at no cost of attempts."""
    not_before: Timestamp | None = None
    """When the next attempt may start, while the job waits after a failed one."""
    queued_at: Timestamp | None = None
    """From when its place in the queue counts, where that is not its submission: it was held, something that it names
    did not exist, or a job that it depends on has a later place."""
    held_since: Timestamp | None = None
    """Since when a Runnable job, looked at in each pass, cannot start for its reason. Time limits of its queue count
    from here."""
    head_since: Timestamp | None = None
    """Since when the job has been at the head of a queue with the policy Bypass, or of its share, and found no room.
    Its `maxBypassSeconds` count from here, whatever it is told in between."""
    dependencies: tuple[EndedDependency, ...] | None = None
    """The dependencies that have ended. Each counts from then on, whatever becomes of a BatchJob of that name."""
    attempts: tuple[Attempt, ...] = ()
    """The runs so far, oldest first."""
    array: ArrayStatus | None = None
    """Of an array: what became of its indexes."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = ()
    """Conditions that kubectl wait, Argo CD and Flux understand."""


class BatchJob(Model):
    """One submission of work: runs a JobDefinition through a JobQueue."""

    api_version: Literal["batchyard.dev/v1alpha1"] = "batchyard.dev/v1alpha1"
    """Version of the API."""
    kind: Literal["BatchJob"] = "BatchJob"
    """Kind of the object."""
    metadata: ObjectMeta
    """Name, namespace, labels."""
    spec: BatchJobSpec
    """What is asked for. Only suspend, stop and stopIndexes can be changed after
    submission."""
    status: BatchJobStatus | None = None
    """What became of the job."""

    rules = (
        Rule(
            f"self.metadata.name.size() <= {names.MAX_BATCH_JOB_NAME}",
            f"the name of a BatchJob may have at most {names.MAX_BATCH_JOB_NAME} characters: it names Jobs and pods",
            lambda it: len(it.metadata.name) <= names.MAX_BATCH_JOB_NAME,
            field="metadata.name",
        ),
        Rule(
            "!self.metadata.name.contains('.')",
            "the name of a BatchJob may not contain '.': it names the hosts of pods; use '-' instead",
            lambda it: "." not in it.metadata.name,
            field="metadata.name",
        ),
        Rule(
            "!has(self.spec.dependsOn) || self.spec.dependsOn.all(it, !has(it.job) || it.job != self.metadata.name)",
            "a job cannot depend on itself; remove the entry that names the job",
            lambda it: all(each.job != it.metadata.name for each in it.spec.depends_on),
            field="spec.dependsOn",
        ),
        Rule(
            "!has(self.spec.array) || !has(self.spec.array.rerun) || self.spec.array.rerun.job != self.metadata.name",
            "an array cannot run indexes of itself again; give the new one another name",
            lambda it: _rerun_job(it.spec) != it.metadata.name,
            field="spec.array.rerun.job",
        ),
    )
