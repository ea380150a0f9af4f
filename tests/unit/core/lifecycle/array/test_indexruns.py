"""What follows the last run of each index."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.array.indexruns import JUDGED_AT_ONCE, RETRIES_AT_ONCE, IndexRuns
from batchyard.core.model.array import (
    ArrayShape,
    ArrayStatus,
    IndexRun,
    IndexStop,
)
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.run import Pod, Run
from unit.core.lifecycle.array.arrays import (
    RETRIES,
    STARTED,
    alone,
    failed_pod,
    indexes,
    look,
    main,
)
from unit.samples import NOW, exited, interrupted, make_run, succeeded


def test_a_failed_index_is_looked_at_before_anything_is_decided() -> None:
    observed = look(main=main(failed="4"))
    assert observed.reads_pods
    assert observed.status.array is not None
    assert not observed.status.array.failed


def test_it_rests_and_then_runs_again_by_itself() -> None:
    resting = look(main=main(failed="4"), ends={4: failed_pod(4)}, now=NOW + 55)
    assert (resting.demand.retries, resting.wake_at) == ((), NOW + 60)
    due = look(main=main(failed="4"), ends={4: failed_pod(4)}, now=NOW + 60)
    assert due.demand.retries == (IndexRun(4, 2, 2),)
    again = alone(4, make_run(2, attempt=2))
    assert look(again, main=main(failed="4")).demand.retries == ()
    assert str(look(again, main=main(failed="4", active=2)).status.array.active) == "0-1,4"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        (exited(2), (IndexRun(4, 3, 3),)),
        (interrupted(2), (IndexRun(4, 3, 2),)),
        (succeeded(2), ()),
        (exited(3, code=7), ()),
    ],
)
def test_what_follows_a_run_of_a_single_index(last: Run, wanted: tuple[IndexRun, ...]) -> None:
    observed = look(alone(4, last), main=main(failed="4"), now=NOW + 3600)
    assert observed.demand.retries == wanted


def test_the_last_failure_is_told() -> None:
    observed = look(alone(4, exited(3, code=7)), main=main(failed="4"), now=NOW + 3600)
    array = observed.status.array
    assert array is not None
    (failure,) = array.first_failures
    assert (failure.index, failure.attempt, failure.exit_code, failure.reason) == (4, 3, 7, Reason.NON_ZERO_EXIT)
    assert str(array.failed) == "4"


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (failed_pod(4, reason="DeadlineExceeded"), Reason.DEADLINE_EXCEEDED),
        (failed_pod(4), Reason.NON_ZERO_EXIT),
        (failed_pod(4, exit_code=137, reason="OOMKilled", out_of_memory=("main",)), Reason.OUT_OF_MEMORY),
    ],
)
def test_how_an_index_failed_is_read_from_its_pod(pod: Pod, reason: Reason) -> None:
    observed = look(main=main(failed="4"), ends={4: pod}, retry=RetryPolicy())
    assert observed.status.array is not None
    assert observed.status.array.first_failures[0].reason == reason


def test_a_pod_that_a_node_refused_costs_no_attempt() -> None:
    refused = failed_pod(4, exit_code=None, reason="OutOfcpu", message="no room")
    observed = look(main=main(failed="4"), ends={4: refused}, retry=RetryPolicy())
    assert observed.demand.retries == (IndexRun(4, 2, 1),)


@pytest.mark.parametrize("pod", [None, failed_pod(4, disruption="EvictionByEvictionAPI")])
def test_a_pod_that_was_disrupted_or_is_gone_costs_no_attempt(pod: Pod | None) -> None:
    observed = look(main=main(failed="4"), ends={4: pod}, retry=RetryPolicy())
    assert observed.demand.retries == (IndexRun(4, 2, 1),)
    assert observed.status.interruptions == 1


def test_interruptions_are_counted_from_the_jobs() -> None:
    chains = [alone(4, interrupted(2, attempt=1)), alone(4, make_run(3, attempt=1)), alone(5, make_run(2, attempt=1))]
    seen: dict[str, Any] = {"main": main(failed="4-6"), "ends": {6: failed_pod(6)}}
    assert look(*chains, **seen).status.interruptions == 3
    known = STARTED._replace(interruptions=3, array=ArrayStatus(10, failed=indexes("4")))
    chains[1] = alone(4, interrupted(3, attempt=1))
    assert look(*chains, status=known, **seen).status.interruptions == 4  # the last one of a failed index, too


def test_more_interruptions_than_allowed_fail_the_index() -> None:
    none = look(main=main(failed="4"), ends={4: None}, retry=replace(RETRIES, max_interruptions=0)).status
    assert (none.array.first_failures[0].reason, none.interruptions) == (Reason.TOO_MANY_INTERRUPTIONS, 1)  # type: ignore[union-attr]
    again = look(main=main(failed="4-5"), status=none, ends={5: None}, retry=replace(RETRIES, max_interruptions=0))
    assert (str(again.status.array.failed), again.status.interruptions) == ("4-5", 2)  # type: ignore[union-attr]
    chain = [alone(4, exited(2)), alone(4, interrupted(3, attempt=3))]
    for most, wanted in ((1, (IndexRun(4, 4, 3),)), (0, ())):
        observed = look(*chain, main=main(failed="4"), retry=replace(RETRIES, max_interruptions=most))
        assert (observed.demand.retries, observed.status.interruptions) == (wanted, 1)


def test_a_job_that_is_gone_is_made_up_for() -> None:
    known = STARTED._replace(array=ArrayStatus(10, succeeded=indexes("0-6"), failed=indexes("7")))
    observed = look(alone(8, make_run(2, attempt=1)), status=known)
    assert observed.demand.retries == (IndexRun(9, 2, 1),)
    assert observed.status.state is JobState.RUNNING


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The indexes that were judged, in their order."""
    seen: list[int] = []
    judge = IndexRuns._judge

    def noted(runs: IndexRuns, index: int) -> None:
        seen.append(index)
        judge(runs, index)

    monkeypatch.setattr(IndexRuns, "_judge", noted)
    return seen


