"""The nodes of which something else is taken than before, and how much."""

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.pods.podset import Assignment, together
from batchyard.core.model.resources import Resources, subtract, times
from batchyard.core.scheduling.capacity.difference import difference

ONE: Resources = {"cpu": 1000, "pods": 1}


def test_what_stays_where_it_is_is_left_out() -> None:
    before, after = (("a", ONE), ("a", ONE), ("b", ONE)), (("b", ONE), ("a", ONE), ("c", ONE))
    assert difference(before, after) == {"a": {"cpu": -1000, "pods": -1}, "c": ONE}


def test_pods_that_are_bound_where_they_were_expected_change_nothing() -> None:
    assert difference((("a", ONE), ("a", ONE)), (("a", times(ONE, 2)),)) == {}
    assert difference((("a", ONE),), (("a", {"cpu": 1500, "pods": 1}),)) == {"a": {"cpu": 500}}


amounts = st.sampled_from([ONE, dict(ONE), {"cpu": 500, "pods": 1}, {"gpu": 1, "pods": 1}])
assignments = st.lists(st.tuples(st.sampled_from("abc"), amounts)).map(tuple)


@given(assignments, assignments)
def test_it_is_the_difference_of_the_sums(before: Assignment, after: Assignment) -> None:
    were, are = together(before), together(after)
    expected = {node: subtract(are.get(node, {}), were.get(node, {})) for node in {*were, *are}}
    told = difference(before, after)
    assert {
        node: {name: each for name, each in total.items() if each}
        for node, total in expected.items()
        if any(total.values())
    } == told
