"""Which indexes of an array may run: those whose partner succeeded, or one after the other."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.batchjob import DependencyType, JobState
from batchyard.core.admission.dependencies import LONG, remember
from batchyard.core.admission.indexgate import Gate, gate
from batchyard.core.model.array import ArrayShape, ArrayStatus
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Dependency, Key
from batchyard.core.model.status import EndedDependency, Status
from unit.samples import make_job, make_snapshot

SHAPE = ArrayShape(6)
PARTNER: Key = ("media", "index")


def indexes(text: str) -> IndexSet:
    return IndexSet.parse(text)


def array(name: str = "render", *partners: str, sequential: bool = False) -> BatchJob:
    depends_on = tuple(Dependency(each, DependencyType.N_TO_N) for each in partners)
    return replace(make_job(name), array=replace(SHAPE, sequential=sequential), depends_on=depends_on)


def look(job: BatchJob, *, own: Status | None = None, **others: Status) -> tuple[Status, Gate | None]:
    jobs = [job, *(array(name) for name in others)]
    statuses = {("media", name): status for name, status in others.items()}
    snapshot = make_snapshot(jobs=jobs, statuses={job.key: Status(), **statuses})
    assert job.array is not None
    return gate(job, job.array, own or Status(), snapshot)


def at(succeeded: str = "", failed: str = "", state: JobState = JobState.RUNNING) -> Status:
    return Status(state, array=ArrayStatus(6, succeeded=indexes(succeeded), failed=indexes(failed)))


def test_an_array_that_waits_for_no_index_has_none() -> None:
    assert look(array()) == (Status(), None)


def test_an_index_is_ready_when_its_partner_has_succeeded() -> None:
    _, found = look(array("render", "index"), index=at("0-2,5", "4"))
    assert found is not None
    assert (str(found.ready), str(found.never)) == ("0-2,5", "4")
    assert found.why == "for the same index of BatchJob index"
    assert found.why_never == "the same index of BatchJob index failed"


ANEW = "BatchJob index was made anew and has {} indexes instead of 6: submit this array anew, too"


def test_a_partner_that_was_made_anew_with_another_size_is_none() -> None:
    job = array("render", "index")
    anew = replace(make_job("index"), array=ArrayShape(2))
    statuses = {job.key: Status(), anew.key: Status(array=ArrayStatus(2, succeeded=indexes("0-1")))}
    _, found = gate(job, SHAPE, Status(), make_snapshot(jobs=[job, anew], statuses=statuses))
    assert found is not None
    assert (str(found.ready), str(found.never), found.why_never) == ("", "0-5", ANEW.format(2))


def test_so_is_one_that_has_ended_before_that_was_noticed() -> None:
    end = Status(JobState.SUCCEEDED, array=ArrayStatus(3, succeeded=indexes("0-2")))
    status, found = look(array("render", "index"), index=end)
    assert found is not None
    assert (str(found.ready), str(found.never), found.why_never) == ("", "0-5", ANEW.format(3))
    assert status.dependencies[0].size == 3


def test_a_partner_that_does_not_exist_any_more_is_waited_for() -> None:
    _, found = look(array("render", "index"))
    assert found is not None
    assert not found.ready


@pytest.mark.parametrize(
    ("end", "ready", "never"),
    [(at("0-5", state=JobState.SUCCEEDED), "0-5", ""), (at("0,3", "1-2,4-5", JobState.FAILED), "0,3", "1-2,4-5")],
)
def test_how_the_partner_ended_is_remembered(end: Status, ready: str, never: str) -> None:
    status, found = look(array("render", "index"), index=end)
    (remembered,) = status.dependencies
    assert remembered.state is end.state
    _, later = look(array("render", "index"), own=status)
    assert found == later
    assert found is not None
    assert (str(found.ready), str(found.never)) == (ready, never)


def test_an_end_that_is_not_stored_yet_says_no_less() -> None:
    job, end = array("render", "index"), at("0,3", "1-2,4-5", JobState.FAILED)
    snapshot = make_snapshot(
        jobs=[job, array("index")], statuses={job.key: Status(), PARTNER: end}, unpersisted_ends={PARTNER}
    )
    status, found = gate(job, SHAPE, Status(), snapshot)
    assert not status.dependencies
    assert found is not None
    assert str(found.ready) == "0,3"


def test_with_two_partners_both_count() -> None:
    _, found = look(array("render", "index", "sound"), index=at("0-3"), sound=at("2-5", "0"))
    assert found is not None
    assert (str(found.ready), str(found.never)) == ("2-3", "0")


@pytest.mark.parametrize(
    ("own", "ready", "never"),
    [(at(), "0", ""), (at("0-2"), "0-3", ""), (at("0-1", "2"), "0-2", "3-5"), (at("0-5"), "0-5", "")],
)
def test_a_sequence_goes_one_by_one_and_ends_with_a_failure(own: Status, ready: str, never: str) -> None:
    _, found = look(array(sequential=True), own=own)
    assert found is not None
    assert (str(found.ready), str(found.never)) == (ready, never)


def test_what_is_remembered_of_a_partner_outlives_it() -> None:
    end = EndedDependency("index", JobState.FAILED, succeeded=indexes("1"), size=6)
    _, found = look(array("render", "index"), own=Status()._replace(dependencies=(end,)), index=at("0-5"))
    assert found is not None
    assert str(found.ready) == "1"


PIECES = 400
EVENS, ODDS = IndexSet.of(range(0, PIECES, 2)), IndexSet.of(range(1, PIECES, 2))


def in_pieces(*partners: str) -> tuple[BatchJob, ArrayShape]:
    shape = ArrayShape(PIECES)
    return replace(array("render", *partners), array=shape), shape


@given(
    st.lists(
        st.tuples(st.frozensets(st.integers(0, PIECES - 1)), st.sampled_from([EVENS, ODDS, IndexSet()])),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_long_lists_that_are_merged_say_the_same(lists: list[tuple[frozenset[int], IndexSet]], order: Random) -> None:
    """Whether a rerun of some indexes succeeded without the others, or an array failed, and whichever ended first."""
    good = {f"p{number}": IndexSet.of(some) | pieces for number, (some, pieces) in enumerate(lists)}
    job, shape = in_pieces(*good)
    status, everywhere = Status(), IndexSet.below(PIECES)
    for name in order.sample(sorted(good), len(good)):
        state = JobState.SUCCEEDED if good[name] and order.random() < 0.5 else JobState.FAILED
        ended = ArrayStatus(PIECES, succeeded=good[name], chosen=good[name])
        status = remember(job, status, name, Status(state, array=ended))
        everywhere &= good[name]
    after, found = gate(job, shape, status, make_snapshot(jobs=[job], statuses={job.key: status}))
    assert after == status, "what is remembered already is not entered again"
    assert found is not None
    assert (found.ready, found.never) == (everywhere, IndexSet.below(PIECES) - everywhere)
    assert sum(len(each.succeeded.ranges) > LONG for each in status.dependencies) <= 1


def test_where_nothing_is_left_of_merged_lists_nothing_runs() -> None:
    job, shape = in_pieces("a", "b")
    status = Status()
    for name, good in (("a", EVENS), ("b", ODDS)):
        rerun = ArrayStatus(PIECES, succeeded=good, chosen=good)
        status = remember(job, status, name, Status(JobState.SUCCEEDED, array=rerun))
    assert [each.merged_into for each in status.dependencies] == ["b", ""]
    _, found = gate(job, shape, status, make_snapshot(jobs=[job], statuses={job.key: status}))
    assert found is not None
    assert (str(found.ready), str(found.never)) == ("", f"0-{PIECES - 1}")
