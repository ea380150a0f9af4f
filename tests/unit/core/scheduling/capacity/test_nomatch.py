"""A job that no node is right for is told what excludes how many."""

from typing import Any

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.constraints import Constraints, Requirement, Term
from batchyard.core.scheduling.capacity.nomatch import causes, no_node_matches
from unit.samples import make_node

NVME = Constraints(selector=(("disk", "nvme"),))


def nodes(count: int, first: int = 0, **labels: str) -> list[Node]:
    return [make_node(f"n{number}", labels=labels) for number in range(first, first + count)]


def requiring(*requirements: Any) -> Constraints:
    return Constraints(terms=(Term(tuple(Requirement(*each) for each in requirements)),))


def test_the_sentence_says_what_excludes_all_and_what_would_help() -> None:
    assert no_node_matches("q", {"batch": nodes(12)}, NVME) == (
        "no node of environment batch of queue q is one for the pod: disk=nvme excludes all 12 nodes;"
        " change the JobDefinition's nodeSelector, or label a node"
    )


def test_a_single_node_is_not_counted() -> None:
    assert "disk=nvme excludes the only node;" in no_node_matches("q", {"batch": nodes(1)}, NVME)


def test_a_node_of_two_environments_is_one_node_and_an_environment_without_nodes_is_named() -> None:
    told = no_node_matches("q", {"a": nodes(3), "b": nodes(3, first=2), "c": []}, NVME)
    assert told.startswith(
        "no node of environments a, b, c of queue q is one for the pod: disk=nvme excludes all 5 nodes;"
    )


def test_causes_are_counted_one_for_a_node_the_most_frequent_first() -> None:
    constraints = Constraints(
        selector=(("disk", "nvme"), ("gpu", "a100")), terms=(Term((Requirement("zone", "In", ("a", "b")),)),)
    )
    there = [*nodes(1), *nodes(2, 1, disk="nvme"), *nodes(3, 3, disk="nvme", gpu="a100", zone="c")]
    fitting = nodes(4, 6, disk="nvme", gpu="a100", zone="b")
    found = causes(constraints, [*there, *fitting])
    assert [(cause.text, cause.nodes) for cause in found] == [
        ("node affinity on zone in (a, b)", 3),
        ("gpu=a100", 2),
        ("disk=nvme", 1),
    ]
    assert no_node_matches("q", {"batch": there}, constraints) == (
        "no node of environment batch of queue q is one for the pod: node affinity on zone in (a, b)"
        " excludes 3 of 6 nodes, gpu=a100 excludes 2 of 6 nodes, disk=nvme excludes 1 of 6 nodes;"
        " change what the JobDefinition asks of nodes, or label a node"
    )


def test_more_than_three_causes_are_summed_up() -> None:
    constraints = Constraints(selector=tuple((f"k{number}", "x") for number in range(5)))
    there = [make_node(f"n{number}", labels={f"k{had}": "x" for had in range(number)}) for number in range(5)]
    told = no_node_matches("q", {"batch": there}, constraints)
    assert "k2=x excludes 1 of 5 nodes, further causes exclude 2 of 5 nodes; change" in told


def test_every_text_is_bounded_and_can_be_read() -> None:
    values = tuple(f"{number}\n{'v' * 300}" for number in range(90))
    told = no_node_matches("q", {"batch": nodes(2)}, requiring(("k" * 300, "In", values)))
    assert len(told) < 600
    assert "\n" not in told
    assert "…, 87 more) excludes all 2 nodes" in told


@pytest.mark.parametrize(
    ("constraints", "cause"),
    [
        (Constraints(node_name="elsewhere"), "nodeName elsewhere"),
        (Constraints(selector=(("empty", ""),)), "empty="),
        (requiring(("zone", "In", ("b", "c"))), "node affinity on zone in (b, c)"),
        (requiring(("zone", "NotIn", ("a",))), "node affinity on zone not in (a)"),
        (requiring(("zone", "In", ("a",)), ("gpu", "Exists")), "node affinity on gpu, which has to be there,"),
        (requiring(("zone", "DoesNotExist")), "node affinity on zone, which must not be there,"),
        (requiring(("zone", "Gt", ("8",))), "node affinity on zone > 8"),
        (requiring(("zone", "Lt", ("8",))), "node affinity on zone < 8"),
        (
            Constraints(terms=(Term((), (Requirement("metadata.name", "NotIn", ("n0",)),)),)),
            "node affinity on metadata.name not in (n0)",
        ),
        (Constraints(terms=(Term(),)), "node affinity (its term is empty)"),
        (Constraints(terms=(Term(), Term())), "node affinity (none of its 2 terms is met)"),
    ],
)
def test_each_cause_is_said_in_words(constraints: Constraints, cause: str) -> None:
    assert [each.text for each in causes(constraints, nodes(1, zone="a"))] == [cause]


@pytest.mark.parametrize(
    ("constraints", "remedy"),
    [
        (Constraints(node_name="elsewhere"), "take nodeName out of the JobDefinition, or submit to a queue with an"),
        (requiring(("zone", "Exists")), "change the JobDefinition's node affinity, or label a node"),
    ],
)
def test_the_remedy_names_the_field(constraints: Constraints, remedy: str) -> None:
    assert f"; {remedy}" in no_node_matches("q", {"batch": nodes(2)}, constraints)
