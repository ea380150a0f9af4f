"""What the LimitRanges of a namespace add to the containers of a pod.

Where several of them set the same default, the API server takes them in no certain order. Then the largest amount
counts, so that no pod takes more than its job was granted, and nothing is said of what depends on the order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batchyard.core.definition.commands import Container
from batchyard.core.model.podadmission.limitrange import LimitRange
from batchyard.core.model.resources import Resources, to_resource_list

SIDES = ("requests", "limits")


@dataclass(slots=True, frozen=True)
class Default:
    """What a container gets of a resource on one side, where it says nothing of it."""

    amount: int
    limit_range: str
    """The LimitRange that gives it."""
    certain: bool = True
    """Whether no other LimitRange gives another amount."""


@dataclass(slots=True, frozen=True)
class Defaults:
    """What the LimitRanges of a namespace give to containers."""

    requests: Mapping[str, Default] = field(default_factory=dict)
    limits: Mapping[str, Default] = field(default_factory=dict)
    written: Mapping[str, Mapping[str, str]] = field(init=False)
    """Per side the amounts as they stand in a pod."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", {side: _written(self.given(side)) for side in SIDES})

    def given(self, side: str) -> Mapping[str, Default]:
        """Return what is given on one side, `requests` or `limits`."""
        return self.requests if side == "requests" else self.limits

    def added(self, container: Container) -> Container:
        """Return the container with what it is given; itself where that is nothing."""
        own: Mapping[str, Any] = container.get("resources") or {}
        # The API server copies limits to absent requests before any LimitRange is looked at.
        limits = own.get("limits") or {}
        before = {"requests": {**limits, **(own.get("requests") or {})}, "limits": limits}
        after = {side: {**self.written[side], **before[side]} for side in SIDES}
        return container if after == before else {**container, "resources": {**own, **after}}


def defaults_of(limit_ranges: Iterable[LimitRange]) -> Defaults:
    """Return what all LimitRanges of a namespace come to together."""
    requests: dict[str, Default] = {}
    limits: dict[str, Default] = {}
    for each in limit_ranges:
        _enter(requests, each.default_requests, each.name)
        _enter(limits, each.default_limits, each.name)
    return Defaults(requests, limits)


def _enter(known: dict[str, Default], amounts: Resources, name: str) -> None:
    for resource, amount in amounts.items():
        other = known.get(resource)
        if other is None:
            known[resource] = Default(amount, name)
        elif amount != other.amount:
            more = amount > other.amount
            known[resource] = Default(max(amount, other.amount), name if more else other.limit_range, certain=False)


def _written(given: Mapping[str, Default]) -> dict[str, str]:
    return to_resource_list({resource: each.amount for resource, each in given.items()})
