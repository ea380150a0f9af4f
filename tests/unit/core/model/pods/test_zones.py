"""Pods that are to be in one zone, whichever that is."""

import pytest

from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints, Requirement, Term
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.pods.zones import are_together, in_zone, of_zone
from batchyard.core.scheduling.capacity.nodefit import admits
from unit.samples import make_node

IN_A = Requirement(ZONE, "In", ("a",))
SSD = Requirement("disk", "In", ("ssd",))
TOGETHER = (PodSet(1, {"cpu": 2000}, Constraints(one_zone=True)), PodSet(3, {"cpu": 1000}, Constraints(one_zone=True)))


def test_a_zone_is_asked_for_by_its_label_and_that_of_nodes_without_one_by_its_absence() -> None:
    assert of_zone("a") == IN_A
    assert of_zone("") == Requirement(ZONE, "DoesNotExist")


@pytest.mark.parametrize(("zone", "admitted"), [("a", ["a"]), ("b", ["b"]), ("", ["none"])])
def test_each_node_is_in_one_zone(zone: str, admitted: list[str]) -> None:
    labels = {"a": {ZONE: "a"}, "b": {ZONE: "b"}, "none": {"disk": "ssd"}}
    nodes = [make_node(name, labels=each) for name, each in labels.items()]
    (pods,) = in_zone((PodSet(1, {}),), zone)
    assert [node.name for node in nodes if admits(pods.constraints, node)] == admitted


def test_they_ask_for_the_same_and_no_more_for_each_other() -> None:
    found = in_zone(TOGETHER, "a")
    assert [(each.count, each.takes) for each in found] == [(each.count, each.takes) for each in TOGETHER]
    assert [each.constraints for each in found] == [Constraints(terms=(Term((IN_A,)),))] * 2
    assert are_together(TOGETHER)
    assert not are_together(found)


def test_so_do_pods_that_are_to_be_spread() -> None:
    (found,) = in_zone((PodSet(1, {}, Constraints(spread=True)),), "a")
    assert found.constraints == Constraints(terms=(Term((IN_A,)),))


def test_what_they_ask_of_nodes_beside_stays() -> None:
    """Of several terms one must hold, and the zone with any; a term without requirements holds nowhere still."""
    asked = Constraints((("pool", "x"),), (Term((SSD,)), Term(fields=(SSD,)), Term()), "n1", (("TCP", 80, "*"),))
    (found,) = in_zone((PodSet(1, {}, asked),), "a")
    terms = (Term((SSD, IN_A)), Term((IN_A,), (SSD,)))
    assert found.constraints == Constraints(asked.selector, terms, asked.node_name, asked.ports)
    (nowhere,) = in_zone((PodSet(1, {}, Constraints(terms=(Term(),))),), "a")
    assert not admits(nowhere.constraints, make_node(labels={ZONE: "a"}))


def test_the_same_pods_are_one_object() -> None:
    assert in_zone(TOGETHER, "a") is in_zone(tuple(each.of(each.count) for each in TOGETHER), "a")
    assert in_zone(TOGETHER, "a") != in_zone(TOGETHER, "b")


def test_pods_off_spot_are_still_to_be_together() -> None:
    assert are_together(without_spot(TOGETHER))
    assert not are_together((PodSet(2, {}, UNCONSTRAINED),))
