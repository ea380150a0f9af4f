"""The one list of reasons a BatchJob can show, each with the sentence that documents it.

A reason is stable, machine-readable and never reused for another meaning; the message beside it is for people and may
change.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a job is where it is (`status.reason`)."""

    # Pending: something the job refers to is not there yet.
    JOB_DEFINITION_NOT_FOUND = "JobDefinitionNotFound"
    REVISION_NOT_FOUND = "RevisionNotFound"
    REVISION_INACTIVE = "RevisionInactive"
    NO_ACTIVE_REVISION = "NoActiveRevision"
    JOB_QUEUE_NOT_FOUND = "JobQueueNotFound"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    SHARE_NOT_ADMITTED = "ShareNotAdmitted"
    POD_NOT_ADMITTED = "PodNotAdmitted"
    DEPENDENCY_NOT_FOUND = "DependencyNotFound"
    WAITING_FOR_DEPENDENCIES = "WaitingForDependencies"

    # Never: the job and its namespace, or its queue, do not go together.
    NAMESPACE_PROTECTED = "NamespaceProtected"
    SHARE_IDENTIFIER_MISSING = "ShareIdentifierMissing"
    SHARE_IDENTIFIER_NOT_ALLOWED = "ShareIdentifierNotAllowed"

    # Runnable: nothing is missing but a slot to run in.
    WAITING_IN_QUEUE = "WaitingInQueue"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    INSUFFICIENT_INSTANCE_CAPACITY = "InsufficientInstanceCapacity"
    WAITING_FOR_HIGHER_PRIORITY = "WaitingForHigherPriority"
    RESERVED_FOR_OTHER_SHARES = "ReservedForOtherShares"
    QUEUE_LIMIT_REACHED = "QueueLimitReached"
    SHARE_LIMIT_REACHED = "ShareLimitReached"
    CONSUMABLE_RESOURCE_UNAVAILABLE = "ConsumableResourceUnavailable"
    CONSUMABLE_RESOURCE_NOT_FOUND = "ConsumableResourceNotFound"
    EXCEEDS_CONSUMABLE_RESOURCE = "ExceedsConsumableResource"
    EXCEEDS_CAPACITY = "ExceedsCapacity"
    NO_NODE_MATCHES = "NoNodeMatches"
    NOT_WITHOUT_NODES = "NotWithoutNodes"
    NO_NODES = "NoNodes"
    COMPUTE_ENVIRONMENT_NOT_FOUND = "ComputeEnvironmentNotFound"
    COMPUTE_ENVIRONMENT_DISABLED = "ComputeEnvironmentDisabled"
    JOB_QUEUE_DISABLED = "JobQueueDisabled"
    RETRY_BACKOFF = "RetryBackoff"
    CREATE_FAILED = "CreateFailed"
    SUSPENDED = "Suspended"
    STOPPING = "Stopping"

    # Starting and Running.
    CREATING_POD = "CreatingPod"
    UNSCHEDULABLE = "Unschedulable"
    SCALING_UP = "ScalingUp"
    STARTING_CONTAINER = "StartingContainer"
    CONTAINER_RUNNING = "ContainerRunning"
    NODE_LOST = "NodeLost"
    INDEXES_RUNNING = "IndexesRunning"

    # Ends of an attempt or of the job.
    COMPLETED = "Completed"
    NON_ZERO_EXIT = "NonZeroExit"
    OUT_OF_MEMORY = "OOMKilled"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    INTERRUPTED = "Interrupted"
    TOO_MANY_INTERRUPTIONS = "TooManyInterruptions"
    CANNOT_START = "CannotStartContainer"
    JOB_REJECTED = "JobRejected"
    DEFINITION_REPLACED = "DefinitionReplaced"
    JOB_DELETED = "JobDeleted"
    CANCELLED = "Cancelled"
    TERMINATED = "Terminated"
    STATE_TIME_LIMIT_EXCEEDED = "StateTimeLimitExceeded"
    POD_FAILED = "PodFailed"
    INVALID_SPEC = "InvalidSpec"
    MISSING_PARAMETER = "MissingParameter"
    UNKNOWN_CONTAINER = "UnknownContainer"
    INVALID_RESOURCES = "InvalidResources"
    NODE_SELECTOR_CONFLICT = "NodeSelectorConflict"
    DEPENDENCY_NOT_MET = "DependencyNotMet"
    DEPENDENCY_CYCLE = "DependencyCycle"
    INDEXES_FAILED = "IndexesFailed"
    TOO_MANY_FAILED_INDEXES = "TooManyFailedIndexes"
    NOTHING_TO_RERUN = "NothingToRerun"


