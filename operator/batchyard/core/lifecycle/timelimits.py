"""Cancels jobs that could not be placed for too long, where their queue limits that (`spec.jobStateTimeLimits`).

The time counts from when the job first showed the reason that it still shows; it is in the job's status, so it outlives
the operator.
"""

from itertools import takewhile
from math import inf

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.transitions import failed
from batchyard.core.model.queue import Queue, WaitingSince
from batchyard.core.model.status import NO_NODE_CAME, Status


def waiting_since(status: Status, reason: str, now: float) -> WaitingSince:
    """Since when a job that cannot be placed now has been waiting for this reason. `status` is the last one.

    One for which no node came has waited since the first time: that it was tried now and then is no break.
    """
    if (
        status.waiting_since is not None
        and status.state is JobState.RUNNABLE
        and status.waiting_since.reason == status.reason == reason
    ):
        return status.waiting_since
    if reason == NO_NODE_CAME:
        in_vain = takewhile(lambda each: each.reason == NO_NODE_CAME, reversed(status.attempts))
        now = min((each.stopped_at for each in in_vain if each.stopped_at is not None), default=now)
    return WaitingSince(str(reason), now)


def cancelled_at(queue: Queue, status: Status) -> float:
    """When a job that waits is cancelled if nothing changes; infinity where nothing limits its time."""
    if status.waiting_since is None:
        return inf
    return status.waiting_since.since + queue.time_limits.get(status.waiting_since.reason, inf)


def limited(queue: Queue, status: Status, now: float) -> Status:
    """Return the status of a job that waits, or its end if that has taken too long."""
    if status.waiting_since is None or now < cancelled_at(queue, status):
        return status
    reason = status.waiting_since.reason
    message = (
        f"cancelled by spec.jobStateTimeLimits of queue {queue.name}: could not start for "
        f"{queue.time_limits[reason]} s because of {reason}: {status.message}"
    )
    return failed(status, Reason.STATE_TIME_LIMIT_EXCEEDED, message, now)
