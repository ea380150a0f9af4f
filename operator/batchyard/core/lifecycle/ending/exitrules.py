"""Which rule of `retryStrategy.evaluateOnExit` speaks about a failed attempt.

Rules written for AWS Batch work as they are where an attempt has, beside Batchyard's reason and message, the strings
that AWS Batch gives to the same event; docs/concepts/retries.md lists them. Only attempts that failed by themselves
come here: interruptions cost nothing, and timeouts are never retried.
"""

from collections.abc import Sequence

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending.outcome import Outcome
from batchyard.core.model.definition import ExitRule

_AWS_START_ERRORS = {
    "ErrImagePull": "CannotPullContainerError",
    "ImagePullBackOff": "CannotPullContainerError",
    "ErrImageNeverPull": "CannotPullContainerError",
    "InvalidImageName": "CannotPullContainerError",
    "ImageInspectError": "CannotPullContainerError",
    "RegistryUnavailable": "CannotPullContainerError",
    "CreateContainerConfigError": "CannotCreateContainerError",
    "CreateContainerError": "CannotCreateContainerError",
    "RunContainerError": "CannotStartContainerError",
    "StartError": "CannotStartContainerError",
    "ContainerCannotRun": "CannotStartContainerError",
}
"""By Kubernetes' reason of a container that did not come to run."""

_AWS_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_AWS_EXITED = "Essential container in task exited"
_AWS_NOT_STARTED = "Task failed to start"


def first_match(rules: Sequence[ExitRule], outcome: Outcome) -> int | None:
    """Index of the first rule whose conditions all match; None when no rule does, which means: retry."""
    codes = () if outcome.exit_code is None else (str(outcome.exit_code),)
    reasons, status_reasons = _reasons(outcome), _status_reasons(outcome)
    for index, rule in enumerate(rules):
        conditions = (
            (rule.on_exit_code, codes),
            (rule.on_reason, reasons),
            (rule.on_status_reason, status_reasons),
        )
        if all(pattern is None or any(_matches(pattern, text) for text in texts) for pattern, texts in conditions):
            return index
    return None


def _matches(pattern: str, text: str) -> bool:
    """AWS Batch's patterns: the whole text, or its beginning where the pattern ends in an asterisk."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _reasons(outcome: Outcome) -> tuple[str, ...]:
    if outcome.reason == Reason.OUT_OF_MEMORY:
        return outcome.reason, _AWS_OUT_OF_MEMORY
    if start_error := _AWS_START_ERRORS.get(outcome.cause):
        return outcome.reason, f"{start_error}: {outcome.message}"
    return (outcome.reason,)


def _status_reasons(outcome: Outcome) -> tuple[str, ...]:
    if outcome.cause in _AWS_START_ERRORS:
        return outcome.message, _AWS_NOT_STARTED
    if outcome.exit_code is not None:
        return outcome.message, _AWS_EXITED
    return (outcome.message,)
