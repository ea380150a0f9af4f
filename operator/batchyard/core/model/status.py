"""The status of a BatchJob as decided, with its attempts and what it remembers of other jobs."""

from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.queue import WaitingSince

TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED})
BEFORE_THE_QUEUE = frozenset({JobState.SUBMITTED, JobState.PENDING})
WAITING = BEFORE_THE_QUEUE | {JobState.RUNNABLE}
"""Before a run of a job, and between two of them."""
TAKEN_BACK = frozenset({Reason.CREATE_FAILED, Reason.UNSCHEDULABLE})
"""Reasons of attempts that gave their slot back before anything of them had run, and are tried again behind others."""
NO_NODE_CAME = Reason.INSUFFICIENT_INSTANCE_CAPACITY
"""The same of those that keep their turn: their environment is left alone, so others are not kept from it."""


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
    charged_as: str = ""
    """What each of its pods counted for, in words, where that is not what they asked for."""


class Status(NamedTuple):
    """A BatchJob's status as decided; `objects.kinds.batchjobstatus` renders it."""

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
    """From when its position in the queue counts, where it could not have been queued as it was submitted."""
    dependencies: tuple[EndedDependency, ...] = ()
    array: ArrayStatus | None = None
    waiting_since: WaitingSince | None = None
    head_since: float | None = None
    """Since when it has been at the head of a queue in which others may start before it; until it has all it asks
    for, whatever it is told in between."""
    refusals: int = 0
    """How often in a row the API server has not taken what the job needs. Not stored: a wait starts small again."""

    @property
    def given_back_at(self) -> float | None:
        """When a job gave a slot back, that has: its turn is that of one submitted then."""
        if self.attempts and self.attempts[-1].reason in TAKEN_BACK:
            return self.attempts[-1].stopped_at
        return self.not_before if self.refusals else None

    @property
    def queued_since(self) -> float | None:
        """From when its position in the queue counts, where that is not its submission."""
        times = [each for each in (self.given_back_at, self.queued_at) if each is not None]
        return max(times, default=None)
