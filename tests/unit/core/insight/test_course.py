"""In what order those who wait start in thought, and who goes before whom in queues that let others pass."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.core.insight.course import Course, Event, Waiting
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.queue import FairShare, Queue
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from unit.samples import NOW, make_node, make_queue, make_snapshot

STRICT = make_queue()
BYPASS = make_queue(bypass_seconds=600)
TOOK = 60.0


def waits(name: str, cpu: int = 1, queue: Queue = BYPASS, **fields: Any) -> Waiting:
    known: dict[str, Any] = {"environments": ("pool",), "seconds": TOOK, **fields}
    return Waiting(queue, key=("media", name), pods=(PodSet(1, {"cpu": 1000 * cpu}),), **known)


def starts(
    *waiting: Waiting, ends: Iterable[tuple[float, int]], cpu: int = 4, also: Iterable[Event] = ()
) -> dict[str, float]:
    """Seconds from now; `ends` says when how many vCPUs become free, in the only environment."""
    ends = list(ends)
    used: Resources = {"cpu": 1000 * sum(size for _, size in ends), "pods": len(ends)}
    snapshot = make_snapshot(nodes=[make_node(cpu=str(cpu), memory="1Ti")], used={"pool": used})
    events = [*(_end(at, {"cpu": 1000 * size, "pods": 1}) for at, size in ends), *also]
    course = Course(list(waiting), SchedulingPass(snapshot, NOW).ledger, events)
    course.run(NOW)
    return {key[1]: at - NOW for key, at in course.found.items()}


def _end(at: float, amount: Resources) -> Event:
    return Event(NOW + at, "pool", (("node-1", amount),), amount)


TWO_ENDS = [(100, 2), (1000, 2)]


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        (STRICT, {"large": 1000, "small": 1060, "other": 1060}),
        (BYPASS, {"small": 100, "other": 100, "large": 1000}),
    ],
)
def test_who_may_pass_starts_before_the_head(queue: Queue, expected: dict[str, float]) -> None:
    large, *small = waits("large", 4, queue), waits("small", 1, queue), waits("other", 1, queue)
    assert starts(large, *small, ends=TWO_ENDS) == expected


@pytest.mark.parametrize(("waited", "small"), [(499, 100), (501, 1060), (None, 100)])
def test_others_pass_until_its_time_is_over(waited: float | None, small: float) -> None:
    """It counts from what the status of the head says, or from the moment at which it comes to the head in thought."""
    large = waits("large", 4, head_since=None if waited is None else NOW - waited)
    assert starts(large, waits("small"), ends=TWO_ENDS)["small"] == small


def test_the_head_waits_for_those_who_pass_it() -> None:
    """The last of them starts before its time is over, and the room that becomes free after that is held for it."""
    passing = [waits(f"passes-{number}", 2, seconds=250.0) for number in range(4)]
    found = starts(waits("large", 4), *passing, ends=[(0.5, 2), (100, 2)])
    assert found == {
        "passes-0": 0.5,
        "passes-1": 100,
        "passes-2": 250.5,
        "passes-3": 350,
        "large": 600,
    }
    assert starts(waits("large", 4, head_since=NOW - 300), *passing, ends=[(0.5, 2), (100, 2)])["large"] == 500.5


def test_the_time_of_the_next_begins_when_it_is_at_the_head() -> None:
    jobs = waits("first", 4), waits("second", 6), waits("small", 2)
    assert starts(*jobs, ends=[(700, 4), (1000, 2)], cpu=6) == {"first": 700, "small": 760, "second": 1000}


def test_one_whose_time_is_over_holds_the_room_although_another_is_the_head() -> None:
    large = waits("large", 4), waits("old", 4, head_since=NOW - 600)
    assert starts(*large, waits("small"), ends=TWO_ENDS) == {"large": 1000, "old": 1060, "small": 1120}


def test_one_of_the_same_size_whose_time_is_over_is_not_taken_for_one_of_those_behind() -> None:
    jobs = waits("large", 4), waits("like", 4), waits("old", 4, head_since=NOW - 600), waits("small")
    assert starts(*jobs, ends=TWO_ENDS)["small"] == 1180


@pytest.mark.parametrize(("share", "small"), [("red", 760), ("blue", 1060)])
def test_each_share_has_a_head_of_its_own(share: str, small: float) -> None:
    """The time of the second begins now if it is the head of its share, and when the first starts if it is not."""
    queue = replace(BYPASS, fair_share=FairShare())
    jobs = waits("first", 4, queue, share="red"), waits("second", 6, queue, share=share)
    assert starts(*jobs, waits("small", 2, queue, share="red"), ends=[(700, 4), (1000, 2)], cpu=6)["small"] == small


def test_each_queue_has_a_head_of_its_own_and_keeps_its_own_order() -> None:
    other = make_queue("other", bypass_seconds=600)
    jobs = waits("first", 4), waits("second", 6, other), waits("small", 2, other)
    assert starts(*jobs, ends=[(700, 4), (1000, 2)], cpu=6)["small"] == 1060
    strict = make_queue("other")
    like, other_like = waits("like", 4), waits("other", 4, strict)
    assert starts(waits("first", 4), like, other_like, waits("small", 1, strict), ends=TWO_ENDS)["small"] == 1180


@pytest.mark.parametrize(("priority", "small"), [(1, 100), (0, 1060)])
def test_queues_of_the_same_priority_pass_and_no_lower_ones(priority: int, small: float) -> None:
    other = make_queue("other", priority=priority)
    assert starts(waits("large", 4), waits("small", 1, other), ends=TWO_ENDS)["small"] == small


def test_nobody_passes_what_is_not_looked_at() -> None:
    rest = Waiting(BYPASS, ("pool",))
    assert starts(rest, waits("small", 1, make_queue("other")), ends=TWO_ENDS) == {}


def test_one_that_runs_for_an_unknown_time_passes_and_leaves_the_head_without_an_estimate() -> None:
    assert starts(waits("large", 4), waits("small", seconds=inf), ends=TWO_ENDS) == {"small": 100}


def test_an_array_that_is_at_the_head_lets_pass_what_its_slots_are_too_large_for() -> None:
    array = waits("array", 3, until=NOW + 2000, reported=False)
    assert starts(array, waits("small", 1), ends=TWO_ENDS) == {"small": 100}


def test_an_array_takes_each_slot_that_becomes_free_before_others_pass() -> None:
    array = waits("array", 1, until=NOW + 2000, reported=False)
    look = Event(NOW + 2000, "pool")
    assert starts(array, waits("small", 1), ends=TWO_ENDS, also=[look]) == {"small": 2000}


def test_an_array_that_got_some_of_its_slots_lets_others_pass() -> None:
    array = waits("array", 3, indexes=10, slots=4)
    assert starts(array, waits("small", 1), ends=[(100, 4)]) == {"array": 100, "small": 100}


def test_what_has_ended_now_is_free_for_the_first() -> None:
    assert starts(waits("large", 4), waits("small"), ends=[(0, 2)]) == {"large": 0, "small": 60}


@pytest.mark.parametrize(("second", "start"), [(1009, 1009), (1011, 1000)])
def test_ends_that_are_close_together_for_how_far_away_they_are_are_one(second: float, start: float) -> None:
    assert starts(waits("small"), ends=[(1000, 2), (second, 2)]) == {"small": start}
