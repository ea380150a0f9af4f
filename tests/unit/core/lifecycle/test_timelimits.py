"""Who has waited for too long."""

from math import inf

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.timelimits import cancelled_at, limited, waiting_since
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.queue import WaitingSince
from batchyard.core.model.status import NO_NODE_CAME, Status
from unit.samples import NOW, make_attempt, make_queue

WAITS = Status(
    state=JobState.RUNNABLE,
    reason=Reason.NO_NODES,
    message="no usable node",
    queue_position=1,
    waiting_since=WaitingSince(Reason.NO_NODES, NOW),
)
QUEUE = make_queue(time_limits={"NoNodes": 600})


def test_the_time_counts_from_when_the_reason_was_first_shown() -> None:
    assert waiting_since(WAITS, Reason.NO_NODES, NOW + 60) == WaitingSince("NoNodes", NOW)
    assert waiting_since(WAITS, Reason.EXCEEDS_CAPACITY, NOW + 60) == WaitingSince("ExceedsCapacity", NOW + 60)
    assert waiting_since(WAITS._replace(waiting_since=None), Reason.NO_NODES, NOW + 60) == WaitingSince(
        "NoNodes", NOW + 60
    )


def test_for_want_of_a_node_it_counts_from_when_none_came_first() -> None:
    """That it was tried in between is no break; a run that ended otherwise is one."""
    vain = [make_attempt(run, stopped_at=NOW + 100 * run, reason=NO_NODE_CAME) for run in (1, 2, 3)]
    tried = WAITS._replace(state=JobState.STARTING, reason=Reason.SCALING_UP, waiting_since=None, attempts=tuple(vain))
    assert waiting_since(tried, NO_NODE_CAME, NOW + 900) == WaitingSince(NO_NODE_CAME, NOW + 100)
    ran = tried._replace(attempts=(vain[0], make_attempt(2, stopped_at=NOW + 200, reason="Interrupted"), vain[2]))
    assert waiting_since(ran, NO_NODE_CAME, NOW + 900) == WaitingSince(NO_NODE_CAME, NOW + 300)
    for status in (WAITS, tried._replace(attempts=(*vain, make_attempt(4)))):
        assert waiting_since(status, NO_NODE_CAME, NOW + 900).since == NOW + 900
    assert waiting_since(tried, Reason.NO_NODES, NOW + 900).since == NOW + 900


def test_a_break_starts_it_anew() -> None:
    for between in (
        WAITS._replace(reason=Reason.WAITING_IN_QUEUE),
        WAITS._replace(state=JobState.RUNNING),
        WAITS._replace(state=JobState.PENDING),
    ):
        assert waiting_since(between, Reason.NO_NODES, NOW + 60).since == NOW + 60


@pytest.mark.parametrize(
    ("seconds", "state"), [(599, JobState.RUNNABLE), (600, JobState.FAILED), (-60, JobState.RUNNABLE)]
)
def test_it_ends_when_the_time_is_over(seconds: int, state: JobState) -> None:
    status = limited(QUEUE, WAITS, NOW + seconds)
    assert status.state is state
    if state is JobState.FAILED:
        assert (status.reason, status.stopped_at) == (Reason.STATE_TIME_LIMIT_EXCEEDED, NOW + 600)
        assert status.message == (
            "cancelled by spec.jobStateTimeLimits of queue urgent: could not start for 600 s because of NoNodes: no "
            "usable node"
        )


def test_when_it_ends_can_be_told_before() -> None:
    assert cancelled_at(QUEUE, WAITS) == NOW + 600
    assert cancelled_at(QUEUE, WAITS._replace(waiting_since=WaitingSince("QueueLimitReached", NOW))) == inf
    assert cancelled_at(QUEUE, WAITS._replace(waiting_since=None)) == inf


def test_other_reasons_and_other_queues_have_no_limit() -> None:
    assert limited(make_queue(), WAITS, NOW + 10_000) == WAITS
    assert limited(make_queue(time_limits={"ExceedsCapacity": 600}), WAITS, NOW + 10_000) == WAITS
    assert limited(QUEUE, WAITS._replace(waiting_since=None), NOW + 10_000).state is JobState.RUNNABLE


def test_all_indexes_of_an_array_have_failed_then() -> None:
    array = limited(QUEUE, WAITS._replace(array=ArrayStatus(5)), NOW + 600).array
    assert array is not None
    assert str(array.failed) == "0-4"
