"""What the status of an array says of those that wait, and when it has ended."""

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle.array.arraystatus import closed, on_hold
from batchyard.core.model.array import ArrayStatus
from unit.core.lifecycle.array.arrays import STARTED, indexes, look, main


def test_why_the_others_wait_is_said_once() -> None:
    status = look(main=main("0", active=4, ready=4)).status
    told = on_hold(status, "no room")
    assert told.message == "4 of 10 indexes run, 1 succeeded, 0 failed; 5 wait: no room"
    assert on_hold(told, "no room") is told
    assert look(main=main("0-2", active=4, ready=4), status=told).status.message.endswith("3 wait: no room")


def test_what_did_not_succeed_in_an_ended_array_has_failed() -> None:
    status = STARTED._replace(state=JobState.FAILED, array=ArrayStatus(4, succeeded=indexes("1"), running=2))
    array = closed(status).array
    assert array is not None
    assert (str(array.failed), array.running, array.waiting) == ("0,2-3", 0, 0)
    assert closed(STARTED) is STARTED
