"""The pacer keeps in-between statuses to their share of the time, and lets a few through at once."""

import math

from batchyard.runtime.loop.pacing import Pacer


def run(pacer: Pacer, answer_seconds: float, until: float) -> int:
    """How many items get through when each takes that long and there is always another one."""
    now, count = 0.0, 0
    while now < until:
        free_at = pacer.take(now)
        if free_at > now:
            now = free_at
            continue
        count += 1
        now += answer_seconds
        pacer.done(now)
    return count


def test_one_at_a_time() -> None:
    pacer = Pacer(share=0.2, burst_seconds=1)
    assert pacer.take(0.0) == 0.0
    assert pacer.take(0.0) == math.inf
    pacer.done(0.1)
    assert pacer.take(0.1) == 0.1


def test_the_share_of_the_time_holds_whatever_an_answer_takes() -> None:
    for answer_seconds in (0.005, 0.05, 0.5):
        taken = run(Pacer(share=0.2, burst_seconds=0.2), answer_seconds, until=1000.0) * answer_seconds
        assert 195 <= taken <= 202


def test_what_was_saved_up_goes_at_once() -> None:
    pacer = Pacer(share=0.1, burst_seconds=0.5)
    assert run(pacer, 0.01, until=0.5) >= 50
