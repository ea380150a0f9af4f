"""On which nodes pods that are about to be made are expected."""

from collections.abc import Hashable

from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources
from batchyard.objects.kubernetes.steering import HOSTNAME
from batchyard.runtime.state.cache import Cache

MOST = 100
"""Nodes that a Job names at most: an array on more of them fills most anyway, and the Job would grow."""


def expected_hostnames(cache: Cache, item: Hashable, request: Resources | None = None) -> list[str]:
    """Return the host names of nodes where pods of a charge are expected, of those only that ask for `request`.

    A node is named once for all of its pods, in the order in which they were placed; none where there are too many.
    """
    charge, nodes = cache.accounts.charges.charges.get(item), cache.catalogue.nodes
    if charge is None:
        return []
    takes = None if request is None else PodSet(1, request).takes
    names = dict.fromkeys(node for node, each in charge.expected if takes is None or each == takes)
    if len(names) > MOST:
        return []
    labels = (nodes[name].labels for name in names if name in nodes)
    return [each[HOSTNAME] for each in labels if HOSTNAME in each]
