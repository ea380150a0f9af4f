"""How an array's status follows from what its Kubernetes Jobs show, and what it asks for next.

One Indexed Job goes through all indexes and runs each once; its parallelism is what the planner has granted. An index
that is tried again gets a Job of its own, as a single job does: so back-off, exit rules and interruptions mean the same
there, and an index that rests holds nobody back. (The Job controller's own retries do: it counts the lowest unfinished
indexes, those that rest included, against the parallelism.)

Level-triggered: the answer depends on the arguments only. What the Jobs do not show any more is in the status.
"""

from dataclasses import dataclass, field, replace

from batchyard.api.reasons import Reason
from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.indexgate import Gate
from batchyard.core.lifecycle import takeback
from batchyard.core.lifecycle.array import mainpods, moving
from batchyard.core.lifecycle.array.arraystatus import closed, described
from batchyard.core.lifecycle.array.counts import counted
from batchyard.core.lifecycle.array.demand import demand
from batchyard.core.lifecycle.array.end import end_of
from batchyard.core.lifecycle.array.holdups import holdups
from batchyard.core.lifecycle.array.indexruns import IndexRuns
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.transitions import ended, to_running, to_starting
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus
from batchyard.core.model.job import BatchJob
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.model.timers import earliest


@dataclass(slots=True)
class Observed:
    """An array's next status, and what follows from it."""

    status: Status
    demand: ArrayDemand = field(default_factory=ArrayDemand)
    reads_pods: bool = False
    """Whether pods of the Indexed Job must be read to know more."""
    stop: list[Run] = field(default_factory=list)
    """Jobs that are to be deleted."""
    give_back: bool = False
    """Whether slots of indexes that cannot start are to be given back."""
    abandoned: list[Pod] = field(default_factory=list)
    """Pods of indexes that could not be started in time: they are to be deleted."""
    forced: list[Pod] = field(default_factory=list)
    """Pods of indexes on lost nodes that somebody has deleted by force: they count as ended."""
    deletes_pods: bool = False
    """Whether the Indexed Job may have pods of indexes that are to end."""
    wake_at: float | None = None


def observe(
    job: BatchJob,
    shape: ArrayShape,
    admitted: Admitted,
    runs: JobRuns,
    surroundings: Surroundings,
    now: float,
    gate: Gate | None = None,
) -> Observed:
    """Bring the status up to date with what runs of the array, and say what it asks for if it may go on."""
    status = admitted.status
    if status.state in TERMINAL:
        return Observed(status if status.array else closed(status._replace(array=ArrayStatus(shape.size))))
    array = status.array or ArrayStatus(shape.size)
    if runs.indexed is None and not status.environment and gate is None:
        return Observed(status._replace(array=array), ArrayDemand(slots=shape.at_once))
    if runs.indexed is not None and moving.is_withdrawn(status, runs):
        return Observed(status._replace(array=array), stop=_unless_deleting(runs.indexed))
    view = ArrayView(job, shape, array, admitted, runs, surroundings, now, gate)
    if view.main is not None and moving.is_stuck(view) and moving.is_untouched(view):
        return Observed(moving.withdrawn(status, shape.size), stop=_unless_deleting(view.main))
    return _started(view)


def _unless_deleting(main: Run) -> list[Run]:
    return [] if main.deleting else [main]


def _started(view: ArrayView) -> Observed:
    now, indexes = view.now, IndexRuns(view)
    held_up = holdups(view.runs, (indexes.chains[index][-1] for index in indexes.live), view.patience)
    lost = [*indexes.lost, *mainpods.lost(view)]
    array = counted(view, indexes, held_up, lost)
    status = _status(view, indexes, array)
    if (end := end_of(view, array)) is not None:
        return Observed(ended(status, end.state, end.reason, end.message, now))
    wanted = demand(view, len(indexes.live), indexes.due)
    if status.refusals and not wanted.total and not held_up and _all_start(view, indexes):
        status = status._replace(refusals=0)
    due = mainpods.reading_due(view)
    moments = [*due, *(moment for moment, _ in mainpods.hopeless(view))]
    wakes = [moment for moment in moments if moment > now]
    wakes += (each.wake_at(now) for each in held_up if each.due > now)
    return Observed(
        status,
        wanted,
        reads_pods=indexes.reads_pods or any(at <= now for at in due) or any(each.asks(now) for each in held_up),
        stop=indexes.stop,
        give_back=any(each.due <= now for each in held_up),
        abandoned=[*indexes.abandoned, *mainpods.given_up(view)],
        forced=[pod for pod in lost if pod.forced],
        deletes_pods=bool(view.of_main) and bool(indexes.stopped - array.succeeded - array.failed),
        wake_at=earliest(*indexes.wakes, *wakes, moving.looked_at_again(view)),
    )


def _all_start(view: ArrayView, indexes: IndexRuns) -> bool:
    """Whether every index that has a slot has got past its start."""
    main = view.going
    rests = main is None or (not takeback.lacks_pods(main, None) and main.active <= main.ready)
    return rests and indexes.started() == len(indexes.live)


def _status(view: ArrayView, indexes: IndexRuns, array: ArrayStatus) -> Status:
    """What the status says of these counts as long as the array has not ended."""
    status, main = view.status, view.main
    status = status._replace(interruptions=indexes.interruptions(status.interruptions))
    if view.gate is not None and not view.environment:
        return _not_begun(status, array, view.gate, due=bool(indexes.due))
    started_at = status.started_at
    if started_at is None and (array.running or array.succeeded or array.failed):
        started_at = (main.started_at if main else None) or view.now
    if started_at is not None:
        status = to_running(status, status.reason, status.message, started_at)
    else:
        status = to_starting(status, status.reason, status.message)
    status = status._replace(
        revision=main.revision if main else status.revision,
        definition_uid=status.definition_uid or view.terms.definition_uid,
        digest=status.digest or view.terms.digest,
        environment=view.environment,
        job_name=main.name if main else status.job_name,
    )
    return described(status, array)


def _not_begun(status: Status, array: ArrayStatus, gate: Gate, *, due: bool) -> Status:
    """No index has been placed yet: what has turns come waits in the queue, what has not says so here."""
    status = status._replace(array=replace(array, hold=""))
    if due:
        return status
    message = f"every index waits {gate.why}"
    return status._replace(reason=Reason.WAITING_FOR_DEPENDENCIES, message=message, queue_position=None)
