"""What becomes an Event, and above all what does not."""

from itertools import pairwise

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.insight.announcements import Announcement, announcement
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.status import Attempt, Status

RUNNABLE = Status(state=JobState.RUNNABLE, reason=Reason.WAITING_IN_QUEUE)
OPEN = Attempt(1, 1, "videos-1", "shared")
RUNNING = Status(state=JobState.RUNNING, attempts=(OPEN,))
INTERRUPTED = OPEN._replace(stopped_at=9.0, reason=Reason.INTERRUPTED, message="the node went away")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status(), RUNNABLE),
        (RUNNABLE, RUNNING),
        (RUNNING, RUNNING._replace(state=JobState.SUCCEEDED)),
        (RUNNABLE, RUNNABLE._replace(queue_position=3)),
        (RUNNABLE._replace(stalled=True), RUNNABLE._replace(stalled=True, message="larger now")),
        (Status(state=JobState.FAILED), Status(state=JobState.FAILED)),
        (RUNNABLE, RUNNABLE._replace(state=JobState.FAILED, reason=Reason.CANCELLED)),
        (RUNNING, RUNNING._replace(state=JobState.FAILED, reason=Reason.TERMINATED, attempts=(INTERRUPTED,))),
        (RUNNING, RUNNABLE._replace(reason=Reason.STOPPING, attempts=(INTERRUPTED,))),
    ],
)
def test_ordinary_progress_makes_no_event(before: Status, after: Status) -> None:
    assert announcement(before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            RUNNING,
            RUNNING._replace(state=JobState.FAILED, reason=Reason.NON_ZERO_EXIT, message="exit code 3"),
            Announcement(Reason.NON_ZERO_EXIT, "exit code 3", 1),
        ),
        (
            RUNNING,
            RUNNING._replace(state=JobState.RUNNABLE, attempts=(INTERRUPTED,)),
            Announcement(Reason.INTERRUPTED, "the node went away; the job goes back to its queue", 1),
        ),
        (
            RUNNABLE,
            RUNNABLE._replace(stalled=True, reason=Reason.EXCEEDS_CAPACITY, message="too large"),
            Announcement(Reason.EXCEEDS_CAPACITY, "too large", 0),
        ),
        (
            RUNNABLE,
            RUNNABLE._replace(reason=Reason.CREATE_FAILED, message="quota"),
            Announcement(Reason.CREATE_FAILED, "quota", 0),
        ),
        (
            RUNNABLE,
            RUNNABLE._replace(reason=Reason.INSUFFICIENT_INSTANCE_CAPACITY, message="no node came"),
            Announcement(Reason.INSUFFICIENT_INSTANCE_CAPACITY, "no node came", 0),
        ),
    ],
)
def test_what_a_person_may_have_to_see_to(before: Status, after: Status, expected: Announcement) -> None:
    assert announcement(before, after) == expected


def test_interruptions_of_indexes_are_announced_once() -> None:
    of_array = [RUNNABLE._replace(array=ArrayStatus(9), interruptions=count) for count in (0, 3, 4)]
    told = [announcement(before, after) for before, after in pairwise(of_array)]
    assert [each.reason if each else "" for each in told] == [Reason.INTERRUPTED, ""]


def test_a_repeated_failure_to_create_is_announced_once() -> None:
    failing = RUNNABLE._replace(reason=Reason.CREATE_FAILED, message="quota")
    assert announcement(failing, failing._replace(message="quota still")) is None
