"""From a retry strategy to its record, and from what a revision has stored to a retry strategy.

A revision may be of an earlier version, and hold what the model of today refuses, or lack what it wants. Jobs go on
with it all the same.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from batchyard.api.models.strategy import (
    Backoff,
    EvaluateOnExit,
    ExitAction,
    OnInterruption,
    OnOutOfMemory,
    RetryStrategy,
)
from batchyard.api.quantities import parse_bytes
from batchyard.core.model.definition import ExitRule, MemoryGrowth, RetryPolicy


def stored_strategy(stored: Mapping[str, Any]) -> RetryStrategy:
    """The retry strategy as it stands in a spec, with the defaults of its model, whether or not that takes it."""
    try:
        return RetryStrategy.model_validate(stored)
    except ValidationError:
        return _unchecked(stored)


def _unchecked(stored: Mapping[str, Any]) -> RetryStrategy:
    growth = stored.get("onOutOfMemory")
    interruption = stored.get("onInterruption")
    parts = {
        "onInterruption": None if interruption is None else OnInterruption.model_construct(**interruption),
        "backoff": Backoff.model_construct(**(stored.get("backoff") or {})),
        "evaluateOnExit": tuple(EvaluateOnExit.model_construct(**rule) for rule in stored.get("evaluateOnExit") or ()),
        "onOutOfMemory": None if growth is None else OnOutOfMemory.model_construct(**growth),
    }
    return RetryStrategy.model_construct(**{**stored, **parts})


def retry_policy(strategy: RetryStrategy) -> RetryPolicy:
    """The record of a retry strategy."""
    backoff = strategy.backoff
    return RetryPolicy(
        attempts=strategy.attempts,
        initial_seconds=float(backoff.initial_seconds),
        multiplier=float(backoff.multiplier),
        max_seconds=float(backoff.max_seconds),
        jitter=float(backoff.jitter),
        max_interruptions=strategy.max_interruptions,
        exit_rules=tuple(_exit_rule(rule) for rule in strategy.evaluate_on_exit),
        on_demand_after=None if strategy.on_interruption is None else strategy.on_interruption.on_demand_after,
        memory_growth=None if strategy.on_out_of_memory is None else _memory_growth(strategy.on_out_of_memory),
    )


def _exit_rule(rule: EvaluateOnExit) -> ExitRule:
    return ExitRule(ExitAction(rule.action), rule.on_exit_code, rule.on_reason, rule.on_status_reason)


def _memory_growth(growth: OnOutOfMemory) -> MemoryGrowth:
    limit = growth.max_memory
    return MemoryGrowth(float(growth.memory_multiplier), None if limit is None else parse_bytes(limit))
