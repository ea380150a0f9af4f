"""What a job behind others in its queue (or its share of one) says of its position there, and when that is said anew.

A position is a reading, so the message carries its time; it is renewed when it has changed enough to matter (halved, or
among the first ten), which keeps the number of writes of a waiting job logarithmic in the length of its queue. The
estimate of its start goes along; for its own sake it is told seldom, and only when it has changed by much.
"""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.transitions import to_runnable
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import Status
from batchyard.core.model.timers import clock
from batchyard.core.scheduling.backlog import Backlog, key_of

_EXACT_UP_TO = 10

LEAST_MOVE_SECONDS = 30.0
LEAST_MOVE_SHARE = 0.2
"""How far an estimate must have moved to be told: so many seconds, and this share of the time that remains."""

LEAST_PAUSE_SECONDS = 30.0
LEAST_PAUSE_SHARE = 0.25
"""How long after a reading was last told it may be told again: so many seconds, and this share of the time that the job
has waited."""

_NO_ESTIMATES: Mapping[Key, float] = MappingProxyType({})

_SAID_OF_THE_FIRST = frozenset(
    {
        Reason.INSUFFICIENT_CAPACITY,
        Reason.WAITING_FOR_HIGHER_PRIORITY,
        Reason.RESERVED_FOR_OTHER_SHARES,
        Reason.QUEUE_LIMIT_REACHED,
        Reason.SHARE_LIMIT_REACHED,
    }
)


def queued_behind(job: BatchJob, status: Status, position: int, now: float, estimate: float | None = None) -> Status:
    """Status of a job with others ahead of it in its queue, or in its share of a fair-share queue."""
    ahead = position - 1
    at = clock(now)
    others = "1 job is" if ahead == 1 else f"{ahead} jobs are"
    if job.share:
        message = f"position {position} in share {job.share} of queue {job.queue}: {others} ahead in it (at {at})"
    else:
        message = f"position {position} in queue {job.queue}: {others} ahead (at {at})"
    waits = to_runnable(status, Reason.WAITING_IN_QUEUE, message, queue_position=position, estimated_start=estimate)
    return waits._replace(head_since=status.head_since)


def outdated(status: Status, position: int) -> bool:
    """Whether what the status says of the position is not true any more.

    A job that was first says so until it starts, unless one that goes before it has come since.
    """
    if status.reason in _SAID_OF_THE_FIRST:
        return status.queue_position is not None and position > status.queue_position
    return status.reason == Reason.WAITING_IN_QUEUE and worth_renewing(status.queue_position, position)


def worth_renewing(shown: int | None, position: int) -> bool:
    """Whether the position has changed enough since it was shown."""
    if shown is None:
        return True
    return position != shown and (position <= _EXACT_UP_TO or position * 2 <= shown or position > shown * 2)


def unestimated(status: Status, *, waits: bool) -> Status:
    """Take the estimate back from a job that has started, or does not wait for room."""
    if status.estimated_start is None or (waits and not arraystatus.has_started(status)):
        return status
    return status._replace(estimated_start=None)


def estimate_moved(shown: float | None, estimate: float | None, now: float) -> bool:
    """Whether an estimate differs by more than half a minute and a fifth of the time that remains."""
    if shown is None or estimate is None or inf in (shown, estimate):
        return shown != estimate
    return abs(estimate - shown) > max(LEAST_MOVE_SECONDS, LEAST_MOVE_SHARE * (estimate - now))


def due_again(reported_at: float, waits_since: float, now: float) -> bool:
    """Whether a job may be told a reading anew for its own sake: the longer it waits, the more seldom."""
    return now - reported_at >= max(LEAST_PAUSE_SECONDS, LEAST_PAUSE_SHARE * (now - waits_since))


def renewals(
    jobs: Mapping[Key, BatchJob],
    statuses: Mapping[Key, Status],
    backlog: Backlog,
    *,
    limit: int,
    now: float,
    estimates: Mapping[Key, float] = _NO_ESTIMATES,
    reported_at: Mapping[Key, float] = _NO_ESTIMATES,
) -> dict[Key, Status]:
    """Statuses of the waiting jobs whose shown position or estimate is out of date, at most `limit`, front first.

    `reported_at` says when the estimate of a job was last reported.
    """
    found: dict[Key, Status] = {}
    for queue in backlog.names():
        for _, share_queue in sorted(backlog.share_queues(queue).items()):
            for position, key in enumerate(map(key_of, share_queue), start=1):
                status, estimate = statuses[key], estimates.get(key)
                if outdated(status, position):
                    found[key] = queued_behind(jobs[key], status, position, now, estimate)
                elif estimate != status.estimated_start and estimate_moved(status.estimated_start, estimate, now):
                    since = jobs[key].created
                    if not arraystatus.has_started(status) and due_again(reported_at.get(key, since), since, now):
                        found[key] = status._replace(estimated_start=estimate)
                if len(found) >= limit:
                    return found
    return found
