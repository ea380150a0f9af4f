"""What a pod asks of the machine that it is on, which capacity without machines of its own has none of.

Like `podconstraints` this never raises, whatever a stored spec holds: what is no part of a pod counts as not said.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from batchyard.api.excerpt import excerpt
from batchyard.api.quantities import InvalidQuantity
from batchyard.core.definition.commands import CONTAINER_LISTS
from batchyard.core.model.resources import describe, parse_resources

_SHOWN = 64
"""Characters of a name that a sentence shows."""
_OF_THE_HOST = ("hostNetwork", "hostPID", "hostIPC")


def machine_needs(spec: Mapping[str, Any]) -> str:
    """The first thing that a pod wants of its machine, in words; empty where there is nothing."""
    return next(_machine_needs(spec), "")


def unequal_limits(spec: Mapping[str, Any]) -> str:
    """What may use more cpu or memory than it requests, the pod as a whole or a container, in words; empty where
    nothing may."""
    whose = [("the pod", spec), *((f"container {_name(each)}", each) for each in _containers(spec))]
    told = (f"{who} {unequal}" for who, each in whose if (unequal := _unequal(each.get("resources"))))
    return next(told, "")


def _unequal(resources: Any) -> str:
    parts = [resources.get(side) if isinstance(resources, Mapping) else None for side in ("requests", "limits")]
    requests, limits = (part if isinstance(part, Mapping) else {} for part in parts)
    for name in ("cpu", "memory"):
        if name not in requests or name not in limits:
            continue
        try:
            asked, most = (parse_resources({name: side[name]}) for side in (requests, limits))
        except InvalidQuantity:
            continue
        if asked != most:
            return f"requests {describe(asked)} and may use {describe(most)}"
    return ""


def _machine_needs(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"it has spec.{field}" for field in _OF_THE_HOST if spec.get(field) is True)
    for container in _containers(spec):
        context = container.get("securityContext")
        if isinstance(context, Mapping) and context.get("privileged") is True:
            yield f"container {_name(container)} is privileged"
    for volume in _objects(spec.get("volumes")):
        if volume.get("hostPath") is not None:
            yield f"volume {_name(volume)} is a hostPath"
    if spec.get("resourceClaims"):
        yield "it claims devices (spec.resourceClaims)"
    if runtime_class := spec.get("runtimeClassName"):
        yield f"it has the runtimeClassName {excerpt(str(runtime_class), _SHOWN)}"
    system = spec.get("os")
    if isinstance(system, Mapping) and system.get("name") not in (None, "", "linux"):
        yield f"its os is {excerpt(str(system['name']), _SHOWN)}"


def _containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for field in CONTAINER_LISTS:
        yield from _objects(spec.get(field))


def _name(named: Mapping[str, Any]) -> str:
    return excerpt(str(named.get("name")), _SHOWN)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else ()
