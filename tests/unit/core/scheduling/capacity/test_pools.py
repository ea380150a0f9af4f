"""What environments have, and what could ever run in them."""

import pytest

from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.scheduling.capacity.pools import pool
from unit.samples import make_environment, make_node, make_pool


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
