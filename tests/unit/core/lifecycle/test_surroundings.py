"""What of the cluster decides on how long a run waits for a node, and where else it may go."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.takeback import NoNodes
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.pods.podset import PodSet
from unit.samples import NOW, make_environment, make_job, make_managed, make_queue, make_serverless

KEY = make_job().key
PODS, OTHERS = (PodSet(1, {"cpu": 1000}),), (PodSet(1, {"cpu": 1000, "nvidia.com/gpu": 1}),)
FAILURE = Failure("InsufficientCapacityError", "there is none", NOW, NOW + 50)


def around(*environments: Any, **known: Any) -> Surroundings:
    found = environments or (make_managed(shortage_grace_seconds=20, unschedulable_seconds=600),)
    return Surroundings({each.name: each for each in found}, **known)


def test_a_failure_is_heeded_by_who_has_no_node_on_its_way() -> None:
    failing = around(failures={"pool": FAILURE}, unmet={(KEY, "pool"): 3, (KEY, "other"): 1})
    assert failing.patience(KEY, 30, "pool").no_nodes == NoNodes(
        20, "InsufficientCapacityError: there is none", NOW + 50, 3
    )
    assert failing.patience(("media", "other"), 30, "pool").no_nodes is None
    assert failing.patience(KEY, 30, "pool").unschedulable_seconds == 600


def test_that_of_one_environment_says_nothing_of_another() -> None:
    both = {"pool": make_managed(), "other": make_managed(name="other")}
    unmet = {(KEY, "pool"): 1, (KEY, "other"): 2}
    two = around(*both.values(), failures={"other": FAILURE}, unmet=unmet)
    assert two.patience(KEY, 30, "pool").no_nodes is None
    why = two.patience(KEY, 30, "other").no_nodes
    assert why is not None
    assert why.pods == 2
    elsewhere = around(*both.values(), failures=dict.fromkeys(both, FAILURE), unmet={(KEY, "other"): 2})
    assert elsewhere.patience(KEY, 30, "pool").no_nodes is None, "there nodes are on their way"
    assert two.patience(KEY, 30, "gone").scaling == ""
    there = around(make_environment(), failures={"pool": FAILURE}, unmet={(KEY, "pool"): 1})
    assert there.patience(KEY, 30, "pool").no_nodes is None


def test_where_no_node_can_be_made_that_holds_for_all_pods() -> None:
    withheld = around(
        withheld={"pool": "NodePool pool is not ready"}, failures={"pool": FAILURE}, unmet={(KEY, "pool"): 1}
    )
    assert withheld.patience(KEY, 30, "pool").no_nodes == NoNodes(20, "NodePool pool is not ready", inf, 1)
    assert around(withheld={"pool": "it is not ready"}).patience(KEY, 30, "pool").no_nodes is None


def test_where_pods_need_no_nodes_that_holds_for_as_long_as_they_may_wait_at_all() -> None:
    serverless = make_serverless(unschedulable_seconds=240)
    found = around(serverless, withheld={"pool": "no virtual node is ready"}, unmet={(KEY, "pool"): 2})
    waits = found.patience(KEY, 30, "pool")
    assert waits.no_nodes == NoNodes(240, "no virtual node is ready", inf, 2)
    assert (waits.scaling, waits.serverless, waits.unschedulable_seconds) == ("pool", True, 240)


@pytest.mark.parametrize(("namespace", "has"), [("team", True), ("media", False)])
def test_one_that_takes_no_jobs_of_the_namespace_is_none_to_go_to(namespace: str, *, has: bool) -> None:
    environments = make_managed(), make_serverless(name="other", namespaces=("te*",))
    found = around(*environments, queues={"urgent": make_queue(environments=("pool", "other"))})
    assert found.has_others(namespace, "urgent", "pool", PODS, NOW) is has


def test_an_environment_is_left_alone_by_pods_alike_until_then() -> None:
    left = around(left_alone={("pool", PODS): LeftAlone(NOW, NOW + 180, "none came")})
    assert left.is_left_alone("pool", (PodSet(1, {"cpu": 1000}),), NOW)
    assert left.is_left_alone("pool", PODS, NOW + 179)
    assert not left.is_left_alone("pool", PODS, NOW + 180)
    assert not left.is_left_alone("pool", OTHERS, NOW)
    assert not left.is_left_alone("other", PODS, NOW)
    assert not left.is_left_alone("pool", PODS, NOW - 3600), "the clock was set back"


@pytest.mark.parametrize(
    ("other", "left_alone", "has"),
    [
        ({}, (), True),
        ({"enabled": False}, (), False),
        ({"refusal": "no such region"}, (), False),
        ({}, ("other",), False),
    ],
    ids=["free to be tried", "disabled", "refused", "left alone as well"],
)
def test_whether_there_is_another_environment_to_go_to(
    other: dict[str, Any], left_alone: tuple[str, ...], *, has: bool
) -> None:
    left = {(name, PODS): LeftAlone(NOW, NOW + 180, "none came") for name in ("pool", *left_alone)}
    queues = {"urgent": make_queue(environments=("gone", "pool", "other"))}
    found = around(make_managed(), replace(make_environment(name="other"), **other), left_alone=left, queues=queues)
    assert found.has_others("team", "urgent", "pool", PODS, NOW) is has


@pytest.mark.parametrize(("holds", "has"), [({"pool"}, False), ({"pool", "third"}, True), (set(), False)])
def test_one_that_could_not_hold_such_pods_is_none(holds: set[str], *, has: bool) -> None:
    queues = {"urgent": make_queue(environments=("pool", "other", "third"))}
    found = around(
        make_managed(),
        make_managed(name="other"),
        make_managed(name="third"),
        queues=queues,
        could_hold=lambda name, pods: name in holds and pods == PODS,
    )
    assert found.has_others("team", "urgent", "pool", PODS, NOW) is has
    assert not found.has_others("team", "urgent", "pool", OTHERS, NOW)


def test_a_queue_of_one_environment_has_no_other() -> None:
    found = around(make_managed(), make_managed(name="other"), queues={"urgent": make_queue()})
    assert not found.has_others("team", "urgent", "pool", PODS, NOW)
    assert not found.has_others("team", "gone", "pool", PODS, NOW)
