"""Which indexes of an earlier array run again."""

from dataclasses import replace

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Unsatisfiable
from batchyard.core.admission.rerun import choose
from batchyard.core.model.array import ArrayShape, ArrayStatus, Rerun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.status import EndedDependency, Status

FAILED = ArrayShape(10, rerun=Rerun("old"))


def given(indexes: str) -> ArrayShape:
    return replace(FAILED, rerun=Rerun("old", IndexSet.parse(indexes)))


def with_choice(shape: ArrayShape, status: Status) -> tuple[Status, Unsatisfiable | None]:
    assert shape.rerun is not None
    return choose(shape, shape.rerun, status)


def after(succeeded: str, state: JobState = JobState.FAILED, size: int = 10) -> Status:
    """The status that knows how the earlier array ended."""
    return Status(dependencies=(EndedDependency("old", state, "", IndexSet.parse(succeeded), size),))


@pytest.mark.parametrize(
    ("shape", "status", "chosen", "before"),
    [
        (FAILED, after("0-6,9"), "7-8", "0-6,9"),
        (FAILED, after(""), "0-9", ""),
        (FAILED, after("2-9", JobState.SUCCEEDED), "0-1", "2-9"),  # itself a rerun, of some of those that had failed
        (given("3,7"), after("0-6,9"), "3,7", "0-2,4-6,9"),
        (given("3"), after("", JobState.SUCCEEDED), "3", "0-2,4-9"),
    ],
)
def test_chosen_are_those_that_did_not_succeed_or_were_named(
    shape: ArrayShape, status: Status, chosen: str, before: str
) -> None:
    known, never = with_choice(shape, status)
    array = known.array
    assert never is None
    assert array is not None
    assert (str(array.chosen), str(array.succeeded_before)) == (chosen, before)
    assert (array.waiting, array.what) == (len(IndexSet.parse(chosen)), f"{array.waiting} chosen indexes")


def test_nothing_is_chosen_before_the_end_is_known() -> None:
    assert with_choice(FAILED, Status()) == (Status(), None)


def test_what_is_known_of_the_new_array_is_kept() -> None:
    known = after("0-6,9")._replace(array=ArrayStatus(10, succeeded=IndexSet.parse("7"), retries=1))
    array = with_choice(FAILED, known)[0].array
    assert array is not None
    assert (str(array.succeeded), array.retries, array.waiting) == ("7", 1, 1)
    assert (str(array.good), str(array.bad)) == ("0-7,9", "")
    assert with_choice(FAILED, known._replace(array=array))[0].array is array


@pytest.mark.parametrize(
    ("shape", "status", "reason", "words"),
    [
        (FAILED, after("", JobState.SUCCEEDED), Reason.NOTHING_TO_RERUN, "every index of BatchJob old has succeeded"),
        (given("8-12"), Status(), Reason.INVALID_SPEC, "has 10-12, but indexes of this array go from 0 to 9"),
        (FAILED, after("", size=0), Reason.INVALID_SPEC, "but BatchJob old is no array and this one 10"),
        (given("1"), after("", size=12), Reason.INVALID_SPEC, "but BatchJob old has 12 indexes and this one 10"),
    ],
)
def test_what_cannot_run_again_is_told(shape: ArrayShape, status: Status, reason: str, words: str) -> None:
    _, answer = with_choice(shape, status)
    assert answer is not None
    assert answer.reason == reason
    assert words in answer.message
