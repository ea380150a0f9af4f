"""When an array leaves the environment in which its Indexed Job is, since no nodes come for its indexes there.

One of which no index has begun goes back to its queue as it came: its Job is deleted, and another one is made wherever
there is room. That is in its status before: an operator that found the Job gone would think that somebody deleted it.

What is left of one that has begun goes on by Jobs of single indexes, in any environment of the queue. Its Indexed Job
stays, without a slot, as it alone knows which indexes have ended and how. It gets none again: it would run indexes that
have Jobs of their own. Those have the number of its own run, which no retry has, so whoever takes over knows of the
move before it is in the status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchyard.core.lifecycle.transitions import to_runnable
from batchyard.core.model.array import MAIN_RUN, ArrayStatus
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.pods.withoutspot import of_part
from batchyard.core.model.run import Run
from batchyard.core.model.status import NO_NODE_CAME, Status

if TYPE_CHECKING:
    from batchyard.core.lifecycle.array.view import ArrayView

LOOK_SECONDS = 5.0
"""How often it is looked whether what is left of an array may go on elsewhere."""


def has_moved(view: ArrayView) -> bool:
    """Whether what is left of the array may run in any environment."""
    if view.before.moved or (view.main is not None and any(r.number == MAIN_RUN for r in view.runs.indexes.values())):
        return True
    main, resolved = view.going, view.admitted.resolved
    if not is_stuck(view) or is_untouched(view) or main is None or resolved is None:
        return False
    around = view.surroundings
    if main.on_demand and not around.is_left_alone(main.environment, resolved.pods, view.now):
        return True  # better on spot than not at all
    return around.has_others(view.job.key[0], view.job.queue, main.environment, resolved.pods, view.now)


def is_stuck(view: ArrayView) -> bool:
    """Whether nothing of the Indexed Job runs, or is about to, and no nodes come for it."""
    resolved, main, around = view.admitted.resolved, view.going, view.surroundings
    if resolved is None or main is None or not _is_idle(main) or view.job.key in around.granted:
        return False
    pods = of_part(resolved.pods, on_demand=main.on_demand)
    return around.is_left_alone(main.environment, pods, view.now)


def is_untouched(view: ArrayView) -> bool:
    """Whether no index has begun so far."""
    before = view.before
    begun = before.succeeded or before.failed or before.interrupted or before.restarts or before.moved
    return not begun and view.status.started_at is None and _has_done_nothing(view.runs)


def looked_at_again(view: ArrayView) -> float | None:
    """When to look again whether an array may leave its environment: nothing tells of it."""
    return view.now + LOOK_SECONDS if not view.moved and is_stuck(view) else None


def withdrawn(status: Status, size: int) -> Status:
    """The array as it goes back to its queue, of which no index has begun."""
    message = status.array.hold if status.array is not None else ""
    return to_runnable(status, NO_NODE_CAME, message)._replace(array=ArrayStatus(size))


def is_withdrawn(status: Status, runs: JobRuns) -> bool:
    """Whether an array has gone back to its queue, and its Indexed Job is there still."""
    main = runs.indexed
    return not status.environment and main is not None and _is_idle(main) and _has_done_nothing(runs)


def _is_idle(main: Run) -> bool:
    shown = main.indexed
    return shown is not None and not shown.parallelism and not shown.terminating and not main.active


def _has_done_nothing(runs: JobRuns) -> bool:
    shown = runs.indexed.indexed if runs.indexed is not None else None
    return not runs.indexes and (shown is None or not (shown.completed or shown.failed))
