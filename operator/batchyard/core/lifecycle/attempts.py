"""The list of attempts in a job's status: how a run comes into it, and how its end closes it and what follows."""

from dataclasses import dataclass, field

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.definition import memorygrowth
from batchyard.core.lifecycle import takeback
from batchyard.core.lifecycle.ending import retries
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.lifecycle.transitions import ended, to_runnable, to_starting
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.run import Pod, Run, RunTerms
from batchyard.core.model.status import Attempt, Status


@dataclass(slots=True, frozen=True)
class Terms:
    """By what the end of a run is judged."""

    job_uid: str
    resolved: Resolved | None
    now: float
    granted: RunTerms = field(default_factory=RunTerms)
    """What the job's runs were granted with."""

    @property
    def policy(self) -> RetryPolicy:
        """The retry strategy."""
        return self.granted.retry


def adopted(status: Status, run: Run) -> Status:
    """Enter a run into the attempt list that the status does not know yet (new, or the status write was lost)."""
    memory = run.request.get("memory")
    entry = Attempt(run.number, run.attempt, run.name, run.environment, memory=memory, charged_as=run.charged_as)
    message = f"Kubernetes Job {run.name} was created in environment {run.environment}{beside(run)}"
    return to_starting(status, Reason.CREATING_POD, message)._replace(
        revision=run.revision,
        definition_uid=run.terms.definition_uid if run.terms else status.definition_uid,
        digest=run.terms.digest if run.terms else status.digest,
        environment=run.environment,
        job_name=run.name,
        attempts=(*status.attempts, entry),
        not_before=None,
        head_since=None,
    )


def beside(run: Run) -> str:
    """What there is to say about where a run is, after all else."""
    return f"; {run.instead}" if run.instead else ""


def with_pod(status: Status, pod: Pod) -> Status:
    """Enter what the pod of the open attempt tells."""
    attempt = status.attempts[-1]._replace(pod_name=pod.name, node_name=pod.node_name, started_at=pod.started_at)
    return status._replace(attempts=(*status.attempts[:-1], attempt))


def closed(
    status: Status, outcome: Outcome, run: Run | None, pod: Pod | None, terms: Terms, *, superseded: bool = False
) -> Status:
    """Close the open attempt and decide what follows.

    `superseded` says that a newer run exists: that it follows was decided before.
    """
    stopped_at = (pod.stopped_at if pod else None) or (run.ended_at if run else None) or terms.now
    open_attempt = status.attempts[-1]
    started_at = (pod.started_at if pod else None) or open_attempt.started_at
    if started_at is None and run is not None and outcome.result is RunResult.SUCCEEDED:
        started_at = run.started_at
    entry = open_attempt._replace(
        pod_name=pod.name if pod else open_attempt.pod_name,
        node_name=(pod.node_name if pod else "") or open_attempt.node_name,
        started_at=started_at,
        stopped_at=stopped_at,
        exit_code=outcome.exit_code,
        reason=outcome.reason,
        message=outcome.message,
        out_of_memory=pod.out_of_memory if pod and outcome.reason == Reason.OUT_OF_MEMORY else (),
    )
    status = status._replace(
        attempts=(*status.attempts[:-1], entry),
        started_at=status.started_at if status.started_at is not None else started_at,
    )
    return _decided(status, outcome, stopped_at, terms, superseded=superseded)


def lost(status: Status, terms: Terms, *, superseded: bool) -> Status:
    """Close an attempt whose Kubernetes Job is gone: deleted by somebody, which says nothing about the work."""
    attempt = status.attempts[-1]
    message = f"Kubernetes Job {attempt.job_name} was deleted before it ended"
    outcome = Outcome(RunResult.INTERRUPTED, Reason.JOB_DELETED, message)
    entry = attempt._replace(stopped_at=terms.now, reason=outcome.reason, message=outcome.message)
    status = status._replace(attempts=(*status.attempts[:-1], entry))
    return _decided(status, outcome, terms.now, terms, superseded=superseded)


def _decided(status: Status, outcome: Outcome, stopped_at: float, terms: Terms, *, superseded: bool) -> Status:
    attempt = status.attempts[-1]
    follows: retries.GiveUp | retries.Retry | None
    if superseded:
        follows = retries.Retry(terms.now, outcome.reason, outcome.message)
    elif outcome.result is RunResult.TAKEN_BACK:
        follows = takeback.again(status.attempts, terms.job_uid, outcome, terms.now)
    else:
        follows = retries.after(
            outcome,
            attempt=attempt.attempt,
            interruptions=status.interruptions,
            policy=terms.policy,
            now=terms.now,
            chance=retries.chance_of(terms.job_uid, attempt.attempt),
            memory=memorygrowth.outlook(terms.resolved, status.attempts) if terms.resolved else "",
        )
    interrupted = outcome.result is RunResult.INTERRUPTED
    status = status._replace(interruptions=status.interruptions + interrupted)
    if isinstance(follows, retries.Retry):
        return to_runnable(status, follows.reason, follows.message, not_before=follows.not_before)
    if follows is not None:
        return ended(status, JobState.FAILED, follows.reason, follows.message, stopped_at)
    return ended(status, JobState.SUCCEEDED, outcome.reason, outcome.message, stopped_at)
