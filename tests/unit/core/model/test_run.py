"""What a run takes."""

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Run
from unit.samples import make_run, succeeded

DONE = IndexSet.below(8)


@pytest.mark.parametrize(
    ("run", "slots"),
    [
        (make_run(indexed=IndexedJob(10, 4), active=4), 4),
        (make_run(indexed=IndexedJob(10, 4, completed=DONE), active=2), 2),
        (make_run(indexed=IndexedJob(10, 4, 1, DONE), active=3), 4),
        (make_run(indexed=IndexedJob(10, 0)), 0),
        (make_run(indexed=IndexedJob(10, 4, completed=IndexSet.below(10)), condition="Complete"), 0),
        (make_run(1), 1),
        (succeeded(1), 0),
    ],
    ids=["all", "two are left", "one still ends", "given back", "ended", "one pod", "one pod that has ended"],
)
def test_slots_that_a_job_takes(run: Run, slots: int) -> None:
    assert run.slots_taken == slots
