"""From when a place counts: not from before the job could have been queued."""

from dataclasses import replace

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.queuedat import behind, released
from batchyard.core.model.status import Status
from unit.samples import NOW, make_attempt, make_job

JOB = make_job()
LATER = JOB.created + 60
QUEUED = Status(JobState.RUNNABLE, Reason.WAITING_IN_QUEUE)


def pending(reason: Reason) -> Status:
    return Status(JobState.PENDING, reason)


@pytest.mark.parametrize(
    "before",
    [
        pending(Reason.SUSPENDED),
        Status(JobState.RUNNABLE, Reason.SUSPENDED),
        pending(Reason.JOB_DEFINITION_NOT_FOUND),
        pending(Reason.REVISION_NOT_FOUND),
        pending(Reason.JOB_QUEUE_NOT_FOUND),
        pending(Reason.NAMESPACE_NOT_ALLOWED),
        pending(Reason.SHARE_NOT_ADMITTED),
    ],
)
def test_what_was_released_counts_from_then(before: Status) -> None:
    pinned = replace(JOB, pinned_revision=3)
    assert released(pinned, before, QUEUED, LATER).queued_at == LATER
    assert released(pinned, before, QUEUED, LATER + 0.1).queued_at == LATER + 1
    waits = pending(Reason.WAITING_FOR_DEPENDENCIES)
    assert released(pinned, before, waits, LATER).queued_at == LATER
    assert released(pinned, before, before, LATER).queued_at is None
    cancelled = Status(JobState.FAILED, Reason.CANCELLED)
    assert released(pinned, before, cancelled, LATER) is cancelled
    assert released(pinned, before, QUEUED, JOB.created + 9).queued_at is None, "it came along with the job"


@pytest.mark.parametrize(
    "before",
    [
        Status(),
        QUEUED,
        pending(Reason.WAITING_FOR_DEPENDENCIES),
        pending(Reason.DEPENDENCY_NOT_FOUND),
        pending(Reason.INSUFFICIENT_CAPACITY),
        Status(JobState.RUNNABLE, Reason.RETRY_BACKOFF),
    ],
)
def test_everybody_else_counts_from_their_submission(before: Status) -> None:
    assert released(JOB, before, QUEUED, LATER) == QUEUED


def test_what_the_operator_has_yet_to_record_is_no_lack() -> None:
    assert released(replace(JOB, pinned_revision=None), pending(Reason.REVISION_NOT_FOUND), QUEUED, LATER) == QUEUED


def test_nobody_goes_before_what_he_depends_on() -> None:
    late = replace(make_job("late"), created=JOB.created + 5)
    held = Status(queued_at=JOB.created + 9)
    assert behind(JOB, QUEUED, []) is QUEUED
    assert behind(JOB, QUEUED, [(make_job("other"), QUEUED)]) is QUEUED
    assert behind(JOB, QUEUED, [(late, QUEUED)]).queued_at == JOB.created + 5
    assert behind(JOB, QUEUED, [(late, QUEUED), (make_job("held"), held)]).queued_at == JOB.created + 9
    later = QUEUED._replace(queued_at=JOB.created + 11)
    assert behind(JOB, later, [(late, held)]) is later


def test_the_latest_of_all_times_counts() -> None:
    given_back = make_attempt(1, stopped_at=NOW + 7, reason=Reason.UNSCHEDULABLE)
    assert QUEUED.queued_since is None
    assert Status(queued_at=NOW + 3).queued_since == NOW + 3
    assert Status(attempts=(given_back,)).queued_since == NOW + 7
    assert Status(attempts=(given_back,), queued_at=NOW + 3).queued_since == NOW + 7
    assert Status(attempts=(given_back,), queued_at=NOW + 9).queued_since == NOW + 9
