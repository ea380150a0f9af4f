"""Counting in bounded memory."""

import random

import pytest

from batchyard.simulator.measures import SLICES, Timeline, Waits


def test_short_waits_are_exact() -> None:
    waits = Waits()
    for seconds in range(1, 101):
        waits.add(seconds)
    assert [waits.quantile(part) for part in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert (waits.count, waits.mean, waits.max) == (100, 50.5, 100)


def test_long_waits_are_off_by_less_than_a_hundredth() -> None:
    dice = random.Random(1)  # noqa: S311 - numbers for a test
    all_waits = sorted(int(dice.lognormvariate(7, 2)) for _ in range(20_000))
    waits = Waits()
    for seconds in all_waits:
        waits.add(seconds)
    for part in (0.1, 0.5, 0.9, 0.95, 0.99):
        exact = all_waits[round(part * len(all_waits)) - 1]
        assert exact <= waits.quantile(part) <= exact * 1.008 + 1
    assert len(waits._counts) < 2000
    assert waits.mean == pytest.approx(sum(all_waits) / len(all_waits))


def test_no_waits() -> None:
    waits = Waits()
    assert (waits.mean, waits.quantile(0.95), waits.max) == (0.0, 0, 0)


def test_slices_double_when_the_time_outlasts_them() -> None:
    timeline = Timeline()
    total = 0.0
    for number in range(1, 3001):
        timeline.advance(number * 100.0, number % 7, number % 3)
        total += number % 7 * 100
    assert timeline.slice_seconds == 960
    assert len(timeline.vcpus()) == 313
    assert len(timeline.vcpus()) <= SLICES
    assert sum(timeline._vcpu_seconds) == pytest.approx(total)
    assert max(timeline.waiting()) == pytest.approx(1, abs=0.2)
