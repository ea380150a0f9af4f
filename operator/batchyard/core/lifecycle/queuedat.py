"""From when the position of a job in its queue counts: its submission, unless it could not have been queued then.

A job that was held, or that named what did not exist, would go before all that have come since when it is released; so
its position counts from then. That of a job that depends on others is never before theirs, else one that is held could
keep a position by another one that waits for it.
"""

from collections.abc import Iterable
from math import ceil

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle import stopping
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import TERMINAL, Status

_LACKS = frozenset(
    {
        Reason.JOB_DEFINITION_NOT_FOUND,
        Reason.REVISION_NOT_FOUND,
        Reason.REVISION_INACTIVE,
        Reason.NO_ACTIVE_REVISION,
        Reason.JOB_QUEUE_NOT_FOUND,
        Reason.NAMESPACE_NOT_ALLOWED,
        Reason.SHARE_NOT_ADMITTED,
    }
)
"""Reasons for which a job is not queued that are its own: what it names does not exist, or may not be named."""

TOGETHER_SECONDS = 10.0
"""What is there so soon after a job was submitted along with it: objects of one file come in any order."""


def released(job: BatchJob, before: Status, after: Status, now: float) -> Status:
    """Have the position of a job count from now that had to be released, or lacked something of its own, until now.

    From the end of this second: submissions are told apart by seconds, and so is this by the next operator.
    """
    goes_on = after.state not in TERMINAL and not _lacked(job, after)
    if goes_on and _lacked(job, before) and now >= job.created + TOGETHER_SECONDS:
        return after._replace(queued_at=float(ceil(now)))
    return after


def behind(job: BatchJob, status: Status, others: Iterable[tuple[BatchJob, Status]]) -> Status:
    """Have the position of a job not count from before those of the jobs that it depends on."""
    latest = max((_counts_from(*other) for other in others), default=0.0)
    return status._replace(queued_at=latest) if latest > _counts_from(job, status) else status


def _counts_from(job: BatchJob, status: Status) -> float:
    return max(job.created, status.queued_at or 0.0)


def _lacked(job: BatchJob, status: Status) -> bool:
    if status.reason == Reason.REVISION_NOT_FOUND and job.pinned_revision is None:
        return False  # it is there, and the operator has yet to record it
    return status.reason in _LACKS or stopping.is_held(status)
