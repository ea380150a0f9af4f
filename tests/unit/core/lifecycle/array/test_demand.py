"""What an array asks for beside what it has."""

import pytest

from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Pending
from batchyard.core.lifecycle.array.demand import demand
from batchyard.core.lifecycle.array.indexruns import RETRIES_AT_ONCE
from batchyard.core.model.array import ArrayDemand, ArrayShape, IndexRun
from unit.core.lifecycle.array.arrays import SHAPE, main, view


@pytest.mark.parametrize(
    ("shape", "parallelism", "live", "wanted"),
    [
        (SHAPE, 4, 0, 6),
        (SHAPE, 10, 0, 0),
        (ArrayShape(10, max_concurrency=5), 4, 0, 1),
        (ArrayShape(10, max_concurrency=5), 4, 1, 0),
    ],
    ids=["the rest", "nothing is left", "at most so many at once", "of which one has a Job of its own"],
)
def test_slots_for_those_that_have_none(shape: ArrayShape, parallelism: int, live: int, wanted: int) -> None:
    seen = view(main=main(parallelism=parallelism), shape=shape)
    assert demand(seen, live, []) == ArrayDemand(slots=wanted, environment="pool")


def test_retries_go_before_slots() -> None:
    retries = [IndexRun(index, 2, 2) for index in range(4)]
    seen = view(main=main(failed="0-3", parallelism=4), shape=ArrayShape(10, max_concurrency=6))
    assert demand(seen, 0, retries) == ArrayDemand(0, tuple(retries[:2]), "pool")


def test_only_so_many_retries_at_once() -> None:
    retries = [IndexRun(index, 2, 2) for index in range(RETRIES_AT_ONCE + 1)]
    seen = view(shape=ArrayShape(100_000))
    assert len(demand(seen, 0, retries).retries) == RETRIES_AT_ONCE


def test_nothing_while_it_lacks_what_it_refers_to() -> None:
    lack = Pending(Reason.NO_ACTIVE_REVISION, "none is active")
    assert demand(view(main=main(), lack=lack), 0, [IndexRun(4, 2, 2)]) == ArrayDemand(environment="pool")
