"""Who is at the front of each queue, why the first does not start, and since when nothing of the queue could.

A queue is blocked while jobs of it wait and none could be placed for a while, whatever holds them back.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from batchyard.api.models.jobqueue import SHOWN_AT_FRONT
from batchyard.api.reasons import DOCUMENTATION
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import Status
from batchyard.core.scheduling.decisions import Hold

BLOCKED_AFTER_SECONDS = 30.0
"""How long nothing of a queue must have been placed before it is called blocked: a full one places jobs all along."""

_UNTOLD = "the job's own status says why"


@dataclass(slots=True, frozen=True)
class Front:
    """What a pass found at the front of one queue."""

    holds: Mapping[Key, Hold]
    """The first jobs that were looked at and do not start, in the order of their turns."""
    blocking: Hold
    """Why the first of them that could ever start does not."""
    placed: bool
    """Whether others of the queue start."""


def fronts(holds: Iterable[tuple[Key, Hold]], placed: Iterable[Key], jobs: Mapping[Key, BatchJob]) -> dict[str, Front]:
    """Return the fronts of the queues in which jobs wait."""
    moving = {jobs[key].queue for key in placed}
    firsts: dict[str, dict[Key, Hold]] = {}
    blocking: dict[str, Hold] = {}
    for key, hold in holds:
        queue = jobs[key].queue
        first = firsts.setdefault(queue, {})
        if len(first) < SHOWN_AT_FRONT:
            first[key] = hold
        if queue not in blocking or (blocking[queue].stalled and not hold.stalled):
            blocking[queue] = hold
    return {queue: Front(first, blocking[queue], queue in moving) for queue, first in firsts.items()}


def why(status: Status, hold: Hold | None, visibility: Visibility) -> tuple[str, str]:
    """Return the reason why the first job of a queue does not start, and a sentence.

    What a pass found names queues, environments and amounts. The words of the job's own status may name anything that
    its namespace has, so there the sentence stands that documents the reason, unless all may be named.
    """
    if hold is not None:
        return hold.reason, hold.message
    if visibility is Visibility.ALL:
        return status.reason, status.message
    return status.reason, DOCUMENTATION.get(status.reason, _UNTOLD)


def listed(waiting: Collection[Key], shown: Collection[Key], *, recount: bool) -> list[Key]:
    """Return whom to list of the heads of shares, which come in the order of their turns.

    As usage fades, turns change by themselves: the order that is shown stays until shares are counted anew.
    """
    stays = not recount and len(shown) == min(len(waiting), SHOWN_AT_FRONT) and set(shown) <= set(waiting)
    return list(shown) if stays else list(waiting)[:SHOWN_AT_FRONT]
