"""From a retry strategy as it stands in a spec to its record."""

from collections.abc import Mapping
from typing import Any

from batchyard.api.models.strategy import ExitAction
from batchyard.api.quantities import parse_bytes
from batchyard.core.model.definition import ExitRule, MemoryGrowth, RetryPolicy


def retry_policy(strategy: Mapping[str, Any]) -> RetryPolicy:
    """The record of a retry strategy as it stands in a spec."""
    defaults = RetryPolicy()
    backoff = strategy.get("backoff") or {}
    return RetryPolicy(
        attempts=strategy.get("attempts", defaults.attempts),
        initial_seconds=float(backoff.get("initialSeconds", defaults.initial_seconds)),
        multiplier=float(backoff.get("multiplier", defaults.multiplier)),
        max_seconds=float(backoff.get("maxSeconds", defaults.max_seconds)),
        jitter=float(backoff.get("jitter", defaults.jitter)),
        max_interruptions=strategy.get("maxInterruptions", defaults.max_interruptions),
        exit_rules=tuple(_exit_rule(rule) for rule in strategy.get("evaluateOnExit") or ()),
        memory_growth=_memory_growth(strategy.get("onOutOfMemory")),
    )


def _exit_rule(rule: Mapping[str, Any]) -> ExitRule:
    return ExitRule(
        ExitAction(rule["action"]), rule.get("onExitCode"), rule.get("onReason"), rule.get("onStatusReason")
    )


def _memory_growth(growth: Mapping[str, Any] | None) -> MemoryGrowth | None:
    if growth is None:
        return None
    limit = growth.get("maxMemory")
    return MemoryGrowth(
        multiplier=float(growth.get("memoryMultiplier", MemoryGrowth().multiplier)),
        max_bytes=None if limit is None else parse_bytes(limit),
    )
