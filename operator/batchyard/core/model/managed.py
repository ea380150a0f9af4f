"""What a managed environment says of the nodes that are made for it.

A part of `environment.Environment`; built by the runtime's cache, read by the planner and by what makes the nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.api.models.managed import (
    IDLE_SECONDS,
    LEAVE_ALONE_SECONDS,
    MAX_PENDING_PODS,
    SHORTAGE_GRACE_SECONDS,
)
from batchyard.core.model.pods.constraints import Requirement
from batchyard.core.model.resources import Resources

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
"""The label that names a node's instance type."""
CAPACITY_TYPE = "karpenter.sh/capacity-type"
"""The label that says whether the cloud can reclaim a node at any time."""
SPOT = "spot"
"""The value of that label of nodes that it can."""
ZONE = "topology.kubernetes.io/zone"
"""The label that names a node's zone."""


NOT_SPOT = Requirement(CAPACITY_TYPE, "NotIn", (SPOT,))
"""Of pods that are to be on no such node. One that does not say what it is counts as one that stays."""


class NodeClass(NamedTuple):
    """The object in which a provider finds what is special to its cloud."""

    group: str
    kind: str
    name: str


@dataclass(slots=True, frozen=True)
class Shape:
    """What one node of an instance type has, as its provider states it; this counts under the ceilings."""

    instance_type: str
    capacity: Resources


@dataclass(slots=True, frozen=True)
class ManagedNodes:
    """The nodes that are made for an environment."""

    node_class: NodeClass
    requirements: tuple[Requirement, ...] = ()
    """Conditions on their labels, in the operators of node affinity; all hold."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that each of them has."""
    shapes: tuple[Shape, ...] = ()
    """The instance types that they may have; empty where these are not known."""
    max_pending_pods: int = MAX_PENDING_PODS
    shortage_grace_seconds: int = SHORTAGE_GRACE_SECONDS
    """How long a pod waits while the provider says that it has no such node."""
    leave_alone_seconds: int = LEAVE_ALONE_SECONDS
    """For how long pods alike are not tried here after one has got no node."""
    idle_seconds: int = IDLE_SECONDS
    on_demand_percent: int = 0
    """Which part of the vCPUs that run there is not on spot at least."""
    drains: bool = False
    """Whether the nodes go at once, and not after what runs there, when the environment is deleted."""

    @property
    def mixes_spot(self) -> bool:
        """Whether they may be spot, and may be others."""
        allowed = [set(each.values) for each in self.requirements if each[:2] == (CAPACITY_TYPE, "In")]
        return bool(allowed) and all(SPOT in values and len(values) > 1 for values in allowed)
