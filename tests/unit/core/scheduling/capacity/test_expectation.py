"""Where pods are still expected once others of their run are bound."""

from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.expectation import still_expected

ONE: Resources = {"cpu": 1000, "pods": 1}
EXPECTED = (("a", ONE), ("a", ONE), ("b", ONE))


def left(before: dict[str, int], now: dict[str, int], most: int = 3) -> str:
    """The nodes where pods are still expected; numbers of pods by node."""
    were, are = ({node: {"pods": count} for node, count in each.items()} for each in (before, now))
    return "".join(node for node, _ in still_expected(EXPECTED, were, are, most))


def test_a_pod_that_is_bound_where_one_was_expected_fulfils_that() -> None:
    assert left({}, {}) == "aab"
    assert left({}, {"a": 1}) == "ab"
    assert left({"a": 1}, {"a": 2}) == "ab", "the one before was not of these"
    assert left({}, {"a": 2, "b": 1}) == ""


def test_a_pod_that_is_bound_elsewhere_takes_the_place_of_any_other() -> None:
    assert left({}, {"c": 1}) == "aa"
    assert left({}, {"a": 1, "c": 1}) == "a"
    assert left({}, {"c": 9}) == ""


def test_a_pod_that_ends_changes_nothing() -> None:
    assert left({"c": 1}, {}) == "aab"


def test_no_more_are_expected_than_are_to_come() -> None:
    assert left({}, {}, most=1) == "a"
    assert left({}, {}, most=-1) == ""
