"""How often and how long a job may run: the parts that job definitions and BatchJobs share."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from batchyard.api.models.base import Integer, Model, Number, Quantity, Rule, field_pattern


class ExitAction(StrEnum):
    """What follows a failed attempt."""

    RETRY = "Retry"
    EXIT = "Exit"


class Backoff(Model):
    """The wait before the next attempt: initialSeconds, then each time multiplied, at most maxSeconds, plus jitter."""

    initial_seconds: Annotated[Integer, Field(ge=0, le=86400)] = 10
    """Wait before the second attempt."""
    multiplier: Annotated[Number, Field(ge=1, le=100)] = 2.0
    """Factor by which the wait grows from attempt to attempt."""
    max_seconds: Annotated[Integer, Field(ge=0, le=86400)] = 300
    """Longest wait, before jitter."""
    jitter: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """Up to this share of the wait is added to it, another amount for each job and attempt, so that jobs which
    failed together do not come back together."""

    rules = (
        Rule(
            "self.maxSeconds >= self.initialSeconds",
            "maxSeconds (300 if left out) must be at least initialSeconds (10 if left out)",
            lambda it: it.max_seconds >= it.initial_seconds,
            field="maxSeconds",
        ),
    )


_REASON = r"[a-zA-Z0-9.:\s]*\*?"
_OF_A_REASON = "must be letters, digits, '.', ':' and spaces; a '*' at the end stands for any rest"


class EvaluateOnExit(Model):
    """A rule for failed attempts: what is given must all match, then the action is taken. Interruptions and timeouts
    are not asked about."""

    on_exit_code: Annotated[str, Field(max_length=512)] | None = None
    """Exit code of the container, or its beginning followed by `*`. An attempt without an exit code never matches."""
    on_reason: Annotated[str, Field(max_length=512)] | None = None
    """Reason of the attempt (OOMKilled, NonZeroExit, CannotStartContainer, PodFailed) or what AWS Batch would call
    it, such as `OutOfMemoryError*`; or its beginning followed by `*`."""
    on_status_reason: Annotated[str, Field(max_length=512)] | None = None
    """Message of the attempt or what AWS Batch would call it, such as `Essential container in task exited`; or its
    beginning followed by `*`."""
    action: ExitAction
    """Whether the job is retried (while attempts are left) or fails."""

    rules = (
        field_pattern("on_exit_code", r"[0-9]*\*?", "must be digits; a '*' at the end stands for any rest"),
        field_pattern("on_reason", _REASON, _OF_A_REASON),
        field_pattern("on_status_reason", _REASON, _OF_A_REASON),
        Rule(
            "has(self.onExitCode) || has(self.onReason) || has(self.onStatusReason)",
            "at least one of onExitCode, onReason and onStatusReason must be given",
            lambda it: any(each is not None for each in (it.on_exit_code, it.on_reason, it.on_status_reason)),
        ),
    )


class OnOutOfMemory(Model):
    """More memory for the next attempt of a job that ran out of it. Whether there is a next attempt is decided as for
    any other failure."""

    memory_multiplier: Annotated[Number, Field(gt=1, le=10)] = 2.0
    """Factor by which request and limit of a container grow each time it was killed; rounded up to whole MiB."""
    max_memory: Quantity | None = None
    """The memory of a container does not grow beyond this amount; left out, without bound. A job that has grown beyond
    every node waits (ExceedsCapacity), so give what the largest node can."""


class OnInterruption(Model):
    """What changes for a job that has lost its nodes."""

    on_demand_after: Annotated[Integer, Field(ge=1, le=1000)]
    """After so many interruptions the job runs no more on nodes that the cloud may take back at any time (spot), if an
    environment of its queue has, or may have, others. An index of an array does so where its environment may have
    both."""


class RetryStrategy(Model):
    """What happens after a failed attempt."""

    attempts: Annotated[Integer, Field(ge=1, le=10)] = 1
    """How often the job may be tried in all; 1 means no retry."""
    backoff: Backoff = Backoff()
    """Wait between attempts."""
    evaluate_on_exit: Annotated[tuple[EvaluateOnExit, ...], Field(max_length=5)] = ()
    """Rules that decide by exit code or reason whether to retry. First match counts; no match means retry."""
    on_out_of_memory: OnOutOfMemory | None = None
    """Lets the memory grow when an attempt ran out of it; left out, the next attempt has the same."""
    on_interruption: OnInterruption | None = None
    """What changes for a job that has lost its nodes; left out, nothing."""
    max_interruptions: Annotated[Integer, Field(ge=0, le=1000)] = 20
    """How often the job is started again, at no cost of attempts, after losing its node or being evicted; of an array,
    each index."""

    rules = (
        Rule(
            "!has(self.evaluateOnExit) || size(self.evaluateOnExit) == 0 || self.attempts > 1",
            "evaluateOnExit needs attempts of 2 or more, else there is nothing to retry",
            lambda it: not it.evaluate_on_exit or it.attempts > 1,
            field="evaluateOnExit",
        ),
        Rule(
            "!has(self.onOutOfMemory) || self.attempts > 1",
            "onOutOfMemory needs attempts of 2 or more, else there is nothing to retry",
            lambda it: it.on_out_of_memory is None or it.attempts > 1,
            field="onOutOfMemory",
        ),
    )


class Timeout(Model):
    """How long an attempt may run."""

    attempt_duration_seconds: Annotated[Integer, Field(ge=1, le=31_536_000)]
    """Seconds an attempt may run before it is stopped. A job that is stopped so is not retried."""
