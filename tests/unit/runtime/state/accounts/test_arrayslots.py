from dataclasses import replace

from batchyard.core.model.array import ArrayStatus, IndexedJob
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.runtime.state.accounts.arrayslots import ArraySlots
from unit.runtime.state.accounts.seen import occupancy
from unit.samples import NOW, make_job, make_run


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def array(slots: int, active: int) -> Run:
    return make_run(indexed=IndexedJob(9, slots), active=active)


def test_it_is_noted_when_an_array_was_given_slots_until_it_has_pods_for_all() -> None:
    clock = Clock()
    slots = ArraySlots(clock)
    states = [array(2, 0), array(2, 1), array(2, 2), array(4, 2), array(4, 4)]
    noted = []
    for before, run in zip([None, *states], states, strict=False):
        slots.observe_run(run, before, occupancy(run))
        noted.append(slots.raised.get(run.owner))
        clock.now += 1
    assert noted == [NOW, NOW, None, NOW + 3, None]


def test_nothing_is_noted_of_an_array_that_is_gone_or_of_other_jobs() -> None:
    slots = ArraySlots(lambda: NOW)
    single, indexed = make_run(1), array(2, 0)
    slots.observe_run(single, None, occupancy(single))
    assert slots.raised == {}
    slots.observe_run(indexed, None, occupancy(indexed))
    slots.forget_run(single, occupancy(single))
    slots.reset()
    assert slots.raised == {indexed.owner: NOW}, "that of another index went"
    slots.forget_run(indexed, occupancy(indexed))
    assert slots.raised == {}


def test_interruptions_and_lost_slots_of_arrays_are_counted() -> None:
    slots, job = ArraySlots(lambda: NOW), make_job()
    array = ArrayStatus(5, restarts=1)
    first = Status(array=array, interruptions=2)
    slots.observe_transition(job, Status(), first)
    assert slots.restarts == 0, "that was seen by the process before"
    slots.observe_transition(job, first, Status(array=replace(array, restarts=4), interruptions=3))
    assert slots.restarts == 4
    slots.observe_transition(job, Status(), Status(interruptions=1))
    assert slots.restarts == 4, "not an array"
