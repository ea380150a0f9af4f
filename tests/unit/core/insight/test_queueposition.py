"""Places in a queue."""

from dataclasses import replace

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.queueposition import (
    due_again,
    estimate_moved,
    queued_behind,
    renewals,
    unestimated,
    worth_renewing,
)
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status
from batchyard.core.scheduling.backlog import Backlog
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


def test_since_when_it_was_at_the_head_stays_while_others_are_before_it() -> None:
    assert queued_behind(make_job(), WAITING._replace(head_since=NOW), 3, NOW + 5).head_since == NOW


def test_a_job_of_a_share_is_told_its_place_in_the_share() -> None:
    status = queued_behind(replace(make_job(), share="red"), WAITING, 3, NOW + 5)
    assert status.message == "position 3 in share red of queue urgent: 2 jobs are ahead in it (at 00:00:05Z)"
    assert status.queue_position == 3


@pytest.mark.parametrize("reason", ["InsufficientCapacity", "WaitingForHigherPriority", "ReservedForOtherShares"])
def test_a_job_that_is_first_no_more_says_so(reason: str) -> None:
    first, urgent = replace(make_job("first"), share="red"), replace(make_job("urgent"), share="red")
    statuses = {each.key: WAITING._replace(reason=reason, queue_position=1) for each in (first, urgent)}
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
        statuses[job.key] = WAITING._replace(queue_position=number + 2)
    statuses["media", "job-0"] = WAITING._replace(reason="InsufficientCapacity")
    statuses["media", "job-1"] = WAITING._replace(queue_position=2)
    found = renewals(jobs, statuses, backlog, limit=3, now=NOW)
    assert [(key[1], status.queue_position) for key, status in found.items()] == [
        ("job-2", 3),
        ("job-3", 4),
        ("job-4", 5),
    ]
    assert len(renewals(jobs, statuses, backlog, limit=99, now=NOW)) == 4


@pytest.mark.parametrize(
    ("shown", "estimate", "moved"),
    [
        (None, None, False),
        (None, 100, True),
        (100, None, True),
        (100, 130, False),
        (100, 131, True),
        (130, 100, False),
        (1000, 1200, False),
        (1000, 1251, True),
        (1000, 832, True),
        (1000, 840, False),
        (-500, 20, True),
    ],
)
def test_an_estimate_has_moved_when_it_differs_by_much_of_what_remains(
    shown: float | None, estimate: float | None, moved: bool
) -> None:
    times = [None if each is None else NOW + each for each in (shown, estimate)]
    assert estimate_moved(times[0], times[1], NOW) is moved


def test_the_longer_a_job_waits_the_more_seldom_it_is_told() -> None:
    assert not due_again(NOW, NOW, NOW + 29)
    assert due_again(NOW, NOW, NOW + 30)
    assert not due_again(NOW + 1000, NOW, NOW + 1300)
    assert due_again(NOW + 1000, NOW, NOW + 1400)


def test_estimates_that_change_all_the_time_are_told_seldom() -> None:
    """A job that waits for a day, always another hour."""
    reported_at, shown, told = NOW, None, 0
    for now in range(int(NOW), int(NOW) + 86_400, 10):
        if due_again(reported_at, NOW, now) and estimate_moved(shown, now + 3600, now):
            reported_at, shown, told = now, now + 3600, told + 1
    assert told <= 30


def test_an_estimate_goes_with_a_place_or_by_itself_when_it_is_due() -> None:
    jobs = [replace(make_job(f"job-{number}"), created=NOW - 60 + number) for number in range(3)]
    backlog = Backlog()
    for job in jobs:
        backlog.add(job)
    statuses = {job.key: WAITING._replace(queue_position=number) for number, job in enumerate(jobs, start=1)}
    statuses[jobs[1].key] = WAITING._replace(queue_position=9, estimated_start=NOW + 5)
    statuses[jobs[2].key] = WAITING._replace(queue_position=3, estimated_start=NOW + 500)
    estimates = {jobs[0].key: NOW + 100, jobs[1].key: NOW + 200}
    by_key = {job.key: job for job in jobs}

    def told(reported_at: dict[tuple[str, str], float]) -> dict[str, tuple[int | None, float | None]]:
        found = renewals(by_key, statuses, backlog, limit=9, now=NOW, estimates=estimates, reported_at=reported_at)
        return {key[1]: (status.queue_position, status.estimated_start) for key, status in found.items()}

    assert told({}) == {"job-0": (1, NOW + 100), "job-1": (2, NOW + 200), "job-2": (3, None)}
    assert told({job.key: NOW - 5 for job in jobs}) == {"job-1": (2, NOW + 200)}


def test_who_has_started_or_waits_for_something_else_has_no_estimate() -> None:
    status = WAITING._replace(estimated_start=NOW)
    assert unestimated(status, waits=True) is status
    assert unestimated(status, waits=False) == WAITING
    assert unestimated(status._replace(environment="pool"), waits=True).estimated_start == NOW, "not an array"
    started = status._replace(environment="pool", array=ArrayStatus(5))
    assert unestimated(started, waits=True).estimated_start is None