LARGE = ArrayShape(100_000)
LARGE_STARTED = STARTED._replace(array=ArrayStatus(100_000))


def test_one_look_at_a_large_array_whose_job_is_gone_judges_few_indexes(judged: list[int]) -> None:
    last = alone(99_999, make_run(2, active=1))
    observed = look(last, shape=LARGE, status=LARGE_STARTED)
    assert judged == [99_999, *range(RETRIES_AT_ONCE)]
    assert [run.index for run in observed.demand.retries] == list(range(RETRIES_AT_ONCE))
    assert str(observed.status.array.active) == "99999"  # type: ignore[union-attr]


def test_those_that_are_to_end_do_not_wait_for_the_others(judged: list[int]) -> None:
    shape = replace(LARGE, stops=(IndexStop(indexes("90000-99999"), "enough"),))
    observed = look(shape=shape, status=LARGE_STARTED)
    assert judged == [*range(90_000, 90_000 + JUDGED_AT_ONCE), *range(RETRIES_AT_ONCE)]
    assert str(observed.status.array.failed) == "90000-94999"  # type: ignore[union-attr]
    assert observed.wake_at == NOW + 60


def test_a_large_array_of_which_everything_fails_does_so_step_by_step(judged: list[int]) -> None:
    failing = main(failed="0-99999", size=100_000, condition="Failed", ended_at=NOW + 60)
    status, ends = LARGE_STARTED, {index: failed_pod(index) for index in range(100_000)}
    for step in range(20):
        assert status.state is JobState.RUNNING
        observed = look(main=failing, shape=LARGE, status=status, retry=RetryPolicy(), ends=ends)
        assert len(judged) == JUDGED_AT_ONCE
        judged.clear()
        assert observed.wake_at == (NOW + 60 if step < 19 else None)
        status = observed.status
    assert (status.state, len(status.array.failed)) == (JobState.FAILED, 100_000)  # type: ignore[union-attr]
