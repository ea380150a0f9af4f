"""Which tests may run at the same time; the `conftest`s ask, for pytest-xdist and for clusters.

End-to-end tests mostly wait, so there are two groups of them, each with a cluster of its own. The tests of a group run
one after another, since some kill operators, remove nodes or install what a cluster has once.
"""

import os
from pathlib import PurePath

from localcluster.cluster import KUBECONFIG_VARIABLE

FIRST, SECOND = "1", "2"

# About half of the time that all take; a file that is not named is in the first group.
_SECOND = {
    "test_bad_input",
    "test_cluster_life",
    "test_container",
    "test_crds",
    "test_demo",
    "test_dependencies",
    "test_examples",
    "test_helm",
    "test_identity",
    "test_multinode",
    "test_real_node",
    "test_refusals",
    "test_simulated_nodes",
}


def group_of(nodeid: str) -> str | None:
    """Return the group of a test; None where it needs no cluster. A cluster of E2E_KUBECONFIG has one group only."""
    file = PurePath(nodeid.partition("::")[0])
    if file.parent.name != "e2e":
        return None
    return SECOND if file.stem in _SECOND and not os.environ.get(KUBECONFIG_VARIABLE) else FIRST
