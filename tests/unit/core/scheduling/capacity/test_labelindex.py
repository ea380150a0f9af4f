"""The index finds what looking at each node would find, and looks at few."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints, Requirement, Term
from batchyard.core.scheduling.capacity import labelindex
from batchyard.core.scheduling.capacity.labelindex import LabelIndex
from unit.samples import make_node

keys, values = st.sampled_from(["disk", "zone", "cores"]), st.sampled_from(["", "1", "2", "10", "x"])
names = st.sampled_from(["n0", "n1", "n2", "gone"])
several = st.lists(values, max_size=3).map(tuple)
of_labels = st.builds(
    Requirement, keys, st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]), several
)
of_names = st.builds(
    Requirement, st.just("metadata.name"), st.sampled_from(["In", "NotIn"]), st.lists(names, max_size=2).map(tuple)
)
terms = st.builds(Term, st.lists(of_labels, max_size=2).map(tuple), st.lists(of_names, max_size=2).map(tuple))
any_constraints = st.builds(
    Constraints,
    selector=st.dictionaries(keys, values, max_size=2).map(lambda labels: tuple(sorted(labels.items()))),
    terms=st.lists(terms, max_size=3).map(tuple),
    node_name=st.just("") | names,
)
labels = st.dictionaries(keys, values)


def brute_force(constraints: Constraints, nodes: list[Node]) -> set[str]:
    """The rules once more, as the documentation of Kubernetes words them."""

    def number(text: str) -> int | None:
        return int(text) if text.isdecimal() else None

    def holds(requirement: Requirement, of: Mapping[str, str]) -> bool:
        value, wanted = of.get(requirement.key), list(requirement.values)
        if requirement.operator in ("Gt", "Lt"):
            have = None if value is None else number(value)
            bound = number(wanted[0]) if len(wanted) == 1 else None
            if have is None or bound is None:
                return False
            return have > bound if requirement.operator == "Gt" else have < bound
        is_one = value is not None and value in wanted
        return {
            "In": is_one,
            "NotIn": not is_one,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[requirement.operator]

    def right(node: Node) -> bool:
        selected = all(node.labels.get(key) == value for key, value in constraints.selector)
        alternatives = [
            [holds(each, node.labels) for each in term.labels]
            + [holds(each, {"metadata.name": node.name}) for each in term.fields]
            for term in constraints.terms
        ]
        one = any(term and all(term) for term in alternatives)
        return selected and (one or not constraints.terms) and constraints.node_name in ("", node.name)

    return {node.name for node in nodes if right(node)}


@settings(max_examples=500)
@given(st.lists(labels, max_size=3), st.lists(any_constraints, max_size=4))
def test_it_finds_what_looking_at_each_node_would_find(
    of_nodes: list[dict[str, str]], asked: list[Constraints]
) -> None:
    nodes = [make_node(f"n{number}", labels=labels) for number, labels in enumerate(of_nodes)]
    index = LabelIndex(nodes)
    for constraints in [*asked, *asked]:
        found = index.matching(constraints)
        everyone = {node.name for node in nodes}
        assert (everyone if found is None else set(found)) == brute_force(constraints, nodes)


def selecting(**labels: str) -> Constraints:
    return Constraints(selector=tuple(sorted(labels.items())))


def requiring(*requirements: tuple[Any, ...]) -> Constraints:
    return Constraints(terms=tuple(Term((Requirement(*each),)) for each in requirements))


@pytest.mark.parametrize(
    ("constraints", "found"),
    [
        (requiring(("zone", "NotIn", ("a",))), {"n1", "n2"}),
        (requiring(("zone", "DoesNotExist")), {"n2"}),
        (requiring(("zone", "Exists")), {"n0", "n1"}),
        (requiring(("zone", "In", ("a",)), ("zone", "DoesNotExist")), {"n0", "n2"}),
        (requiring(("zone", "In", ("a", "b")), ("zone", "In", ("b", "c"))), {"n0", "n1"}),
        (Constraints(terms=(Term((), (Requirement("metadata.name", "NotIn", ("n1",)),)),)), {"n0", "n2"}),
        (Constraints(terms=(Term(),)), set()),
        (Constraints(node_name="gone"), set()),
    ],
)
def test_nodes_are_found_by_what_they_lack_too(constraints: Constraints, found: set[str]) -> None:
    index = LabelIndex([make_node("n0", labels={"zone": "a"}), make_node("n1", labels={"zone": "b"}), make_node("n2")])
    assert index.matching(constraints) == frozenset(found)


class Watched(Mapping[str, str]):
    """Labels of a node, which count how often they are looked at."""

    looks = 0

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels

    def __getitem__(self, key: str) -> str:
        type(self).looks += 1
        return self._labels[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


@pytest.mark.parametrize(
    "constraints",
    [
        selecting(host="h7"),
        selecting(host="h7", pool="batch"),
        requiring(("host", "In", ("h7",))),
        Constraints(selector=(("pool", "batch"),), terms=(Term((), (Requirement("metadata.name", "In", ("n7",)),)),)),
        Constraints(node_name="n7"),
    ],
)
def test_once_a_label_is_sorted_out_the_nodes_that_match_are_looked_at_alone(constraints: Constraints) -> None:
    nodes = [make_node(f"n{n}", labels=Watched({"host": f"h{n}", "pool": "batch"})) for n in range(500)]
    index = LabelIndex(nodes)
    index.matching(selecting(host="elsewhere", pool="batch"))
    Watched.looks = 0
    assert index.matching(constraints) == frozenset({"n7"})
    assert Watched.looks <= 4
    Watched.looks = 0
    assert index.matching(constraints) == frozenset({"n7"})
    assert Watched.looks == 0, "the second time it is known"


def test_who_does_not_choose_may_be_anywhere() -> None:
    index = LabelIndex([make_node()])
    assert index.matching(UNCONSTRAINED) is None
    assert index.matching(requiring(("gpu", "DoesNotExist"))) is None, "said, and true of every node"
    assert index.matching(Constraints(ports=(("TCP", 80, "10.0.0.1"),))) is None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelindex, "_MOST_KEPT", 20)
    index = LabelIndex([make_node(f"n{number}", labels={"half": str(number % 2)}) for number in range(12)])
    asked = [requiring(("half", "In", ("1",)), ("other", "In", (str(number),))) for number in range(10)]
    for constraints in asked:
        assert len(index.matching(constraints) or ()) == 6
        assert sum(1 + len(answer or ()) for answer in index._answers.values()) <= 20
    assert index._answers
