"""How a job's status follows from what its runs and pods show: the state machine of a single job.

Level-triggered: the answer depends only on the arguments, so seeing the same objects again, in any order, after any
crash, gives the same status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.definition.runterms import judged_by
from batchyard.core.lifecycle import attempts, lostnodes, multinode, stopping, takeback
from batchyard.core.lifecycle.ending.interruption import by_whom
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult, not_started, of_run
from batchyard.core.lifecycle.startup import asks_at, gives_up_at
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.transitions import to_running, to_starting
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.job import BatchJob, Stop
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import NO_NODE_CAME, TAKEN_BACK, TERMINAL, Status
from batchyard.core.model.timers import earliest

POD_GRACE_SECONDS = 2.0
"""Jobs and pods arrive on two watches: how long an ended Job waits for the last word of its pod."""

DEADLINE_GRACE_SECONDS = 10.0
"""The same, for the exit code of a pod that is known to have run into its deadline."""

_WAITS_FOR_POD = "; the next run waits for pod "


@dataclass(slots=True, frozen=True)
class Progress:
    """A job's next status, and when to look again without being told to."""

    status: Status
    wake_at: float | None = None
    asks: bool = False
    """Whether it must be asked why a pod is not made."""
    outlasted: Pod | None = None
    """A pod whose main container has failed while others go on, which are to be stopped."""
    silent: tuple[Pod, ...] = ()
    """Pods whose Events are to be read."""


def observe(job: BatchJob, admitted: Admitted, runs: JobRuns, surroundings: Surroundings, now: float) -> Progress:
    """Bring the status up to date with what runs of the job."""
    status, resolved = admitted.status, admitted.resolved
    terms = attempts.Terms(job.uid, resolved, now, judged_by(resolved, runs.mains.values()))
    seen = _Observation(terms, stopping.termination(job), runs, surroundings, admitted.lack)
    while status.state not in TERMINAL:
        last = status.attempts[-1] if status.attempts else None
        newer = min((number for number in runs.mains if last is None or number > last.run), default=None)
        if last is not None and last.stopped_at is None:
            # A newer run says that this attempt was closed before and the status write was lost: close it again.
            progress = _moved_on(status, runs.mains.get(last.run), seen, superseded=newer is not None)
            if progress.status.attempts[-1].stopped_at is None:
                return progress
            status = progress.status
        if newer is None:
            break
        status = attempts.adopted(status, runs.mains[newer])
    return _between(status, seen)


@dataclass(slots=True, frozen=True)
class _Observation:
    """What all steps of one observation share."""

    terms: attempts.Terms
    termination: Stop | None
    runs: JobRuns
    surroundings: Surroundings
    lack: Pending | Unsatisfiable | None

    @property
    def pods(self) -> Mapping[str, Pod]:
        return self.runs.pods

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self.surroundings.nodes

    @property
    def now(self) -> float:
        return self.terms.now

    @property
    def look_at(self) -> float:
        """When to look again at a pod that was asked to stop."""
        return self.now + lostnodes.LOOK_SECONDS

    @property
    def grace_seconds(self) -> int:
        return self.terms.granted.startup_grace_seconds

    def patience(self, run: Run) -> takeback.Patience:
        return self.surroundings.patience(run.owner, self.grace_seconds, run.environment)


def _moved_on(status: Status, run: Run | None, seen: _Observation, *, superseded: bool) -> Progress:
    """Bring the open attempt up to date with its run."""
    pod = seen.pods.get(status.attempts[-1].job_name)
    if seen.termination is not None and not superseded:
        stopped = _stopped(status, run, seen, seen.termination)
        if stopped is not None:
            return stopped
    if run is None:
        return Progress(attempts.lost(status, seen.terms, superseded=superseded))
    if not run.ended:
        if seen.runs.children or run.node is not None:
            return _together(status, run, seen)
        return _under_way(status, run, pod, seen)
    if not superseded and (due := last_word_due(run, pod, seen.now)) is not None:
        return Progress(status, wake_at=due)
    return Progress(attempts.closed(status, of_run(run, pod), run, pod, seen.terms, superseded=superseded))


def last_word_due(run: Run, pod: Pod | None, now: float) -> float | None:
    """Return how long to wait for what the pod of an ended run has yet to say; None when there is no use in it."""
    if pod is None:
        return None
    # At a pod's deadline the kubelet calls it failed before it tells how the containers took that.
    silent = pod.reason == "DeadlineExceeded" and pod.exit_code is None and not pod.gone
    if pod.phase in ("Succeeded", "Failed") and not silent:
        return None
    due = (run.ended_at or now) + (DEADLINE_GRACE_SECONDS if silent else POD_GRACE_SECONDS)
    return due if now < due else None


