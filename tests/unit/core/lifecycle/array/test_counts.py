"""What the status of an array says of its indexes."""

from typing import Any

from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Pending
from batchyard.core.lifecycle.array.counts import SHOWN_FAILURES, counted
from batchyard.core.lifecycle.array.indexruns import IndexRuns
from batchyard.core.lifecycle.takeback import Holdup
from batchyard.core.model.array import ArrayShape, ArrayStatus, FailedIndex
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.run import Run
from unit.core.lifecycle.array.arrays import (
    STARTED,
    alone,
    ended,
    failed_pod,
    indexes,
    main,
    view,
)
from unit.samples import NOW, make_pod, make_run


def counts(*others: Run, holdups: tuple[Holdup, ...] = (), **known: Any) -> ArrayStatus:
    seen = view(*others, **known)
    return counted(seen, IndexRuns(seen), holdups, ())


def test_jobs_of_single_indexes_count_beside_the_indexed_job() -> None:
    run, interrupted = alone(4, make_run(2, attempt=2, active=1)), alone(5, make_run(2, attempt=1, active=1))
    seen = {run.name: make_pod(started_at=NOW, index=4)}
    array = counts(run, interrupted, main=main("0", "4-5", active=3, ready=2), pods=seen)
    assert (str(array.succeeded), str(array.active), array.running, array.retries) == ("0", "1-5", 3, 1)


def test_an_ended_job_runs_nothing() -> None:
    array = counts(main=ended("0-8", "9")._replace(active=1, ready=1), ends={9: failed_pod(9)}, retry=RetryPolicy())
    assert (array.running, str(array.active), str(array.failed)) == (0, "", "9")


def test_the_failures_that_were_seen_first_stay() -> None:
    first = tuple(FailedIndex(index, 1, 1, Reason.NON_ZERO_EXIT, "") for index in range(20, 19 + SHOWN_FAILURES))
    known = STARTED._replace(array=ArrayStatus(40, failed=indexes("20-28"), first_failures=first))
    ends = {index: failed_pod(index) for index in (3, 7)}
    seen = main(failed="3,7,20-28", size=40)
    array = counts(main=seen, status=known, shape=ArrayShape(40), ends=ends, retry=RetryPolicy())
    assert [failure.index for failure in array.first_failures] == [*range(20, 29), 3]


def test_what_keeps_others_is_the_first_that_is_known() -> None:
    unknown, known = (Holdup(Reason.CREATE_FAILED, message, NOW) for message in ("", "no quota"))
    assert counts(main=main(), holdups=(unknown, known)).trouble == "no quota"


def test_what_it_lacks_is_forgotten_once_it_is_there() -> None:
    lacking = counts(main=main(), lack=Pending(Reason.NO_ACTIVE_REVISION, "none is active"))
    assert (lacking.lacking, lacking.hold) == (True, "none is active")
    again = counts(main=main(), status=STARTED._replace(array=lacking))
    assert (again.lacking, again.hold) == (False, "")
    waits = STARTED._replace(array=ArrayStatus(10, hold="no room"))
    assert counts(main=main(), status=waits).hold == "no room"