DOCUMENTATION: Mapping[str, str] = {
    Reason.JOB_DEFINITION_NOT_FOUND: "The JobDefinition does not exist (yet); the job starts once it does.",
    Reason.REVISION_NOT_FOUND: "The pinned revision of the JobDefinition does not exist (yet).",
    Reason.REVISION_INACTIVE: "The pinned revision is listed in the definition's `inactiveRevisions`.",
    Reason.NO_ACTIVE_REVISION: "Every revision of the JobDefinition is inactive.",
    Reason.JOB_QUEUE_NOT_FOUND: "The JobQueue does not exist (yet); the job is queued once it does.",
    Reason.NAMESPACE_NOT_ALLOWED: "The queue, or each of its environments, takes no jobs of the job's namespace.",
    Reason.SHARE_NOT_ADMITTED: "The queue's `shareAdmission` does not admit the share that the job names.",
    Reason.POD_NOT_ADMITTED: "The API server would refuse its pods; the message names the LimitRange or RuntimeClass.",
    Reason.DEPENDENCY_NOT_FOUND: "A job it depends on does not exist (yet); the message names it.",
    Reason.WAITING_FOR_DEPENDENCIES: "Jobs it depends on have not ended; the message names them.",
    Reason.NAMESPACE_PROTECTED: "No jobs run in its namespace, such as kube-system; the message says what to do.",
    Reason.SHARE_IDENTIFIER_MISSING: "The queue shares fairly, and the job names no share.",
    Reason.SHARE_IDENTIFIER_NOT_ALLOWED: "The job names a share, and the queue knows none.",
    Reason.WAITING_IN_QUEUE: "Other jobs of the queue, or of its share, are ahead.",
    Reason.INSUFFICIENT_CAPACITY: "First in its queue, or in its share; the environments it could use are full.",
    Reason.INSUFFICIENT_INSTANCE_CAPACITY: "No node came for such pods: its environments are left alone for a while.",
    Reason.WAITING_FOR_HIGHER_PRIORITY: "Its environments are held for a job of a queue with more priority.",
    Reason.RESERVED_FOR_OTHER_SHARES: "First in its share; the rest is kept back for shares that are not active.",
    Reason.QUEUE_LIMIT_REACHED: "As many jobs of its queue run as `limits.maxRunningJobs` allows.",
    Reason.SHARE_LIMIT_REACHED: "As many jobs of its share run as the queue's limits allow.",
    Reason.CONSUMABLE_RESOURCE_UNAVAILABLE: "Too little of a consumable resource is left, or kept for jobs before it.",
    Reason.CONSUMABLE_RESOURCE_NOT_FOUND: "A ConsumableResource that it needs does not exist (yet).",
    Reason.EXCEEDS_CONSUMABLE_RESOURCE: "It needs more of a consumable resource than there is in all.",
    Reason.EXCEEDS_CAPACITY: "No environment of the queue could hold the job even when empty. Others go past it.",
    Reason.NO_NODE_MATCHES: "No node is one that its node selector, affinity or name allows. Others go past it.",
    Reason.NOT_WITHOUT_NODES: "Its pods need what only nodes have; its environments are serverless. Others go past it.",
    Reason.NO_NODES: "No environment of the queue has a ready node.",
    Reason.COMPUTE_ENVIRONMENT_NOT_FOUND: "None of the queue's environments exists (yet).",
    Reason.COMPUTE_ENVIRONMENT_DISABLED: "All of the queue's environments are disabled.",
    Reason.JOB_QUEUE_DISABLED: "The queue is disabled: nothing new starts, what runs finishes.",
    Reason.RETRY_BACKOFF: "The last attempt failed or could not be created; the next is due after a back-off.",
    Reason.CREATE_FAILED: "The API server does not take the Kubernetes Job or its pod (quota, admission); tried again.",
    Reason.SUSPENDED: "Held by `spec.suspend`; it is queued again once that is false.",
    Reason.STOPPING: "To be ended by `spec.stop`; it fails as soon as nothing of it runs any more.",
    Reason.CREATING_POD: "The Kubernetes Job exists, its pod does not yet.",
    Reason.UNSCHEDULABLE: "The Kubernetes scheduler finds no node for the pod; in the end the slot is taken back.",
    Reason.SCALING_UP: "Its environment gets a node for the pod; the message says what was asked for and since when.",
    Reason.STARTING_CONTAINER: "The pod has a node; images are pulled and containers created.",
    Reason.CONTAINER_RUNNING: "The container runs.",
    Reason.NODE_LOST: "The pod was asked to stop, and its node is not heard from; the message says what can be done.",
    Reason.INDEXES_RUNNING: "Of an array: indexes have started; the message counts them, and says why others wait.",
    Reason.COMPLETED: "Every container ended with exit code 0.",
    Reason.NON_ZERO_EXIT: "A container ended with an exit code other than 0.",
    Reason.OUT_OF_MEMORY: "The kernel killed a container that used more memory than its limit.",
    Reason.DEADLINE_EXCEEDED: "The attempt ran longer than its timeout. It is not retried.",
    Reason.INTERRUPTED: "The node was lost, drained or reclaimed, or the pod evicted or deleted. Costs no attempt.",
    Reason.TOO_MANY_INTERRUPTIONS: "Interrupted more often than the cap allows.",
    Reason.CANNOT_START: "The container could not be started within the grace time (image pull, configuration).",
    Reason.JOB_REJECTED: "The API server refused the Kubernetes Job as invalid; its words are in the message.",
    Reason.DEFINITION_REPLACED: "Its definition was deleted and made anew with another content; no attempt runs that.",
    Reason.JOB_DELETED: "Somebody deleted the Kubernetes Job of the run. Costs no attempt.",
    Reason.CANCELLED: "Ended by `spec.stop` with mode Cancel, before it started or instead of another attempt.",
    Reason.TERMINATED: "Ended by `spec.stop` with mode Terminate. It is not retried.",
    Reason.STATE_TIME_LIMIT_EXCEEDED: "Cancelled by the queue's `jobStateTimeLimits`: it could not start for too long.",
    Reason.POD_FAILED: "The pod failed without an exit code; Kubernetes' reason is in the message.",
    Reason.INVALID_SPEC: "What the job, its definition, queue or environment asks for cannot be; the message says why.",
    Reason.MISSING_PARAMETER: "A `Ref::` names a parameter that neither the job nor its definition sets.",
    Reason.UNKNOWN_CONTAINER: "`containerOverrides` names a container that the definition does not have.",
    Reason.INVALID_RESOURCES: "A quantity does not parse, or a request and its limit do not go together.",
    Reason.NODE_SELECTOR_CONFLICT: "The job's node selector contradicts that of the environment.",
    Reason.DEPENDENCY_NOT_MET: "A job it depends on ended otherwise than it must; the message names the culprit.",
    Reason.DEPENDENCY_CYCLE: "Jobs depend on each other in a circle, which the message names. All of them fail.",
    Reason.INDEXES_FAILED: "Of an array: every index has ended, and some failed; `status.array` lists them.",
    Reason.TOO_MANY_FAILED_INDEXES: "Of an array: more indexes failed than `maxFailedIndexes` allows.",
    Reason.NOTHING_TO_RERUN: "Of an array that runs failed indexes of another again: there are none.",
}
