"""How a run ended, read from its Kubernetes Job and, where it is still known, its pod.

The Job decides between success, failure and interruption (its condition outlives the pod and every restart), unless the
pod shows that it was asked to stop from outside before. The pod adds what only it knows: node, times, out-of-memory,
the deadline.
"""

from dataclasses import dataclass
from enum import StrEnum

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending.interruption import by_whom, never_ran, stopped_from_outside
from batchyard.core.lifecycle.ending.podfailure import FailureKind, parse_failure
from batchyard.core.model.pods.podset import describe_request
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import NO_NODE_CAME

_TIMED_OUT = "ran longer than its timeout"


class RunResult(StrEnum):
    """What the end of a run means for the retry strategy."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    INTERRUPTED = "Interrupted"
    TERMINATED = "Terminated"
    TAKEN_BACK = "TakenBack"
    """It never got its pods, or no node for them: its slot is given to others, and it costs nothing."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """The end of one run, with the words that status shows."""

    result: RunResult
    reason: str
    message: str
    exit_code: int | None = None
    cause: str = ""
    """Kubernetes' own word for it: why the container waited, or how it ended."""


def of_run(run: Run, pod: Pod | None) -> Outcome:
    """Read the outcome of a run that ended."""
    if pod is not None and stopped_from_outside(pod) and pod.reason != "DeadlineExceeded":
        return _interrupted(by_whom(pod), pod)
    if run.condition == "Complete":
        return Outcome(RunResult.SUCCEEDED, Reason.COMPLETED, "the container ended with exit code 0", 0)
    failure = parse_failure(run.condition_reason, run.condition_message)
    if failure.kind is FailureKind.INTERRUPTED:
        return _interrupted(_disrupted(pod, run.condition_message), pod)
    if failure.kind is FailureKind.DEADLINE or (pod is not None and pod.reason == "DeadlineExceeded"):
        return _timed_out(pod, failure.exit_code)
    if failure.kind is FailureKind.EXIT_CODE:
        return _of_exit(failure.container, failure.exit_code, pod)
    return _without_exit_code(pod, f"{run.condition_reason}: {run.condition_message}")


def of_pod(pod: Pod | None) -> Outcome:
    """Read the outcome of one index of an Indexed Job, which says no more about it than that it failed."""
    if pod is None:  # few delete pods that ended by themselves, and those that are evicted vanish as they end
        message = "the pod was evicted, lost with its node or deleted, and is gone"
        return Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, message)
    if pod.disruption:
        return _interrupted(_disrupted(pod), pod)
    if pod.reason == "DeadlineExceeded":
        return _timed_out(pod, pod.exit_code)
    if stopped_from_outside(pod):
        return _interrupted(by_whom(pod), pod)
    if pod.exit_code:
        return _of_exit(pod.failed_container, pod.exit_code, pod)
    return _without_exit_code(pod, pod.message)


def no_capacity(pod: Pod) -> str:
    """Say that a virtual node could not have a pod run."""
    return f"virtual node {pod.node_name} got no capacity for a pod ({describe_request(pod.request)}): {pod.message}"


def not_started(pod: Pod) -> Outcome:
    """The outcome of a run whose main container could not be started within the grace time."""
    message = f"{pod.waiting_reason}: {pod.waiting_message}"
    if pod.doubtful:
        message += f" ({pod.doubtful})"
    if pod.main_exit_code is not None:
        message = f"container {pod.main} ended with exit code {pod.main_exit_code}, others could not start: {message}"
    return Outcome(RunResult.FAILED, Reason.CANNOT_START, message, cause=pod.waiting_reason)


def _interrupted(message: str, pod: Pod | None) -> Outcome:
    code = pod.main_exit_code if pod is not None else None
    ending = f" (container {pod.main} answered with exit code {code})" if pod is not None and code is not None else ""
    return Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, message + ending)


def _timed_out(pod: Pod | None, exit_code: int | None) -> Outcome:
    """A timeout, unless the main container had failed before: then others have kept the pod, and its code counts."""
    if pod is None:
        return Outcome(RunResult.TIMED_OUT, Reason.DEADLINE_EXCEEDED, _TIMED_OUT, exit_code)
    ended_before = (
        pod.outlived
        and pod.main_stopped_at is not None
        and pod.deadline is not None
        and pod.main_stopped_at < pod.deadline
    )
    if ended_before and pod.main_exit_code:
        return _of_exit(pod.main, pod.main_exit_code, pod._replace(reason="", message=""))
    if ended_before:
        message = f"{_TIMED_OUT}: container {pod.main} had ended with exit code 0, others still ran"
        return Outcome(RunResult.TIMED_OUT, Reason.DEADLINE_EXCEEDED, message, 0)
    code = pod.main_exit_code if pod.main_exit_code is not None else pod.exit_code
    return Outcome(RunResult.TIMED_OUT, Reason.DEADLINE_EXCEEDED, _TIMED_OUT, code)


def _of_exit(container: str, exit_code: int | None, pod: Pod | None) -> Outcome:
    cause = pod.reason if pod is not None else ""
    if pod is not None and pod.reason == "OOMKilled":
        killed, exit_code = (pod.out_of_memory or (container,))[0], pod.exit_code or exit_code
        return Outcome(
            RunResult.FAILED,
            Reason.OUT_OF_MEMORY,
            f"container {killed} used more memory than its limit and was killed (exit code {exit_code})",
            exit_code,
            cause,
        )
    detail = f": {pod.message}" if pod and pod.message else ""
    return Outcome(
        RunResult.FAILED,
        Reason.NON_ZERO_EXIT,
        f"container {container} ended with exit code {exit_code}{detail}",
        exit_code,
        cause,
    )


def _without_exit_code(pod: Pod | None, otherwise: str) -> Outcome:
    """A pod that a kubelet turned away never ran: infrastructure's doing, as is one whose containers vanished."""
    if pod is not None and pod.got_no_capacity:
        return Outcome(RunResult.TAKEN_BACK, NO_NODE_CAME, no_capacity(pod))
    if pod is not None and pod.reason and pod.exit_code is None:
        return _interrupted(f"the node refused the pod: {pod.reason}: {pod.message}", pod)
    if never_ran(pod):
        return _interrupted(f"the pod was deleted before any of its containers had started: {otherwise}", pod)
    return Outcome(RunResult.FAILED, Reason.POD_FAILED, otherwise, pod.exit_code if pod else None)


def _disrupted(pod: Pod | None, otherwise: str = "") -> str:
    where = f" on node {pod.node_name}" if pod and pod.node_name else ""
    return f"the pod was disrupted{where}: {pod.disruption if pod and pod.disruption else otherwise}"
