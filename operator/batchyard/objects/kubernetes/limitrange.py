"""From a LimitRange to its record. Of one that makes no sense in part, the rest counts."""

from collections.abc import Iterator, Mapping
from typing import Any

from batchyard.api.quantities import InvalidQuantity
from batchyard.core.model.podadmission.limitrange import Bounds, LimitRange
from batchyard.core.model.resources import parse_resources
from batchyard.objects.meta import Object, spec_of


def read_limit_range(obj: Object) -> LimitRange:
    """Read a LimitRange. Its entries for other things than containers and pods are passed over."""
    containers, pods = list(_entries(obj, "Container")), list(_entries(obj, "Pod"))
    return LimitRange(
        name=obj["metadata"]["name"],
        default_requests=_last(containers, "defaultRequest"),
        default_limits=_last(containers, "default"),
        container=_bounds(containers),
        pod=_bounds(pods),
    )


def _entries(obj: Object, kind: str) -> Iterator[Object]:
    limits = spec_of(obj).get("limits")
    for each in limits if isinstance(limits, list) else ():
        if isinstance(each, Mapping) and each.get("type") == kind:
            yield each


def _last(entries: list[Object], field: str) -> dict[str, int]:
    """Of what several entries say of a resource, the last counts."""
    return {name: amount for each in entries for name, amount in readable_amounts(each.get(field)).items()}


def _bounds(entries: list[Object]) -> Bounds:
    """What several entries say of a resource holds together."""
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    for each in entries:
        for name, amount in readable_amounts(each.get("min")).items():
            least[name] = max(amount, least.get(name, amount))
        for name, amount in readable_amounts(each.get("max")).items():
            most[name] = min(amount, most.get(name, amount))
    return Bounds(least, most)


def readable_amounts(said: Any) -> dict[str, int]:
    """The amounts of a resource list that are some."""
    amounts: dict[str, int] = {}
    for name, amount in said.items() if isinstance(said, Mapping) else ():
        try:
            amounts |= parse_resources({name: amount})
        except InvalidQuantity:
            continue
    return amounts
