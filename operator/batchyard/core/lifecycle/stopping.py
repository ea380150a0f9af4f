"""What becomes of a job that is to be held, cancelled or terminated (`spec.suspend`, `spec.stop`).

The spec holds the wish, so a restarted operator goes on with it.
"""

from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult, of_run
from batchyard.core.lifecycle.ending.retries import GiveUp
from batchyard.core.model.job import BatchJob, Stop
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.model.timers import clock

_CANCEL_NOTE = " (spec.stop: Cancel ends only what has not started; this run goes on, and is the last)"
_HOLD_NOTE = " (spec.suspend holds only what has not started; this run goes on)"
_ARRAY_HELD = "held by spec.suspend; set it to false to let them start"
_STARTED = frozenset({JobState.STARTING, JobState.RUNNING})
_ENDS = {StopMode.CANCEL: (Reason.CANCELLED, "cancelled"), StopMode.TERMINATE: (Reason.TERMINATED, "terminated")}


def is_held(status: Status) -> bool:
    """Whether nothing more of a job starts because its spec says so, as far as its status tells."""
    return status.reason == Reason.SUSPENDED or (status.array is not None and status.array.hold == _ARRAY_HELD)


def termination(job: BatchJob) -> Stop | None:
    """The wish to end the job even though it runs, if there is one."""
    return job.stop if job.stop is not None and job.stop.mode is StopMode.TERMINATE else None


def stop_completed(run: Run | None, pod: Pod | None) -> bool:
    """Whether a run that was deleted has come to its end; one that ended by itself is not meant.

    A deleted Job gets no new pod, so it is over with the pod it has. One whose pod has not been seen may still
    get it, until the Job is gone.
    """
    if run is not None and not run.deleting:
        return False
    if run is not None and run.ended:
        return True
    return not pod.live if pod is not None else run is None


def outcome(stop: Stop, run: Run | None, pod: Pod | None) -> Outcome:
    """The end of a run that was terminated."""
    exit_code = pod.exit_code if pod is not None else None
    if exit_code is None and run is not None and run.ended:
        exit_code = of_run(run, pod).exit_code
    return Outcome(RunResult.TERMINATED, Reason.TERMINATED, _end(stop).message, exit_code)


def stop_announced(status: Status, stop: Stop) -> Status:
    """The status until a job that is to be stopped has come to its end."""
    _, word = _ENDS[stop.mode]
    run = f"Kubernetes Job {status.attempts[-1].job_name}" if status.attempts else "the last run"
    message = f"to be {word} once {run} has ended: {stop.reason}"
    return status._replace(reason=Reason.STOPPING, message=message, queue_position=None, stalled=False)


def stop_applied(job: BatchJob, status: Status, *, idle: bool, now: float) -> Status | GiveUp:
    """Do what is asked of the job, as its runs are now; `idle` says that nothing of it runs or can still run."""
    if status.state in TERMINAL:
        return status
    if status.state in _STARTED:
        return status if termination(job) else _left_alone(job, status)
    if job.stop is not None:
        return _end(job.stop) if idle else stop_announced(status, job.stop)
    if job.suspended:
        return _held(status)
    return _released(status, now) if status.reason == Reason.SUSPENDED else status


def stop_applied_to_array(job: BatchJob, status: Status, *, idle: bool) -> Status | GiveUp:
    """Do what is asked of an array of which indexes have started."""
    if status.state in TERMINAL:
        return status
    if job.stop is not None and idle:
        return _end(job.stop)
    if (stop := termination(job)) is not None:
        message = f"to be terminated once its pods have ended: {stop.reason}"
        if status.array is not None and status.array.lost:
            message += f". {status.array.lost}"
        return status._replace(reason=Reason.STOPPING, message=message, queue_position=None)
    if job.stop is not None:
        return arraystatus.on_hold(status, "cancelled once those that run have ended (spec.stop)")
    if job.suspended:
        return arraystatus.on_hold(status, _ARRAY_HELD)
    return arraystatus.on_hold(status, "") if is_held(status) else status


def _end(stop: Stop) -> GiveUp:
    reason, word = _ENDS[stop.mode]
    return GiveUp(reason, f"{word}: {stop.reason}")


def _left_alone(job: BatchJob, status: Status) -> Status:
    """A run goes on; its message says that the wish is known, for as long as there is one."""
    message = status.message.removesuffix(_CANCEL_NOTE).removesuffix(_HOLD_NOTE)
    if job.stop is not None:
        message += _CANCEL_NOTE
    elif job.suspended:
        message += _HOLD_NOTE
    return status if message == status.message else status._replace(message=message)


def _held(status: Status) -> Status:
    if status.reason == Reason.SUSPENDED:
        return status
    message = "held by spec.suspend; set it to false to release the job"
    if status.state is JobState.PENDING:
        message += f". Besides, {status.message}"
    return status._replace(reason=Reason.SUSPENDED, message=message, queue_position=None, stalled=False)


def _released(status: Status, now: float) -> Status:
    if status.not_before is not None and status.not_before > now:
        due = clock(status.not_before)
        return status._replace(reason=Reason.RETRY_BACKOFF, message=f"the next attempt is due at {due}")
    return status._replace(reason=Reason.WAITING_IN_QUEUE, message="")
