"""What an environment's status says of its nodes: what is free, what others use, and what is not understood of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchyard.core.insight.madenodes import MadeNodes
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.resources import Resources, add
from batchyard.core.scheduling.capacity.coming.trouble import Trouble


@dataclass(slots=True, frozen=True)
class NodesView:
    """Of one environment."""

    used_by_others: Resources
    """What pods that are not Batchyard's ask for; nothing where they do not count."""
    not_understood: tuple[str, ...] = ()
    """A sentence for each node, and each pod that counts, of which something makes no sense and counts as nothing."""
    made: MadeNodes | None = None
    """Those that were asked for; None where nodes are not made."""
    trouble: Trouble | None = None
    """Why no nodes can be made as the environment says."""
    fault: str = ""
    """The provisioner's reason, where that is a mistake in what the environment says."""
    failure: Failure | None = None
    """Why nodes that were asked for do not come."""
    withheld: str = ""
    """Why no pod runs now that would need no node of the environment."""


@dataclass(slots=True, frozen=True)
class Free:
    """What is free on the nodes of an environment, its ceilings left aside."""

    in_all: Resources
    on_one: Resources
    """On the node that has the most vCPU free, of such as have as much the most memory: about the largest pod that fits
    now."""


def free_on(nodes: Iterable[Resources]) -> Free:
    """Sum up what is free on each node. Nodes of which more is taken than they have take nothing from others."""
    total: dict[str, int] = {}
    largest: Resources = {}
    for free in nodes:
        for name, amount in free.items():
            if amount > 0:
                total[name] = total.get(name, 0) + amount
        if _size(free) > _size(largest):
            largest = free
    return Free(total, largest)


def _size(free: Resources) -> tuple[int, int]:
    return free.get("cpu", 0), free.get("memory", 0)


def view_nodes(
    usable: Iterable[Node],
    selected: Iterable[Node],
    other_pods: Mapping[str, Resources],
    odd_pods: Mapping[str, Mapping[str, str]],
) -> NodesView:
    """Sum up the nodes that can take pods, and gather what is odd in all that the environment selects.

    Of pods, `other_pods` has the sums by node, `odd_pods` the sentences: both nothing where others do not count.
    """
    used: Resources = {}
    for node in usable:
        used = add(used, other_pods.get(node.name, {}))
    odd: list[str] = []
    for node in selected:
        odd += [node.ignored] if node.ignored else []
        odd += odd_pods.get(node.name, {}).values()
    return NodesView(used, tuple(sorted(odd)))
