"""Which pods the API server refuses for ever under the LimitRanges of a namespace, and what to do about it.

Only what is certain is said. What it makes of ratios, and of resources of a pod as a whole, is left to the API server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.core.definition.commands import CONTAINER_LISTS, Container, each_container
from batchyard.core.definition.podadmission.defaults import SIDES, Defaults
from batchyard.core.model.podadmission.limitrange import Bounds, LimitRange
from batchyard.core.model.resources import Resources, describe, parse_resources, pod_requests

_NO_BOUNDS = Bounds()


@dataclass(slots=True, frozen=True)
class _Asked:
    """What a container, or all of a pod together, asks for once all defaults are added."""

    who: str
    requests: Resources
    limits: Resources
    uncertain: frozenset[str]
    """Resources that no two LimitRanges agree on, on either side."""


def refusal(spec: Mapping[str, Any], limit_ranges: tuple[LimitRange, ...], defaults: Defaults) -> str:
    """Say why a pod with this spec, as its job gives it, is refused; empty where nothing is known."""
    return next(_refusals(spec, limit_ranges, defaults), "")


def _refusals(spec: Mapping[str, Any], limit_ranges: tuple[LimitRange, ...], defaults: Defaults) -> Iterator[str]:
    containers = [each for field in CONTAINER_LISTS for each in spec.get(field) or ()]
    asked = [_of_container(each, defaults) for each in containers]
    for each in asked:
        yield from _above_default_limit(each, defaults)
    for limit_range in limit_ranges:
        for each in asked:
            yield from _out_of_bounds(each, limit_range.container, limit_range.name)
        if limit_range.pod != _NO_BOUNDS and not spec.get("resources"):
            yield from _out_of_bounds(_of_pod(spec, defaults, asked), limit_range.pod, limit_range.name)


def _of_container(container: Container, defaults: Defaults) -> _Asked:
    own, added = container.get("resources") or {}, defaults.added(container).get("resources") or {}
    requests, limits = (parse_resources(added.get(side) or {}) for side in SIDES)
    uncertain = frozenset(
        resource
        for side in SIDES
        for resource, each in defaults.given(side).items()
        if not each.certain and resource not in (own.get(side) or {})
    )
    return _Asked(f"container {container['name']}", {**limits, **requests}, limits, uncertain)


def _of_pod(spec: Mapping[str, Any], defaults: Defaults, containers: list[_Asked]) -> _Asked:
    """All containers together, without overhead."""
    alone = {field: spec[field] for field in CONTAINER_LISTS if spec.get(field)}

    def limits_as_requests(container: Container) -> Container:
        return {**container, "resources": {"requests": (container.get("resources") or {}).get("limits") or {}}}

    added = each_container(alone, defaults.added)
    limits = pod_requests(each_container(added, limits_as_requests))
    uncertain = frozenset(resource for each in containers for resource in each.uncertain)
    return _Asked("the pod", pod_requests(added), limits, uncertain)


def _above_default_limit(asked: _Asked, defaults: Defaults) -> Iterator[str]:
    for resource, limit in asked.limits.items():
        request, given = asked.requests.get(resource, 0), defaults.limits.get(resource)
        if request > limit and given is not None and resource not in asked.uncertain:
            yield (
                f"{asked.who} requests {describe({resource: request})}, more than the limit of"
                f" {describe({resource: limit})} that LimitRange {given.limit_range} gives it: set resources.limits for"
                f" {resource}, or have the default of the LimitRange raised"
            )


def _out_of_bounds(asked: _Asked, bounds: Bounds, name: str) -> Iterator[str]:
    for resource, least in bounds.least.items():
        request = asked.requests.get(resource)
        if resource not in asked.uncertain and (request is None or request < least):
            yield (
                f"{asked.who} requests {_amount(resource, request)}, and LimitRange {name} wants"
                f" {describe({resource: least})} at least: set resources.requests for {resource} to that much, or have"
                " the min of the LimitRange lowered"
            )
    for resource, most in bounds.most.items():
        if resource in asked.uncertain:
            continue
        limit, request = asked.limits.get(resource), asked.requests.get(resource, 0)
        remedy = "or have the max of the LimitRange raised"
        allows = f"and LimitRange {name} allows {describe({resource: most})} at most"
        if limit is not None and limit > most:
            yield f"{asked.who} has a limit of {_amount(resource, limit)}, {allows}: set a lower one, {remedy}"
        elif request > most:
            yield f"{asked.who} requests {_amount(resource, request)}, {allows}: request less, {remedy}"
        elif limit is None:
            yield f"{asked.who} has no limit for {resource}, {allows}: set resources.limits for {resource}, {remedy}"


def _amount(resource: str, amount: int | None) -> str:
    return describe({resource: amount}) if amount else f"no {resource}"
