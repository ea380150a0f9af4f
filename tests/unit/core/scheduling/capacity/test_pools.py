"""What environments have, and what could ever run in them."""

import pytest

from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.scheduling.capacity.pools import pool, space_of
from unit.samples import VIRTUAL, make_environment, make_managed, make_node, make_pool, make_serverless


def could_hold(request: Resources, *nodes: str, count: int = 1) -> bool:
    return make_pool(*map(make_node, nodes)).could_hold((PodSet(count, request),))


def test_a_pool_is_the_sum_of_its_usable_nodes() -> None:
    found = make_pool(make_node("a"), make_node("b", cpu="8"), make_node("c", ready=False))
    assert found.nodes == 2
    assert found.capacity == parse_resources({"cpu": "12", "memory": "32Gi", "pods": "220"})
    assert list(found.members) == ["a", "b"]


def test_ceilings_cut_what_the_nodes_have_and_give_nothing_they_do_not() -> None:
    found = make_pool(make_node("a"), make_node("b"), ceilings={"cpu": 3000, "memory": 2**50, "nvidia.com/gpu": 8})
    assert found.capacity["cpu"] == 3000
    assert found.capacity["memory"] == 2 * 16 * 2**30
    assert found.capacity["nvidia.com/gpu"] == 0


@pytest.mark.parametrize(
    ("request_", "could"),
    [
        ({}, True),
        ({"cpu": 4000}, True),
        ({"cpu": 4001}, False),  # there are 8 vCPU, on two nodes
        ({"cpu": 4000, "memory": 17 * 2**30}, False),
        ({"nvidia.com/gpu": 1}, False),
        ({"nvidia.com/gpu": 0}, True),
    ],
)
def test_a_pod_must_fit_on_one_node(request_: Resources, could: bool) -> None:
    assert could_hold(request_, "a", "b") is could


def test_a_pod_must_fit_under_the_ceilings_too() -> None:
    assert not make_pool(ceilings={"cpu": 2000}).could_hold((PodSet(1, {"cpu": 3000}),))


def test_no_nodes_hold_nothing_at_all() -> None:
    assert not make_pool(make_node(ready=False)).could_hold((PodSet(1, {}),))


def test_all_pods_of_a_gang_must_fit_at_once() -> None:
    assert could_hold({"cpu": 4000}, "a", "b", count=2)
    assert not could_hold({"cpu": 3000}, "a", "b", count=3)
    mixed = (PodSet(1, {"cpu": 3000}), PodSet(2, {"cpu": 2000}))
    assert not make_pool(make_node("a"), make_node("b", cpu="2")).could_hold(mixed)
    assert make_pool(make_node("a"), make_node("b", cpu="5")).could_hold(mixed)


def test_what_is_always_taken_of_a_node_is_never_there() -> None:
    found = pool(make_environment(), [make_node()], {"node-1": {"cpu": 500, "pods": 2}})
    assert found.could_hold((PodSet(1, {"cpu": 3500}),))
    assert not found.could_hold((PodSet(1, {"cpu": 3501}),))
    assert found.capacity["cpu"] == 4000


def test_the_same_question_is_answered_once() -> None:
    found = make_pool()
    assert found.could_hold((PodSet(1, {"cpu": 1}),)) is found.could_hold((PodSet(1, {"cpu": 1}),)) is True


def test_a_serverless_pool_has_its_ceilings_and_no_nodes() -> None:
    found = pool(make_serverless(8), [make_node("a"), make_node("b")])
    assert (found.nodes, dict(found.members), found.capacity) == (0, {}, {"cpu": 8000})
    assert (found.offers, found.withheld, found.supply) == (True, "", None)


@pytest.mark.parametrize(
    ("request_", "could"),
    [
        ({"cpu": 8000}, True),
        ({"cpu": 8001}, False),
        ({"cpu": 4000, "memory": 29 * 2**30}, True),
        ({"cpu": 4000, "memory": 30 * 2**30}, True),  # with what the system takes it counts as 8 vCPU
        ({"cpu": 8000, "memory": 60 * 2**30}, False),  # and this one as 16
        ({"nvidia.com/gpu": 1}, False),
    ],
)
def test_there_the_size_of_a_pod_must_fit_under_the_ceilings(request_: Resources, could: bool) -> None:
    assert pool(make_serverless(8), ()).could_hold((PodSet(1, request_),)) is could


def test_the_sizes_of_all_pods_of_a_gang_must_together() -> None:
    found = pool(make_serverless(2), ())
    assert found.could_hold((PodSet(4, {"cpu": 300}),))
    assert not found.could_hold((PodSet(5, {"cpu": 300}),)), "they ask for 1.5 vCPU, and count as 2.5"
    assert not found.could_hold((PodSet(1, {"cpu": 300}), PodSet(1, {"example.com/fpga": 1})))


def test_what_no_ceiling_bounds_has_no_end_there() -> None:
    assert pool(make_serverless(16), ()).could_hold((PodSet(1, {"memory": 119 * 2**30}),))
    assert pool(make_serverless(16, offer=VIRTUAL), [make_node()]).could_hold((PodSet(1, {"memory": 2**60}),))


def test_without_virtual_nodes_it_could_hold_what_it_could_with_them() -> None:
    """They may come, so nobody is told that he waits in vain."""
    found = pool(make_serverless(offer=VIRTUAL, node_selector={"type": "virtual-kubelet"}), [make_node()])
    assert found.could_hold((PodSet(1, {"cpu": 1000}),))
    assert found.offers
    assert found.withheld.startswith("no ready virtual node has the labels type=virtual-kubelet")


def test_nodes_are_asked_nothing_of_what_counts_for_more() -> None:
    pods = (PodSet(1, {"cpu": 300}),)
    assert make_pool().charged(pods) is pods
    assert pool(make_serverless(), ()).charged(pods) == (PodSet(1, {"cpu": 500, "memory": 2**30}),)


@pytest.mark.parametrize(
    ("environment", "choosy"),
    [
        (make_environment(), False),
        (make_managed(), False),
        (make_serverless(), False),
        (make_serverless(namespaces=("media",)), True),
    ],
)
def test_which_pools_take_jobs_of_some_namespaces_only(environment: Environment, choosy: bool) -> None:
    assert pool(environment, ()).is_choosy is choosy


def test_virtual_nodes_are_room_for_those_only_who_count_them_as_nodes() -> None:
    """How much is free on them says nothing to a serverless environment."""
    node = make_node("virtual", labels={"type": "virtual-kubelet"})
    serverless = pool(make_serverless(name="virtual", offer=VIRTUAL, node_selector=node.labels), [node])
    alone = space_of({"virtual": serverless})
    assert alone.put("virtual", PodSet(1, {"cpu": 1})) is None
    assert alone.of("virtual", "virtual") == {}
    both = space_of({"virtual": serverless, "pool": make_pool(node)})
    assert both.put("pool", PodSet(1, {"cpu": 1})) == "virtual"
    assert both.put("virtual", PodSet(1, {"cpu": 1})) is None
