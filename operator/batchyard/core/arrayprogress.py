"""How an array's status follows from what its Kubernetes Jobs show, and what it asks for next.

Called by the planner for each array that something happened to, in the place of `lifecycle`. One Indexed Job goes
through all indexes and runs each once; its parallelism is what the planner has granted. An index that is tried again
gets a Job of its own, as a single job does: so back-off, exit rules and interruptions mean the same there, and an index
that rests holds nobody back. (The Job controller's own retries do: it counts the lowest unfinished indexes, those that
rest included, against the parallelism.)

Level-triggered: the answer depends on the arguments only. What the Jobs do not show any more is in the status.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from batchyard.api.batchjob import JobState
from batchyard.core import retries
from batchyard.core.arrayrecords import (
    MAIN_RUN,
    ArrayPods,
    ArrayShape,
    ArrayStatus,
    FailedIndex,
    IndexRun,
    Want,
)
from batchyard.core.arrays import closed, described
from batchyard.core.indexes import IndexSet
from batchyard.core.indexgate import Gate
from batchyard.core.lifecycle import last_word_due
from batchyard.core.outcome import Outcome, Verdict, of_pod, of_run
from batchyard.core.reasons import Reason
from batchyard.core.records import TERMINAL, BatchJob, Pod, Resolved, RetryPolicy, Run, Status
from batchyard.core.startup import gives_up_at

SHOWN_FAILURES = 10
RETRIES_AT_ONCE = 500
"""How many retries an array asks for in one pass at most; the others are asked for once those have started."""

LOOK_SECONDS = 5.0
"""How often the pods of an array are looked at while some of them do not start."""


@dataclass(slots=True, frozen=True)
class Seen:
    """What the API server shows of one array."""

    main: Run | None
    """The Job that goes through all indexes."""
    others: Iterable[Run] = ()
    """The Jobs of single indexes."""
    pods: Mapping[str, Pod] = field(default_factory=dict)
    """Pods of the Jobs of single indexes, by the name of their Job."""
    looked: ArrayPods = field(default_factory=ArrayPods)

    @property
    def runs(self) -> list[Run]:
        """All Jobs of the array."""
        return [self.main, *self.others] if self.main is not None else list(self.others)


@dataclass(slots=True)
class Observed:
    """An array's next status, and what follows from it."""

    status: Status
    want: Want = field(default_factory=Want)
    look: bool = False
    """Whether pods of the Indexed Job must be read to know more."""
    stop: list[Run] = field(default_factory=list)
    """Jobs of single indexes that are to be deleted."""
    halt: bool = False
    """Whether the Indexed Job may have pods of indexes that are to end."""
    wake_at: float | None = None


def observe(
    job: BatchJob,
    shape: ArrayShape,
    status: Status,
    resolved: Resolved | None,
    seen: Seen,
    now: float,
    gate: Gate | None = None,
) -> Observed:
    """Bring the status up to date, and say what the array asks for if it may go on."""
    if status.state in TERMINAL:
        return Observed(status if status.array else closed(replace(status, array=ArrayStatus(shape.size))))
    array = status.array or ArrayStatus(shape.size)
    if seen.main is None and not status.environment and gate is None:
        return Observed(replace(status, array=array), Want(slots=shape.at_once))
    return _Observation(job, shape, status, array, resolved, seen, now, gate).result()


