"""Arrays: what their Jobs show becomes a status, and what they ask for next."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.api.reasons import Reason
from batchyard.core.admission.admitted import Admitted
from batchyard.core.lifecycle.array.arraystatus import closed, on_hold, orphaned_runs
from batchyard.core.lifecycle.array.indexruns import JUDGED_AT_ONCE, RETRIES_AT_ONCE, IndexRuns
from batchyard.core.lifecycle.array.observation import Observed, observe
from batchyard.core.lifecycle.stopping import stop_applied_to_array
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.array import ArrayDemand, ArrayGrant, ArrayShape, ArrayStatus, IndexedJob, IndexRun, IndexStop
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.environment import Node
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import Stop
from batchyard.core.model.run import Pod, PodReport, Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.arrays.slots import granted
from unit.samples import NOW, exited, interrupted, job_runs, make_job, make_pod, make_resolved, make_run, succeeded

SHAPE = ArrayShape(10)
STARTED = Status(JobState.RUNNING, environment="pool", started_at=NOW, array=ArrayStatus(10))
RETRIES = RetryPolicy(attempts=3, initial_seconds=10, jitter=0)


def indexes(text: str) -> IndexSet:
    return IndexSet.parse(text)


def main(completed: str = "", failed: str = "", *, parallelism: int = 4, size: int = 10, **fields: Any) -> Run:
    shown = IndexedJob(size, parallelism, fields.pop("terminating", 0), indexes(completed), indexes(failed))
    return make_run(1, indexed=shown, **fields)


def ended(completed: str = "", failed: str = "") -> Run:
    return main(completed, failed, condition="Failed" if failed else "Complete", ended_at=NOW + 60)


def alone(index: int, run: Run) -> Run:
    """The run as that of a single index."""
    return run._replace(index=index, name=f"videos-{run.number}-i{index}", uid=f"uid-{index}-{run.number}")


def failed_pod(index: int, **fields: Any) -> Pod:
    shown = {"phase": "Failed", "exit_code": 3, "failed_container": "main", "stopped_at": NOW + 50, "index": index}
    return make_pod(**{**shown, **fields})


def look(
    *others: Run,
    main: Run | None = None,
    status: Status = STARTED,
    shape: ArrayShape = SHAPE,
    retry: RetryPolicy = RETRIES,
    ends: dict[int, Pod | None] | None = None,
    now: float = NOW + 60,
    **seen: Any,
) -> Observed:
    resolved: Resolved = replace(make_resolved(), retry=retry)
    report = PodReport(ends or {}, seen.pop("waiting", ()), seen.pop("looked_at", now), seen.pop("leaving_pods", ()))
    runs = job_runs([main, *others] if main is not None else others, report=report)
    runs.pods, runs.leaving = seen.pop("pods", {}), frozenset(seen.pop("leaving", ()))
    surroundings = Surroundings(nodes=seen.pop("nodes", {}))
    assert not seen, "no such field"
    return observe(make_job(), shape, Admitted(status, resolved), runs, surroundings, now)


def test_one_that_has_not_started_asks_for_all_at_once() -> None:
    assert look(status=Status(JobState.RUNNABLE)).demand == ArrayDemand(slots=10)
    observed = look(status=Status(JobState.RUNNABLE), shape=ArrayShape(10, max_concurrency=3))
    assert (observed.demand, observed.status.array) == (ArrayDemand(slots=3), ArrayStatus(10))


def test_counts_and_sets_follow_from_the_job() -> None:
    observed = look(main=main("0-2", active=4, ready=3))
    array = observed.status.array
    assert array is not None
    assert (str(array.succeeded), str(array.active), array.running, array.waiting) == ("0-2", "3-6", 3, 3)
    assert observed.status.message == "3 of 10 indexes run, 1 start, 3 succeeded, 0 failed"
    assert observed.status.state is JobState.RUNNING


def test_the_rest_is_asked_for_as_long_as_indexes_are_left() -> None:
    assert look(main=main("0-2")).demand == ArrayDemand(slots=3, environment="pool")
    assert look(main=main("0-6")).demand.total == 0
    assert look(main=main(), shape=ArrayShape(10, max_concurrency=5)).demand.slots == 1
    assert look(main=main(deleting=True)).demand.total == 0


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


def test_it_ends_when_all_have() -> None:
    assert look(main=main("0-9")).status.state is JobState.RUNNING  # the Job controller has a last word to say
    done = look(main=ended("0-9")).status
    assert (done.state, done.reason, done.message) == (JobState.SUCCEEDED, Reason.COMPLETED, "all 10 indexes succeeded")
    broken = look(main=ended("0-8", "9"), ends={9: failed_pod(9)}, retry=RetryPolicy()).status
    assert (broken.state, broken.reason) == (JobState.FAILED, Reason.INDEXES_FAILED)
    wanted = "1 of 10 indexes failed: 9; first seen: index 9: container main ended with exit code 3"
    assert broken.message == wanted


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
        observed = look(main=failing, shape=LARGE, status=status, retry=RetryPolicy(), ends=ends)  # type: ignore[arg-type]
        assert len(judged) == JUDGED_AT_ONCE
        judged.clear()
        assert observed.wake_at == (NOW + 60 if step < 19 else None)
        status = observed.status
    assert (status.state, len(status.array.failed)) == (JobState.FAILED, 100_000)  # type: ignore[union-attr]


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


def test_pods_that_do_not_start_are_looked_at() -> None:
    waits = main(active=4, ready=1, created=NOW)
    assert look(main=waits, looked_at=0.0, now=NOW + 4).wake_at == NOW + 5
    assert look(main=waits, looked_at=0.0, now=NOW + 5).reads_pods
    assert not look(main=waits, looked_at=NOW + 5, now=NOW + 6).reads_pods
    hopeless = make_pod(waiting_reason="InvalidImageName", waiting_message="no: such", index=2)
    assert look(main=waits, waiting=(hopeless,)).abandoned == [hopeless]
    none = main(active=4, ready=0, created=NOW)
    fresh = STARTED._replace(started_at=None)
    assert look(main=none, status=fresh, waiting=(hopeless,)).status.reason == Reason.CANNOT_START


def test_why_the_others_wait_is_said_once() -> None:
    status = look(main=main("0", active=4, ready=4)).status
    told = on_hold(status, "no room")
    assert told.message == "4 of 10 indexes run, 1 succeeded, 0 failed; 5 wait: no room"
    assert on_hold(told, "no room") is told
    assert look(main=main("0-2", active=4, ready=4), status=told).status.message.endswith("3 wait: no room")


@pytest.mark.parametrize(
    ("run", "places"),
    [
        (main(active=4), 4),
        (main("0-7", active=2), 2),
        (main("0-7", active=3, terminating=1), 4),
        (main(parallelism=0), 0),
        (ended("0-9"), 0),
        (make_run(1), 1),
        (succeeded(1), 0),
    ],
)
def test_places_that_a_job_takes(run: Run, places: int) -> None:
    assert run.slots_taken == places


def test_retries_are_granted_before_slots() -> None:
    demand = ArrayDemand(3, (IndexRun(4, 2, 2),), "pool")
    running = main(parallelism=5)
    assert granted(demand, running, 0) == ArrayGrant(0, 5, demand.retries)
    assert granted(demand, running, 2) == ArrayGrant(2, 7, demand.retries)
    assert granted(ArrayDemand(slots=9), None, 3) == ArrayGrant(4, 4)


def test_what_did_not_succeed_in_an_ended_array_has_failed() -> None:
    status = STARTED._replace(state=JobState.FAILED, array=ArrayStatus(4, succeeded=indexes("1"), running=2))
    array = closed(status).array
    assert array is not None
    assert (str(array.failed), array.running, array.waiting) == ("0,2-3", 0, 0)
    assert closed(STARTED) is STARTED


LOST = {"n1": Node("n1", {}, {}, lost=True, lost_since=NOW)}


def going(index: int, **fields: Any) -> Pod:
    """The pod of an index that was asked to stop on a lost node."""
    shown = {"index": index, "node_name": "n1", "asked_to_stop_at": NOW + 1, "started_at": NOW}
    return make_pod(**{**shown, **fields})


def test_pods_that_do_not_end_are_looked_at_now_and_then() -> None:
    first = look(main=main("0", active=4, ready=4), leaving=[2], looked_at=NOW)
    assert first.reads_pods
    again = look(main=main("0", active=4, ready=4), leaving=[2], looked_at=NOW + 50)
    assert (again.reads_pods, again.wake_at) == (False, NOW + 70)
    assert not look(main=main("0,2", active=4, ready=4), leaving=[2], looked_at=NOW).reads_pods, "it has ended"


def test_an_index_on_a_lost_node_is_named_and_its_forced_deletion_believed() -> None:
    seen: dict[str, Any] = {"main": main("0", active=4), "leaving": [2, 3], "nodes": LOST}
    observed = look(leaving_pods=(going(2), going(3)), **seen)
    assert observed.status.reason == Reason.NODE_LOST
    assert "; index 2 (and 1 more) does not end: node n1 has not been heard from" in observed.status.message
    assert not observed.forced
    assert [pod.index for pod in look(leaving_pods=(going(2), going(3, forced=True)), **seen).forced] == [3]
    assert look(leaving_pods=(going(2),), **{**seen, "nodes": {}}).status.reason == Reason.INDEXES_RUNNING


def test_so_is_one_that_has_a_job_of_its_own() -> None:
    run = alone(4, make_run(2, attempt=2))
    observed = look(run, main=main(failed="4"), pods={run.name: going(4, forced=True)}, nodes=LOST)
    assert [pod.index for pod in observed.forced] == [4]
    assert "index 4 does not end" in observed.status.message


def test_the_termination_of_an_array_says_that_its_node_is_lost() -> None:
    observed = look(main=main("0", active=4, deleting=True), leaving_pods=(going(2),), nodes=LOST)
    job = replace(make_job(), stop=Stop(StopMode.TERMINATE, "enough"))
    status = stop_applied_to_array(job, observed.status, idle=False)
    assert isinstance(status, Status)
    assert status.message.startswith("to be terminated once its pods have ended: enough. index 2 does not end: node n1")
