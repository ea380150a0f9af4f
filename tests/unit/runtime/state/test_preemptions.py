"""What is being preempted, and what turned out to be protected."""

import pytest

from batchyard.core.model.job import Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Preemption
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.preemptions import LONGEST_SPARE_SECONDS, Preemptions
from batchyard.runtime.state.runs import Runs
from unit.samples import make_run

BY: Key = ("media", "urgent")
FIRST, SECOND = make_run(), make_run(number=2)
NAME, OTHER = (FIRST.owner[0], FIRST.name), (SECOND.owner[0], SECOND.name)


class Known(Runs):
    """Every run is there."""

    def __init__(self) -> None:
        super().__init__(Marks(), lambda *_: True, lambda *_: None, lambda _: None)

    def find(self, key: Key) -> Run | None:
        return {NAME: FIRST, OTHER: SECOND}.get(key)


def preemption(run: Run, by: Key = BY) -> Preemption:
    return Preemption(run, 1, by)


def test_what_is_told_to_go_counts_until_it_should_be_seen() -> None:
    preemptions = Preemptions()
    assert preemptions.begin([preemption(FIRST)], 100.0) == [NAME]
    preemptions.tidy(109.0, Known())
    assert preemptions.slots == {NAME: 1}
    preemptions.tidy(110.0, Known())
    assert preemptions.slots == {}


def test_a_clock_that_was_set_back_keeps_nothing() -> None:
    preemptions = Preemptions()
    preemptions.begin([preemption(FIRST)], 100.0)
    preemptions.tidy(100.0 - LONGEST_SPARE_SECONDS, Known())
    assert preemptions.slots == {}


@pytest.mark.parametrize(("briefly", "seconds"), [(True, [10.0, 10.0, 10.0]), (False, [10.0, 20.0, 40.0])])
def test_what_is_protected_is_left_alone_for_longer_each_time(briefly: bool, seconds: list[float]) -> None:
    preemptions, now = Preemptions(), 0.0
    for spared in seconds:
        preemptions.begin([preemption(FIRST)], now)
        preemptions.spare(NAME, now, briefly=briefly)
        assert (preemptions.slots, preemptions.spared) == ({}, {NAME})
        preemptions.tidy(now + spared - 1, Known())
        assert preemptions.spared == {NAME}
        now += spared
        preemptions.tidy(now, Known())
        assert preemptions.spared == set()


def test_what_was_protected_goes_first_and_the_others_stay_until_it_has() -> None:
    preemptions = Preemptions()
    preemptions.begin([preemption(FIRST)], 0.0)
    preemptions.spare(NAME, 0.0, briefly=False)
    preemptions.tidy(10.0, Known())
    assert preemptions.begin([preemption(FIRST), preemption(SECOND)], 10.0) == [NAME]
    preemptions.done(NAME)
    assert preemptions.begin([preemption(SECOND)], 11.0) == [OTHER]
