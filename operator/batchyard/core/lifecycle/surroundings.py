"""What of the cluster decides on the life of a run: where it may run, and which machines are lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.environment import Environment


@dataclass(slots=True, frozen=True)
class Surroundings:
    """Environments and nodes by name."""

    environments: Mapping[str, Environment] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
