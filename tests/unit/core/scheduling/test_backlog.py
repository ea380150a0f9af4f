"""The queues of waiting jobs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.scheduling.backlog import Backlog
from unit.samples import NOW, make_job


def job(name: str, created: float = 0, queue: str = "urgent", namespace: str = "media") -> BatchJob:
    return replace(make_job(name), key=(namespace, name), created=NOW + created, queue=queue)


def filled(*jobs: BatchJob) -> Backlog:
    backlog = Backlog()
    for each in jobs:
        backlog.add(each)
    return backlog


def test_jobs_are_in_the_order_of_their_creation_then_of_their_names() -> None:
    backlog = filled(job("late", 2), job("b", 1), job("a", 1), job("c", 1, namespace="a-first"), job("early"))
    assert [name for _, name in backlog.queue("urgent")] == ["early", "c", "a", "b", "late"]
    assert backlog.position(("media", "a")) == 3


def test_queues_are_apart() -> None:
    backlog = filled(job("a"), job("b", queue="slow"), job("c", queue="slow"))
    assert backlog.names() == ["slow", "urgent"]
    assert (backlog.length("slow"), backlog.length("urgent"), backlog.length("none"), len(backlog)) == (2, 1, 0, 3)
    assert backlog.position(("media", "c")) == 2
    assert list(backlog.queue("none")) == []


def test_adding_and_removing_twice_is_once() -> None:
    backlog = filled(job("a"), job("a", created=5), job("b", 1))
    assert list(backlog.queue("urgent")) == [("media", "a"), ("media", "b")]
    backlog.remove(("media", "a"))
    backlog.remove(("media", "a"))
    assert ("media", "a") not in backlog
    backlog.remove(("media", "b"))
    assert backlog.names() == []
    with pytest.raises(KeyError):
        backlog.position(("media", "b"))


def test_each_share_has_a_line_of_its_own_ordered_by_priority_first() -> None:
    backlog = Backlog()
    for each, priority in ((job("a"), 9), (job("b", 1), 0), (job("c", 2), 5)):
        backlog.add(replace(each, share="red"), priority)
    backlog.add(replace(job("d"), share="blue"))
    assert {
        share: [entry[4] for entry in share_queue] for share, share_queue in backlog.share_queues("urgent").items()
    } == {
        "red": ["a", "c", "b"],
        "blue": ["d"],
    }
    assert [backlog.position(("media", name)) for name in "abcd"] == [1, 3, 2, 1]
    assert [name for _, name in backlog.queue("urgent")] == ["d", "a", "c", "b"]
    backlog.remove(("media", "d"))
    assert (list(backlog.share_queues("urgent")), backlog.length("urgent")) == (["red"], 3)
    assert backlog.share_queues("none") == {}


def test_those_whose_places_count_from_the_same_time_go_by_their_creation() -> None:
    backlog = Backlog()
    for each, since in ((job("b", 1), None), (job("z"), NOW + 2), (job("a", 1), NOW + 2), (job("c", 3), NOW + 2)):
        backlog.add(each, since=since)
    assert [name for _, name in backlog.queue("urgent")] == ["b", "z", "a", "c"]


def test_without_a_share_a_priority_means_nothing() -> None:
    backlog = Backlog()
    backlog.add(job("a"))
    backlog.add(job("b", 1), 9)
    assert [name for _, name in backlog.queue("urgent")] == ["a", "b"]


names = st.sampled_from("abcdefgh")
changes = st.lists(st.tuples(st.booleans(), names, st.integers(0, 3), st.sampled_from(["x", "y"])), max_size=40)


@given(changes)
def test_it_stays_sorted_whatever_comes_and_goes(changes: list[tuple[bool, str, int, str]]) -> None:
    backlog = Backlog()
    model: dict[Key, BatchJob] = {}
    for comes, name, created, queue in changes:
        each = job(name, created, queue)
        if comes:
            backlog.add(each)
            model.setdefault(each.key, each)
        else:
            backlog.remove(each.key)
            model.pop(each.key, None)
    assert len(backlog) == len(model)
    for queue in ("x", "y"):
        expected = sorted((each.created, *each.key) for each in model.values() if each.queue == queue)
        assert list(backlog.queue(queue)) == [key[1:] for key in expected]
        assert [backlog.position(key) for key in backlog.queue(queue)] == list(range(1, len(expected) + 1))
