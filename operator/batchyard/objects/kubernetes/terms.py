"""What a run was granted with, as an annotation of its Kubernetes Job.

Only what differs from the defaults is written, in the words of the spec, so that ordinary Jobs bear little.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from batchyard.api import names
from batchyard.api.models.strategy import RetryStrategy
from batchyard.api.quantities import format_bytes
from batchyard.core.definition.retrypolicy import retry_policy
from batchyard.core.definition.runterms import terms_of
from batchyard.core.model.definition import ExitRule, MemoryGrowth, Resolved, RetryPolicy
from batchyard.core.model.run import RunTerms

_USUAL = RunTerms()
_MAX_SECONDS = 2**31


def render_terms(resolved: Resolved) -> dict[str, str]:
    """The annotation, if there is anything to say."""
    terms = terms_of(resolved)
    grace, usual = terms.startup_grace_seconds, _USUAL.startup_grace_seconds
    said = {
        "definition": terms.definition_uid,
        "digest": terms.digest,
        "startupGraceSeconds": None if grace == usual else grace,
        "retryStrategy": _strategy(terms.retry),
    }
    said = {name: value for name, value in said.items() if value is not None and value not in ("", {})}
    return {names.TERMS: json.dumps(said, separators=(",", ":"))} if said else {}


def read_terms(annotations: Mapping[str, str]) -> RunTerms | None:
    """What the annotation tells; None where there is none. What makes no sense counts as not said."""
    text = annotations.get(names.TERMS)
    if not text:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return RunTerms()
    if not isinstance(said, dict):
        return RunTerms()
    return RunTerms(
        retry=_read_strategy(said.get("retryStrategy")),
        startup_grace_seconds=_seconds(said.get("startupGraceSeconds"), _USUAL.startup_grace_seconds),
        definition_uid=_text(said.get("definition")),
        digest=_text(said.get("digest")),
    )


def _strategy(policy: RetryPolicy) -> dict[str, Any]:
    usual = RetryPolicy()
    backoff = {
        "initialSeconds": (int(policy.initial_seconds), usual.initial_seconds),
        "multiplier": (policy.multiplier, usual.multiplier),
        "maxSeconds": (int(policy.max_seconds), usual.max_seconds),
        "jitter": (policy.jitter, usual.jitter),
    }
    fields = {
        "attempts": None if policy.attempts == usual.attempts else policy.attempts,
        "maxInterruptions": None if policy.max_interruptions == usual.max_interruptions else policy.max_interruptions,
        "backoff": {name: value for name, (value, default) in backoff.items() if value != default} or None,
        "evaluateOnExit": [_rule(rule) for rule in policy.exit_rules] or None,
        "onInterruption": None if policy.on_demand_after is None else {"onDemandAfter": policy.on_demand_after},
        "onOutOfMemory": _growth(policy.memory_growth) if policy.memory_growth is not None else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _rule(rule: ExitRule) -> dict[str, str]:
    conditions = {
        "onExitCode": rule.on_exit_code,
        "onReason": rule.on_reason,
        "onStatusReason": rule.on_status_reason,
    }
    return {**{name: text for name, text in conditions.items() if text is not None}, "action": rule.action.value}


def _growth(growth: MemoryGrowth) -> dict[str, Any]:
    limit = {} if growth.max_bytes is None else {"maxMemory": format_bytes(growth.max_bytes)}
    return {"memoryMultiplier": growth.multiplier, **limit}


def _read_strategy(said: Any) -> RetryPolicy:
    try:
        return retry_policy(RetryStrategy.model_validate(said or {}))
    except ValidationError:
        return RetryPolicy()


def _seconds(said: Any, otherwise: int) -> int:
    valid = isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= _MAX_SECONDS
    return int(said) if valid else otherwise


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""
