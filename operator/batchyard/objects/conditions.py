"""Conditions in the form that kstatus, Argo CD and Flux read, shared by the statuses of all five kinds.

`Ready` is always there. `Stalled`, `Failed` and `Doubtful` are there only while they are true: a condition of that kind
says that something is wrong by being there. One that is only doubtful is used all the same. `Scaling`, too, is there
only while nodes are on their way, which is nothing wrong, and `Degraded` only while nodes that were asked for do not
come, as others still may. Where nodes are made, `Valid` tells apart what is wrong with a spec from all else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.objects.brevity import DETAIL_BYTES, MESSAGE_BYTES, brief
from batchyard.objects.times import format_time

READY = "Ready"
STALLED = "Stalled"
FAILED = "Failed"
DOUBTFUL = "Doubtful"
SCALING = "Scaling"
DEGRADED = "Degraded"
VALID = "Valid"


@dataclass(slots=True, frozen=True)
class ReadyState:
    """What the conditions of an object say, and why."""

    ready: bool
    reason: str
    message: str = ""
    stalled: bool = False
    failed: bool = False
    doubt: tuple[str, str] | None = None
    """Reason and message of what was hardly meant as it stands."""
    scaling: tuple[str, str] | None = None
    """Reason and message of nodes that are on their way."""
    degraded: tuple[str, str] | None = None
    """Reason and message of nodes that do not come."""
    valid: tuple[bool, str, str] | None = None
    """Whether what the user wrote can be done, with reason and message; None where nothing is said of that."""


def render_conditions(
    state: ReadyState, generation: int, previous: Mapping[str, Any], now: float
) -> list[dict[str, Any]]:
    """The `conditions` of a status; where nothing turned, the transition time is the `previous` one."""
    before = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    said = (state.reason, state.message)
    wanted = [(READY, state.ready, said)]
    wanted += [(kind, True, said) for kind, holds in ((FAILED, state.failed), (STALLED, state.stalled)) if holds]
    present = ((DOUBTFUL, state.doubt), (SCALING, state.scaling), (DEGRADED, state.degraded))
    wanted += [(kind, True, why) for kind, why in present if why is not None]
    if state.valid is not None:
        wanted.append((VALID, state.valid[0], state.valid[1:]))
    return [
        {
            "type": kind,
            "status": str(holds),
            "reason": brief(reason, DETAIL_BYTES),
            "message": brief(message, MESSAGE_BYTES),
            "observedGeneration": generation,
            "lastTransitionTime": _transition_time(before.get(kind), str(holds), now),
        }
        for kind, holds, (reason, message) in wanted
    ]


def _transition_time(before: Mapping[str, Any] | None, status: str, now: float) -> str:
    if before is not None and before.get("status") == status and before.get("lastTransitionTime"):
        return str(before["lastTransitionTime"])
    return format_time(now)


def conditions_of(obj: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The conditions that an object of somebody else has; what is none is passed over."""
    status = obj.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    if isinstance(conditions, list):
        yield from (each for each in conditions if isinstance(each, Mapping))
