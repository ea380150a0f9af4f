"""Places in a queue."""

from dataclasses import replace

import pytest

from batchyard.api.batchjob import JobState
from batchyard.core.backlog import Backlog
from batchyard.core.explain import queued_behind, renewals, worth_renewing
from batchyard.core.records import BatchJob, Status
from unit.samples import NOW, make_job

WAITING = Status(JobState.RUNNABLE, "WaitingInQueue", queue_position=1)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (2, "position 2 in queue urgent: 1 job is ahead (at 00:00:05Z)"),
        (7, "position 7 in queue urgent: 6 jobs are ahead (at 00:00:05Z)"),
    ],
)
def test_the_message_says_how_many_are_ahead_and_when_that_was(position: int, message: str) -> None:
    before = Status(JobState.RUNNABLE, "ExceedsCapacity", "too large", stalled=True, not_before=NOW)
    status = queued_behind(make_job(), before, position, NOW + 5)
    assert status == Status(JobState.RUNNABLE, "WaitingInQueue", message, queue_position=position)


def test_a_job_of_a_share_is_told_its_place_in_the_share() -> None:
    status = queued_behind(replace(make_job(), share="red"), WAITING, 3, NOW + 5)
    assert status.message == "position 3 in share red of queue urgent: 2 jobs are ahead in it (at 00:00:05Z)"
    assert status.queue_position == 3


@pytest.mark.parametrize("reason", ["InsufficientCapacity", "WaitingForHigherPriority", "ReservedForOtherShares"])
def test_a_job_that_is_first_no_more_says_so(reason: str) -> None:
    first, urgent = replace(make_job("first"), share="red"), replace(make_job("urgent"), share="red")
    statuses = {each.key: replace(WAITING, reason=reason, queue_position=1) for each in (first, urgent)}
    backlog = Backlog()
    backlog.add(first)
    assert renewals({first.key: first}, statuses, backlog, limit=9, now=NOW) == {}
    backlog.add(urgent, 5)
    found = renewals({each.key: each for each in (first, urgent)}, statuses, backlog, limit=9, now=NOW)
    assert {key[1]: (str(status.reason), status.queue_position) for key, status in found.items()} == {
        "first": ("WaitingInQueue", 2)
    }


@pytest.mark.parametrize(
    ("shown", "position", "worth"),
    [
        (None, 1, True),
        (5, 5, False),
        (5, 4, True),
        (11, 10, True),
        (12, 11, False),
        (100, 51, False),
        (100, 50, True),
        (100, 200, False),
        (100, 201, True),
    ],
)
def test_a_place_is_renewed_near_the_front_and_when_it_halved_or_doubled(
    shown: int | None, position: int, worth: bool
) -> None:
    assert worth_renewing(shown, position) is worth


def test_places_far_behind_are_told_seldom() -> None:
    """A job at the end of a queue of a thousand that shrinks one by one."""
    shown, told = 1000, 0
    for position in range(1000, 0, -1):
        if worth_renewing(shown, position):
            shown, told = position, told + 1
    assert told <= 17


def test_only_outdated_places_are_renewed_front_first_and_not_too_many_at_once() -> None:
    backlog = Backlog()
    jobs = {}
    statuses = {}
    for number in range(6):
        job: BatchJob = replace(make_job(f"job-{number}"), created=NOW + number)
        backlog.add(job)
        jobs[job.key] = job
        statuses[job.key] = replace(WAITING, queue_position=number + 2)
    statuses["media", "job-0"] = replace(WAITING, reason="InsufficientCapacity")
    statuses["media", "job-1"] = replace(WAITING, queue_position=2)
    found = renewals(jobs, statuses, backlog, limit=3, now=NOW)
    assert [(key[1], status.queue_position) for key, status in found.items()] == [
        ("job-2", 3),
        ("job-3", 4),
        ("job-4", 5),
    ]
    assert len(renewals(jobs, statuses, backlog, limit=99, now=NOW)) == 4
