"""What is told of an environment's nodes."""

from batchyard.core.insight.nodesview import Free, NodesView, free_on, view_nodes
from unit.samples import make_node


def test_what_others_use_is_summed_up_over_the_nodes() -> None:
    nodes = [make_node("a"), make_node("b")]
    others = {"a": {"cpu": 1000, "pods": 3}, "b": {"cpu": 500}, "elsewhere": {"cpu": 9000}}
    assert view_nodes(nodes, nodes, others, {}) == NodesView({"cpu": 1500, "pods": 3})


def test_what_is_odd_is_told_of_all_nodes_that_are_selected() -> None:
    good, odd = make_node("b"), make_node("a", ready=False, ignored="node a: odd")
    pods = {"b": {"uid-2": "pod y: odd", "uid-1": "pod x: odd"}, "elsewhere": {"uid-3": "pod z: odd"}}
    view = view_nodes([good], [good, odd], {}, pods)
    assert view.not_understood == ("node a: odd", "pod x: odd", "pod y: odd")


def test_what_is_free_in_all_is_not_less_for_a_node_that_has_too_much() -> None:
    free = free_on([{"cpu": -2000, "memory": 5}, {"cpu": 1500, "memory": 3}, {"cpu": 500, "memory": -1}])
    assert free == Free({"cpu": 2000, "memory": 8}, {"cpu": 1500, "memory": 3})


def test_the_largest_of_nodes_with_as_much_vcpu_has_the_most_memory() -> None:
    assert free_on([{"cpu": 1, "memory": 3}, {"cpu": 1, "memory": 5}, {"memory": 9}]).on_one == {"cpu": 1, "memory": 5}


def test_nothing_is_free_where_there_is_no_node() -> None:
    assert free_on([]) == Free({}, {})
