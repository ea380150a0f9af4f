"""The nodes of a multi-node job: which of them run the same pod, and what they ask for together.

A part of `definition.Resolved`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.resources import Resources, add


@dataclass(slots=True, frozen=True)
class NodeGroup:
    """Nodes of a multi-node job that run the same pod."""

    nodes: tuple[int, ...]
    template: Mapping[str, Any]
    request: Resources
    """Of the pod of one node."""
    constraints: Constraints = UNCONSTRAINED
    """What that pod says of the nodes of the cluster that it can be on."""


@dataclass(slots=True, frozen=True)
class Gang:
    """The nodes of a multi-node job, counted from 0; each is in one group."""

    main: int
    groups: tuple[NodeGroup, ...]

    @property
    def size(self) -> int:
        """Number of nodes."""
        return sum(len(group.nodes) for group in self.groups)

    @property
    def pods(self) -> PodSets:
        """The pods of all nodes."""
        return tuple(PodSet(len(each.nodes), each.request, each.constraints) for each in self.groups)

    def group(self, node: int) -> NodeGroup:
        """Return the group of a node."""
        return next(group for group in self.groups if node in group.nodes)

    @property
    def request(self) -> Resources:
        """What all nodes ask for together, and how many there are."""
        total: Resources = {"pods": self.size}
        for group in self.groups:
            total = add(total, {name: amount * len(group.nodes) for name, amount in group.request.items()})
        return total

    def with_each(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> "Gang":
        """Return the same with the pods of all nodes changed."""
        return Gang(self.main, tuple(replace(each, template=change(each.template)) for each in self.groups))

    def changed(self, template: Mapping[str, Any]) -> "Gang":
        """Return the same with another pod for the main node, and the others that run the same, to the same request."""
        main = self.group(self.main)
        changed = replace(main, template=template)
        return Gang(self.main, tuple(changed if each is main else each for each in self.groups))
