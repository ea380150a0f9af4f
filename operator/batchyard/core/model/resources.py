"""Amounts of cpu, memory and devices as integers, and the sums the planner does with them.

One unit per resource makes every comparison exact: cpu in milli-vCPU, memory and storage in bytes, anything
else (devices, pods) a count. Nodes, ceilings and pod templates are parsed into these once, when they are
read; the planner adds and compares; statuses and messages turn them back into text.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from batchyard.api.models.base import QUALIFIED
from batchyard.api.quantities import (
    InvalidQuantity,
    check_bound,
    format_bytes,
    format_cpu,
    parse_bytes,
    parse_count,
    parse_cpu_milli,
)

Resources = Mapping[str, int]
"""Amount by Kubernetes resource name; an absent one is not there (on a node) or not asked for (by a pod)."""

_OF_A_CONTAINER = re.compile(
    r"cpu|memory|ephemeral-storage|hugepages-[0-9A-Za-z]+|[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?",
    re.ASCII,
)
_QUALIFIED = re.compile(QUALIFIED, re.ASCII)
_MAX_NAME_LENGTH = 253 + 1 + 63
_BYTES = frozenset({"memory", "ephemeral-storage", "storage"})
_BINARY_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def parse_resources(amounts: Mapping[str, Any]) -> dict[str, int]:
    """Turn a Kubernetes resource list ({"cpu": "500m", "memory": "1Gi"}) into integers.

    Raises InvalidQuantity naming the resource whose amount is none.
    """
    return {name: _parse(name, amount) for name, amount in amounts.items()}


def readable(amounts: Mapping[str, Any]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The amounts of a Kubernetes resource list that make sense, as integers, and the names of those that do not.

    For lists of others, which count as far as they can be understood.
    """
    understood: dict[str, int] = {}
    for name, amount in amounts.items():
        try:
            parsed = _parse(name, amount)
            check_bound(name, parsed)
        except InvalidQuantity:
            continue
        understood[name] = parsed
    return understood, tuple(name for name in amounts if name not in understood)


def is_name(name: str) -> bool:
    """Whether this can be the name of a resource in Kubernetes, of a node's as of a container's."""
    return len(name) <= _MAX_NAME_LENGTH and _QUALIFIED.fullmatch(name) is not None


def checked_request(request: Resources) -> dict[str, int]:
    """Return what a pod takes without resources of which that is nothing.

    Raises InvalidQuantity for a resource that containers cannot ask for, or more of one than anything can be.
    """
    for name, amount in request.items():
        if not _OF_A_CONTAINER.fullmatch(name) or len(name) > _MAX_NAME_LENGTH:
            raise InvalidQuantity(
                f"{name[:_MAX_NAME_LENGTH]!r} is no resource of a container: ask for cpu, memory, ephemeral-storage,"
                " hugepages-<size>, or a device such as nvidia.com/gpu"
            )
        check_bound(f"this much {name}", amount)
    return {name: amount for name, amount in request.items() if amount}


def to_resource_list(resources: Resources) -> dict[str, str]:
    """Turn amounts back into a Kubernetes resource list, as statuses show it."""
    return {name: _format(name, resources[name]) for name in sorted(resources, key=_display_order)}


def add(a: Resources, b: Resources) -> dict[str, int]:
    """Sum per resource."""
    total = dict(a)
    for name, amount in b.items():
        total[name] = total.get(name, 0) + amount
    return total


def subtract(a: Resources, b: Resources) -> dict[str, int]:
    """Difference per resource; below zero where `b` is larger, as on an overcommitted node."""
    rest = dict(a)
    for name, amount in b.items():
        rest[name] = rest.get(name, 0) - amount
    return rest


def shifted(before: Resources, amount: Resources, sign: int) -> dict[str, int]:
    """So much more (`sign` 1) or less (-1) of what is counted: of the resources that `before` names, and no others."""
    after = dict(before)
    for resource, number in amount.items():
        if resource in after:
            after[resource] += sign * number
    return after


def times(a: Resources, count: int) -> dict[str, int]:
    """So many times as much of each resource."""
    return {name: amount * count for name, amount in a.items()}


def fits(request: Resources, free: Resources) -> bool:
    """Whether `free` covers every amount asked for. Asking for nothing of a resource always fits."""
    for name, amount in request.items():  # noqa: SIM110 - three times as fast as all(), and asked for each waiting job
        if amount > 0 and amount > free.get(name, 0):
            return False
    return True