def _stopped(status: Status, run: Run | None, seen: _Observation, termination: Stop) -> Progress | None:
    """A run that is to be terminated ends as that, unless it ended by itself before."""
    name = status.attempts[-1].job_name
    pod = seen.pods.get(name)
    halted = stopping.stop_completed(run, pod)
    if halted and not multinode.lingers(name, seen.runs):
        return Progress(attempts.closed(status, stopping.outcome(termination, run, pod), run, pod, seen.terms))
    if halted or run is None or not run.ended:
        status = stopping.stop_announced(attempts.with_pod(status, pod) if pod else status, termination)
        kept = next(filter(None, (lostnodes.why(each, seen.nodes) for each in seen.pods.values())), "")
        return Progress(status._replace(message=f"{status.message}. {kept}") if kept else status, seen.look_at)
    return None


def _between(status: Status, seen: _Observation) -> Progress:
    """Nothing of the job is to run; what is left of an earlier run may keep the next from starting."""
    pods = seen.pods
    kept = next(filter(None, (lostnodes.why(pod, seen.nodes) for pod in pods.values())), "")
    if status.state is JobState.RUNNABLE and kept:
        return Progress(status._replace(reason=Reason.NODE_LOST, message=kept, queue_position=None), seen.look_at)
    if status.state is JobState.RUNNABLE and status.reason == Reason.NODE_LOST:
        return Progress(status._replace(reason=Reason.WAITING_IN_QUEUE, message=""))
    if status.state is JobState.RUNNABLE:
        status = _waiting_for_pods(status, pods)
    leaving = any(pod.live and pod.asked_to_stop_at is not None for pod in pods.values())
    return Progress(status, seen.look_at if leaving and status.state not in TERMINAL else None)


def _waiting_for_pods(status: Status, pods: Mapping[str, Pod]) -> Status:
    """Say which pod of an earlier run the next one waits for: the same one for as long as it lives."""
    message, _, said = status.message.partition(_WAITS_FOR_POD)
    live = [pod for pod in pods.values() if pod.live]
    if live:
        pod = next((each for each in live if said.startswith((f"{each.name} ", f"{each.name}:"))), live[0])
        where = f" on node {pod.node_name}" if pod.node_name else ""
        does = "goes on" if pod.asked_to_stop_at is None else "has been told to stop"
        message = f"{message}{_WAITS_FOR_POD}{pod.name}{where}: it {does}"
    return status if message == status.message else status._replace(message=message)


def _under_way(status: Status, run: Run, pod: Pod | None, seen: _Observation) -> Progress:
    if (holdup := takeback.holdup(run, pod, seen.patience(run))) is not None:
        return _held_up(status, run, pod, holdup, seen)
    if pod is None:
        return Progress(status)
    status = attempts.with_pod(status, pod)
    if (outcome := lostnodes.given_up(pod, seen.nodes)) is not None:
        return Progress(attempts.closed(status, outcome, run, pod, seen.terms))
    if kept := lostnodes.why(pod, seen.nodes):
        if pod.started_at is None:
            status = to_starting(status, Reason.NODE_LOST, kept)
        else:
            status = to_running(status, Reason.NODE_LOST, kept, pod.started_at)
        return Progress(status, seen.look_at)
    if pod.started_at is not None:
        return _running(status, run, pod, seen)
    ask_due = asks_at(pod, seen.now)
    silent = (pod,) if ask_due is not None and ask_due <= seen.now else ()
    if (due := gives_up_at(pod, seen.grace_seconds)) is not None:
        progress = _cannot_start(status, run, pod, due, seen)
    elif pod.node_name:
        message = f"containers are being created on node {pod.node_name}{attempts.beside(run)}"
        progress = Progress(to_starting(status, Reason.STARTING_CONTAINER, message))
    else:
        progress = Progress(status)
    return replace(progress, silent=silent, wake_at=earliest(progress.wake_at, None if silent else ask_due))


def _running(status: Status, run: Run, pod: Pod, seen: _Observation) -> Progress:
    """The main container has started. Once it has ended, others of the pod may go on: not if it has failed."""
    message = f"{_how_it_runs(pod)}{attempts.beside(run)}"
    status = to_running(status, Reason.CONTAINER_RUNNING, message, pod.started_at)
    due = gives_up_at(pod, seen.grace_seconds)
    if due is not None and due <= seen.now:
        return Progress(attempts.closed(status, not_started(pod), run, pod, seen.terms))
    look_at = seen.look_at if pod.asked_to_stop_at is not None else None
    outlasted = pod if pod.outlasting and pod.main_exit_code and pod.asked_to_stop_at is None else None
    if outlasted is not None and pod.deadline is not None and pod.deadline <= seen.now + 1:
        outlasted = None  # that was done
    return Progress(status, earliest(look_at, due), outlasted=outlasted)