class _Observation:
    """One look at an array that has started."""

    def __init__(
        self,
        job: BatchJob,
        shape: ArrayShape,
        status: Status,
        array: ArrayStatus,
        resolved: Resolved | None,
        seen: Seen,
        now: float,
        gate: Gate | None,
    ) -> None:
        self._gate = gate
        self._job = job
        self._shape = shape
        self._status = status
        self._before = array
        self._policy = resolved.retry if resolved else RetryPolicy()
        self._grace_seconds = resolved.startup_grace_seconds if resolved else 0
        self._seen = seen
        self._now = now
        self._shown = seen.main.indexed if seen.main is not None and seen.main.indexed else None
        self._of_main = _indexes_of_main(seen.main)
        self._chains = _chains(seen.others)
        self._environment = next((run.environment for run in seen.runs), status.environment)
        self._failures: dict[int, FailedIndex] = {}
        self._due: list[IndexRun] = []
        self._live: list[int] = []
        self._never = IndexSet()
        self._stopped = shape.stopped & array.indexes
        self._interrupted: list[int] = []
        self._stop: list[Run] = []
        self._look = False
        self._wakes: list[float] = []

    def result(self) -> Observed:
        succeeded = self._succeeded()
        if self._gate is not None:
            self._never = self._gate.never - succeeded - self._before.failed - IndexSet.of(self._chains)
        for index in self._in_question(succeeded) - self._never:
            self._judge(index)
        array = self._counted(succeeded)
        status = replace(self._described(array), interruptions=self._interruptions())
        if (end := self._end(array)) is not None:
            state, reason, message = end
            ended = replace(status, state=state, reason=reason, message=message, stopped_at=self._now, not_before=None)
            return Observed(closed(ended))
        self._look_at_starts()
        halt = bool(self._of_main) and bool(self._stopped - array.succeeded - array.failed)
        return Observed(status, self._want(), self._look, self._stop, halt, min(self._wakes, default=None))

    # Single indexes.

    def _succeeded(self) -> IndexSet:
        alone = (index for index, chain in self._chains.items() if any(run.condition == "Complete" for run in chain))
        completed = self._shown.completed if self._shown else IndexSet()
        return self._before.succeeded | completed | IndexSet.of(alone)

    def _in_question(self, succeeded: IndexSet) -> IndexSet:
        """The indexes that have not succeeded and that the Indexed Job does not care for any more."""
        if self._gate is not None:
            left = self._gate.ready | IndexSet.of(self._chains) | self._stopped
        elif self._shown is None or (self._seen.main is not None and self._seen.main.ended):
            left = self._before.indexes
        else:
            left = self._shown.failed | IndexSet.of(self._chains)
        return left - succeeded - self._before.failed

    def _judge(self, index: int) -> None:
        """Decide what follows the last run of an index: another one, now or later, or its failure."""
        chain = self._chains.get(index, [])
        if chain and not chain[-1].ended:
            self._live.append(index)
            if index in self._stopped and not chain[-1].deleting:
                self._stop.append(chain[-1])
            return
        if index in self._stopped:
            reason = next(stop.reason for stop in self._shape.stops if index in stop.indexes)
            attempt = chain[-1].attempt if chain else int(self._shown is not None)
            message = f"terminated: {reason}"
            self._failures[index] = FailedIndex(index, attempt, None, Reason.TERMINATED, message)
            return
        if not chain and self._gate is not None:
            self._due.append(IndexRun(index, MAIN_RUN, 1))
            return
        attempt = chain[-1].attempt if chain else 1
        number = chain[-1].number if chain else MAIN_RUN
        ended = self._last_end(index, chain[-1] if chain else None)
        if ended is None:
            return
        outcome, pod, ended_at = ended
        if outcome.verdict is Verdict.INTERRUPTED:
            self._interrupted.append(index)
        follows = retries.after(
            outcome,
            attempt=attempt,
            interruptions=number - attempt,
            policy=self._policy,
            now=ended_at,
            chance=retries.chance_of(f"{self._job.uid}/{index}", attempt),
        )
        if isinstance(follows, retries.Again):
            if follows.not_before > self._now:
                self._wakes.append(follows.not_before)
            else:
                again = attempt if outcome.verdict is Verdict.INTERRUPTED else attempt + 1
                self._due.append(IndexRun(index, number + 1, again))
        elif follows is not None:
            where = (pod.name, pod.node_name) if pod else ("", "")
            self._failures[index] = FailedIndex(
                index, attempt, outcome.exit_code, follows.reason, follows.message, *where
            )

    def _last_end(self, index: int, run: Run | None) -> tuple[Outcome, Pod | None, float] | None:
        """How the last run of an index ended, and when; None as long as that has yet to be read."""
        if run is not None:
            pod = self._seen.pods.get(run.name)
            if (due := last_word_due(run, pod, self._now)) is not None:
                self._wakes.append(due)
                return None
            return of_run(run, pod), pod, run.ended_at or self._now
        if self._shown is None or index not in self._shown.failed:
            message = f"the Kubernetes Job of the array was deleted before index {index} had ended"
            return Outcome(Verdict.INTERRUPTED, Reason.JOB_DELETED, message), None, self._now
        if index not in self._seen.looked.ends:
            self._look = True
            return None
        pod = self._seen.looked.ends[index]
        return of_pod(pod), pod, (pod.stopped_at if pod else None) or self._now

    def _interruptions(self) -> int:
        """How often runs were interrupted: the number of a run grows each time, that of its attempt then does not.

        A status may be behind the Jobs, or know of indexes that were interrupted once too often and have no Job.
        """
        lost = sum(index in self._failures for index in self._interrupted)
        shown = len(self._interrupted)
        for index, chain in self._chains.items():
            last = chain[-1]
            shown += last.number - last.attempt
            if index in self._before.failed and last.ended:
                shown += of_run(last, self._seen.pods.get(last.name)).verdict is Verdict.INTERRUPTED
        return max(self._status.interruptions + lost, shown)

    # The array as a whole.

    def _counted(self, succeeded: IndexSet) -> ArrayStatus:
        main, before = self._seen.main, self._before
        failed = before.failed | IndexSet.of(self._failures) | self._never
        running = sum(self._has_started(self._chains[index][-1]) for index in self._live)
        active = IndexSet.of(self._live) | self._of_main
        if main is not None and not main.ended:
            running += min(main.ready, main.active)
        shown = list(before.first_failures)
        shown += [self._failures[index] for index in sorted(self._failures)]
        if self._gate is not None:
            why = self._gate.why_never
            never = islice(self._never, SHOWN_FAILURES)
            shown += [FailedIndex(index, 0, None, Reason.DEPENDENCY_NOT_MET, why) for index in never]
        started = sum(run.attempt > 1 for chain in self._chains.values() for run in chain)
        return replace(
            before,
            succeeded=succeeded,
            failed=failed,
            active=active - succeeded - failed,
            running=min(running, len(active)),
            retries=max(before.retries, started),
            first_failures=tuple(shown[:SHOWN_FAILURES]),
            hold=self._gate.why if self._gate is not None and not self._due else before.hold,
        )

    def _has_started(self, run: Run) -> bool:
        pod = self._seen.pods.get(run.name)
        return pod is not None and pod.live and pod.started_at is not None and not pod.waiting_reason

    def _described(self, array: ArrayStatus) -> Status:
        main, status = self._seen.main, self._status
        started_at = status.started_at
        if started_at is None and (array.running or array.succeeded or array.failed):
            started_at = (main.started_at if main else None) or self._now
        begun = started_at is not None
        if self._gate is not None and not self._environment:
            return self._not_begun(array, self._gate)
        status = replace(
            status,
            state=JobState.RUNNING if begun else JobState.STARTING,
            revision=main.revision if main else status.revision,
            environment=self._environment,
            job_name=main.name if main else status.job_name,
            started_at=started_at,
            queue_position=None,
            stalled=False,
        )
        return described(status, array)

    def _not_begun(self, array: ArrayStatus, gate: Gate) -> Status:
        """No index has been placed yet: what has turns come waits in the queue, what has not says so here."""
        status = replace(self._status, array=replace(array, hold=""))
        if self._due:
            return status
        message = f"every index waits {gate.why}"
        return replace(status, reason=Reason.WAITING_FOR_DEPENDENCIES, message=message, queue_position=None)

    def _end(self, array: ArrayStatus) -> tuple[JobState, str, str] | None:
        """State, reason and message of the array's end, if it has come to that."""
        limit = self._shape.max_failed_indexes
        if limit is not None and len(array.failed) > limit:
            message = f"{len(array.failed)} indexes failed, more than maxFailedIndexes ({limit}) allows{_first(array)}"
            return JobState.FAILED, Reason.TOO_MANY_FAILED_INDEXES, message
        for pod in self._seen.looked.waiting:
            due = gives_up_at(pod, self._grace_seconds)
            if due is not None and due <= self._now:
                return JobState.FAILED, Reason.CANNOT_START, f"{pod.waiting_reason}: {pod.waiting_message}"
        ended = len(array.succeeded) + len(array.failed)
        if ended < len(array.indexes) or (self._seen.main and not self._seen.main.ended):
            return None
        if not array.failed:
            return JobState.SUCCEEDED, Reason.COMPLETED, f"all {array.what} succeeded"
        message = f"{len(array.failed)} of {array.what} failed{_first(array)}"
        return JobState.FAILED, Reason.INDEXES_FAILED, message

    def _look_at_starts(self) -> None:
        """Have pods read that take long to start: only they tell why."""
        main = self._seen.main
        if main is None or main.ended or main.active <= main.ready:
            return
        due = max(self._seen.looked.looked_at, main.created) + LOOK_SECONDS
        if due <= self._now:
            self._look = True
        else:
            self._wakes.append(due)

    def _want(self) -> Want:
        main, shown = self._seen.main, self._shown
        at_once = self._shape.at_once - len(self._live)
        slots = held = 0
        if main is not None and shown is not None and not main.ended and not main.deleting:
            held = min(shown.parallelism, shown.unfinished)
            slots = max(min(shown.unfinished, at_once) - shown.parallelism, 0)
        due = tuple(self._due[: max(min(at_once - held, RETRIES_AT_ONCE), 0)])
        slots = max(min(slots, at_once - held - len(due)), 0)
        return Want(slots, due, self._environment)


def _indexes_of_main(main: Run | None) -> IndexSet:
    """The indexes that have pods of the Indexed Job: its controller starts the lowest first, and none twice."""
    if main is None or main.indexed is None or main.ended:
        return IndexSet()
    shown = main.indexed
    left = IndexSet.below(shown.size) - shown.completed - shown.failed
    return IndexSet.of(islice(left, main.active + shown.terminating))


def _chains(others: Iterable[Run]) -> dict[int, list[Run]]:
    """The runs of single indexes, in their order."""
    chains: dict[int, list[Run]] = {}
    for run in sorted(others, key=lambda run: run.number):
        if run.index is not None:
            chains.setdefault(run.index, []).append(run)
    return chains


def _first(array: ArrayStatus) -> str:
    if not array.first_failures:
        return ""
    first = array.first_failures[0]
    return f": {_shortened(str(array.failed))}; first seen: index {first.index}: {first.message}"


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100].rpartition(',')[0]},…"
