"""The nodes of the cluster, which environments select.

Like all records built and owned by the runtime's cache, and read by the planner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from batchyard.core.model.resources import Resources


@dataclass(slots=True, frozen=True)
class Node:
    """A cluster node, reduced to what decides whether jobs may use it."""

    name: str
    labels: Mapping[str, str]
    allocatable: Resources
    taints: tuple[tuple[str, str, str], ...] = ()
    """Key, value and effect of each taint with effect NoSchedule or NoExecute."""
    ready: bool = True
    schedulable: bool = True
    lost: bool = False
    """Whether its kubelet is not heard from any more."""
    lost_since: float | None = None
    provider_id: str = ""
    """The machine that it is on, as its provider names it."""
    ignored: str = ""
    """A sentence on what of the node could not be understood and counts as not there; empty where all could."""

    @property
    def machine(self) -> str:
        """By which a claim finds its node."""
        return self.provider_id or self.name
