"""What follows the end of a run: success, another attempt, a free requeue after an interruption, or failure.

Called by `lifecycle` once per run that ended. Attempts are counted as AWS Batch counts them (every move to Runnable
that was not caused by lost infrastructure); neither a timeout nor a termination
is retried.
"""

from dataclasses import dataclass

from batchyard.core.outcome import Outcome, Verdict
from batchyard.core.reasons import Reason
from batchyard.core.records import RetryPolicy, Status

LONGEST_POSTPONEMENT = 60.0
"""Seconds for which a run that the API server does not take is put off at most."""


@dataclass(slots=True, frozen=True)
class Fail:
    """The job is over and failed, for the given reason."""

    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Again:
    """The job goes back to Runnable and may start at `not_before`."""

    not_before: float
    reason: str
    message: str


def after(
    outcome: Outcome, *, attempt: int, interruptions: int, policy: RetryPolicy, now: float
) -> Fail | Again | None:
    """Decide what follows a run; None means that the job succeeded.

    `attempt` is the number of the attempt that the run belonged to, `interruptions` how often the job had been
    interrupted before this run ended.
    """
    match outcome.verdict:
        case Verdict.SUCCEEDED:
            return None
        case Verdict.TIMED_OUT | Verdict.TERMINATED:
            return Fail(outcome.reason, outcome.message)
        case Verdict.INTERRUPTED:
            if interruptions >= policy.max_interruptions:
                return Fail(
                    Reason.TOO_MANY_INTERRUPTIONS,
                    f"interrupted {interruptions + 1} times, more than the {policy.max_interruptions} allowed; "
                    f"last: {outcome.message}",
                )
            return Again(now, outcome.reason, outcome.message)
        case Verdict.FAILED:
            if attempt >= policy.attempts:
                return Fail(outcome.reason, outcome.message)
            delay = backoff(policy, attempt)
            return Again(
                now + delay,
                Reason.RETRY_BACKOFF,
                f"attempt {attempt} of {policy.attempts} failed ({outcome.message}); next one in {delay:g} s",
            )


def backoff(policy: RetryPolicy, attempt: int) -> float:
    """Seconds to wait after the given attempt failed: initial * multiplier^(attempt - 1), at most the maximum."""
    return float(min(policy.initial_seconds * policy.multiplier ** (attempt - 1), policy.max_seconds))


def rests_until(status: Status, policy: RetryPolicy, now: float) -> float | None:
    """When the next run may start, if not now. More than the longest wait means that the clock was set back since."""
    if status.not_before is None or status.not_before <= now:
        return None
    longest = max(policy.max_seconds, LONGEST_POSTPONEMENT) + 1.0
    return status.not_before if status.not_before - now <= longest else None
