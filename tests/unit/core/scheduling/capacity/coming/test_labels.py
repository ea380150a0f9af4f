"""Which labels nodes to come may have."""

import pytest

from batchyard.api.names import NODE_ENVIRONMENT
from batchyard.core.model.managed import ManagedNodes, NodeClass
from batchyard.core.model.pods.constraints import FIELD, UNCONSTRAINED, Constraints, Requirement, Term
from batchyard.core.scheduling.capacity.coming.labels import Labels, contradiction, instance_types, number_of_zones

ZONE, ARCH, TYPE = "topology.kubernetes.io/zone", "kubernetes.io/arch", "node.kubernetes.io/instance-type"
CPU = "karpenter.kwok.sh/instance-cpu"


def labels(*requirements: Requirement, **given: str) -> Labels:
    node_class = NodeClass("karpenter.kwok.sh", "KWOKNodeClass", "default")
    return Labels(ManagedNodes(node_class, requirements, given))


def asking(*requirements: Requirement) -> Constraints:
    return Constraints(terms=(Term(labels=requirements),))


def test_a_pod_that_says_nothing_may_be_on_any() -> None:
    assert labels().admits(UNCONSTRAINED)


@pytest.mark.parametrize(
    ("asked", "admitted"),
    [
        (Requirement(ZONE, "In", ("a",)), True),
        (Requirement(ZONE, "In", ("c",)), False),
        (Requirement(ZONE, "In", ("c", "b")), True),
        (Requirement(ZONE, "NotIn", ("a",)), True),
        (Requirement(ZONE, "NotIn", ("a", "b")), False),
        (Requirement(ZONE, "Exists"), True),
        (Requirement(ZONE, "DoesNotExist"), False),
        # The provider gives this label, and nothing restricts it.
        (Requirement(ARCH, "In", ("arm64",)), True),
        (Requirement(ARCH, "DoesNotExist"), False),
        (Requirement(CPU, "Gt", ("16",)), True),
        (Requirement(CPU, "Gt", ("many",)), False),
        (Requirement(CPU, "Lt", ("9" * 100,)), False),
        # Nobody gives this one.
        (Requirement("disk", "In", ("ssd",)), False),
        (Requirement("disk", "Exists"), False),
        (Requirement("disk", "NotIn", ("ssd",)), True),
        (Requirement("disk", "DoesNotExist"), True),
        (Requirement("team", "In", ("media",)), True),
        (Requirement("team", "In", ("other",)), False),
        (Requirement("team", "DoesNotExist"), False),
        (Requirement("kubernetes.io/hostname", "In", ("node-1",)), False),
        # The NodePool has the environment's name, and some labels have an older one.
        (Requirement("karpenter.sh/nodepool", "In", ("pool",)), True),
        (Requirement("karpenter.sh/nodepool", "In", ("other",)), False),
        (Requirement("failure-domain.beta.kubernetes.io/zone", "In", ("a",)), True),
        (Requirement("failure-domain.beta.kubernetes.io/zone", "In", ("c",)), False),
        (Requirement("beta.kubernetes.io/arch", "In", ("amd64",)), True),
    ],
)
def test_a_condition_of_a_pod_meets_what_nodes_may_have(asked: Requirement, *, admitted: bool) -> None:
    made = labels(Requirement(ZONE, "In", ("a", "b")), team="media", **{NODE_ENVIRONMENT: "pool"})
    assert made.admits(asking(asked)) is admitted


@pytest.mark.parametrize(
    ("first", "second", "admitted"),
    [
        (Requirement(CPU, "Gt", ("3",)), Requirement(CPU, "Lt", ("5",)), True),
        (Requirement(CPU, "Gt", ("4",)), Requirement(CPU, "Lt", ("5",)), False),
        (Requirement(CPU, "In", ("4", "8")), Requirement(CPU, "Gt", ("7",)), True),
        (Requirement(CPU, "In", ("4", "8")), Requirement(CPU, "Gt", ("8",)), False),
        (Requirement(CPU, "In", ("large",)), Requirement(CPU, "Lt", ("8",)), False),
        (Requirement(ZONE, "In", ("a",)), Requirement(ZONE, "In", ("b",)), False),
        (Requirement(ZONE, "NotIn", ("a",)), Requirement(ZONE, "In", ("a", "b")), True),
        (Requirement(ZONE, "In", ("a",)), Requirement(ZONE, "NotIn", ("a",)), False),
    ],
)
def test_conditions_hold_together(first: Requirement, second: Requirement, *, admitted: bool) -> None:
    assert labels(first).admits(asking(second)) is admitted
    assert labels(second).admits(asking(first)) is admitted
    assert labels().admits(asking(first, second)) is admitted


