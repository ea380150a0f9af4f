"""What a serverless environment says of the pods that run there, each with the capacity that it brings itself.

A part of `environment.Environment`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from batchyard.api.models.managed import LEAVE_ALONE_SECONDS


class Sizes(NamedTuple):
    """Sizes of pods that have the same vCPUs."""

    milli_vcpus: int
    memory: tuple[int, ...]
    """Bytes, the least first."""


@dataclass(slots=True, frozen=True)
class Serverless:
    """Of one environment."""

    provisioner: str
    """What people call it."""
    sizes: tuple[Sizes, ...] = ()
    """Those that pods can have, the fewest vCPUs first; empty where each has what it asks for."""
    system_memory: int = 0
    """Bytes of each size that the pod cannot have."""
    most_storage: int | None = None
    """Bytes of ephemeral storage that a pod can have at most; None where that is not known."""
    equal_limits: bool = False
    """Whether limits of cpu and memory must be what is requested."""
    gpus: bool = False
    """Whether pods can have GPUs."""
    node_labels: Mapping[str, str] | None = None
    """Labels of the node that a pod gets for itself; None where there are virtual nodes, with labels of their own."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What pods get beside their own labels, and in place of those of the same names."""
    namespaces: tuple[str, ...] = ()
    """Patterns of namespaces whose jobs may run there; empty for all."""
    ended_pod_seconds: int | None = None
    """How long pods stay after their end; None for as long as their job."""
    leave_alone_seconds: int = LEAVE_ALONE_SECONDS
    """For how long pods alike are not tried there after one has got no capacity."""

    def admits(self, namespace: str) -> bool:
        """Whether jobs of a namespace may run there."""
        return not self.namespaces or any(fnmatchcase(namespace, each) for each in self.namespaces)
