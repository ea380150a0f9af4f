"""From any pod to the room that it takes on its node.

Nobody has checked these pods for Batchyard. What cannot be understood of one counts as nothing, and is said, while the
rest of it counts: one odd pod must not hide the room that it takes.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from batchyard.api.quantities import InvalidQuantity
from batchyard.core.definition.nodeneeds.podconstraints import host_ports
from batchyard.core.model.cluster.otherpod import OtherPod
from batchyard.core.model.resources import Resources, pod_requests, readable
from batchyard.objects.meta import Object, spec_of
from batchyard.objects.ownership import controller

ENDED = ("Succeeded", "Failed")
_STATIC = "kubernetes.io/config.mirror"
"""The annotation of what shows a kubelet's static pod in the API server."""
_FIXED = ("DaemonSet", "Node")
_NAMED = 3
"""How many odd amounts of a pod a sentence names."""


def read_other_pod(obj: Object) -> OtherPod | None:
    """Read a pod; None where it takes no room on any node: not bound yet, or ended."""
    metadata, spec, status = obj["metadata"], spec_of(obj), obj.get("status") or {}
    node = spec.get("nodeName")
    if not node or status.get("phase") in ENDED:
        return None
    asked = _resized(spec, status)
    odd: tuple[str, ...] = ()
    try:
        request = pod_requests(asked)
    except InvalidQuantity:
        asked, odd = _understood(asked)
        request = pod_requests(asked)
    return OtherPod(
        sys.intern(node),
        _shared(tuple(sorted((name, amount) for name, amount in request.items() if amount))),
        host_ports(spec),
        controller(obj).get("kind") in _FIXED or _STATIC in (metadata.get("annotations") or ()),
        _sentence(obj, odd) if odd else "",
    )


@lru_cache(maxsize=4096)
def _shared(request: tuple[tuple[str, int], ...]) -> Resources:
    """The same object for the same request, with its pod slot."""
    return {**dict(request), "pods": 1}


def _resized(spec: Object, status: Object) -> Object:
    """The spec with what its containers were given, where that is more: a resize that is under way takes the larger."""
    given = {
        each.get("name"): [each.get("allocatedResources"), (each.get("resources") or {}).get("requests")]
        for part in ("containerStatuses", "initContainerStatuses")
        for each in status.get(part) or ()
    }
    if not given:
        return spec
    parts = {
        part: [_at_least(each, given.get(each.get("name"), ())) for each in spec.get(part) or ()]
        for part in ("containers", "initContainers")
    }
    return {**spec, **parts}


def _at_least(container: Object, given: Iterable[Mapping[str, Any] | None]) -> Object:
    resources = container.get("resources") or {}
    requests = resources.get("requests") or {}
    more: dict[str, Any] = {}
    for amounts in given:
        if amounts and amounts != requests:
            asked, _ = readable({**(resources.get("limits") or {}), **requests, **more})
            got, _ = readable(amounts)
            more |= {name: amounts[name] for name, amount in got.items() if amount > asked.get(name, 0)}
    return {**container, "resources": {**resources, "requests": {**requests, **more}}} if more else container


def _understood(spec: Object) -> tuple[Object, tuple[str, ...]]:
    """The spec without the amounts that make no sense, and where these stand."""
    odd: list[str] = []

    def sensible(amounts: Mapping[str, Any] | None, where: str) -> Object:
        found, names = readable(amounts or {})
        odd.extend(f"{where} {name}" for name in names)
        return {name: amount for name, amount in (amounts or {}).items() if name in found}

    def without_odd(resources: Mapping[str, Any] | None, whose: str) -> Object:
        return {
            part: sensible((resources or {}).get(part), f"the {part[:-1]} of {whose} for")
            for part in ("requests", "limits")
        }

    parts: dict[str, Any] = {
        part: [
            {**each, "resources": without_odd(each.get("resources"), f"container {each.get('name')}")} for each in them
        ]
        for part in ("containers", "initContainers")
        if (them := spec.get(part))
    }
    parts["resources"] = without_odd(spec.get("resources"), "the whole pod")
    parts["overhead"] = sensible(spec.get("overhead"), "the overhead in")
    return {**spec, **parts}, tuple(odd)


def _sentence(obj: Object, odd: tuple[str, ...]) -> str:
    metadata, rest = obj["metadata"], len(odd) - _NAMED
    shown = ", ".join(odd[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    what = "is no amount" if len(odd) == 1 else "are no amounts"
    return f"pod {metadata.get('namespace', '')}/{metadata['name']}: {shown} {what}"
