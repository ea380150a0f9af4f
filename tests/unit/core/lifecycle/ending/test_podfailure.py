"""The words of the Job controller, as Kubernetes 1.36 writes them (pkg/controller/job)."""

import pytest

from batchyard.core.lifecycle.ending.podfailure import (
    DISRUPTION_RULE,
    EXIT_CODE_RULE,
    RULES,
    Failure,
    FailureKind,
    parse_failure,
)


@pytest.mark.parametrize(
    ("reason", "message", "failure"),
    [
        (
            "PodFailurePolicy",
            "Container main for pod media/v-1-x failed with exit code 3 matching FailJob rule at index 1",
            Failure(FailureKind.EXIT_CODE, 3, "main"),
        ),
        (
            "PodFailurePolicy",
            ("Container main for pod media/v-1-x failed with exit code -1073741510 matching FailJob rule at index 1"),
            Failure(FailureKind.EXIT_CODE, -1073741510, "main"),
        ),
        (
            "PodFailurePolicy",
            "Pod media/videos-1-x7k2p has condition DisruptionTarget matching FailJob rule at index 0",
            Failure(FailureKind.INTERRUPTED),
        ),
        ("DeadlineExceeded", "Job was active longer than specified deadline", Failure(FailureKind.DEADLINE)),
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit", Failure(FailureKind.OTHER)),
        ("PodFailurePolicy", "words of a later Kubernetes", Failure(FailureKind.OTHER)),
        (
            "PodFailurePolicy",
            "Container main for pod a/b failed with exit code 3 matching FailJob rule at index 7",
            Failure(FailureKind.OTHER),
        ),
        ("", "", Failure(FailureKind.OTHER)),
    ],
)
def test_the_failed_condition_is_understood(reason: str, message: str, failure: Failure) -> None:
    assert parse_failure(reason, message) == failure


def test_the_rules_stand_where_the_indexes_say() -> None:
    assert "onPodConditions" in RULES[DISRUPTION_RULE]
    assert "onExitCodes" in RULES[EXIT_CODE_RULE]
