"""What follows the end of a run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.strategy import ExitAction
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.lifecycle.ending.retries import GiveUp, Retry, after, backoff, chance_of, rests_until
from batchyard.core.model.definition import ExitRule, RetryPolicy
from batchyard.core.model.status import Status
from unit.samples import NOW

POLICY = RetryPolicy(attempts=3, initial_seconds=10, multiplier=2, max_seconds=300, max_interruptions=2)
RULES = (
    ExitRule(ExitAction.RETRY, on_exit_code="42"),
    ExitRule(ExitAction.EXIT, on_exit_code="4*"),
)


def follow(
    result: RunResult,
    attempt: int = 1,
    interruptions: int = 0,
    policy: RetryPolicy = POLICY,
    exit_code: int = 1,
    chance: float = 0.0,
    memory: str = "",
) -> GiveUp | Retry | None:
    outcome = Outcome(result, "Reason", "it ended", exit_code)
    return after(
        outcome,
        attempt=attempt,
        interruptions=interruptions,
        policy=policy,
        now=NOW,
        chance=chance,
        memory=memory,
    )


def test_success_is_the_end() -> None:
    assert follow(RunResult.SUCCEEDED, attempt=3, interruptions=9) is None


@pytest.mark.parametrize(("attempt", "delay"), [(1, 10), (2, 20)])
def test_a_failure_is_retried_after_a_growing_wait(attempt: int, delay: float) -> None:
    assert follow(RunResult.FAILED, attempt) == Retry(
        NOW + delay, "RetryBackoff", f"attempt {attempt} of 3 failed (it ended); next one in {delay} s"
    )


@pytest.mark.parametrize("attempt", [3, 4])
def test_the_last_failure_is_final_in_its_own_words(attempt: int) -> None:
    assert follow(RunResult.FAILED, attempt) == GiveUp("Reason", "it ended")


def test_the_message_says_what_the_next_attempt_has() -> None:
    assert follow(RunResult.FAILED, memory="with 2Gi of memory instead of 1Gi") == Retry(
        NOW + 10,
        "RetryBackoff",
        "attempt 1 of 3 failed (it ended); next one in 10 s with 2Gi of memory instead of 1Gi",
    )


@pytest.mark.parametrize(("exit_code", "retried"), [(42, True), (41, False), (1, True)])
def test_the_first_rule_that_matches_decides_and_without_one_it_is_retried(exit_code: int, retried: bool) -> None:
    follows = follow(RunResult.FAILED, policy=replace(POLICY, exit_rules=RULES), exit_code=exit_code)
    assert isinstance(follows, Retry if retried else GiveUp)


def test_a_rule_that_ends_the_job_is_named() -> None:
    assert follow(RunResult.FAILED, policy=replace(POLICY, exit_rules=RULES), exit_code=4) == GiveUp(
        "Reason", "it ended; attempt 1 of 3, not retried: retryStrategy.evaluateOnExit[1] says Exit"
    )


def test_no_rule_makes_more_attempts() -> None:
    policy = replace(POLICY, exit_rules=RULES)
    assert follow(RunResult.FAILED, 3, policy=policy, exit_code=42) == GiveUp("Reason", "it ended")


def test_rules_are_not_asked_about_interruptions_and_timeouts() -> None:
    exits = replace(POLICY, exit_rules=(ExitRule(ExitAction.EXIT, on_reason="*"),))
    retries = replace(POLICY, exit_rules=(ExitRule(ExitAction.RETRY, on_reason="*"),))
    assert isinstance(follow(RunResult.INTERRUPTED, policy=exits), Retry)
    assert isinstance(follow(RunResult.TIMED_OUT, policy=retries), GiveUp)


def test_without_a_retry_strategy_there_is_one_attempt() -> None:
    assert follow(RunResult.FAILED, 1, policy=RetryPolicy()) == GiveUp("Reason", "it ended")


def test_a_timeout_is_never_retried() -> None:
    assert follow(RunResult.TIMED_OUT, 1) == GiveUp("Reason", "it ended")


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_interruption_is_repeated_at_once_and_at_no_cost(attempt: int) -> None:
    assert follow(RunResult.INTERRUPTED, attempt, interruptions=1) == Retry(NOW, "Reason", "it ended")


def test_interruptions_are_capped() -> None:
    assert follow(RunResult.INTERRUPTED, 1, interruptions=2) == GiveUp(
        "TooManyInterruptions", "interrupted 3 times, more than the 2 allowed; last: it ended"
    )


policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    initial_seconds=st.floats(0, 86400),
    multiplier=st.floats(1, 100),
    max_seconds=st.floats(0, 86400),
    jitter=st.floats(0, 1),
)
chances = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(1, 10))
def test_waits_grow_up_to_the_limit(policy: RetryPolicy, attempt: int) -> None:
    assert backoff(policy, attempt) <= backoff(policy, attempt + 1) <= policy.max_seconds


@given(policies, st.integers(1, 10), chances)
def test_jitter_only_adds_and_never_more_than_its_share(policy: RetryPolicy, attempt: int, chance: float) -> None:
    shortest = backoff(policy, attempt)
    assert shortest <= backoff(policy, attempt, chance) <= shortest * (1 + policy.jitter)


@given(policies, st.integers(1, 9), chances)
def test_the_longest_wait_is_waited_for(policy: RetryPolicy, attempt: int, chance: float) -> None:
    status = Status(not_before=NOW + backoff(policy, attempt, chance))
    if status.not_before != NOW:
        assert rests_until(status, policy, NOW) == status.not_before


def test_chances_are_spread_and_stay_the_same() -> None:
    found = [chance_of(f"6f1c1f7e-0000-4000-8000-{number:012}", attempt) for number in range(500) for attempt in (1, 2)]
    assert found == [
        chance_of(f"6f1c1f7e-0000-4000-8000-{number:012}", attempt) for number in range(500) for attempt in (1, 2)
    ]
    assert all(0 <= chance < 1 for chance in found)
    counts = [sum(tenth <= chance * 10 < tenth + 1 for chance in found) for tenth in range(10)]
    assert all(60 <= count <= 140 for count in counts), counts


@pytest.mark.parametrize(
    ("wait", "rests"),
    [(None, False), (-1, False), (0, False), (1, True), (450, True), (452, False), (3600, False)],
)
def test_a_wait_longer_than_any_is_of_a_clock_that_was_set_back(wait: float | None, rests: bool) -> None:
    status = Status(not_before=None if wait is None else NOW + wait)
    assert rests_until(status, POLICY, NOW) == (status.not_before if rests else None)
