"""The fronts of all queues, from what each pass has decided.

Nothing here is needed to decide anything. After a restart the first pass finds the same fronts again, and the times
come from the statuses written before.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from batchyard.api import names
from batchyard.api.models.jobqueue import SHOWN_AT_FRONT
from batchyard.core.insight import queuefront
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import Key
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling.backlog import key_of
from batchyard.objects.kinds.queuefront import PARTS, blocked_since, render_front, shown_front
from batchyard.runtime.state.cache import Cache


class QueueFronts:
    """What stands at the front of each queue since the last pass."""

    def __init__(self, cache: Cache, visibility: Visibility) -> None:
        self._cache = cache
        self._visibility = visibility
        self._fronts: dict[str, queuefront.Front] = {}
        self._stuck_since: dict[str, float] | None = None
        """Since when nothing was placed of queues in which jobs wait; None before the first pass."""

    def note(self, placed: Placed, now: float) -> None:
        """Take in what a pass has decided."""
        self._fronts = queuefront.fronts(placed.holds, (each.key for each in placed.placements), self._cache.jobs)
        before = self._stored() if self._stuck_since is None else self._stuck_since
        self._stuck_since = {
            queue: now if front.placed else min(before.get(queue, now), now) for queue, front in self._fronts.items()
        }

    def _stored(self) -> dict[str, float]:
        """What the statuses tell that another process wrote, unless it placed something after that."""
        found: dict[str, float] = {}
        for (kind, _, name), status in self._cache.catalogue.statuses.items():
            if kind == names.JOB_QUEUE and (since := blocked_since(status)) is not None:
                found[name] = since
        for run in self._cache.runs.all():
            if run.queue in found:
                found[run.queue] = max(found[run.queue], run.created)
        return found

    def render(self, queue: str, previous: Mapping[str, Any], *, recount: bool, now: float) -> dict[str, Any]:
        """Return the parts of the queue's status that are about its front."""
        if self._stuck_since is None:
            return {part: previous[part] for part in PARTS if part in previous}
        front, stuck_since = self._fronts.get(queue), self._stuck_since.get(queue)
        waiting = self._waiting(queue, front, previous, recount=recount)
        if not waiting:
            return {}
        first, blocked = waiting[0], None
        status = self._cache.statuses[first]
        head = queuefront.why(status, front.holds.get(first) if front is not None else None, self._visibility)
        if front is not None and stuck_since is not None and now - stuck_since >= queuefront.BLOCKED_AFTER_SECONDS:
            blocked = (stuck_since, front.blocking)
        jobs = [self._cache.jobs[key] for key in waiting]
        return render_front(jobs, head, status.estimated_start, blocked, previous, now, self._visibility)

    def _waiting(
        self, queue: str, front: queuefront.Front | None, previous: Mapping[str, Any], *, recount: bool
    ) -> list[Key]:
        """The first jobs of the queue, or the heads of its share queues."""
        share_queues = self._cache.backlog.share_queues(queue)
        if "" in share_queues:
            return list(map(key_of, islice(share_queues[""], SHOWN_AT_FRONT)))
        heads = [key for key in (front.holds if front is not None else ()) if key in self._cache.backlog]
        shown = shown_front(previous, (self._cache.jobs[key] for key in heads))
        return queuefront.listed(heads, shown, recount=recount)
