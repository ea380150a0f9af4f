"""What shares have used: vCPU times seconds, fading with age, whatever the order in which it becomes known."""

from math import exp, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.resources import vcpus_of
from batchyard.core.scheduling.fairshare.usage import ShareUsage, Usage

WINDOW = 600
CONSTANT = WINDOW / 3


def ran(seconds: float, ago: float = 0) -> float:
    """What one vCPU that ran for so long, and ended so long ago, comes to."""
    return CONSTANT * (1 - exp(-seconds / CONSTANT)) * exp(-ago / CONSTANT)


def usage_of(*runs: tuple[str, int, float, float | None], usage: Usage | None = None) -> Usage:
    """Share, milli-vCPU, start and end of each run."""
    usage = usage or Usage(WINDOW)
    for number, (share, amount, start, end) in enumerate(runs):
        usage.start(number, share, "pool", amount, start)
        if end is not None:
            usage.stop(number, end)
    return usage


@pytest.mark.parametrize(
    ("request_", "vcpus"),
    [
        ({"cpu": 2500, "memory": 2**30}, 2500),
        ({"cpu": 100, "nvidia.com/gpu": 2}, 2000),
        ({"cpu": 8000, "nvidia.com/gpu": 1}, 8000),
        ({"amd.com/gpu": 1}, 1000),
        ({"memory": 2**30, "hugepages-2Mi": 2**21, "ephemeral-storage": 5}, 1000),
        ({}, 1000),
    ],
)
def test_a_request_counts_by_vcpus_or_devices(request_: dict[str, int], vcpus: int) -> None:
    assert vcpus_of(request_) == vcpus


def test_usage_is_vcpus_times_seconds_that_fade() -> None:
    usage = usage_of(("a", 2000, 0, 60))
    assert usage.used("a", 60) == pytest.approx(2 * ran(60))
    assert usage.used("a", 60) == pytest.approx(120, rel=0.15)
    assert usage.used("a", 260) == pytest.approx(2 * ran(60) / 2.718281828)
    assert usage.used("b", 60) == 0


def test_what_runs_counts_up_to_now() -> None:
    usage = usage_of(("a", 1000, 100, None))
    assert usage.used("a", 100) == 0
    assert usage.used("a", 150) == pytest.approx(ran(50))
    assert (usage.in_use("a"), usage.in_environment("pool")) == (1000, 1000)
    usage.stop(0, 150)
    assert (usage.in_use("a"), usage.in_environment("pool")) == (0, 0)


def test_a_grant_is_held_and_has_used_nothing() -> None:
    usage = Usage(WINDOW)
    usage.grant("job", "a", "pool", 4000)
    assert (usage.in_use("a"), usage.used("a", 1000), usage.in_environment("pool")) == (4000, 0, 4000)
    assert usage.active(1000) == {"a"}
    usage.stop("job", 1000)
    assert (usage.in_use("a"), usage.in_environment("pool"), usage.active(1000)) == (0, 0, set())


def test_counting_twice_is_once() -> None:
    usage = usage_of(("a", 1000, 0, None))
    usage.start(0, "a", "pool", 1000, 0)
    assert usage.in_use("a") == 1000
    usage.stop(0, 60)
    usage.stop(0, 90)
    usage.stop("unknown", 90)
    assert usage.used("a", 60) == pytest.approx(ran(60))


def test_a_share_that_was_idle_for_a_window_starts_anew() -> None:
    usage = usage_of(("a", 1000, 0, 100), ("b", 1000, 0, None))
    assert usage.used("a", 100 + WINDOW - 1) > 0
    assert usage.used("a", 100 + WINDOW) == 0
    assert usage.active(100 + WINDOW) == {"b"}
    assert [each.share for each in usage.count(100 + WINDOW)] == ["b"]


def test_a_window_of_zero_is_the_shortest() -> None:
    assert Usage(0).window == 600
    assert usage_of(("a", 1000, 0, 60), usage=Usage(0)).used("a", 60) == pytest.approx(ran(60))


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    usage = usage_of(("a", 1000, 0, 60))
    assert usage.used("a", -1000) == pytest.approx(ran(60))


def test_news_are_what_does_not_follow_from_the_last_count() -> None:
    usage = Usage(WINDOW)
    assert not usage.has_news(0)
    usage_of(("a", 1000, 0, None), usage=usage)
    assert usage.has_news(0)
    usage.count(10)
    assert usage.has_news(10), "it goes on"
    usage.stop(0, 20)
    usage.count(30)
    assert not usage.has_news(40), "it only fades"
    assert usage.has_news(20 + WINDOW), "it is over"
    assert usage.count(20 + WINDOW) == []
    assert not usage.has_news(21 + WINDOW)


moments = st.integers(0, 400).map(float)
runs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([250, 1000, 4000]), moments, moments).map(
        lambda run: (run[0], run[1], min(run[2:]), max(run[2:]))
    ),
    max_size=12,
)


@given(runs, st.randoms(use_true_random=False))
def test_it_does_not_matter_when_and_in_what_order_something_is_heard_of(
    drawn: list[tuple[str, int, float, float]], random: object
) -> None:
    expected = dict.fromkeys("abc", 0.0)
    for share, amount, start, end in drawn:
        expected[share] += amount / 1000 * ran(end - start, 400 - end)
    events = [(number, which) for number in range(len(drawn)) for which in (0, 1)]
    random.shuffle(events)  # type: ignore[attr-defined]
    usage, begun = Usage(WINDOW), set()
    for number, _ in events:
        share, amount, start, end = drawn[number]
        if number in begun:
            usage.stop(number, end)
        else:
            usage.start(number, share, "pool", amount, start)
        begun.add(number)
    for share, used in expected.items():
        assert usage.used(share, 400) == pytest.approx(used, abs=1e-6)
        assert usage.in_use(share) == 0


@given(runs, moments, st.data())
def test_a_restart_comes_to_the_same_from_the_last_count_and_the_runs(
    drawn: list[tuple[str, int, float, float]], counted_at: float, data: st.DataObject
) -> None:
    """Runs that ended before the count may be gone by then; the others are there, ended or not."""
    live = Usage(WINDOW)
    for number, (share, amount, start, end) in enumerate(drawn):
        if start <= counted_at:
            live.start(number, share, "pool", amount, start)
            if end <= counted_at:
                live.stop(number, end)
    count = live.count(counted_at)
    again = Usage(WINDOW, count, counted_at)
    for number, (share, amount, start, end) in enumerate(drawn):
        live.start(number, share, "pool", amount, start) if start > counted_at else None
        if end > counted_at:
            live.stop(number, end)
            again.start(number, share, "pool", amount, start)
            again.stop(number, end)
    for share in "abc":
        assert again.used(share, 500) == pytest.approx(live.used(share, 500), abs=1e-9)
    assert again.active(500) == live.active(500)


def test_a_count_says_what_is_used_and_held() -> None:
    usage = usage_of(("b", 1000, 0, 60), ("a", 2000, 30, None))
    usage.grant("job", "a", "pool", 500)
    first, second = usage.count(90)
    assert (first.share, first.in_use, first.last_used) == ("a", 2500, 90)
    assert first.used == pytest.approx(2 * ran(60), abs=0.001)
    assert second == ShareUsage("b", round(ran(60, 30), 3), 0, 60)
    usage.stop("job", 90)
    never = Usage(WINDOW, [ShareUsage("c", 0.0, 0, -inf)], 0)
    assert never.active(0) == set()
