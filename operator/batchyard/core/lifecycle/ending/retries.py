"""What follows the end of a run: success, another attempt, a free requeue after an interruption, or failure.

Attempts are counted as AWS Batch counts them (every move to Runnable that was not caused by lost infrastructure);
neither a timeout nor a termination is retried. Chance is passed in, as a number.
"""

import zlib
from dataclasses import dataclass

from batchyard.api.models.strategy import ExitAction
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending import exitrules
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.status import Status
from batchyard.core.model.timers import lies_ahead

LONGEST_POSTPONEMENT = 300.0
"""Seconds for which a run that the API server does not take is put off at most."""


@dataclass(slots=True, frozen=True)
class GiveUp:
    """The job is over and failed, for the given reason."""

    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Retry:
    """The job goes back to Runnable and may start at `not_before`."""

    not_before: float
    reason: str
    message: str


def after(
    outcome: Outcome,
    *,
    attempt: int,
    interruptions: int,
    policy: RetryPolicy,
    now: float,
    chance: float = 0.0,
    memory: str = "",
) -> GiveUp | Retry | None:
    """Decide what follows a run; None means that the job succeeded.

    `attempt` is the number of the attempt that the run belonged to, `interruptions` how often the job had been
    interrupted before this run ended. `chance`, from 0 to 1, places the next start within the jitter; `memory` is what
    there is to say about the memory of the next run.
    """
    match outcome.result:
        case RunResult.SUCCEEDED:
            return None
        case RunResult.TIMED_OUT | RunResult.TERMINATED:
            return GiveUp(outcome.reason, outcome.message)
        case RunResult.INTERRUPTED if interruptions >= policy.max_interruptions:
            return GiveUp(
                Reason.TOO_MANY_INTERRUPTIONS,
                f"interrupted {interruptions + 1} times, more than the {policy.max_interruptions} allowed; "
                f"last: {outcome.message}",
            )
        case RunResult.INTERRUPTED | RunResult.TAKEN_BACK:
            return Retry(now, outcome.reason, outcome.message)
        case RunResult.FAILED:
            if (last_word := _last_word(outcome, attempt, policy)) is not None:
                return GiveUp(outcome.reason, last_word)
            delay = backoff(policy, attempt, chance)
            return Retry(
                now + delay,
                Reason.RETRY_BACKOFF,
                f"attempt {attempt} of {policy.attempts} failed ({outcome.message}); "
                f"next one in {round(delay, 1):g} s{memory and ' '}{memory}",
            )


def _last_word(outcome: Outcome, attempt: int, policy: RetryPolicy) -> str | None:
    """The message of a failure that is final: no attempt is left, or the first rule that matches wants no other."""
    if attempt >= policy.attempts:
        return outcome.message
    rule = exitrules.first_match(policy.exit_rules, outcome)
    if rule is None or policy.exit_rules[rule].action is not ExitAction.EXIT:
        return None
    return (
        f"{outcome.message}; attempt {attempt} of {policy.attempts}, not retried: "
        f"retryStrategy.evaluateOnExit[{rule}] says Exit"
    )


def backoff(policy: RetryPolicy, attempt: int, chance: float = 0.0) -> float:
    """Seconds to wait after the given attempt failed.

    initial * multiplier^(attempt - 1), at most the maximum, and as much of the jitter on top as chance (0 to 1) has it.
    """
    wait = min(policy.initial_seconds * policy.multiplier ** (attempt - 1), policy.max_seconds)
    return float(wait * (1 + policy.jitter * chance))


def chance_of(job_uid: str, attempt: int) -> float:
    """A number from 0 to 1, another for each job and attempt, and the same again after a restart."""
    return zlib.crc32(f"{job_uid}/{attempt}".encode()) / 2**32


def rests_until(status: Status, policy: RetryPolicy, now: float) -> float | None:
    """When the next run may start, if not now. More than the longest wait means that the clock was set back since."""
    longest = max(policy.max_seconds * (1 + policy.jitter), LONGEST_POSTPONEMENT) + 1.0
    due = status.not_before
    return due if due is not None and lies_ahead(due, now, longest) else None
