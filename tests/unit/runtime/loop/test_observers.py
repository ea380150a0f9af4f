"""Routines: looked at every so many seconds, whatever the clock does."""

import pytest

from batchyard.core.planner.actions import Expire
from batchyard.runtime.loop.observers import Routine


def test_a_routine_is_due_at_first_and_then_after_its_time() -> None:
    looked: list[float] = []
    routine = Routine(2.0, lambda now: looked.append(now) or [Expire(("media", "videos"))])  # type: ignore[func-returns-value]
    assert routine.is_due(100.0)
    assert list(routine.run(100.0)) == [Expire(("media", "videos"))]
    assert (looked, routine.next_at) == ([100.0], 102.0)
    assert [routine.is_due(now) for now in (100.0, 101.9, 102.0)] == [False, False, True]


@pytest.mark.parametrize("now", [99.9, 0.0, -5.0])
def test_a_clock_that_was_set_back_delays_nothing(now: float) -> None:
    routine = Routine(2.0, lambda _: ())
    routine.run(100.0)
    assert routine.is_due(now)
