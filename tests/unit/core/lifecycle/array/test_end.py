"""Whether an array has ended, and what it says of that."""

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.lifecycle.array.arraystatus import orphaned_runs
from batchyard.core.lifecycle.array.end import end_of
from batchyard.core.model.array import ArrayShape, ArrayStatus, IndexStop
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.run import Pod
from unit.core.lifecycle.array.arrays import STARTED, ended, failed_pod, indexes, look, main, view
from unit.samples import make_pod


def test_it_ends_when_all_have() -> None:
    assert look(main=main("0-9")).status.state is JobState.RUNNING  # the Job controller has a last word to say
    done = look(main=ended("0-9")).status
    assert (done.state, done.reason, done.message) == (JobState.SUCCEEDED, Reason.COMPLETED, "all 10 indexes succeeded")
    broken = look(main=ended("0-8", "9"), ends={9: failed_pod(9)}, retry=RetryPolicy()).status
    assert (broken.state, broken.reason) == (JobState.FAILED, Reason.INDEXES_FAILED)
    wanted = "1 of 10 indexes failed: 9; first seen: index 9: container main ended with exit code 3"
    assert broken.message == wanted


def test_more_failures_than_allowed_end_it_at_once() -> None:
    observed = look(
        main=main("0", "1-2", active=4),
        ends={1: failed_pod(1), 2: failed_pod(2)},
        shape=ArrayShape(10, max_failed_indexes=1),
        retry=RetryPolicy(),
    )
    assert (observed.status.state, observed.status.reason) == (JobState.FAILED, Reason.TOO_MANY_FAILED_INDEXES)
    assert observed.status.array is not None
    assert str(observed.status.array.failed) == "1-9"
    running = main("0", "1-2", active=4)
    assert orphaned_runs(observed.status, [running], terminate=False) == [running]


def test_indexes_that_were_to_end_are_no_failures_that_are_counted() -> None:
    shape = ArrayShape(10, max_failed_indexes=1, stops=(IndexStop(indexes("0-1"), "bad input"),))
    known = STARTED._replace(array=ArrayStatus(10, failed=indexes("0-1")))
    ends: dict[int, Pod | None] = {2: failed_pod(2), 3: failed_pod(3)}
    observed = look(main=main("", "0-2", active=4), status=known, shape=shape, ends=ends, retry=RetryPolicy())
    assert observed.status.state is JobState.RUNNING
    observed = look(main=main("", "0-3", active=4), status=known, shape=shape, ends=ends, retry=RetryPolicy())
    assert observed.status.reason == Reason.TOO_MANY_FAILED_INDEXES
    assert observed.status.message.startswith("2 indexes failed, more than maxFailedIndexes (1) allows")


GONE = Unsatisfiable(Reason.DEFINITION_REPLACED, "the definition was replaced")


def test_one_that_cannot_be_started_stands_for_all_until_an_index_has() -> None:
    hopeless = make_pod(waiting_reason="InvalidImageName", waiting_message="no: such", index=2)
    fresh = STARTED._replace(started_at=None)
    seen = view(main=main(active=4, ready=0), status=fresh, waiting=(hopeless,))
    end = end_of(seen, ArrayStatus(10, active=indexes("0-3")))
    assert end is not None
    assert (end.state, end.reason) == (JobState.FAILED, Reason.CANNOT_START)
    assert end_of(seen, ArrayStatus(10, active=indexes("0-3"), running=1)) is None
    assert end_of(seen, ArrayStatus(10, failed=indexes("5"))) is None


@pytest.mark.parametrize(
    ("array", "parallelism", "lack", "ends"),
    [
        (ArrayStatus(10, succeeded=indexes("0")), 0, GONE, True),
        (ArrayStatus(10, succeeded=indexes("0"), active=indexes("1")), 0, GONE, False),
        (ArrayStatus(10, succeeded=indexes("0")), 1, GONE, False),
        (ArrayStatus(10, succeeded=indexes("0")), 0, Pending(Reason.NO_ACTIVE_REVISION, "none is active"), False),
    ],
    ids=["nothing goes on", "an index runs", "an index will start", "may come yet"],
)
def test_what_is_not_to_be_had_any_more_ends_it_once_nothing_goes_on(
    array: ArrayStatus, parallelism: int, lack: Pending | Unsatisfiable, ends: bool
) -> None:
    end = end_of(view(main=main("0", parallelism=parallelism), lack=lack), array)
    assert end == ((JobState.FAILED, GONE.reason, GONE.message) if ends else None)
