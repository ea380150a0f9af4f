"""How an array's status follows from what its Kubernetes Jobs show, and what it asks for next.

One Indexed Job goes through all indexes and runs each once; its parallelism is what the planner has granted. An index
that is tried again gets a Job of its own, as a single job does: so back-off, exit rules and interruptions mean the same
there, and an index that rests holds nobody back. (The Job controller's own retries do: it counts the lowest unfinished
indexes, those that rest included, against the parallelism.)

Level-triggered: the answer depends on the arguments only. What the Jobs do not show any more is in the status.
"""

from dataclasses import dataclass, field, replace
from itertools import islice

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.indexgate import Gate
from batchyard.core.admission.references import Unsatisfiable
from batchyard.core.definition.runterms import judged_by
from batchyard.core.lifecycle import lostnodes, takeback
from batchyard.core.lifecycle.array.arraystatus import closed, described
from batchyard.core.lifecycle.array.holdups import holdups
from batchyard.core.lifecycle.array.indexruns import RETRIES_AT_ONCE, IndexRuns
from batchyard.core.lifecycle.ending.outcome import not_started
from batchyard.core.lifecycle.startup import gives_up_at
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.transitions import ended, to_running, to_starting
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus, FailedIndex
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status

SHOWN_FAILURES = 10
LOOK_SECONDS = 5.0
"""How often the pods of an array are looked at while some of them do not start."""


@dataclass(slots=True)
class Observed:
    """An array's next status, and what follows from it."""

    status: Status
    demand: ArrayDemand = field(default_factory=ArrayDemand)
    reads_pods: bool = False
    """Whether pods of the Indexed Job must be read to know more."""
    stop: list[Run] = field(default_factory=list)
    """Jobs of single indexes that are to be deleted."""
    give_back: bool = False
    """Whether places of indexes that cannot start are to be given back."""
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
    return _Observation(job, shape, array, admitted, runs, surroundings, now, gate).result()


