"""Why no nodes can be made."""

import pytest

from batchyard.core.model.cluster.nodeclaim import NodePool
from batchyard.core.model.managed import ManagedNodes, NodeClass
from batchyard.core.scheduling.capacity.coming.trouble import Trouble, trouble
from unit.samples import NOW, make_environment

ENVIRONMENT = make_environment(name="burst", managed=ManagedNodes(NodeClass("example.com", "Machine", "fast")))
POOL = NodePool("burst", "uid", "burst", NOW)


def test_nothing_keeps_nodes_from_being_made() -> None:
    assert trouble(ENVIRONMENT, POOL, "", "", NOW + 3600) is None
    assert trouble(ENVIRONMENT, None, "", "", NOW) is None, "it is about to be created"


@pytest.mark.parametrize(
    ("pool", "missing", "refused", "expected"),
    [
        (
            NodePool("burst", "uid", ""),
            "the API server does not know nodepools.karpenter.sh: install its CRD",
            "no",
            Trouble(
                "ProvisionerMissing",
                "Karpenter cannot make nodes: the API server does not know nodepools.karpenter.sh: install its CRD",
            ),
        ),
        (
            NodePool("burst", "uid", "", trouble="x"),
            "",
            "no",
            Trouble(
                "NodePoolNotOurs",
                "NodePool burst exists and was not made for this environment, which needs one of its own name: delete"
                " that NodePool, or create this environment under another name",
            ),
        ),
        (
            NodePool("burst", "uid", "burst", trouble="x"),
            "",
            "spec.limits: Invalid value",
            Trouble(
                "NodePoolRefused",
                "the API server does not take NodePool burst: spec.limits: Invalid value; correct what is named there",
            ),
        ),
        (
            None,
            "",
            "nodeClassRef.kind is immutable",
            Trouble(
                "NodePoolRefused",
                "the API server does not take NodePool burst: nodeClassRef.kind is immutable; make another environment"
                " for what cannot be changed in this one",
            ),
        ),
        (
            NodePool("burst", "uid", "burst", deleting=True, trouble="x"),
            "",
            "",
            Trouble(
                "ProvisionerNotReady",
                "no nodes are made from NodePool burst: it is being deleted; it is made anew once it is gone",
            ),
        ),
        (
            NodePool("burst", "uid", "burst", trouble="NodeClassReady is False: NodeClass not found on cluster"),
            "",
            "",
            Trouble(
                "ProvisionerNotReady",
                "no nodes are made from NodePool burst: NodeClassReady is False: NodeClass not found on cluster;"
                " see to Machine.example.com fast, which spec.managed.nodeClassRef names, or correct spec.managed",
            ),
        ),
        (
            NodePool("burst", "uid", "burst", NOW - 61, noticed=False),
            "",
            "",
            Trouble(
                "ProvisionerNotReady",
                "no nodes are made from NodePool burst: Karpenter has not looked at it: see that its controller runs"
                " and has a provider for Machine.example.com fast, which spec.managed.nodeClassRef names",
            ),
        ),
        (NodePool("burst", "uid", "burst", NOW - 59, noticed=False), "", "", None),
    ],
)
def test_what_keeps_nodes_from_being_made_is_told_with_what_can_be_done(
    pool: NodePool | None, missing: str, refused: str, expected: Trouble | None
) -> None:
    assert trouble(ENVIRONMENT, pool, missing, refused, NOW) == expected
