"""More memory for the next run of a job that ran out of it (`retryStrategy.onOutOfMemory`).

How much follows from the definition and from how often the attempts in status say that a container was killed: a
restarted operator comes to the same.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from batchyard.api.quantities import format_bytes, parse_bytes
from batchyard.api.reasons import Reason
from batchyard.core.definition.podadmission.admitted import admitted_pod, under_rules
from batchyard.core.model.definition import MemoryGrowth, Resolved
from batchyard.core.model.status import Attempt

_MEBIBYTE = 1024**2
_SIDES = ("requests", "limits")


def grown(resolved: Resolved, attempts: Iterable[Attempt]) -> Resolved:
    """What the next run is made of; the same object when that has not changed."""
    growth = resolved.retry.memory_growth
    if growth is None:
        return resolved
    template = _template(resolved, attempts, growth)
    if template == resolved.template:
        return resolved
    original = resolved.ungrown or resolved.template
    gang = resolved.gang.changed(template) if resolved.gang is not None else None
    return under_rules(replace(resolved, template=template, ungrown=original, gang=gang), resolved.rules)


def outlook(resolved: Resolved, attempts: tuple[Attempt, ...]) -> str:
    """What to say about the memory of the next run, after a last one that ran out of it."""
    growth = resolved.retry.memory_growth
    if growth is None or not attempts or attempts[-1].reason != Reason.OUT_OF_MEMORY:
        return ""
    before, after = (_template(resolved, seen, growth)["spec"] for seen in (attempts[:-1], attempts))
    if before == after:
        bound = "nothing to multiply" if growth.max_bytes is None else f"maxMemory is {format_bytes(growth.max_bytes)}"
        return f"with the same memory ({bound})"
    less, more = (admitted_pod(spec, resolved.rules).request.get("memory", 0) for spec in (before, after))
    return f"with {format_bytes(more)} of memory instead of {format_bytes(less)}" if more > less else "with more memory"


def _template(resolved: Resolved, attempts: Iterable[Attempt], growth: MemoryGrowth) -> Mapping[str, Any]:
    original = resolved.ungrown or resolved.template
    kills = Counter(name for attempt in attempts for name in attempt.out_of_memory)
    return {**original, "spec": _spec(original["spec"], kills, growth)} if kills else original


def _spec(spec: Mapping[str, Any], kills: Mapping[str, int], growth: MemoryGrowth) -> dict[str, Any]:
    """The pod with the memory of each container as often multiplied as that was killed.

    Resources of the pod as a whole grow by what its containers do, and for those that have no memory of their own.
    """
    changed = dict(spec)
    added = dict.fromkeys(_SIDES, 0)
    shared = 0
    for field in ("initContainers", "containers"):
        if spec.get(field):
            changed[field] = [_container(each, kills.get(each["name"], 0), growth, added) for each in spec[field]]
            shared = max([shared, *(kills.get(each["name"], 0) for each in spec[field] if not _has_memory(each))])
    if spec.get("resources"):
        changed["resources"] = _resources(
            spec["resources"], lambda side, amount: _amount(amount, shared, growth) + added[side]
        )
    return changed


def _container(
    container: Mapping[str, Any], kills: int, growth: MemoryGrowth, added: dict[str, int]
) -> Mapping[str, Any]:
    """The container after so many kills; what that adds is added up per side."""
    if not kills or not _has_memory(container):
        return container

    def more(side: str, amount: int) -> int:
        larger = _amount(amount, kills, growth)
        added[side] += larger - amount
        return larger

    return {**container, "resources": _resources(container["resources"], more)}


def _has_memory(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    return any("memory" in (resources.get(side) or {}) for side in _SIDES)


def _resources(resources: Mapping[str, Any], change: Callable[[str, int], int]) -> dict[str, Any]:
    changed = dict(resources)
    for side in _SIDES:
        amounts = resources.get(side) or {}
        if "memory" in amounts:
            changed[side] = {**amounts, "memory": format_bytes(change(side, parse_bytes(amounts["memory"])))}
    return changed


def _amount(amount: int, kills: int, growth: MemoryGrowth) -> int:
    """Never less than at first, even where the maximum is."""
    if not kills:
        return amount
    wanted = math.ceil(amount * Fraction(str(growth.multiplier)) ** kills / _MEBIBYTE) * _MEBIBYTE
    return max(amount, wanted if growth.max_bytes is None else min(wanted, growth.max_bytes))
