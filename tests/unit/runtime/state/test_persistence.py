"""What waits until the API server holds a status."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.array import ArrayShape, ArrayStatus
from batchyard.core.model.status import Status
from batchyard.objects.kinds.batchjobstatus import render_status
from batchyard.runtime.state.persistence import Persistence
from unit.samples import NOW, make_attempt, make_job, make_run

JOB = make_job()
ARRAY = replace(JOB, array=ArrayShape(10))
RUN = make_run(1)
BEGUN = Status(JobState.RUNNING, environment="pool", job_name="videos-1", array=ArrayStatus(10))
MOVED = BEGUN._replace(array=ArrayStatus(10, moved=True))
BACK = Status(JobState.RUNNABLE, array=ArrayStatus(10))
ENDED = Status(JobState.RUNNABLE, attempts=(make_attempt(1, stopped_at=NOW),))
STARTED = Status(JobState.STARTING, attempts=(make_attempt(1),))


def stored(status: Status) -> Persistence:
    persistence = Persistence()
    persistence.take(JOB.key, render_status(JOB, status, {}, NOW), status)
    return persistence


@pytest.mark.parametrize(
    ("written", "status", "holds"),
    [
        (BEGUN, BEGUN, True),
        (BEGUN, MOVED, True),
        (MOVED, MOVED, True),
        (BEGUN, BACK, False),
        (BACK, BACK, True),
        (MOVED, BACK, False),
        (Status(), BACK, True),
        (BEGUN, BEGUN._replace(state=JobState.FAILED), False),
    ],
    ids=["goes on", "moves", "has moved", "goes back", "went back", "went on", "was never stored to run", "ends"],
)
def test_an_array_loses_its_job_once_it_is_stored_that_it_has_left_it(
    written: Status, status: Status, *, holds: bool
) -> None:
    assert stored(written).holds_end_of(RUN, ARRAY, status) is holds


@pytest.mark.parametrize(
    ("written", "status", "holds"),
    [(STARTED, STARTED, True), (STARTED, ENDED, False), (ENDED, ENDED, True)],
    ids=["goes on", "ends", "has ended"],
)
def test_a_run_is_stopped_once_the_end_of_its_attempt_is_stored(
    written: Status, status: Status, *, holds: bool
) -> None:
    assert stored(written).holds_end_of(RUN, JOB, status) is holds


@pytest.mark.parametrize(
    "known",
    [(None, ENDED), (replace(JOB, uid="another"), ENDED), (JOB, None)],
    ids=["its job is gone", "is another one", "has no status"],
)
def test_what_belongs_to_nobody_may_be_stopped(known: Any) -> None:
    assert stored(STARTED).holds_end_of(RUN, *known)
