"""What is said of nodes that are made for an environment."""

from typing import Any

from batchyard.core.insight.madenodes import MadeNodes, NodeKind, Vcpus, made_nodes, vcpus
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


def amounts(claims: list[NodeClaim], taken: dict[str, int], desired: int = 0) -> Vcpus:
    """What is said of claims whose nodes are named alike and have come, save those called `coming`."""
    nodes = {one.node: make_node(one.node, labels={INITIALIZED: "true"}) for one in claims if one.node != "coming"}
    made = made_nodes(claims, nodes, nodes)
    return vcpus(made, {"cpu": desired}, lambda node: {"cpu": taken[node]} if node in taken else {})


def test_vcpus_are_in_use_idle_or_on_nodes_that_come_or_go() -> None:
    claims = [
        claim("c1", node="half", capacity={"cpu": 4000}),
        claim("c2", node="empty", capacity={"cpu": 8000}),
        claim("c3", node="leaving", capacity={"cpu": 16000}, deleting=True),
        claim("c4", node="coming", capacity={"cpu": 32000}),
        claim("c5", node="coming"),
    ]
    found = amounts(claims, {"half": 2500, "leaving": 1000}, desired=20000)
    assert found == Vcpus(desired=20000, provisioned=60000, in_use=3500, idle=9500)


def test_what_is_idle_is_never_less_than_nothing_and_makes_up_for_no_other_node() -> None:
    claims = [claim("c1", node="full", capacity={"cpu": 2000}), claim("c2", node="free", capacity={"cpu": 1000})]
    assert amounts(claims, {"full": 5000}) == Vcpus(provisioned=3000, in_use=5000, idle=1000)
    assert amounts([claim("c1", node="unknown")], {"unknown": 5000}) == Vcpus(in_use=5000)


# What keeps nodes from being made.
