"""From retry strategies to their records, also from what earlier versions have stored."""

from typing import Any

import pytest

from batchyard.api.models.strategy import RetryStrategy
from batchyard.core.definition.retrypolicy import retry_policy, stored_strategy
from batchyard.core.model.definition import MemoryGrowth, RetryPolicy


def test_defaults_are_those_of_the_model() -> None:
    assert retry_policy(RetryStrategy()) == RetryPolicy() == RetryPolicy(1, 10.0, 2.0, 300.0, 0.5, 20)


@pytest.mark.parametrize(
    "strategy",
    [
        {},
        {"attempts": 3, "maxInterruptions": 0, "backoff": {"initialSeconds": 1, "jitter": 0}},
        {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1*", "action": "Exit"}]},
        {"attempts": 2, "onOutOfMemory": {}},
        {"attempts": 2, "onOutOfMemory": {"memoryMultiplier": 1.5, "maxMemory": "8Gi"}},
    ],
)
def test_what_is_stored_is_read_as_its_model_is(strategy: dict[str, Any]) -> None:
    assert retry_policy(stored_strategy(strategy)) == retry_policy(RetryStrategy.model_validate(strategy))


def test_what_the_model_of_today_refuses_is_gone_on_with() -> None:
    """More attempts than are allowed now, a field that is no more, a list that is left empty."""
    stored = {"attempts": 50, "mood": "good", "backoff": None, "evaluateOnExit": None}
    assert retry_policy(stored_strategy(stored)) == RetryPolicy(attempts=50)
    growth = {"attempts": 1, "onOutOfMemory": {"memoryMultiplier": 50, "maxMemory": 2**30}}
    assert retry_policy(stored_strategy(growth)).memory_growth == MemoryGrowth(50.0, 2**30)
