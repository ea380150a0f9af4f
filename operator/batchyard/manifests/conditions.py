"""Conditions in the form that kstatus, Argo CD and Flux read, shared by the statuses of all five kinds.

`Ready` is always there. `Stalled` and `Failed` are there only while they are true: a condition of that kind
says that something is wrong by being there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.manifests.times import format_time

READY = "Ready"
STALLED = "Stalled"
FAILED = "Failed"

_MAX_MESSAGE = 32_768
"""What the CRDs allow; an API server's verdict on a pod template can be longer."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """What the conditions of an object say, and why."""

    ready: bool
    reason: str
    message: str = ""
    stalled: bool = False
    failed: bool = False


def render_conditions(
    verdict: Verdict, generation: int, previous: Mapping[str, Any], now: float
) -> list[dict[str, Any]]:
    """The `conditions` of a status; where nothing turned, the transition time is the `previous` one."""
    before = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    wanted = [(READY, verdict.ready)]
    wanted += [(kind, True) for kind, holds in ((FAILED, verdict.failed), (STALLED, verdict.stalled)) if holds]
    return [
        {
            "type": kind,
            "status": str(holds),
            "reason": verdict.reason,
            "message": _clipped(verdict.message),
            "observedGeneration": generation,
            "lastTransitionTime": _transition_time(before.get(kind), str(holds), now),
        }
        for kind, holds in wanted
    ]


def _clipped(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE - 1]}…"


def _transition_time(before: Mapping[str, Any] | None, status: str, now: float) -> str:
    if before is not None and before.get("status") == status and before.get("lastTransitionTime"):
        return str(before["lastTransitionTime"])
    return format_time(now)
