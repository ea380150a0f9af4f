"""Which tests may run at the same time; the `conftest`s ask, for pytest-xdist and for clusters.

End-to-end tests mostly wait, so there are three groups of them, each with a cluster of its own. The tests of a group
run one after another, since some kill operators, remove nodes or install what a cluster has once.
"""

import os
from pathlib import PurePath

from localcluster.cluster import KUBECONFIG_VARIABLE

FIRST = "1"

# About a third of the time that all take, each; a file that is not named is in the first group.
OTHERS = {
    "2": {
        "test_bad_input",
        "test_cluster_life",
        "test_crds",
        "test_dependencies",
        "test_fair_share",
        "test_identity",
        "test_interruptions",
        "test_kills",
        "test_limits",
        "test_malformed",
        "test_managed",
        "test_preemption",
        "test_refusals",
        "test_shortages",
        "test_spot",
        "test_nodes",
        "test_nodes_under_load",
        "test_simulated_nodes",
        "test_zones",
    },
    "3": {
        "test_container",
        "test_demo",
        "test_examples",
        "test_helm",
        "test_multinode",
        "test_real_node",
        "test_storm",
        "test_without_policy",
    },
}


def group_of(nodeid: str) -> str | None:
    """Return the group of a test; None where it needs no cluster. A cluster of E2E_KUBECONFIG has one group only."""
    file = PurePath(nodeid.partition("::")[0])
    if file.parent.name != "e2e":
        return None
    if os.environ.get(KUBECONFIG_VARIABLE):
        return FIRST
    return next((group for group, files in OTHERS.items() if file.stem in files), FIRST)