class _Observation:
    """One look at an array that has started."""

    def __init__(
        self,
        job: BatchJob,
        shape: ArrayShape,
        array: ArrayStatus,
        admitted: Admitted,
        runs: JobRuns,
        surroundings: Surroundings,
        now: float,
        gate: Gate | None,
    ) -> None:
        self._gate = gate
        self._lack = admitted.lack
        self._terms = judged_by(admitted.resolved, runs.of_array)
        self._shape = shape
        self._status = admitted.status
        self._before = array
        self._seen = runs
        self._nodes = surroundings.nodes
        self._now = now
        main = runs.indexed
        self._shown = main.indexed if main is not None else None
        self._of_main = _indexes_of_main(main)
        self._environment = next((run.environment for run in runs.of_array), admitted.status.environment)
        environment = surroundings.environments.get(self._environment)
        self._patience = takeback.patience(self._terms.startup_grace_seconds, environment)
        self._indexes = IndexRuns(job, shape, array, admitted, runs, surroundings, now, gate)
        live = (self._indexes.chains[index][-1] for index in self._indexes.live)
        self._holdups = holdups(runs, live, self._patience)
        self._lost = [*self._indexes.lost, *self._lost_of_main()]

    def result(self) -> Observed:
        indexes = self._indexes
        array = self._counted()
        status = self._described(array)._replace(interruptions=indexes.interruptions(self._status.interruptions))
        if (end := self._end(array)) is not None:
            state, reason, message = end
            return Observed(ended(status, state, reason, message, self._now))
        reads_pods = self._look_at_starts() or self._look_at_leaving() or indexes.reads_pods
        reads_pods = reads_pods or any(each.asks(self._now) for each in self._holdups)
        give_back = any(each.due <= self._now for each in self._holdups)
        indexes.wakes.extend(each.wake_at(self._now) for each in self._holdups if each.due > self._now)
        demand = self._demand()
        if status.refusals and not demand.total and self._all_start():
            status = status._replace(refusals=0)
        deletes_pods = bool(self._of_main) and bool(indexes.stopped - array.succeeded - array.failed)
        abandoned = [*indexes.abandoned, *self._not_started()]
        forced = [pod for pod in self._lost if pod.forced]
        wake_at = min(indexes.wakes, default=None)
        return Observed(status, demand, reads_pods, indexes.stop, give_back, abandoned, forced, deletes_pods, wake_at)

    def _all_start(self) -> bool:
        """Whether everything that has a place has got past its start."""
        main, indexes = self._seen.indexed, self._indexes
        rests = main is None or main.ended or (not takeback.lacks_pods(main, None) and main.active <= main.ready)
        return rests and not self._holdups and indexes.started() == len(indexes.live)

    def _counted(self) -> ArrayStatus:
        main, before, indexes = self._seen.indexed, self._before, self._indexes
        succeeded = indexes.succeeded
        failed = before.failed | IndexSet.of(indexes.failures) | indexes.never
        running = indexes.started()
        active = IndexSet.of(indexes.live) | self._of_main
        if main is not None and not main.ended:
            running += min(main.ready, main.active)
        shown = list(before.first_failures)
        shown += [indexes.failures[index] for index in sorted(indexes.failures)]
        if self._gate is not None:
            why = self._gate.why_never
            never = islice(indexes.never, SHOWN_FAILURES)
            shown += [FailedIndex(index, 0, None, Reason.DEPENDENCY_NOT_MET, why) for index in never]
        started = sum(run.attempt > 1 for chain in indexes.chains.values() for run in chain)
        return replace(
            before,
            succeeded=succeeded,
            failed=failed,
            interrupted=indexes.interrupted,
            active=active - succeeded - failed,
            running=min(running, len(active)),
            retries=max(before.retries, started),
            first_failures=tuple(shown[:SHOWN_FAILURES]),
            trouble=next((each.message for each in self._holdups if each.message), ""),
            lost=lostnodes.of_indexes(self._lost, self._nodes),
            hold=self._hold(),
            lacking=self._lack is not None,
        )

    def _hold(self) -> str:
        """Why those that wait do not start, as far as it does not depend on others."""
        if self._lack is not None:
            return self._lack.message
        if self._gate is not None and not self._indexes.due:
            return self._gate.why
        return "" if self._before.lacking else self._before.hold

    def _described(self, array: ArrayStatus) -> Status:
        main, status = self._seen.indexed, self._status
        started_at = status.started_at
        if started_at is None and (array.running or array.succeeded or array.failed):
            started_at = (main.started_at if main else None) or self._now
        if self._gate is not None and not self._environment:
            return self._not_begun(array, self._gate)
        if started_at is not None:
            status = to_running(status, status.reason, status.message, started_at)
        else:
            status = to_starting(status, status.reason, status.message)
        status = status._replace(
            revision=main.revision if main else status.revision,
            definition_uid=status.definition_uid or self._terms.definition_uid,
            digest=status.digest or self._terms.digest,
            environment=self._environment,
            job_name=main.name if main else status.job_name,
        )
        return described(status, array)

    def _not_begun(self, array: ArrayStatus, gate: Gate) -> Status:
        """No index has been placed yet: what has turns come waits in the queue, what has not says so here."""
        status = self._status._replace(array=replace(array, hold=""))
        if self._indexes.due:
            return status
        message = f"every index waits {gate.why}"
        return status._replace(reason=Reason.WAITING_FOR_DEPENDENCIES, message=message, queue_position=None)

    def _end(self, array: ArrayStatus) -> tuple[JobState, str, str] | None:
        """State, reason and message of the array's end, if it has come to that."""
        limit, failures = self._shape.max_failed_indexes, array.failed - self._shape.stopped
        if limit is not None and len(failures) > limit:
            message = f"{len(failures)} indexes failed, more than maxFailedIndexes ({limit}) allows{_first(array)}"
            return JobState.FAILED, Reason.TOO_MANY_FAILED_INDEXES, message
        if self._status.started_at is None and not (array.running or array.succeeded or array.failed):
            for pod in self._not_started():  # all are alike, and none of them has got as far yet
                return JobState.FAILED, Reason.CANNOT_START, not_started(pod).message
        ended = len(array.succeeded) + len(array.failed)
        if (
            ended < len(array.indexes)
            and isinstance(self._lack, Unsatisfiable)
            and not array.active
            and not self._goes_on()
        ):
            return JobState.FAILED, self._lack.reason, self._lack.message
        if ended < len(array.indexes) or (self._seen.indexed and not self._seen.indexed.ended):
            return None
        if not array.failed:
            return JobState.SUCCEEDED, Reason.COMPLETED, f"all {array.what} succeeded"
        message = f"{len(array.failed)} of {array.what} failed{_first(array)}"
        return JobState.FAILED, Reason.INDEXES_FAILED, message

    def _goes_on(self) -> bool:
        """Whether the Indexed Job has places in which further indexes start by themselves."""
        main, shown = self._seen.indexed, self._shown
        return main is not None and shown is not None and not main.ended and shown.parallelism > 0

    def _not_started(self) -> list[Pod]:
        """The pods of the Indexed Job that could not be started in time, and have not been deleted for that."""
        report, found = self._seen.report, []
        for pod in report.waiting:
            due = gives_up_at(pod, self._terms.startup_grace_seconds)
            if due is None or pod.uid in report.abandoned or pod.asked_to_stop_at is not None:
                continue
            if due <= self._now:
                found.append(pod)
            else:
                self._indexes.wakes.append(due)
        return found

    def _look_at_starts(self) -> bool:
        """Whether to have pods read that take long to start: only they tell why."""
        main = self._seen.indexed
        if main is None or main.ended or main.active <= main.ready:
            return False
        due = max(self._seen.report.looked_at, main.created) + LOOK_SECONDS
        if due <= self._now:
            return True
        self._indexes.wakes.append(due)
        return False

    def _look_at_leaving(self) -> bool:
        """Whether to have pods read that do not end although they were asked to: their node may be lost."""
        main = self._seen.indexed
        if main is None or main.ended or not (main.deleting or self._leaving()):
            return False
        due = self._seen.report.looked_at + lostnodes.LOOK_SECONDS
        if due <= self._now:
            return True
        self._indexes.wakes.append(due)
        return False

    def _leaving(self) -> IndexSet:
        """The indexes whose pods of the Indexed Job were asked to stop, and of which it does not show the end."""
        if self._shown is None:
            return IndexSet()
        return IndexSet.of(self._seen.leaving) - self._shown.completed - self._shown.failed

    def _lost_of_main(self) -> list[Pod]:
        main = self._seen.indexed
        if main is None or main.ended:
            return []
        found, leaving = self._seen.report.leaving, self._leaving()
        if not main.deleting:
            found = tuple(pod for pod in found if pod.index is not None and pod.index in leaving)
        return [pod for pod in found if lostnodes.node_of(pod, self._nodes) is not None]

    def _demand(self) -> ArrayDemand:
        if self._lack is not None:
            return ArrayDemand(environment=self._environment)
        main, shown = self._seen.indexed, self._shown
        at_once = self._shape.at_once - len(self._indexes.live)
        slots = held = 0
        if main is not None and shown is not None and not main.ended and not main.deleting:
            held = main.slots
            slots = max(min(shown.unfinished, at_once) - shown.parallelism, 0)
        due = tuple(self._indexes.due[: max(min(at_once - held, RETRIES_AT_ONCE), 0)])
        slots = max(min(slots, at_once - held - len(due)), 0)
        return ArrayDemand(slots, due, self._environment)


def _indexes_of_main(main: Run | None) -> IndexSet:
    """The indexes that have pods of the Indexed Job: its controller starts the lowest first, and none twice."""
    if main is None or main.indexed is None or main.ended:
        return IndexSet()
    shown = main.indexed
    left = IndexSet.below(shown.size) - shown.completed - shown.failed
    return IndexSet.of(islice(left, main.active + shown.terminating))


def _first(array: ArrayStatus) -> str:
    if not array.first_failures:
        return ""
    first = array.first_failures[0]
    return f": {array.failed.brief()}; first seen: index {first.index}: {first.message}"
