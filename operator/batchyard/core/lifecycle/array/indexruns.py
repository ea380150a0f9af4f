"""The indexes of an array one by one: which have ended for good, which run, and which are due to run again.

An index that is retried gets a Job of its own, so each has a chain of runs of which the last one tells what follows.
"""

from collections.abc import Iterable
from itertools import islice
from operator import attrgetter

from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Unsatisfiable
from batchyard.core.lifecycle import lostnodes
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.ending import retries
from batchyard.core.lifecycle.ending.interruption import stopped_from_outside
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult, not_started, of_pod, of_run
from batchyard.core.lifecycle.single import last_word_due
from batchyard.core.lifecycle.startup import gives_up_at
from batchyard.core.model.array import MAIN_RUN, FailedIndex, IndexRun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Pod, Run

RETRIES_AT_ONCE = 500
"""How many runs of single indexes an array asks for in one pass at most; for the others once those have started."""

JUDGED_AT_ONCE = 5000
"""How many indexes without a Job of their own one look judges at most, in some tens of milliseconds."""


class IndexRuns:
    """One look at the indexes of an array that has started, and what was found."""

    def __init__(self, view: ArrayView) -> None:
        runs, before, gate = view.runs, view.before, view.gate
        self._view = view
        self._now = view.now
        self._shown = view.shown
        self._interrupted: list[int] = []
        self.chains = _chains(runs.indexes.values())
        """The Jobs of each single index, in their order."""
        self.stopped = view.shape.stopped & before.indexes
        """The indexes that are to end."""
        self.failures: dict[int, FailedIndex] = {}
        """The indexes that have failed for good, beyond those of which the status knows."""
        self.due: list[IndexRun] = []
        """The runs that may start now."""
        self.live: list[int] = []
        """The indexes that have a Job of their own which has not ended."""
        self.stop: list[Run] = []
        """Jobs of single indexes that are to be deleted."""
        self.abandoned: list[Pod] = []
        """Pods that could not be started in time."""
        self.lost: list[Pod] = []
        """Pods that nobody can stop, since their node is lost."""
        self.reads_pods = False
        """Whether pods of the Indexed Job must be read to know more."""
        self.wakes: list[float] = []
        """When to look again without being told to."""
        alone = IndexSet.of(index for index, chain in self.chains.items() if self._has_succeeded(chain))
        left_out = alone | before.failed | (self._shown.failed if self._shown else IndexSet())
        self.interrupted = (before.interrupted | IndexSet.of(runs.leaving)) - left_out
        """The indexes whose pods were stopped from outside, though their Job may count them as completed."""
        completed = self._shown.completed if self._shown else IndexSet()
        self.succeeded = ((before.succeeded | completed) - self.interrupted) | alone
        """The indexes that have succeeded."""
        self.never = IndexSet()
        """The indexes that are never to run."""
        if gate is not None:
            self.never = gate.never - self.succeeded - before.failed - IndexSet.of(self.chains)
        self._judge_all(self._in_question(self.succeeded) - self.never)

    def _has_succeeded(self, chain: Iterable[Run]) -> bool:
        return any(run.condition == "Complete" and self._is_believed(run) for run in chain)

    def _is_believed(self, run: Run) -> bool:
        """Whether the pod of a Job that calls itself complete does not tell otherwise, and has had its say."""
        pod = self._view.runs.pods.get(run.name)
        return not stopped_from_outside(pod) and last_word_due(run, pod, self._now) is None

    def started(self) -> int:
        """How many of the indexes with a Job of their own have got past their start."""
        return sum(self._has_started(self.chains[index][-1]) for index in self.live)

    def _has_started(self, run: Run) -> bool:
        pod = self._view.runs.pods.get(run.name)
        return pod is not None and pod.live and pod.started_at is not None

    def _in_question(self, succeeded: IndexSet) -> IndexSet:
        """The indexes that have not succeeded and that the Indexed Job does not care for any more."""
        if self._view.gate is not None:
            left = self._view.gate.ready | IndexSet.of(self.chains) | self.stopped
        elif self._shown is None or self._view.going is None or self._view.moved:
            left = self._view.before.indexes
        else:
            left = self._shown.failed | IndexSet.of(self.chains) | (self.interrupted & self._shown.completed)
        return left - succeeded - self._view.before.failed

    def _judge_all(self, indexes: IndexSet) -> None:
        """Judge those that have Jobs of their own, which are not many, and the lowest of the others.

        All the others of a large array can come into question at once, as when its Job is deleted, and would be judged
        anew each time that something happens to it.
        """
        with_jobs = IndexSet.of(self.chains)
        others = indexes - with_jobs
        stopped = others & self.stopped
        for index in (*(indexes & with_jobs), *islice(stopped, JUDGED_AT_ONCE)):
            self._judge(index)
        for index in islice(others - stopped, JUDGED_AT_ONCE):
            if len(self.due) >= RETRIES_AT_ONCE:
                break
            self._judge(index)
        self.due.sort(key=attrgetter("index"))
        if self.failures and len(others) > JUDGED_AT_ONCE:
            self.wakes.append(self._now)

    def _judge(self, index: int) -> None:
        """Decide what follows the last run of an index: another one, now or later, or its failure."""
        chain = self.chains.get(index, [])
        if chain and not chain[-1].ended:
            self.live.append(index)
            self._give_up(chain[-1])
            self._note_lost(chain[-1])
            if index in self.stopped and not chain[-1].deleting:
                self.stop.append(chain[-1])
            return
        if index in self.stopped:
            reason = next(stop.reason for stop in self._view.shape.stops if index in stop.indexes)
            attempt = chain[-1].attempt if chain else int(self._shown is not None and not self._is_left(index))
            message = f"terminated: {reason}"
            self.failures[index] = FailedIndex(index, attempt, None, Reason.TERMINATED, message)
            return
        if not chain and (self._view.gate is not None or self._is_left(index)):
            self._run(IndexRun(index, MAIN_RUN, 1), 0)
            return
        attempt = chain[-1].attempt if chain else 1
        number = chain[-1].number if chain else MAIN_RUN
        ended = self._last_end(index, chain[-1] if chain else None)
        if ended is None:
            return
        outcome, pod, ended_at = ended
        if outcome.result is RunResult.INTERRUPTED:
            self._interrupted.append(index)
        follows = retries.after(
            outcome,
            attempt=attempt,
            interruptions=number - attempt,
            policy=self._view.terms.retry,
            now=ended_at,
            chance=retries.chance_of(f"{self._view.job.uid}/{index}", attempt),
        )
        if isinstance(follows, retries.Retry):
            if follows.not_before > self._now:
                self.wakes.append(follows.not_before)
            else:
                free = outcome.result in (RunResult.INTERRUPTED, RunResult.TAKEN_BACK)
                again = attempt if free else attempt + 1
                self._run(IndexRun(index, number + 1, again), attempt)
        elif follows is not None:
            where = (pod.name, pod.node_name) if pod else ("", "")
            self.failures[index] = FailedIndex(
                index, attempt, outcome.exit_code, follows.reason, follows.message, *where
            )

    def _is_left(self, index: int) -> bool:
        """Whether an index of an array that has moved has not run so far, by its Indexed Job or another one."""
        shown = self._shown
        return self._view.moved and (shown is None or (index not in shown.failed and index not in shown.completed))

    def _run(self, run: IndexRun, last_attempt: int) -> None:
        """Have an index run, unless what it would run is not to be had any more."""
        if isinstance(self._view.lack, Unsatisfiable):
            reason, message = self._view.lack.reason, self._view.lack.message
            self.failures[run.index] = FailedIndex(run.index, last_attempt, None, reason, message)
        else:
            self.due.append(run)

    def _last_end(self, index: int, run: Run | None) -> tuple[Outcome, Pod | None, float] | None:
        """How the last run of an index ended, and when; None as long as that has yet to be read."""
        if run is not None:
            pod = self._view.runs.pods.get(run.name)
            if (due := last_word_due(run, pod, self._now)) is not None:
                self.wakes.append(due)
                return None
            return self._not_started(pod) or of_run(run, pod), pod, run.ended_at or self._now
        if self._shown is not None and index in self.interrupted & self._shown.completed:
            message = "the pod was stopped from outside, and its program answered with exit code 0"
            return Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, message), None, self._now
        if self._shown is None or index not in self._shown.failed:
            message = f"the Kubernetes Job of the array was deleted before index {index} had ended"
            return Outcome(RunResult.INTERRUPTED, Reason.JOB_DELETED, message), None, self._now
        if index not in self._view.runs.report.ends:
            self.reads_pods = True
            return None
        pod = self._view.runs.report.ends[index]
        return self._not_started(pod) or of_pod(pod), pod, _ended_at(pod) or self._now

    def _give_up(self, run: Run) -> None:
        """Have the pod deleted with which a run of an index could not start in time."""
        pod = self._view.runs.pods.get(run.name)
        due = gives_up_at(pod, self._view.terms.startup_grace_seconds) if pod is not None and pod.live else None
        if pod is None or due is None:
            return
        if due > self._now:
            self.wakes.append(due)
        elif pod.uid not in self._view.runs.report.abandoned:
            self.abandoned.append(pod)

    def _note_lost(self, run: Run) -> None:
        pod = self._view.runs.pods.get(run.name)
        if pod is None or not pod.live or pod.asked_to_stop_at is None:
            return
        if lostnodes.node_of(pod, self._view.nodes) is not None:
            self.lost.append(pod)
        self.wakes.append(self._now + lostnodes.LOOK_SECONDS)

    def _not_started(self, pod: Pod | None) -> Outcome | None:
        """The end of a run whose pod was deleted since it could not be started in time."""
        abandoned = self._view.runs.report.abandoned.get(pod.uid) if pod is not None else None
        return not_started(abandoned) if abandoned is not None else None

    def interruptions(self, before: int) -> int:
        """How often runs were interrupted: the number of a run grows each time, that of its attempt then does not.

        A status may be behind the Jobs, or know of indexes that were interrupted once too often and have no Job.
        """
        lost = sum(index in self.failures for index in self._interrupted)
        shown = len(self._interrupted)
        for index, chain in self.chains.items():
            last = chain[-1]
            shown += last.number - last.attempt
            if index in self._view.before.failed and last.ended:
                shown += of_run(last, self._view.runs.pods.get(last.name)).result is RunResult.INTERRUPTED
        return max(before + lost, shown)


def _ended_at(pod: Pod | None) -> float | None:
    """When a pod ended, always the same: back-offs count from there."""
    if pod is None:
        return None
    return next((time for time in (pod.stopped_at, pod.asked_to_stop_at, pod.bound_at) if time), pod.created)


def _chains(others: Iterable[Run]) -> dict[int, list[Run]]:
    """The runs of single indexes, in their order."""
    chains: dict[int, list[Run]] = {}
    for run in sorted(others, key=lambda run: run.number):
        if run.index is not None:
            chains.setdefault(run.index, []).append(run)
    return chains
