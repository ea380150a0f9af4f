"""Which turns of a job are worth a Kubernetes Event: only those that a person may have to do something about.

Ordinary progress makes no Event: the status tells it, and an Event per step would cost more writes than the job itself.
"""

from dataclasses import dataclass

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.definition.memoryunits import DOUBTFUL_MEMORY, doubts_about_job
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import BEFORE_THE_QUEUE, Status

_WANTED = frozenset({Reason.STOPPING, Reason.CANCELLED, Reason.TERMINATED})
"""What a person asked for is no news to them."""

_REFUSED = frozenset({Reason.CREATE_FAILED, Reason.INSUFFICIENT_INSTANCE_CAPACITY})
"""What nobody but a person can do something about, and a job may get over by itself."""

_INDEXES_INTERRUPTED = "indexes were interrupted; they run again at no cost, and status.interruptions counts them"
"""Said once of an array: a lost node may interrupt hundreds."""

_REPLACED = "the JobDefinition was deleted and made anew before the job started; it runs revision"


@dataclass(slots=True, frozen=True)
class Announcement:
    """A warning about a job. Equal ones about the same run are one Event, however often they come up."""

    reason: str
    message: str
    run: int


def announcement(before: Status, after: Status) -> Announcement | None:
    """Return what to announce about the turn from one status to the next, if anything."""
    run = after.attempts[-1].run if after.attempts else 0
    if after.reason in _WANTED:
        return None
    if after.state is JobState.FAILED and before.state is not JobState.FAILED:
        return Announcement(after.reason, after.message, run)
    if _closed(after) > _closed(before) and after.state is JobState.RUNNABLE:
        attempt = after.attempts[-1]
        return Announcement(attempt.reason, f"{attempt.message}; the job goes back to its queue", run)
    if after.array is not None and after.interruptions and not before.interruptions:
        return Announcement(Reason.INTERRUPTED, _INDEXES_INTERRUPTED, run)
    return _of_waiting(before, after, run)


def _of_waiting(before: Status, after: Status, run: int) -> Announcement | None:
    if before.digest and after.digest != before.digest:
        return Announcement(Reason.DEFINITION_REPLACED, f"{_REPLACED} {after.revision} of the new one", run)
    stalls = after.stalled and not before.stalled
    if stalls or (after.reason != before.reason and after.reason in _REFUSED):
        return Announcement(after.reason, after.message, run)
    return None


def doubt(job: BatchJob, before: Status, after: Status) -> Announcement | None:
    """Return what to announce of a job that comes into its queue with overrides that were hardly meant as they are."""
    if after.state is JobState.RUNNABLE and before.state in BEFORE_THE_QUEUE and (doubts := doubts_about_job(job.spec)):
        return Announcement(DOUBTFUL_MEMORY, doubts, 0)
    return None


def _closed(status: Status) -> int:
    return sum(attempt.stopped_at is not None for attempt in status.attempts)