def _how_it_runs(pod: Pod) -> str:
    if pod.asked_to_stop_at is not None:
        return f"is being stopped on node {pod.node_name}: {by_whom(pod)}"
    if not pod.outlasting:
        return f"runs on node {pod.node_name}"
    ended, others = f"container {pod.main} has ended with exit code {pod.main_exit_code}", ", ".join(pod.outlasting)
    if pod.waiting_reason:
        return f"{ended}; {others} cannot be started: {pod.waiting_reason}: {pod.waiting_message}"
    if pod.main_exit_code:
        return f"{ended}; what is left in the pod is being stopped: {others}"
    return f"{ended}; the job goes on until the other containers on node {pod.node_name} have ended, too: {others}"


def _held_up(status: Status, run: Run, pod: Pod | None, holdup: takeback.Holdup, seen: _Observation) -> Progress:
    """What keeps a run from starting is borne for a while; then its slot is taken back."""
    if holdup.due <= seen.now:
        return Progress(attempts.closed(status, holdup.outcome(), run, pod, seen.terms))
    status = attempts.with_pod(status, pod) if pod else status
    if holdup.message:
        status = to_starting(status, holdup.reason, f"{holdup.message}{attempts.beside(run)}")
    return Progress(status, holdup.wake_at(seen.now), holdup.asks(seen.now))


def _together(status: Status, run: Run, seen: _Observation) -> Progress:
    """The main node of a multi-node job moves it on, unless trouble with another one ends the run."""
    pods = seen.pods
    main, children = pods.get(run.name), multinode.of_main(run, seen.runs)
    outcome, wake_at = multinode.trouble(children, pods, seen.nodes, seen.grace_seconds, seen.now)
    holdups = multinode.holdups(run, children, pods, seen.patience(run))
    if outcome is None and (overdue := next((each for each in holdups if each.due <= seen.now), None)):
        outcome = overdue.outcome()
    if outcome is not None:
        return Progress(attempts.closed(status, outcome, run, main, seen.terms))
    progress = _under_way(status, run, main, seen)
    status = progress.status
    due: float | None = None
    if main is not None and status.reason == Reason.CONTAINER_RUNNING:
        others = multinode.size_of(run) - 1
        message = multinode.described(main, others, children, pods, holdups)
        if seen.lack is not None and multinode.calls(run, main) and len(children) < others:
            due = multinode.given_up_at(main, seen.lack, seen.grace_seconds)
            unmade = f"{others - len(children)} of the other nodes cannot be started: {seen.lack.message}"
            if due <= seen.now:
                outcome = Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, unmade)
                return Progress(attempts.closed(status, outcome, run, main, seen.terms))
            message = f"{message}; {unmade}"
        if main.main_stopped_at is None and main.asked_to_stop_at is None:
            status = status._replace(message=f"{message}{attempts.beside(run)}")
        if kept := multinode.kept(children, pods, seen.nodes):
            status, wake_at = status._replace(reason=Reason.NODE_LOST, message=kept), earliest(wake_at, seen.look_at)
    silent, ask_at = multinode.silent(children, pods, seen.now)
    wake_at = earliest(progress.wake_at, wake_at, due, ask_at, *(each.wake_at(seen.now) for each in holdups))
    asks = progress.asks or any(each.asks(seen.now) for each in holdups)
    return replace(progress, status=status, wake_at=wake_at, asks=asks, silent=(*progress.silent, *silent))


def _cannot_start(status: Status, run: Run, pod: Pod, due: float, seen: _Observation) -> Progress:
    """An error that may heal is waited out; after the grace time the run counts as failed (and is orphaned then)."""
    outcome = not_started(pod)
    if seen.now < due:
        return Progress(to_starting(status, pod.waiting_reason, outcome.message), wake_at=due)
    return Progress(attempts.closed(status, outcome, run, pod, seen.terms))


def orphaned_runs(status: Status, runs: Mapping[int, Run], *, terminate: bool = False) -> list[Run]:
    """The runs that go on although their attempt is closed: they must be stopped, however often it was tried before.

    With `terminate`, the run of the open attempt is one of them.
    """
    last = status.attempts[-1] if status.attempts and not terminate else None
    wanted = last.run if last is not None and last.stopped_at is None else None
    return [run for run in runs.values() if run.number != wanted and not run.ended and not run.deleting]


def next_run(status: Status) -> tuple[int, int]:
    """Number of the next run and of the attempt it belongs to.

    An interrupted run, or one taken back, does not use its attempt up, so the next run repeats the number.
    """
    if not status.attempts:
        return 1, 1
    last = status.attempts[-1]
    free = last.reason in (Reason.INTERRUPTED, Reason.JOB_DELETED, NO_NODE_CAME, *TAKEN_BACK)
    return last.run + 1, last.attempt if free else last.attempt + 1