def test_one_term_is_enough_and_the_selector_holds_with_each() -> None:
    made = labels(Requirement(ZONE, "In", ("a", "b")))
    terms = (Term(labels=(Requirement("disk", "Exists"),)), Term(labels=(Requirement(ZONE, "In", ("b",)),)))
    assert made.admits(Constraints(terms=terms))
    assert not made.admits(Constraints(selector=((ZONE, "a"),), terms=terms))


def test_a_node_to_come_has_no_name_yet() -> None:
    assert not labels().admits(Constraints(node_name="node-1"))
    named = Constraints(terms=(Term(fields=(Requirement(FIELD, "In", ("node-1",)),)),))
    assert not labels().admits(named)
    assert labels().admits(Constraints(terms=(Term(fields=(Requirement(FIELD, "NotIn", ("node-1",)),)),)))
    assert not labels().admits(Constraints(terms=(Term(),)))


def test_an_instance_type_is_a_label_too() -> None:
    wants = Constraints(selector=((TYPE, "m5.large"),))
    assert labels().admits(wants, "m5.large")
    assert not labels().admits(wants, "m5.xlarge")


def test_what_is_lacking_is_named() -> None:
    made = labels(Requirement(ZONE, "In", ("a",)))
    assert made.lacking(Constraints(selector=((ARCH, "arm64"), ("disk", "ssd")))) == "disk=ssd"
    assert made.lacking(Constraints(selector=((ZONE, "b"),))) == f"{ZONE}=b"
    assert made.lacking(Constraints(selector=((ZONE, "a"),))) == ""


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        (Requirement(ARCH, "In", ("amd64",)), Requirement(ARCH, "In", ("arm64",)), ARCH),
        (Requirement(CPU, "Gt", ("8",)), Requirement(CPU, "Lt", ("9",)), CPU),
        (Requirement("team", "Exists"), Requirement("team", "DoesNotExist"), "team"),
        (Requirement(ARCH, "In", ("amd64", "arm64")), Requirement(ARCH, "In", ("arm64",)), None),
        (Requirement("team", "NotIn", ("a",)), Requirement("team", "DoesNotExist"), None),
    ],
)
def test_what_allows_no_node_at_all_is_found(first: Requirement, second: Requirement, key: str | None) -> None:
    node_class = NodeClass("karpenter.kwok.sh", "KWOKNodeClass", "default")
    assert contradiction(ManagedNodes(node_class, (first, second))) == key


def test_instance_types_are_known_where_they_are_listed() -> None:
    assert instance_types([]) is None
    assert instance_types([Requirement(TYPE, "NotIn", ("m5.large",))]) is None
    listed = Requirement(TYPE, "In", ("m5.large", "m5.xlarge"))
    assert instance_types([listed]) == frozenset({"m5.large", "m5.xlarge"})
    assert instance_types([listed, Requirement(TYPE, "NotIn", ("m5.large",))]) == frozenset({"m5.xlarge"})


@pytest.mark.parametrize(
    ("requirements", "zones"),
    [
        ((), 3),
        ((Requirement(TYPE, "In", ("m5.large",)),), 3),
        ((Requirement(ZONE, "Exists"),), 3),
        ((Requirement(ZONE, "NotIn", ("a",)),), 3),  # of how many that leaves nobody knows
        ((Requirement(ZONE, "In", ("a",)),), 1),
        ((Requirement(ZONE, "In", ("a", "b", "c", "d")),), 4),
        ((Requirement(ZONE, "In", ("a", "b", "c")), Requirement(ZONE, "NotIn", ("b",))), 2),
        ((Requirement(ZONE, "In", ("a", "b")), Requirement(ZONE, "In", ("b", "c"))), 1),
        ((Requirement(ZONE, "In", ("a",)), Requirement(ZONE, "In", ("b",))), 0),
    ],
)
def test_nodes_may_be_in_as_many_zones_as_requirements_leave(requirements: tuple[Requirement, ...], zones: int) -> None:
    assert number_of_zones(requirements) == zones
