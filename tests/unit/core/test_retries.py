"""What follows the end of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.outcome import Outcome, Verdict
from batchyard.core.records import RetryPolicy, Status
from batchyard.core.retries import Again, Fail, after, backoff, rests_until
from unit.samples import NOW

POLICY = RetryPolicy(attempts=3, initial_seconds=10, multiplier=2, max_seconds=300, max_interruptions=2)


def follow(
    verdict: Verdict, attempt: int = 1, interruptions: int = 0, policy: RetryPolicy = POLICY
) -> Fail | Again | None:
    outcome = Outcome(verdict, "Reason", "it ended")
    return after(outcome, attempt=attempt, interruptions=interruptions, policy=policy, now=NOW)


def test_success_is_the_end() -> None:
    assert follow(Verdict.SUCCEEDED, attempt=3, interruptions=9) is None


@pytest.mark.parametrize(("attempt", "delay"), [(1, 10), (2, 20)])
def test_a_failure_is_retried_after_a_growing_wait(attempt: int, delay: float) -> None:
    assert follow(Verdict.FAILED, attempt) == Again(
        NOW + delay, "RetryBackoff", f"attempt {attempt} of 3 failed (it ended); next one in {delay} s"
    )


@pytest.mark.parametrize("attempt", [3, 4])
def test_the_last_failure_is_final_in_its_own_words(attempt: int) -> None:
    assert follow(Verdict.FAILED, attempt) == Fail("Reason", "it ended")


def test_without_a_retry_strategy_there_is_one_attempt() -> None:
    assert follow(Verdict.FAILED, 1, policy=RetryPolicy()) == Fail("Reason", "it ended")


def test_a_timeout_is_never_retried() -> None:
    assert follow(Verdict.TIMED_OUT, 1) == Fail("Reason", "it ended")


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_interruption_is_repeated_at_once_and_at_no_cost(attempt: int) -> None:
    assert follow(Verdict.INTERRUPTED, attempt, interruptions=1) == Again(NOW, "Reason", "it ended")


def test_interruptions_are_capped() -> None:
    assert follow(Verdict.INTERRUPTED, 1, interruptions=2) == Fail(
        "TooManyInterruptions", "interrupted 3 times, more than the 2 allowed; last: it ended"
    )


policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    initial_seconds=st.floats(0, 86400),
    multiplier=st.floats(1, 100),
    max_seconds=st.floats(0, 86400),
)


@given(policies, st.integers(1, 10))
def test_waits_grow_up_to_the_limit(policy: RetryPolicy, attempt: int) -> None:
    assert backoff(policy, attempt) <= backoff(policy, attempt + 1) <= policy.max_seconds


@pytest.mark.parametrize(
    ("wait", "rests"),
    [(None, False), (-1, False), (0, False), (1, True), (300, True), (302, False), (3600, False)],
)
def test_a_wait_longer_than_any_is_of_a_clock_that_was_set_back(wait: float | None, rests: bool) -> None:
    status = Status(not_before=None if wait is None else NOW + wait)
    assert rests_until(status, POLICY, NOW) == (status.not_before if rests else None)
