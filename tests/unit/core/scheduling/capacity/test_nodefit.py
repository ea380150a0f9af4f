"""Whether a node is right for a pod: the rules of the scheduler, one by one."""

from typing import Any

import pytest

from batchyard.core.model.pods.constraints import ANY_ADDRESS, UNCONSTRAINED, Constraints, Requirement, Term
from batchyard.core.scheduling.capacity.nodefit import Exclusion, Part, admits, exclusion, ports_free
from unit.samples import make_node

NODE = make_node("n1", labels={"disk": "nvme", "empty": "", "cores": "16", "zone": "a"})
ONE = "10.0.0.1"


def of(*labels: Any, fields: Any = ()) -> Term:
    return Term(tuple(Requirement(*each) for each in labels), tuple(Requirement(*each) for each in fields))


def test_who_says_nothing_may_be_anywhere() -> None:
    assert admits(UNCONSTRAINED, NODE)
    assert admits(UNCONSTRAINED, make_node())


@pytest.mark.parametrize(
    ("selector", "right"),
    [
        ((("disk", "nvme"),), True),
        ((("disk", "nvme"), ("zone", "a")), True),
        ((("disk", "nvme"), ("zone", "b")), False),
        ((("gpu", ""),), False),
        ((("empty", ""),), True),
    ],
)
def test_every_label_of_the_selector_must_be_there(selector: Any, right: bool) -> None:
    assert admits(Constraints(selector=selector), NODE) is right


@pytest.mark.parametrize(
    ("requirement", "right"),
    [
        (("zone", "In", ("a", "b")), True),
        (("zone", "In", ("b",)), False),
        (("gpu", "In", ("a", "")), False),
        (("zone", "NotIn", ("a",)), False),
        (("zone", "NotIn", ("b",)), True),
        (("gpu", "NotIn", ("a",)), True),
        (("empty", "Exists"), True),
        (("gpu", "Exists"), False),
        (("gpu", "DoesNotExist"), True),
        (("empty", "DoesNotExist"), False),
        (("cores", "Gt", ("15",)), True),
        (("cores", "Gt", ("16",)), False),
        (("cores", "Lt", ("17",)), True),
        (("cores", "Lt", ("16",)), False),
        (("cores", "Gt", ("9",)), True),  # As numbers, not as texts.
        (("cores", "Gt", ("-1",)), True),
        (("cores", "Gt", ("1_0",)), False),
        (("cores", "Gt", ("1.5",)), False),
        (("cores", "Gt", ("",)), False),
        (("cores", "Gt", ()), False),
        (("cores", "Gt", ("1", "2")), False),
        (("cores", "Lt", (str(2**63 - 1),)), True),
        (("cores", "Lt", (str(2**63),)), False),
        (("cores", "Lt", ("9" * 5000,)), False),
        (("disk", "Gt", ("1",)), False),
        (("gpu", "Lt", ("1",)), False),
        (("cores", "Near", ("16",)), False),
    ],
)
def test_an_operator_holds_as_kubernetes_says(requirement: Any, right: bool) -> None:
    assert admits(Constraints(terms=(of(requirement),)), NODE) is right


IN_A, IN_B, ON_N1, NOT_ON_N1 = (
    ("zone", "In", ("a",)),
    ("zone", "In", ("b",)),
    ("metadata.name", "In", ("n1",)),
    ("metadata.name", "NotIn", ("n1",)),
)


@pytest.mark.parametrize(
    ("terms", "right"),
    [
        ((of(IN_A), of(IN_B)), True),
        ((of(IN_B), of(IN_A)), True),
        ((of(IN_B), of(IN_B)), False),
        ((of(IN_A, IN_B),), False),
        ((of(fields=(ON_N1,)),), True),
        ((of(fields=(NOT_ON_N1,)),), False),
        ((of(fields=(("metadata.name", "In", ("n2",)),)),), False),
        ((of(IN_B, fields=(ON_N1,)),), False),
        ((of(IN_A, fields=(ON_N1,)),), True),
        ((of(),), False),
        ((of(), of(IN_A)), True),
    ],
)
def test_one_term_must_hold_with_all_its_requirements(terms: Any, right: bool) -> None:
    assert admits(Constraints(terms=terms), NODE) is right


def test_the_name_of_a_node_is_no_label_of_it() -> None:
    named = make_node("n2", labels={"metadata.name": "n1"})
    assert not admits(Constraints(terms=(of(fields=(ON_N1,)),)), named)
    assert not admits(Constraints(terms=(of(ON_N1),)), NODE)


def test_a_pod_that_names_its_node_may_be_there_alone() -> None:
    assert admits(Constraints(node_name="n1"), NODE)
    assert not admits(Constraints(node_name="n2"), NODE)


def test_all_parts_must_hold_and_the_first_that_does_not_is_told() -> None:
    right = Constraints(selector=(("disk", "nvme"),), terms=(of(IN_A),), node_name="n1")
    assert exclusion(right, NODE) is None
    elsewhere = make_node("n2", labels=NODE.labels)
    assert exclusion(right, elsewhere) == Exclusion(Part.NODE_NAME, Requirement("metadata.name", "In", ("n1",)))
    bare = make_node("n1")
    assert exclusion(right, bare) == Exclusion(Part.SELECTOR, Requirement("disk", "In", ("nvme",)))
    far = make_node("n1", labels={"disk": "nvme", "zone": "b"})
    assert exclusion(right, far) == Exclusion(Part.AFFINITY, Requirement("zone", "In", ("a",)))


@pytest.mark.parametrize("terms", [(of(),), (of(IN_B), of(("gpu", "Exists")))])
def test_where_no_single_requirement_is_the_cause_none_is_named(terms: Any) -> None:
    assert exclusion(Constraints(terms=terms), NODE) == Exclusion(Part.AFFINITY)


@pytest.mark.parametrize("ports", [(), (("TCP", 80, ANY_ADDRESS),)])
@pytest.mark.parametrize("taken", [set(), {("UDP", 80, ANY_ADDRESS), ("TCP", 81, ONE)}])
def test_other_ports_are_in_nobody_s_way(ports: Any, taken: Any) -> None:
    assert ports_free(ports, taken)


@pytest.mark.parametrize(
    ("address", "taken", "free"),
    [
        (ONE, ONE, False),
        (ONE, "10.0.0.2", True),
        (ANY_ADDRESS, ONE, False),
        (ONE, ANY_ADDRESS, False),
        (ANY_ADDRESS, ANY_ADDRESS, False),
    ],
)
def test_a_port_of_all_addresses_is_one_of_each(address: str, taken: str, free: bool) -> None:
    wanted = (("TCP", 79, ANY_ADDRESS), ("TCP", 80, address))
    assert ports_free(wanted, frozenset({("UDP", 9, ONE), ("TCP", 80, taken)})) is free
