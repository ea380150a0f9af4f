"""When nothing more is to be known of a pod that has ended."""

from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle.endedpods import is_accounted_for, last_runs
from batchyard.core.model.array import MAIN_RUN, ArrayStatus, IndexedJob
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Attempt, Status
from batchyard.objects.kinds.batchjobstatus import MAX_ATTEMPTS
from unit.samples import NOW, exited, job_runs, make_attempt, make_pod, make_run, succeeded

OPEN = make_attempt()
CLOSED = make_attempt(stopped_at=NOW + 60)
MAIN = make_run(indexed=IndexedJob(9, 3, completed=IndexSet.parse("0-1"), failed=IndexSet.parse("2-4")))


def index_run(index: int, number: int = 2, of: Run | None = None) -> Run:
    return (of or make_run(number))._replace(name=f"videos-{number}-i{index}", number=number, index=index)


def single(*attempts: Attempt, state: JobState = JobState.RUNNING, number: int = 1, node: int | None = None) -> bool:
    run = make_run(number, node=node)
    return is_accounted_for(make_pod(number, phase="Failed"), run, Status(state, attempts=attempts), {})


def array(
    index: int | None, run: Run = MAIN, *, succeeded: str = "", failed: str = "", last: dict[int, int] | None = None
) -> bool:
    shown = ArrayStatus(9, IndexSet.parse(succeeded), IndexSet.parse(failed))
    pod = make_pod(phase="Failed", index=index)
    return is_accounted_for(pod, run, Status(JobState.RUNNING, array=shown), last or {})


@pytest.mark.parametrize("node", [None, 0, 2])
def test_of_single_and_multi_node_jobs_once_the_attempt_is_closed(node: int | None) -> None:
    assert not single(node=node)
    assert not single(OPEN, node=node)
    assert single(CLOSED, node=node)


def test_the_end_of_another_run_says_nothing_of_this_one() -> None:
    second = make_attempt(2)
    assert not single(CLOSED, second, number=2)
    assert single(CLOSED, second, number=1)
    assert single(CLOSED, second._replace(stopped_at=NOW + 90), number=2)


def test_one_that_is_not_stored_any_more_was_closed_as_others_follow() -> None:
    later = [make_attempt(run, stopped_at=NOW + run) for run in range(2, MAX_ATTEMPTS + 2)]
    assert single(*later, number=1)
    assert not single(*later, number=MAX_ATTEMPTS + 2)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_once_the_job_has_ended_whatever_it_is(state: JobState) -> None:
    assert single(state=state)
    assert is_accounted_for(make_pod(index=7), MAIN, Status(state, array=ArrayStatus(9)), {})
    assert is_accounted_for(make_pod(), index_run(7), Status(state), {})


@pytest.mark.parametrize("run", [MAIN, index_run(2), index_run(2, 5)])
def test_of_arrays_once_the_index_has_come_to_its_end(run: Run) -> None:
    assert not array(2, run)
    assert not array(2, run, succeeded="0-1,3", failed="4-8")
    assert array(2, run, succeeded="1-3")
    assert array(2, run, failed="2")


def test_what_the_indexed_job_shows_is_not_what_is_stored() -> None:
    """The exit code of a failed index is in none but its pod, and whether one was interrupted."""
    assert not array(2)
    assert not array(0)


def test_before_an_array_has_a_status_nothing_is_known() -> None:
    assert not is_accounted_for(make_pod(index=2), MAIN, Status(), {})


@pytest.mark.parametrize(
    ("run", "last", "known"),
    [
        (MAIN, {2: MAIN_RUN}, True),  # one that has moved
        (MAIN, {2: 2}, True),
        (MAIN, {3: 2}, False),
        (index_run(2, 2), {2: 2}, False),
        (index_run(2, 2), {2: 3}, True),
        (index_run(2, 3), {2: 2}, False),
        (index_run(2, MAIN_RUN), {2: MAIN_RUN}, False),
    ],
)
def test_a_later_run_of_the_index_shows_that_the_end_before_it_was_seen(
    run: Run, last: dict[int, int], known: bool
) -> None:
    assert array(2, run, last=last) is known


def test_the_index_is_the_jobs_where_it_has_one_of_its_own() -> None:
    """Labels of pods can be written by others."""
    assert not array(7, index_run(2), failed="7")
    assert array(7, index_run(2), failed="2")


def test_a_pod_of_an_indexed_job_without_an_index_is_left_alone() -> None:
    assert not array(None, succeeded="0-8")


STARTED: dict[str, Any] = {"phase": "Running", "node_name": "node-1", "started_at": NOW}


@pytest.mark.parametrize(
    ("run", "pod", "stays"),
    [
        (index_run(2), None, False),
        (index_run(2), make_pod(), False),
        (index_run(2), make_pod(node_name="node-1"), False),
        (index_run(2), make_pod(**STARTED), True),
        (index_run(2), make_pod(**STARTED, gone=True), True),
        (index_run(2, of=succeeded(2)), None, True),
        (index_run(2, of=exited(2)), None, True),
    ],
)
def test_a_run_that_has_not_started_may_give_its_slot_back_and_then_never_was(
    run: Run, pod: Pod | None, stays: bool
) -> None:
    pods = [pod._replace(run=run.name)] if pod is not None else []
    assert last_runs(job_runs([MAIN, run], pods)) == ({2: 2} if stays else {})


def test_of_each_index_the_last_counts_that_stays() -> None:
    runs = [index_run(2, number, of=exited(number)) for number in (3, 2)]
    waits = index_run(2, 4)
    other = index_run(5, 2, of=succeeded(2))
    assert last_runs(job_runs([MAIN, waits, *runs, other])) == {2: 3, 5: 2}
    assert last_runs(job_runs([make_run(), succeeded(2)])) == {}
