"""Which retry rule speaks about a failed attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.strategy import ExitAction
from batchyard.core.lifecycle.ending.exitrules import first_match
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.model.definition import ExitRule


def failure(reason: str, message: str, exit_code: int | None = None, cause: str = "") -> Outcome:
    return Outcome(RunResult.FAILED, reason, message, exit_code, cause)


def rule(code: str | None = None, reason: str | None = None, status_reason: str | None = None) -> ExitRule:
    return ExitRule(ExitAction.EXIT, code, reason, status_reason)


EXITED = failure("NonZeroExit", "container main ended with exit code 137: disk full", 137, "Error")
KILLED = failure("OOMKilled", "container main used more memory than its limit and was killed", 137, "OOMKilled")
KILLED_ONE = failure("OOMKilled", "container main used more memory than its limit and was killed", 1, "OOMKilled")
NOT_PULLED = failure("CannotStartContainer", "ImagePullBackOff: no such image", None, "ImagePullBackOff")
NOT_MADE = failure("CannotStartContainer", "CreateContainerConfigError: no secret", None, "CreateContainerConfigError")
NOT_FOUND = failure("NonZeroExit", "container main ended with exit code 128", 128, "StartError")
VANISHED = failure("PodFailed", "BackoffLimitExceeded: limit reached")


@pytest.mark.parametrize(
    ("outcome", "condition", "matches"),
    [
        # The whole text, or its beginning with an asterisk at the end; nothing else is a pattern.
        (EXITED, rule("137"), True),
        (EXITED, rule("13"), False),
        (EXITED, rule("1370"), False),
        (EXITED, rule("13*"), True),
        (EXITED, rule("137*"), True),
        (EXITED, rule("2*"), False),
        (EXITED, rule("*"), True),
        (EXITED, rule(reason="NonZeroExit"), True),
        (EXITED, rule(reason="nonzeroexit"), False),
        (EXITED, rule(reason="Exit"), False),
        (EXITED, rule(reason="Non*"), True),
        (EXITED, rule(reason="*"), True),
        (EXITED, rule(status_reason="container main ended*"), True),
        (EXITED, rule(status_reason="disk full"), False),
        # The words of AWS Batch for the same event.
        (EXITED, rule(status_reason="Essential container in task exited"), True),
        (EXITED, rule(reason="OutOfMemoryError*"), False),
        (KILLED, rule(reason="OOMKilled"), True),
        (KILLED, rule(reason="OutOfMemoryError: Container killed due to memory usage"), True),
        (KILLED, rule(reason="OutOfMemoryError*"), True),
        (KILLED, rule(status_reason="Essential container*"), True),
        (NOT_PULLED, rule(reason="CannotStartContainer"), True),
        (NOT_PULLED, rule(reason="CannotPullContainerError*"), True),
        (NOT_PULLED, rule(reason="CannotPullContainerError"), False),
        (NOT_PULLED, rule(status_reason="Task failed to start"), True),
        (NOT_PULLED, rule(status_reason="ImagePullBackOff*"), True),
        (NOT_MADE, rule(reason="CannotCreateContainerError*"), True),
        (NOT_FOUND, rule(reason="CannotStartContainerError*"), True),
        (VANISHED, rule(reason="PodFailed"), True),
        (VANISHED, rule(status_reason="Essential container in task exited"), False),
        # Running out of memory is told by the container's state, whatever the exit code.
        (KILLED_ONE, rule(reason="OOMKilled"), True),
        (KILLED_ONE, rule("137"), False),
        # Without an exit code no pattern for one matches.
        (NOT_PULLED, rule("*"), False),
        (VANISHED, rule("*"), False),
        # All that is given must match.
        (KILLED, rule("137", "OOMKilled"), True),
        (EXITED, rule("137", "OOMKilled"), False),
        (KILLED, rule("1*", "Out*", "Essential*"), True),
        (KILLED, rule("1*", "Out*", "Host EC2*"), False),
    ],
)
def test_patterns(outcome: Outcome, condition: ExitRule, matches: bool) -> None:
    assert (first_match([condition], outcome) == 0) == matches


def test_the_first_match_wins() -> None:
    assert first_match([rule("1"), rule("13*"), rule("137"), rule("*")], EXITED) == 1


def test_no_rule_matches_none() -> None:
    assert first_match([], EXITED) is None
    assert first_match([rule("1"), rule(reason="OOMKilled")], EXITED) is None


@given(st.integers(-1, 255), st.text("0123456789", max_size=4), st.booleans())
def test_an_asterisk_stands_for_any_rest(code: int, text: str, star: bool) -> None:
    expected = str(code).startswith(text) if star else str(code) == text
    found = first_match([rule(text + "*" * star)], failure("NonZeroExit", "", code))
    assert (found == 0) == expected
