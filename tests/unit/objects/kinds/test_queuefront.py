"""What a queue's status says of the jobs that wait in it."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.jobqueue import JobQueueStatus
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import BatchJob
from batchyard.core.scheduling.decisions import Hold
from batchyard.objects.kinds.queuefront import blocked_since, render_front, shown_front
from unit.objects.conftest import Golden
from unit.samples import NOW, make_job

FIRST, SECOND = make_job("first"), replace(make_job("second"), share="red")
WHY = ("InsufficientCapacity", "next in queue urgent")
HOLD = Hold(*WHY)


def render(
    *jobs: BatchJob,
    previous: dict[str, Any] | None = None,
    after: float = 0.0,
    visibility: Visibility = Visibility.ALL,
) -> dict[str, Any]:
    return render_front(jobs, WHY, None, None, previous or {}, NOW + after, visibility)


def times(status: dict[str, Any]) -> list[str]:
    return [each["since"][-6:-1] for each in status["front"]]


def test_head_front_and_blocked(golden: Golden) -> None:
    status = render_front([FIRST, SECOND], WHY, NOW + 90, (NOW - 60, HOLD), {}, NOW, Visibility.ALL)
    JobQueueStatus.model_validate(status)
    golden("queuefront", status)
    assert shown_front(status) == [FIRST.key, SECOND.key]
    assert blocked_since(status) == NOW - 60


def test_nothing_is_said_of_an_empty_queue() -> None:
    assert render(previous=render(FIRST)) == {}
    assert blocked_since({}) is None
    assert shown_front({}) == []


def test_a_job_keeps_the_time_since_when_it_is_at_its_position() -> None:
    before = render(FIRST, SECOND)
    assert render(FIRST, SECOND, previous=before, after=50) == before
    moved = render(SECOND, make_job("third"), previous=before, after=50)
    assert times(moved) == ["00:50", "00:50"]
    assert times(render(FIRST, make_job("third"), previous=before, after=50)) == ["00:00", "00:50"]
    assert moved["head"]["since"] == moved["front"][0]["since"]


def test_a_job_of_the_same_name_that_came_later_has_a_time_of_its_own() -> None:
    again = replace(FIRST, created=NOW + 20)
    assert times(render(again, previous=render(FIRST), after=50)) == ["00:50"]


@pytest.mark.parametrize("text", [None, "", "yesterday", 5])
def test_a_status_written_by_hand_does_no_harm(text: Any) -> None:
    spoilt = {"front": [{"namespace": "media", "name": "first", "since": text}], "blocked": {"since": text}}
    assert times(render(FIRST, previous=spoilt, after=50)) == ["00:50"]
    assert blocked_since(spoilt) is None
    assert render(FIRST, previous={"front": [{}]}) == render(FIRST)


def test_jobs_whose_names_are_not_shown_are_told_apart_by_their_uids() -> None:
    first, second = replace(FIRST, uid="uid-1"), replace(SECOND, uid="uid-2")
    hidden = render(first, second, visibility=Visibility.NAMESPACE)
    JobQueueStatus.model_validate(hidden)
    since = "2026-07-01T12:00:00Z"
    assert [{**each, "since": since} for each in hidden["front"]] == [
        {"uid": "uid-1", "since": since},
        {"uid": "uid-2", "shareIdentifier": "red", "since": since},
    ]
    assert hidden["head"].keys() == {"uid", "since", "reason", "message"}
    assert shown_front(hidden, [first, second]) == [FIRST.key, SECOND.key]
    assert shown_front(hidden, [second]) == [("", ""), SECOND.key]
    later = render(first, make_job("third"), previous=hidden, after=50, visibility=Visibility.NAMESPACE)
    assert times(later) == ["00:00", "00:50"]


def test_times_stay_when_names_are_shown_no_more_or_again() -> None:
    named, hidden = render(FIRST), render(FIRST, visibility=Visibility.NAMESPACE)
    assert render(FIRST, previous=named, after=50, visibility=Visibility.NAMESPACE) == hidden
    assert render(FIRST, previous=hidden, after=50) == named
