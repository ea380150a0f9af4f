"""A ConsumableResource: read as a record; and its status, with what is held, used up and left.

The count of what was used up is also what a restarted operator goes on from (`scheduling.consumption`).
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api.models.consumableresource import ConsumableResource, ConsumableType
from batchyard.core.model.consumable import Consumable, Count
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.checked import checked
from batchyard.objects.meta import Object, identity_of, spec_of
from batchyard.objects.times import format_time, parse_time


def read_consumable(obj: Object) -> Consumable:
    """Read a ConsumableResource; of a refused one there is none, but its type stays what it was."""
    found = checked(ConsumableResource, obj)
    if isinstance(found, str):
        kept = spec_of(obj).get("type") != ConsumableType.NON_REPLENISHABLE
        return Consumable(**identity_of(obj), total=0, replenishable=kept, refusal=found)
    replenishable = found.spec.type is ConsumableType.REPLENISHABLE
    return Consumable(**identity_of(obj), total=found.spec.total, replenishable=replenishable)


def render_consumable_status(
    consumable: Consumable, *, in_use: int, taken: int, count: Count | None, previous: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The whole status. `taken` is what nobody else can have now; there is a `count` of what is not given back."""
    available = max(consumable.total - taken, 0)
    consumption = previous.get("consumption") if count is None else _render_count(count)
    status = {
        "observedGeneration": consumable.generation,
        "inUse": in_use,
        "available": available,
        **({} if consumption is None else {"consumption": consumption}),
        "conditions": render_conditions(_ready_state(consumable, count), consumable.generation, previous, now),
    }
    return presentable(status)


def read_count(status: Mapping[str, Any], created: float) -> Count:
    """What was counted last; of a resource that has no count yet, nothing, from its creation on."""
    stored = status.get("consumption")
    if not stored:
        return Count(0, created)
    runs = frozenset(stored.get("countedRuns") or ())
    return Count(stored["consumed"], parse_time(stored["countedUntil"]), runs)


def _render_count(count: Count) -> dict[str, Any]:
    runs = {"countedRuns": sorted(count.runs)} if count.runs else {}
    return {"consumed": count.consumed, "countedUntil": format_time(count.until), **runs}


def _ready_state(consumable: Consumable, count: Count | None) -> ReadyState:
    if consumable.refusal:
        return ReadyState(False, "InvalidSpec", consumable.refusal, stalled=True)
    if not consumable.total:
        return ReadyState(False, "NoneLeft", "spec.total is 0: raise it so that jobs can get any")
    if count is not None and count.consumed >= consumable.total:
        message = f"{count.consumed} were used up, spec.total is {consumable.total}: raise it so that jobs can get any"
        return ReadyState(False, "NoneLeft", message)
    given_back = "jobs give back what they hold when they end" if count is None else "what jobs take is used up"
    return ReadyState(True, "Usable", given_back)
