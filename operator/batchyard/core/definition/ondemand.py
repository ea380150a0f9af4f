"""Pods that are not to be on nodes which the cloud may take back at any time, that is spot.

Jobs that have lost their nodes too often have such pods (`retryStrategy.onInterruption`), and a part of the jobs of an
environment that keeps a share on demand. What a node is that does not say so counts as one that stays.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.core.definition.nodeneeds.limiting import limited
from batchyard.core.definition.podadmission.admitted import under_rules
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.managed import NOT_SPOT


def is_due(policy: RetryPolicy, interruptions: int) -> bool:
    """Whether a run that follows so many interruptions is not to be on spot."""
    return policy.on_demand_after is not None and interruptions >= policy.on_demand_after


def on_demand(resolved: Resolved) -> Resolved:
    """The same job, not on spot nodes."""
    gang = resolved.gang
    changed = replace(
        resolved,
        template=without_spot(resolved.template),
        gang=None if gang is None else gang.with_each(without_spot),
    )
    return under_rules(changed, resolved.rules)


def without_spot(template: Mapping[str, Any]) -> dict[str, Any]:
    """The same pod, not on spot nodes."""
    return limited(template, NOT_SPOT)
