"""Arrays whose environment gets no nodes for them: back to the queue as they came, or on in any environment."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle.array import arraystatus, moving
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus, IndexRun
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from unit.core.lifecycle.array.arrays import RETRIES, STARTED, alone, ended, failed_pod, indexes, look, main, view
from unit.samples import (
    NOW,
    exited,
    make_job,
    make_managed,
    make_pod,
    make_queue,
    make_resolved,
    make_run,
    succeeded,
)

PODS = make_resolved().pods
LEFT = LeftAlone(NOW, NOW + 180, "none came")
TWO = {name: make_managed(name=name) for name in ("pool", "other")}
QUEUES = {"urgent": make_queue(environments=("pool", "other"))}
AROUND = Surroundings(TWO, left_alone={("pool", PODS): LEFT}, queues=QUEUES)
NOWHERE = replace(AROUND, queues={"urgent": make_queue()})
"""The queue has no other environment."""
AGAIN = replace(AROUND, left_alone={})
"""It may be tried again."""
GRANTED = replace(AROUND, granted={make_job().key})
"""A grant of the array is being carried out."""

FRESH = Status(
    JobState.STARTING, environment="pool", job_name="videos-1", array=ArrayStatus(10, hold="no node came for it")
)
"""No index of it has begun."""
BEGUN = STARTED._replace(array=ArrayStatus(10, succeeded=indexes("0-2")))
IDLE = main(parallelism=0)
RESTING = main("0-2", parallelism=0)


def moved(succeeded: str = "0-2", failed: str = "", **fields: Any) -> Status:
    array = ArrayStatus(10, succeeded=indexes(succeeded), failed=indexes(failed), moved=True)
    return STARTED._replace(array=array, **fields)


def first_runs(text: str) -> tuple[IndexRun, ...]:
    """What indexes ask for that have not run so far."""
    return tuple(IndexRun(index, 1, 1) for index in indexes(text))


def array_of(status: Status) -> ArrayStatus:
    assert status.array is not None
    return status.array


@pytest.mark.parametrize(
    "busy",
    [
        main(parallelism=1),
        main(parallelism=0, active=1),
        main(parallelism=0, terminating=1),
        ended("0-9"),
        None,
        IDLE._replace(environment="other"),
    ],
    ids=["has a slot", "has a pod", "one is ending", "has ended", "has none", "is elsewhere"],
)
def test_it_stays_while_anything_may_run(busy: Run | None) -> None:
    assert moving.is_stuck(view(main=IDLE, around=AROUND))
    assert not moving.is_stuck(view(main=busy, around=AROUND))
    assert not view(main=busy, around=AROUND).moved


def test_it_stays_while_it_is_being_granted_more() -> None:
    """Its Indexed Job may get the slot at any moment."""
    assert not moving.is_stuck(view(main=RESTING, status=BEGUN, around=GRANTED))
    assert not view(main=RESTING, status=BEGUN, around=GRANTED).moved
    assert look(main=IDLE, status=FRESH, around=GRANTED).stop == []
    assert view(main=RESTING, status=BEGUN, around=replace(AROUND, granted={("media", "another")})).moved


def test_the_part_on_demand_goes_by_what_is_not_on_spot() -> None:
    on_demand = replace(AROUND, left_alone={("pool", without_spot(PODS)): LEFT})
    assert moving.is_stuck(view(main=IDLE._replace(on_demand=True), around=on_demand))
    assert not moving.is_stuck(view(main=IDLE._replace(on_demand=True), around=AROUND))
    assert not moving.is_stuck(view(main=IDLE, around=on_demand))


def test_it_stays_where_it_may_be_tried() -> None:
    assert not moving.is_stuck(view(main=IDLE, around=AROUND, now=NOW + 180))
    others = replace(AROUND, left_alone={("pool", (PodSet(1, {"cpu": 64_000}),)): LEFT})
    assert not moving.is_stuck(view(main=IDLE, around=others)), "by larger pods"


@pytest.mark.parametrize(
    ("status", "seen", "runs"),
    [
        (BEGUN, IDLE, ()),
        (FRESH._replace(array=ArrayStatus(10, failed=indexes("1"))), IDLE, ()),
        (FRESH._replace(array=ArrayStatus(10, interrupted=indexes("1"))), IDLE, ()),
        (FRESH._replace(array=ArrayStatus(10, restarts=1)), IDLE, ()),
        (FRESH._replace(started_at=NOW), IDLE, ()),
        (FRESH, main("0", parallelism=0), ()),
        (FRESH, main(failed="0", parallelism=0), ()),
        (FRESH, IDLE, (alone(3, make_run(2)),)),
    ],
    ids=["succeeded", "failed", "interrupted", "restarted", "started", "completed", "has failed", "has a Job"],
)
def test_one_of_which_any_index_has_begun_is_not_untouched(status: Status, seen: Run, runs: tuple[Run, ...]) -> None:
    assert moving.is_untouched(view(main=IDLE, status=FRESH))
    assert not moving.is_untouched(view(*runs, main=seen, status=status))


@pytest.mark.parametrize("around", [AROUND, NOWHERE], ids=["another one", "no other"])
def test_one_that_has_not_begun_goes_back_to_the_queue_as_it_came(around: Surroundings) -> None:
    observed = look(main=IDLE, status=FRESH, around=around)
    status = observed.status
    assert (status.state, status.reason) == (JobState.RUNNABLE, "InsufficientInstanceCapacity")
    assert status.message == "no node came for it"
    assert (status.environment, status.job_name, status.array) == ("", "", ArrayStatus(10))
    assert (status.not_before, status.queued_since) == (None, None)
    assert (observed.stop, observed.demand) == ([IDLE], ArrayDemand())


def test_it_asks_anew_once_its_job_is_gone() -> None:
    back = look(main=IDLE, status=FRESH, around=AROUND).status
    waits = look(main=IDLE, status=back, around=AROUND)
    assert (waits.status, waits.stop, waits.demand) == (back, [IDLE], ArrayDemand())
    leaves = look(main=IDLE._replace(deleting=True), status=back, around=AROUND)
    assert (leaves.stop, leaves.demand) == ([], ArrayDemand())
    gone = look(status=back, around=AROUND)
    assert (gone.status, gone.demand) == (back, ArrayDemand(slots=10))


def test_one_whose_status_is_lost_goes_on_with_its_job() -> None:
    """Only an idle Job of which nothing has begun is one that was left."""
    runnable = Status(JobState.RUNNABLE)
    for seen in (main(parallelism=4), main("0", parallelism=0), main(failed="0", parallelism=0)):
        assert look(main=seen, status=runnable).status.environment == "pool"


def test_what_is_left_of_one_that_has_begun_may_go_anywhere() -> None:
    """At once, beside its Indexed Job, which knows what has ended and gets no slot any more."""
    observed = look(main=RESTING, status=BEGUN, around=AROUND)
    assert array_of(observed.status).moved
    assert (observed.status.state, observed.status.environment) == (JobState.RUNNING, "pool")
    assert observed.demand == ArrayDemand(retries=first_runs("3-9"))
    assert (observed.stop, observed.status.interruptions) == ([], 0)


NO_ROOM = replace(AROUND, could_hold=lambda name, _: name == "pool")
BOTH_ALONE = replace(AROUND, left_alone={(name, PODS): LEFT for name in TWO})


@pytest.mark.parametrize(
    "around",
    [NOWHERE, NO_ROOM, BOTH_ALONE, replace(AROUND, environments={"pool": TWO["pool"]})],
    ids=["no other", "too small", "left alone as well", "gone"],
)
def test_it_does_not_move_where_it_has_nowhere_to_go(around: Surroundings) -> None:
    observed = look(main=RESTING, status=BEGUN, around=around)
    assert not array_of(observed.status).moved
    assert (observed.stop, observed.demand) == ([], ArrayDemand(slots=7, environment="pool"))


@pytest.mark.parametrize(
    ("status", "around", "wake_at"),
    [
        (BEGUN, NOWHERE, NOW + 65),
        (BEGUN, BOTH_ALONE, NOW + 65),
        (BEGUN, AROUND, None),
        (moved(), NOWHERE, None),
        (BEGUN, AGAIN, None),
    ],
    ids=["no other", "left alone as well", "moves", "has moved", "may go on there"],
)
def test_it_is_looked_at_again_as_long_as_it_may_have_to_move(
    status: Status, around: Surroundings, wake_at: float | None
) -> None:
    """Nothing tells of another environment that may be tried again."""
    assert look(main=RESTING, status=status, around=around).wake_at == wake_at


@pytest.mark.parametrize("around", [AGAIN, NOWHERE, GRANTED], ids=["again", "no other", "while it is granted more"])
def test_one_that_has_moved_does_not_go_back(around: Surroundings) -> None:
    """Its environment may be tried again, but not by its Indexed Job: that would run what has Jobs of its own."""
    observed = look(main=RESTING, status=moved(), around=around)
    assert array_of(observed.status).moved
    assert observed.demand == ArrayDemand(retries=first_runs("3-9"))


@pytest.mark.parametrize(("number", "moves"), [(1, True), (2, False)])
def test_a_job_of_a_single_index_tells_of_the_move_before_the_status_does(number: int, *, moves: bool) -> None:
    """An operator that was killed before it had stored it left a first run beside the Indexed Job; a retry is none."""
    other = alone(3, make_run(number, environment="other", active=1))
    seen = RESTING if moves else main("0-2", "3", parallelism=0)
    observed = look(other, main=seen, status=BEGUN, around=AGAIN)
    assert array_of(observed.status).moved is moves
    slots = ArrayDemand(slots=6, environment="pool")
    assert observed.demand == (ArrayDemand(retries=first_runs("4-9")) if moves else slots)
    assert observed.stop == []


def test_where_there_is_no_indexed_job_a_first_run_is_no_move() -> None:
    """Indexes that are let in one by one have Jobs of their own from the start."""
    assert not view(alone(3, make_run(1))).moved


def test_an_index_that_has_failed_in_the_indexed_job_is_tried_again_as_after_any_failure() -> None:
    """Also where the Job of its retry is gone, as no node came for it: the Indexed Job knows of its first run."""
    seen = main("0-2", "4,5", parallelism=0)
    ends = {4: failed_pod(4), 5: failed_pod(5)}
    unread = look(main=seen, status=moved(), around=AROUND)
    assert unread.reads_pods, "who tells how these have failed"
    assert unread.demand == ArrayDemand(retries=first_runs("3,6-9"))
    read = look(main=seen, status=moved(), around=AROUND, ends=ends)
    again = (*first_runs("3"), IndexRun(4, 2, 2), IndexRun(5, 2, 2), *first_runs("6-9"))
    assert (read.stop, read.demand) == ([], ArrayDemand(retries=again))
    one = look(alone(4, make_run(2, environment="other")), main=seen, status=moved(), around=AROUND, ends=ends)
    assert (one.stop, one.demand) == ([], ArrayDemand(retries=tuple(each for each in again if each.index != 4)))
    last = look(main=seen, status=moved(), around=AROUND, ends=ends, retry=replace(RETRIES, attempts=1))
    assert str(array_of(last.status).failed) == "4-5"


def test_an_index_that_was_interrupted_in_it_is_run_again_at_no_cost() -> None:
    status = moved()._replace(array=replace(array_of(moved()), succeeded=indexes("0,1"), interrupted=indexes("2")))
    observed = look(main=RESTING, status=status, around=AROUND)
    assert observed.demand == ArrayDemand(retries=(IndexRun(2, 2, 1), *first_runs("3-9")))


def test_no_more_run_at_once_than_may() -> None:
    elsewhere = alone(3, make_run(1, environment="other", active=1))
    few = look(elsewhere, main=RESTING, status=moved(), around=AROUND, shape=ArrayShape(10, max_concurrency=3))
    assert few.demand == ArrayDemand(retries=first_runs("4,5"))
    full = look(elsewhere, main=RESTING, status=moved(), around=AROUND, shape=ArrayShape(10, max_concurrency=1))
    assert full.demand == ArrayDemand()


@pytest.mark.parametrize("seen", [RESTING, RESTING._replace(deleting=True), main("0-2", parallelism=0, terminating=1)])
def test_its_indexed_job_is_never_stopped_while_it_goes_on(seen: Run) -> None:
    observed = look(main=seen, status=moved(failed="3-8"), around=AROUND)
    assert observed.stop == []
    assert arraystatus.orphaned_runs(observed.status, [seen], terminate=False) == []


def test_once_it_is_gone_all_others_begin_and_none_counts_as_interrupted() -> None:
    observed = look(status=moved(failed="9"), around=AROUND)
    assert observed.demand == ArrayDemand(retries=tuple(IndexRun(index, 1, 1) for index in range(3, 9)))
    assert observed.status.interruptions == 0
    assert observed.status.state is JobState.RUNNING
    few = look(status=moved(failed="9"), around=AROUND, shape=ArrayShape(10, max_concurrency=2))
    assert few.demand == ArrayDemand(retries=(IndexRun(3, 1, 1), IndexRun(4, 1, 1)))


def test_they_go_on_as_single_ones_do() -> None:
    """One has succeeded, one runs elsewhere, and one has failed and is tried again there or anywhere."""
    others = [
        alone(3, succeeded(1)),
        alone(4, make_run(1, environment="other", active=1)),
        alone(5, exited(1)._replace(ended_at=NOW)),
    ]
    observed = look(*others, status=moved("0-2", "7-9"), around=AROUND)
    array = array_of(observed.status)
    assert (str(array.succeeded), str(array.active), str(array.failed)) == ("0-3", "4", "7-9")
    assert observed.demand == ArrayDemand(retries=(IndexRun(5, 2, 2), IndexRun(6, 1, 1)))


def test_it_ends_when_all_have() -> None:
    """Although its Indexed Job never does, which goes then."""
    last = alone(9, succeeded(1, environment="other"))
    pod = make_pod(run=last.name, phase="Succeeded", exit_code=0)
    rest = main("0-8", parallelism=0)
    for seen in (None, rest):
        for around in (AROUND, AGAIN):
            observed = look(last, main=seen, status=moved("0-8"), around=around, pods={last.name: pod})
            assert observed.status.state is JobState.SUCCEEDED
    assert arraystatus.orphaned_runs(observed.status, [rest, last], terminate=False) == [rest]
    failed = look(main=main("0-7", "8", parallelism=0), status=moved("0-7", "8,9"), around=AROUND)
    assert failed.status.state is JobState.FAILED
    stays = look(main=rest, status=BEGUN._replace(array=ArrayStatus(10, indexes("0-8"), indexes("9"))), around=AGAIN)
    assert stays.status.state is JobState.RUNNING, "where it has not moved, its Job has the last word"


def test_what_is_said_of_where_it_is_comes_from_its_jobs() -> None:
    elsewhere = main("0-2", active=4, environment="other", instead="environment pool got no node")
    assert look(main=elsewhere, status=BEGUN).status.message.endswith("; environment pool got no node")
    assert not look(main=main(active=4), status=BEGUN).status.message.endswith("node")


def test_withdrawn_leaves_nothing_of_what_was() -> None:
    status = moving.withdrawn(FRESH._replace(queue_position=3, stalled=True, refusals=0), 10)
    assert (status.queue_position, status.stalled, status.array) == (None, False, ArrayStatus(10, failed=IndexSet()))
