"""What an environment's status says of its nodes: what others use there, and what is not understood of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.resources import Resources, add


@dataclass(slots=True, frozen=True)
class NodesView:
    """Of one environment."""

    used_by_others: Resources
    """What pods that are not Batchyard's ask for; nothing where they do not count."""
    not_understood: tuple[str, ...] = ()
    """A sentence for each node, and each pod that counts, of which something makes no sense and counts as nothing."""


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
