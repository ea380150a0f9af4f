"""Constraints are looked up by what they say."""

from typing import Any

import pytest

from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints, Requirement, Term

PARTS: dict[str, Any] = {
    "selector": (("disk", "nvme"),),
    "terms": (Term((Requirement("zone", "In", ("a",)),)),),
    "node_name": "n1",
    "ports": (("TCP", 80, "0.0.0.0"),),  # noqa: S104
    "machine": "container main is privileged",
    "unequal": "container main may use more cpu than it requests",
    "spread": True,
    "one_zone": True,
}


def test_what_says_the_same_is_found_under_each_other() -> None:
    first, second = Constraints(**PARTS), Constraints(**PARTS)
    assert first is not second
    assert {first: "found"}[second] == "found"


@pytest.mark.parametrize("part", PARTS)
def test_each_part_makes_a_difference(part: str) -> None:
    less = Constraints(**{name: value for name, value in PARTS.items() if name != part})
    assert less != Constraints(**PARTS)
    assert Constraints(**{part: PARTS[part]}) != UNCONSTRAINED


def test_whatever_is_no_constraints_is_not_equal() -> None:
    assert UNCONSTRAINED != ((), (), "", ())


@pytest.mark.parametrize(
    ("part", "chooses"),
    [
        ("selector", True),
        ("terms", True),
        ("node_name", True),
        *((part, False) for part in ("ports", "machine", "unequal", "spread", "one_zone")),
    ],
)
def test_only_names_and_labels_choose_nodes(part: str, chooses: bool) -> None:
    assert Constraints(**{part: PARTS[part]}).chooses is chooses


@pytest.mark.parametrize("part", PARTS)
def test_for_what_is_said_of_nodes_others_are_right(part: str) -> None:
    """What a pod asks of its machine matters where there are no nodes only."""
    assert Constraints(**{part: PARTS[part]}).alike(UNCONSTRAINED) is (part in ("machine", "unequal"))
    assert Constraints(**PARTS).alike(Constraints(**PARTS))
