"""Sets of array indexes agree with Python's own sets, and write themselves as the Job controller does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.indexset import IndexSet

SETS = st.frozensets(st.integers(0, 60))


@pytest.mark.parametrize("text", ["", "0", "0-41,43", "7,9,11-12"])
def test_text_is_read_and_written_alike(text: str) -> None:
    assert str(IndexSet.parse(text)) == text


def test_neighbours_are_one_range() -> None:
    assert str(IndexSet.parse("3,2,0-1,4-6")) == "0-6"


@pytest.mark.parametrize("text", ["a", "1-", "1,,2", "9" * 4000, "0-" + "9" * 100_000, "²", "-1", " 1", "1_0"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no index"):
        IndexSet.parse(text)


@given(st.text(alphabet="0123456789,-x ", max_size=40) | st.text(max_size=10))
def test_any_text_is_a_set_or_an_error(text: str) -> None:
    try:
        found = IndexSet.parse(text)
    except ValueError:
        return
    assert len(found) >= 0
    assert IndexSet.parse(str(found)) == found


def test_a_sentence_shows_the_beginning() -> None:
    assert IndexSet.parse("0-3,7").brief() == "0-3,7"
    shown = IndexSet.of(range(0, 1000, 2)).brief()
    assert shown.startswith("0,2,4,")
    assert shown.endswith(",…")
    assert len(shown) <= 102


def test_all_indexes_of_an_array() -> None:
    assert str(IndexSet.below(100_000)) == "0-99999"
    assert not IndexSet.below(0)


@given(SETS, SETS)
def test_sets_agree_with_those_of_python(one: frozenset[int], other: frozenset[int]) -> None:
    first, second = IndexSet.of(one), IndexSet.of(other)
    assert list(first) == sorted(one)
    assert len(first) == len(one)
    assert set(first | second) == one | other
    assert set(first - second) == one - other
    assert set(first & second) == one & other
    assert all((index in first) == (index in one) for index in range(62))
    assert IndexSet.parse(str(first)) == first
    assert IndexSet.of(first | second) == first | second
