"""What is said of nodes that are made for an environment."""

from typing import Any

from batchyard.core.insight.madenodes import MadeNodes, NodeKind, made_nodes
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.managed import CAPACITY_TYPE, INSTANCE_TYPE, ZONE
from batchyard.core.scheduling.capacity.coming.supply import INITIALIZED
from unit.samples import NOW, make_node


def claim(name: str = "c", **fields: Any) -> NodeClaim:
    return NodeClaim(**{"name": name, "environment": "burst", "created": NOW, **fields})


def labels(zone: str, instance_type: str, capacity_type: str) -> dict[str, str]:
    return {ZONE: zone, INSTANCE_TYPE: instance_type, CAPACITY_TYPE: capacity_type, "other": "x"}


def coming(one: NodeClaim, *usable: str, **node: Any) -> int:
    nodes = {"n": make_node("n", **node)} if node else {}
    return made_nodes([one], nodes, usable).coming


def test_of_no_claims_there_is_nothing_to_say() -> None:
    assert made_nodes([], {}, []) == MadeNodes()


def test_claims_are_summed_up_and_counted_by_kind() -> None:
    claims = [
        claim("c1", labels=labels("a", "m5.large", "spot"), capacity={"cpu": 2000, "memory": 8}, created=NOW - 5),
        claim("c2", labels=labels("a", "m5.large", "spot"), capacity={"cpu": 2000, "memory": 8}, node="n"),
        claim("c3", labels=labels("a", "m5.large", "on-demand"), capacity={"cpu": 2000}, created=NOW - 3),
        claim("c4"),
    ]
    made = made_nodes(claims, {"n": make_node("n")}, ["n"])
    assert (made.claims, made.coming, made.coming_since) == (4, 3, NOW - 5)
    assert made.provisioned == {"cpu": 6000, "memory": 16}
    assert made.kinds == (
        (NodeKind("", "", ""), 1),
        (NodeKind("a", "m5.large", "on-demand"), 1),
        (NodeKind("a", "m5.large", "spot"), 2),
    )


def test_a_node_comes_until_it_can_take_pods() -> None:
    assert coming(claim()) == 1
    assert coming(claim(node="n")) == 1, "its node is not known yet"
    assert coming(claim(node="n"), ready=False) == 1
    assert coming(claim(node="n"), taints=(("karpenter.sh/unregistered", "", "NoExecute"),)) == 1
    assert coming(claim(node="n"), "n", ready=True) == 0


def test_one_that_goes_does_not_come_nor_does_one_that_has_been_there() -> None:
    assert coming(claim(deleting=True)) == 0
    assert coming(claim(node="n"), ready=False, lost=True) == 0
    assert coming(claim(node="n"), schedulable=False, labels={INITIALIZED: "true"}) == 0
    disrupted = (("karpenter.sh/disrupted", "", "NoSchedule"),)
    assert coming(claim(node="n"), taints=disrupted, labels={INITIALIZED: "true"}) == 0


# What keeps nodes from being made.
