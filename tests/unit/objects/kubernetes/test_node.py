"""From a Node to its record, whatever of it makes no sense."""

from typing import Any

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.objects.kubernetes.node import read_node

READY = {"type": "Ready", "status": "True"}


def read(allocatable: Any = None, conditions: Any = (READY,), **spec: Any) -> Node:
    status = {"allocatable": {"cpu": "4", "pods": "110"} if allocatable is None else allocatable}
    return read_node({"metadata": {"name": "n1"}, "spec": spec, "status": {**status, "conditions": list(conditions)}})


def test_all_that_decides_whether_jobs_may_use_a_node_is_read() -> None:
    taints = [
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"key": "down", "effect": "NoExecute"},
        {"key": "dear", "effect": "PreferNoSchedule"},
    ]
    lost = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert read(conditions=[lost], taints=taints, unschedulable=True) == Node(
        "n1",
        {},
        {"cpu": 4000, "pods": 110},
        taints=(("gpu", "yes", "NoSchedule"), ("down", "", "NoExecute")),
        ready=False,
        schedulable=False,
        lost=True,
        lost_since=1_767_225_600.0,
    )


@pytest.mark.parametrize("odd", ["-4", "much", "", None, [], "1e30", "9007199254740992k"])
def test_an_amount_that_makes_no_sense_counts_as_none_of_that_resource(odd: Any) -> None:
    node = read({"cpu": "4", "pods": "110", "memory": odd})
    assert node.allocatable == {"cpu": 4000, "pods": 110}
    assert node.ready
    assert node.ignored == f'node n1: allocatable memory "{odd}" is no amount'


def test_a_long_text_is_not_shown_as_a_whole() -> None:
    assert len(read({"cpu": "x" * 10_000}).ignored) < 100


def test_of_many_odd_amounts_three_are_named() -> None:
    node = read({f"example.com/d{number}": "-1" for number in range(5)})
    assert node.ignored.startswith('node n1: allocatable example.com/d0 "-1" is no amount, ')
    assert node.ignored.endswith('example.com/d2 "-1" is no amount, and 2 more')


@pytest.mark.parametrize("status", [None, {}, {"allocatable": None, "conditions": None}, {"allocatable": {}}])
def test_a_node_that_says_nothing_offers_nothing(status: Any) -> None:
    node = read_node({"metadata": {"name": "n1"}, "status": status})
    assert (node.allocatable, node.ready, node.schedulable) == ({}, False, True)
    assert node.ignored == "node n1: status.allocatable is missing, so nothing can run there"


def test_a_condition_without_a_type_is_passed_over() -> None:
    node = read(conditions=[{"status": "False"}, READY])
    assert node.ready
    assert node.ignored == "node n1: 1 of its conditions has no type"


def test_a_taint_without_a_key_or_an_effect_repels_as_far_as_it_says() -> None:
    node = read(taints=[{"effect": "NoSchedule"}, {"key": "x"}])
    assert node.taints == (("", "", "NoSchedule"),)
    assert node.ignored == "node n1: 1 of its taints has no key"