def shortfall(request: Resources, free: Resources) -> dict[str, int]:
    """What is missing of each resource until `request` fits; empty when it fits."""
    return {
        name: amount - max(free.get(name, 0), 0)
        for name, amount in request.items()
        if amount > 0 and amount > free.get(name, 0)
    }


def describe(resources: Resources) -> str:
    """Amounts as a person says them: `2 vCPU, 4 GiB memory, 1 nvidia.com/gpu`."""
    named = [_describe_one(name, resources[name]) for name in sorted(resources, key=_display_order) if resources[name]]
    return ", ".join(named) or "nothing"


def name_of(resource: str) -> str:
    """What a person calls a resource."""
    return {"cpu": "vCPU", "pods": "pod slots"}.get(resource, resource)


def pod_requests(pod_spec: Mapping[str, Any]) -> dict[str, int]:
    """What the scheduler sets aside for a pod, by Kubernetes' rule.

    The containers and sidecars together, or the hungriest moment of initialisation (an init container and the
    sidecars before it) where that is more; requests given for the whole pod replace the sum; overhead comes
    on top. A limit without a request counts as the request, as the API server would default it.
    """
    running: dict[str, int] = {}
    for container in pod_spec.get("containers") or ():
        running = add(running, _effective_requests(container))
    sidecars: dict[str, int] = {}
    initialising: dict[str, int] = {}
    for container in pod_spec.get("initContainers") or ():
        own = _effective_requests(container)
        if container.get("restartPolicy") == "Always":
            running = add(running, own)
            sidecars = add(sidecars, own)
            initialising = _larger(initialising, sidecars)
        else:
            initialising = _larger(initialising, add(sidecars, own))
    requests = _larger(running, initialising)
    requests.update(_pod_level_requests(pod_spec.get("resources") or {}, requests))
    return add(requests, parse_resources(pod_spec.get("overhead") or {}))


def _effective_requests(container: Mapping[str, Any]) -> dict[str, int]:
    resources = container.get("resources") or {}
    return parse_resources({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _pod_level_requests(resources: Mapping[str, Any], requested_by_containers: Resources) -> dict[str, int]:
    """Requests of the pod as a whole; its limits stand in only where no container asks for that resource."""
    limits = parse_resources(resources.get("limits") or {})
    defaulted = {name: amount for name, amount in limits.items() if name not in requested_by_containers}
    return {**defaulted, **parse_resources(resources.get("requests") or {})}


def _larger(a: Resources, b: Resources) -> dict[str, int]:
    return {name: max(a.get(name, 0), b.get(name, 0)) for name in _names(a, b)}


def _names(*several: Resources) -> Iterable[str]:
    return dict.fromkeys(name for resources in several for name in resources)


def _counts_bytes(name: str) -> bool:
    return name in _BYTES or name.startswith("hugepages-")


def _parse(name: str, amount: Any) -> int:
    return _parse_text(name, str(amount))


@lru_cache(maxsize=8192)
def _parse_text(name: str, amount: str) -> int:
    try:
        if name == "cpu":
            return parse_cpu_milli(amount)
        return parse_bytes(amount) if _counts_bytes(name) else parse_count(amount)
    except InvalidQuantity as error:
        raise InvalidQuantity(f"{name}: {error}") from error


def _format(name: str, amount: int) -> str:
    if name == "cpu":
        return format_cpu(amount)
    return format_bytes(amount) if _counts_bytes(name) else str(amount)


def _display_order(name: str) -> tuple[int, str]:
    return ({"cpu": 0, "memory": 1}.get(name, 2), name)


def _describe_one(name: str, amount: int) -> str:
    if name == "cpu":
        return f"{_decimal(amount / 1000, 3)} vCPU"
    if not _counts_bytes(name):
        return f"{amount} {name}"
    for power in range(len(_BINARY_UNITS), 0, -1):
        if abs(amount) >= 1024**power:
            return f"{_decimal(amount / 1024**power, 2)} {_BINARY_UNITS[power - 1]} {name}"
    return f"{amount} bytes {name}"


def _decimal(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


_NOT_DEVICES = frozenset({"cpu", "memory", "ephemeral-storage", "storage", "pods"})


def vcpus_of(request: Resources) -> int:
    """What a request counts for, in milli-vCPU: its vCPUs, or its devices where these are more; never nothing."""
    devices = 0
    for name, amount in request.items():
        if name not in _NOT_DEVICES and not name.startswith("hugepages-"):
            devices += amount
    return max(request.get("cpu", 0), 1000 * devices) or 1000
