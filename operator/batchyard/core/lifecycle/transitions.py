"""Every change of a job's state, and what of its status does not hold any more after it. Nobody else sets `state`.

Each function may be called again in the state that it leads to, with another reason and message.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle.array.arraystatus import closed
from batchyard.core.model.queue import WaitingSince
from batchyard.core.model.status import Status

TRANSITIONS: Mapping[JobState, Mapping[JobState, str]] = {
    JobState.SUBMITTED: {
        JobState.PENDING: "It waits for another job, or something that it refers to is missing.",
        JobState.RUNNABLE: "All that it refers to is there.",
        JobState.STARTING: "Its Kubernetes Job is there, and the write of a status was lost.",
        JobState.RUNNING: "Indexes of the array run, and the write of a status was lost.",
        JobState.FAILED: "What it asks for can never be, or it is cancelled or terminated.",
    },
    JobState.PENDING: {
        JobState.RUNNABLE: "What was missing is there.",
        JobState.STARTING: "Its Kubernetes Job is there, and the write of a status was lost.",
        JobState.RUNNING: "Indexes of the array run, and the write of a status was lost.",
        JobState.FAILED: "What it waits for can never be met, or it is cancelled or terminated.",
    },
    JobState.RUNNABLE: {
        JobState.PENDING: "Something that it refers to has gone.",
        JobState.STARTING: "It has a slot, and its Kubernetes Job was created.",
        JobState.RUNNING: "Indexes of the array run.",
        JobState.FAILED: "It has waited for too long, its Kubernetes Job can never be created, or it is cancelled or "
        "terminated.",
    },
    JobState.STARTING: {
        JobState.RUNNING: "The main container has started; of an array, an index.",
        JobState.RUNNABLE: "An attempt has failed and another one follows, it was interrupted, or gave its slot back.",
        JobState.SUCCEEDED: "It ended so fast that nobody saw it run.",
        JobState.FAILED: "The last attempt has failed, or it was terminated.",
    },
    JobState.RUNNING: {
        JobState.STARTING: "Its node is lost, and does not tell any more that the container has started.",
        JobState.RUNNABLE: "An attempt has failed and another one follows, or it was interrupted.",
        JobState.SUCCEEDED: "Every container ended with exit code 0; of an array, every index has succeeded.",
        JobState.FAILED: "The last attempt has failed, or it was terminated; of an array, an index has failed.",
    },
    JobState.SUCCEEDED: {},
    JobState.FAILED: {},
}
"""From which state a job comes into which other one, and when. The page on states shows it."""

_WAITS_NO_MORE: Mapping[str, Any] = {"queue_position": None, "stalled": False, "waiting_since": None}
"""What does not hold of a job that has started, or has ended."""


def to_pending(status: Status, reason: str, message: str, *, stalled: bool = False) -> Status:
    """Something is missing, or another job is waited for."""
    return status._replace(
        state=JobState.PENDING,
        reason=reason,
        message=message,
        queue_position=None,
        stalled=stalled,
        waiting_since=None,
        head_since=None,
    )


def to_runnable(
    status: Status,
    reason: str,
    message: str,
    *,
    queue_position: int | None = None,
    stalled: bool = False,
    not_before: float | None = None,
    estimated_start: float | None = None,
    waiting_since: WaitingSince | None = None,
) -> Status:
    """Nothing of it runs, and it waits for a slot. What is said of its wait here replaces all that was said before."""
    return status._replace(
        state=JobState.RUNNABLE,
        reason=reason,
        message=message,
        queue_position=queue_position,
        stalled=stalled,
        not_before=not_before,
        estimated_start=estimated_start,
        waiting_since=waiting_since,
        head_since=None,
        environment="",
        job_name="",
    )


def to_starting(status: Status, reason: str, message: str) -> Status:
    """A run of it exists and has not got past its start."""
    return status._replace(state=JobState.STARTING, reason=reason, message=message, **_WAITS_NO_MORE)


def to_running(status: Status, reason: str, message: str, started_at: float | None) -> Status:
    """The main container of its run has started, or an index of the array. The first start counts."""
    return status._replace(
        state=JobState.RUNNING,
        reason=reason,
        message=message,
        started_at=started_at if status.started_at is None else status.started_at,
        **_WAITS_NO_MORE,
    )


def ended(status: Status, state: JobState, reason: str, message: str, stopped_at: float) -> Status:
    """It has come to its end. The indexes of an array that did not succeed have failed."""
    fields = {"not_before": None, "stopped_at": stopped_at, "head_since": None, **_WAITS_NO_MORE}
    return closed(status._replace(state=state, reason=reason, message=message, **fields))


def failed(status: Status, reason: str, message: str, now: float) -> Status:
    """It never got to run, or cannot run again."""
    return ended(status, JobState.FAILED, reason, message, now)
