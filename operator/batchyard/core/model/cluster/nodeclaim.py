"""What a provisioner says of the nodes that it makes: a claim for each node, and the pool that they are made from.

Like all records built and owned by the runtime's cache. The terms are Karpenter's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batchyard.core.model.resources import Resources


class Mishap(NamedTuple):
    """One time that a node which was asked for did not come."""

    reason: str
    message: str
    at: float


@dataclass(slots=True, frozen=True)
class NodeClaim:
    """A node that was asked for, from before it exists until it is gone."""

    name: str
    environment: str
    """The ComputeEnvironment that it is made for."""
    created: float
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that its node has, or will have."""
    capacity: Resources = field(default_factory=dict)
    """What the machine has, which counts under the environment's ceilings; nothing before it is launched."""
    allocatable: Resources = field(default_factory=dict)
    """What of that pods can have; nothing before it is launched."""
    provider_id: str = ""
    """Its machine, as the provider names it; empty before it is launched."""
    node: str = ""
    """Name of its node, once the provisioner has found it, which others may see before."""
    deleting: bool = False
    launched_at: float | None = None
    """When the provider began to make its machine; None before, and where that is not told."""
    mishap: Mishap | None = None
    """Why the provider makes no machine, while it refuses to."""

    @property
    def machine(self) -> str:
        """By which its node is found."""
        return self.provider_id or self.node

    @property
    def launched(self) -> bool:
        """Whether the provider has a machine for it."""
        return bool(self.capacity)


@dataclass(slots=True, frozen=True)
class NodePool:
    """From what nodes of an environment are made."""

    name: str
    uid: str
    environment: str
    """The ComputeEnvironment that it was made for; empty where somebody else has made it."""
    created: float = 0.0
    drains: bool = False
    """Whether its nodes go at once when that environment is deleted."""
    deleting: bool = False
    noticed: bool = True
    """Whether the provisioner has looked at it."""
    trouble: str = ""
    """Why the provisioner makes no nodes from it, in its own words; empty where it does."""
    fault: str = ""
    """The provisioner's reason, where that is a mistake in what the pool says; empty for anything else."""
