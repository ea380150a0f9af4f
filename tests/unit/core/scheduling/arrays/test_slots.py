"""What of an array's grant has yet to be given, and whether it was seen what became of what was."""

import pytest

from batchyard.core.model.array import ArrayDemand, ArrayGrant, IndexedJob, IndexRun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.scheduling.arrays.slots import ACKNOWLEDGE_SECONDS, acknowledged, granted, outstanding, settling
from unit.samples import NOW, make_run

GRANT = ArrayGrant(slots=3, parallelism=5, retries=(IndexRun(0, 2, 2), IndexRun(1, 2, 2)))
MAIN = make_run(indexed=IndexedJob(10, 2), active=2)
RAISED = MAIN._replace(indexed=IndexedJob(10, 5))


def test_what_has_a_kubernetes_job_is_not_outstanding_any_more() -> None:
    retry = make_run(2, name="retry", index=0)
    assert outstanding(GRANT, None, {}) == 5
    assert outstanding(GRANT, MAIN, {}) == 5
    assert outstanding(GRANT, RAISED, {}) == 2
    assert outstanding(GRANT, RAISED, {"retry": retry}) == 1
    assert outstanding(GRANT, MAIN, {"retry": retry}) == 4
    assert outstanding(GRANT, MAIN._replace(condition="Complete"), {}) == 2


@pytest.mark.parametrize(
    ("active", "terminating", "completed", "expected"),
    [(2, 0, 0, False), (5, 0, 0, True), (4, 1, 0, True), (3, 0, 7, True), (2, 0, 7, False)],
)
def test_a_status_that_accounts_for_the_parallelism_acknowledges_it(
    active: int, terminating: int, completed: int, expected: bool
) -> None:
    shown = IndexedJob(10, 5, terminating, IndexSet.below(completed))
    assert acknowledged(MAIN._replace(indexed=shown, active=active)) == expected


def test_it_is_not_waited_for_without_end() -> None:
    assert settling(RAISED, NOW, NOW)
    assert not settling(RAISED, NOW, NOW + ACKNOWLEDGE_SECONDS)
    assert not settling(RAISED, None, NOW)
    assert not settling(RAISED._replace(active=5), NOW, NOW)


def test_retries_are_granted_before_slots() -> None:
    demand = ArrayDemand(3, (IndexRun(4, 2, 2),), "pool")
    assert granted(demand, RAISED, 0) == ArrayGrant(0, 5, demand.retries)
    assert granted(demand, RAISED, 2) == ArrayGrant(2, 7, demand.retries)
    assert granted(ArrayDemand(slots=9), None, 3) == ArrayGrant(4, 4)
