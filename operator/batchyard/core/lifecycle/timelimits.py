"""Cancels jobs that could not be placed for too long, where their queue limits that (`spec.jobStateTimeLimits`).

Called by the planner for each job that a pass has looked at and could not place. The time counts from when the job
first showed the reason that it still shows; it is in the job's status, so it outlives the operator.
"""

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle import single
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.model.queue import Held, Queue
from batchyard.core.model.status import Status


def held_since(status: Status, reason: str, now: float) -> Held:
    """Since when a job that cannot be placed now has been waiting for this reason. `status` is the last one."""
    if status.held is not None and status.state is JobState.RUNNABLE and status.held.reason == status.reason == reason:
        return status.held
    return Held(str(reason), now)


def limited(queue: Queue, status: Status, now: float) -> Status:
    """Return the status of a job that waits, or its end if that has taken too long."""
    if status.held is None:
        return status
    seconds = queue.time_limits.get(status.held.reason)
    if seconds is None or now - status.held.since < seconds:
        return status
    message = (
        f"cancelled by spec.jobStateTimeLimits of queue {queue.name}: could not start for {seconds} s because of "
        f"{status.held.reason}: {status.message}"
    )
    return arraystatus.closed(single.failed(status, Reason.STATE_TIME_LIMIT_EXCEEDED, message, now))
