"""The registry of Batchyard's own kinds: what the CRDs, the permissions, the watches and the resync go through.

A further kind is an entry here, beside its models, its reader and what is written of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from batchyard.api.models.base import Model, StatusModel
from batchyard.api.models.batchjob import BatchJob, BatchJobStatus
from batchyard.api.models.computeenvironment import ComputeEnvironment, ComputeEnvironmentStatus
from batchyard.api.models.consumableresource import ConsumableResource, ConsumableResourceStatus
from batchyard.api.models.jobdefinition import JobDefinition, JobDefinitionStatus
from batchyard.api.models.jobqueue import JobQueue, JobQueueStatus

Json = dict[str, Any]


def _column(name: str, path: str, kind: str = "string", description: str = "", priority: int = 0) -> Json:
    column: Json = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": priority} if priority else column


def _condition(kind: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{part}'


_READY = _column("Ready", _condition("Ready", "status"), description="Whether it can be used.")
_REASON = _column("Reason", _condition("Ready", "reason"), description="Why it is ready or not.")
_AGE = _column("Age", ".metadata.creationTimestamp", "date", "Time since creation.")


@dataclass(frozen=True)
class Kind:
    """One of Batchyard's kinds, as the API server knows it."""

    model: type[Model]
    status: type[StatusModel]
    plural: str
    short_name: str
    namespaced: bool
    columns: tuple[Json, ...]
    """What `kubectl get` shows."""
    selectable: tuple[str, ...] = ()
    """Fields that a LIST can select by."""

    @property
    def name(self) -> str:
        """The kind, as in `kind:` of a manifest."""
        return self.model.__name__


_ALL = (
    Kind(
        JobDefinition,
        JobDefinitionStatus,
        "jobdefinitions",
        "jd",
        namespaced=True,
        columns=(
            _column("Latest", ".status.latestRevision", "integer", "Newest active revision."),
            _READY,
            _REASON,
            _AGE,
        ),
    ),
    Kind(
        BatchJob,
        BatchJobStatus,
        "batchjobs",
        "bj",
        namespaced=True,
        columns=(
            _column("State", ".status.state", description="Where the job stands."),
            _column("Queue", ".spec.jobQueue", description="The queue it was submitted to."),
            _column("Reason", ".status.reason", description="Why it is in this state."),
            _column("Indexes", ".status.array.progress", description="Of an array: indexes that have ended, of all."),
            _column("Definition", ".status.jobDefinition", description="Definition and revision.", priority=1),
            _column("Position", ".status.queuePosition", "integer", "Place in the queue.", priority=1),
            _column("Starts", ".status.estimatedStartAt", description="About when it will start.", priority=1),
            _column("Exit code", ".status.attempts[-1:].exitCode", "integer", "Of the last run.", priority=1),
            _AGE,
        ),
        selectable=(".spec.jobQueue", ".spec.jobDefinition", ".status.state"),
    ),
    Kind(
        JobQueue,
        JobQueueStatus,
        "jobqueues",
        "jq",
        namespaced=False,
        columns=(
            _column("Priority", ".spec.priority", "integer", "Higher goes first."),
            _column("State", ".spec.state", description="Whether it starts new jobs."),
            _column("Runnable", ".status.jobs.runnable", "integer", "Jobs that wait for capacity."),
            _column("Running", ".status.jobs.running", "integer", "Jobs that run."),
            _column("Blocked", ".status.blocked.reason", description="Why nothing of it starts.", priority=1),
            _column("Since", ".status.blocked.since", "date", "How long nothing of it has started.", priority=1),
            _column("Head", ".status.head.name", description="The job that goes next.", priority=1),
            _READY,
            _AGE,
        ),
    ),
    Kind(
        ComputeEnvironment,
        ComputeEnvironmentStatus,
        "computeenvironments",
        "ce",
        namespaced=False,
        columns=(
            _column("Type", ".spec.type", description="Where the nodes come from."),
            _column("State", ".spec.state", description="Whether it takes new jobs."),
            _column("Nodes", ".status.nodes", "integer", "Nodes that can take pods."),
            _column("Coming", ".status.nodesComing", "integer", "Nodes that are on their way.", priority=1),
            _column("Interrupted", ".status.interruptions.nodes", "integer", "Nodes taken from jobs.", priority=1),
            _column("vCPU", ".status.capacity.cpu", description="What jobs may use together."),
            _column("Used", ".status.used.cpu", description="vCPU granted to jobs."),
            _column("Free", ".status.free.cpu", description="vCPU left on all nodes together."),
            _column("Largest", ".status.largestFree.cpu", description="vCPU left on one node.", priority=1),
            _column("Others", ".status.usedByOthers.cpu", description="vCPU that other pods ask for.", priority=1),
            _column("Memory", ".status.capacity.memory", description="What jobs may use together.", priority=1),
            _column("Memory free", ".status.free.memory", description="Left on all nodes together.", priority=1),
            _READY,
            _AGE,
        ),
    ),
    Kind(
        ConsumableResource,
        ConsumableResourceStatus,
        "consumableresources",
        "cr",
        namespaced=False,
        columns=(
            _column("Type", ".spec.type", description="Whether jobs give it back."),
            _column("Total", ".spec.total", "integer", "How much there is in all."),
            _column("In use", ".status.inUse", "integer", "What jobs hold."),
            _column("Consumed", ".status.consumption.consumed", "integer", "What was used up.", priority=1),
            _column("Available", ".status.available", "integer", "What further jobs may take."),
            _READY,
            _AGE,
        ),
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By name, in the order in which they are documented."""
