"""What is told of an environment's nodes."""

from batchyard.core.insight.nodesview import NodesView, view_nodes
from unit.samples import make_node

GI = 2**30


def test_what_others_use_and_leave_is_summed_up_over_the_nodes() -> None:
    nodes = [make_node("a", cpu="4", memory="1Gi"), make_node("b", cpu="2", memory="1Gi")]
    others = {"a": {"cpu": 1000, "pods": 3}, "elsewhere": {"cpu": 9000}}
    assert view_nodes(nodes, nodes, others, {}) == NodesView(
        {"cpu": 1000, "pods": 3}, {"cpu": 5000, "memory": 2 * GI, "pods": 217}
    )


def test_a_node_that_holds_more_than_it_has_takes_nothing_from_others() -> None:
    nodes = [make_node("a", cpu="2"), make_node("b", cpu="2")]
    view = view_nodes(nodes, nodes, {"a": {"cpu": 3000}}, {})
    assert (view.used_by_others, view.left["cpu"]) == ({"cpu": 3000}, 2000)


def test_what_is_odd_is_told_of_all_nodes_that_are_selected() -> None:
    good, odd = make_node("b"), make_node("a", ready=False, ignored="node a: odd")
    pods = {"b": {"uid-2": "pod y: odd", "uid-1": "pod x: odd"}, "elsewhere": {"uid-3": "pod z: odd"}}
    view = view_nodes([good], [good, odd], {}, pods)
    assert view.not_understood == ("node a: odd", "pod x: odd", "pod y: odd")
