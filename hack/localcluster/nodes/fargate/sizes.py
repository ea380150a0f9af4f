"""Sizes of Fargate: what a pod asks for, and the smallest that holds it.

CPU is in milli-vCPU, memory in bytes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

GIB = 2**30
SYSTEM_MEMORY = 256 * 2**20
"""What the kubelet and its like need of each size, beside the pod."""

Amounts = dict[str, Decimal]


@dataclass(frozen=True, order=True)
class Size:
    """One of the sizes that there are, in the order in which they are tried."""

    cpu: int
    memory: int

    def __str__(self) -> str:
        """As it is in the pod's annotation."""
        return f"{self.cpu / 1000:g}vCPU {self.memory / GIB:g}GB"


_GIB_BY_CPU: Mapping[int, Iterable[float]] = {
    250: (0.5, 1, 2),
    500: range(1, 4 + 1),
    1000: range(2, 8 + 1),
    2000: range(4, 16 + 1),
    4000: range(8, 30 + 1),
    8000: range(16, 60 + 1, 4),
    16000: range(32, 120 + 1, 8),
}
SIZES = tuple(Size(cpu, int(memory * GIB)) for cpu, each in _GIB_BY_CPU.items() for memory in each)

_UNITS = {
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
}


def smallest(request: Mapping[str, Decimal]) -> Size | None:
    """The smallest size that holds a pod; None if there is none."""
    cpu = math.ceil(request.get("cpu", Decimal(0)) * 1000)
    memory = math.ceil(request.get("memory", Decimal(0))) + SYSTEM_MEMORY
    return next((size for size in SIZES if cpu <= size.cpu and memory <= size.memory), None)


def pod_request(spec: Mapping[str, Any]) -> Amounts:
    """What a pod asks for, by resource: its containers at once, or the one before them that asks for most.

    In vCPUs, bytes and counts.
    """
    together: Amounts = {}
    most: Amounts = {}
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":  # it goes on running beside the others
            together = _added(together, _request(each))
            most = _larger(most, together)
        else:
            most = _larger(most, _added(together, _request(each)))
    for each in spec["containers"]:
        together = _added(together, _request(each))
    of_containers = _larger(most, together)
    return _added({**of_containers, **_request(spec)}, _amounts(spec.get("overhead")))


def _request(owner: Mapping[str, Any]) -> Amounts:
    """Limits count as requests where there are none, as the API server has it."""
    resources = owner.get("resources") or {}
    return {**_amounts(resources.get("limits")), **_amounts(resources.get("requests"))}


def _amounts(resources: Mapping[str, Any] | None) -> Amounts:
    return {name: quantity(str(amount)) for name, amount in (resources or {}).items()}


def quantity(text: str) -> Decimal:
    """The number that a quantity such as 500m or 2Gi stands for."""
    number = text.rstrip("mkKMGTPEi")
    return Decimal(number) * _UNITS[text[len(number) :]]


def _added(a: Amounts, b: Amounts) -> Amounts:
    return {name: a.get(name, Decimal(0)) + b.get(name, Decimal(0)) for name in {**a, **b}}


def _larger(a: Amounts, b: Amounts) -> Amounts:
    return {name: max(a.get(name, Decimal(0)), b.get(name, Decimal(0))) for name in {**a, **b}}
