"""A pod is kept to fewer nodes than its template allows."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.definition.nodeneeds.limiting import limited
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.definition.ondemand import without_spot
from batchyard.core.model.managed import NOT_SPOT, ZONE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.model.pods.zones import of_zone
from batchyard.core.scheduling.capacity.nodefit import admits
from unit.samples import make_node

IN_A = {"key": ZONE, "operator": "In", "values": ["a"]}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"team": "a"}}, "spec": {"containers": [{"name": "main"}], **spec}}


def asking(*terms: Any) -> dict[str, Any]:
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}}


def terms_of(pod: dict[str, Any]) -> Any:
    return pod["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]


@pytest.mark.parametrize("own", [{}, {"affinity": None}, {"affinity": {"nodeAffinity": None}}])
def test_where_nothing_was_required_there_is_one_term(own: dict[str, Any]) -> None:
    assert terms_of(limited(template(**own), of_zone("a"))) == [{"matchExpressions": [IN_A]}]


def test_what_is_not_to_be_there_has_no_values() -> None:
    assert terms_of(limited(template(), of_zone(""))) == [
        {"matchExpressions": [{"key": ZONE, "operator": "DoesNotExist"}]}
    ]


def test_each_of_the_terms_gets_it_for_one_of_them_is_enough() -> None:
    pod = limited(template(**asking({"matchExpressions": [SSD]}, {"matchFields": [NAMED]})), of_zone("a"))
    assert terms_of(pod) == [{"matchExpressions": [SSD, IN_A]}, {"matchFields": [NAMED], "matchExpressions": [IN_A]}]


def test_what_holds_for_no_node_still_holds_for_none() -> None:
    assert terms_of(limited(template(**asking({}, {"matchExpressions": []})), of_zone("a"))) == [
        {},
        {"matchExpressions": []},
    ]
    assert terms_of(limited(template(**asking()), of_zone("a"))) == []


def test_it_is_asked_once() -> None:
    once = limited(template(), of_zone("a"))
    assert limited(once, of_zone("a")) == once


def test_several_requirements_hold_together() -> None:
    pod = limited(without_spot(template()), of_zone("a"))
    not_spot = {"key": NOT_SPOT.key, "operator": NOT_SPOT.operator, "values": list(NOT_SPOT.values)}
    assert terms_of(pod) == [{"matchExpressions": [not_spot, IN_A]}]


def test_all_else_of_a_pod_stays_and_nothing_that_was_given_is_changed() -> None:
    of_nodes = {PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [SSD]}}]}
    own = template(affinity={"nodeAffinity": of_nodes, "podAffinity": {PREFERRED: []}}, nodeSelector={"pool": "x"})
    before = copy.deepcopy(own)
    pod = limited(own, of_zone("a"))
    assert own == before
    assert pod["metadata"] == own["metadata"]
    assert pod["spec"]["nodeSelector"] == {"pool": "x"}
    assert pod["spec"]["affinity"]["nodeAffinity"][PREFERRED] == of_nodes[PREFERRED]
    assert pod["spec"]["affinity"]["podAffinity"] == {PREFERRED: []}


labels = st.dictionaries(st.sampled_from([ZONE, "disk"]), st.sampled_from(["a", "b", "ssd"]))
expressions = st.lists(
    st.sampled_from([SSD, IN_A, {"key": "disk", "operator": "Exists"}, {"key": ZONE, "operator": "DoesNotExist"}]),
    max_size=2,
)
terms = st.lists(st.builds(lambda each: {"matchExpressions": each} if each else {}, expressions), max_size=3)


@given(st.none() | terms, labels, st.sampled_from(["a", ""]))
def test_the_planner_reads_of_the_pod_what_it_has_asked_for(
    own: list[Any] | None, of_node: dict[str, str], zone: str
) -> None:
    """What is written into pods and what room is looked for by are limited apart, and come to the same."""
    pod, node = template(**({} if own is None else asking(*own))), make_node(labels=of_node)
    asked, written = constraints_of(pod["spec"]).limited(of_zone(zone)), limited(pod, of_zone(zone))
    assert admits(constraints_of(written["spec"]), node) is admits(asked, node)
    assert admits(asked, node) is (
        admits(constraints_of(pod["spec"]), node) and admits(Constraints().limited(of_zone(zone)), node)
    )


@pytest.mark.parametrize(
    ("labels", "admitted"), [({NOT_SPOT.key: "spot"}, False), ({NOT_SPOT.key: "on-demand"}, True), ({}, True)]
)
def test_a_pod_off_spot_is_on_whatever_does_not_say_that_it_is(labels: dict[str, str], admitted: bool) -> None:
    asked = constraints_of(without_spot(template())["spec"])
    assert admits(asked, make_node(labels=labels)) is admitted
    assert asked == Constraints().limited(Requirement(*NOT_SPOT))
