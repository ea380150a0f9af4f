"""Who is at the front of a queue."""

from dataclasses import replace

from batchyard.api.models.jobqueue import SHOWN_AT_FRONT
from batchyard.api.reasons import DOCUMENTATION, Reason
from batchyard.core.insight.queuefront import fronts, listed, why
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.status import Status
from batchyard.core.scheduling.decisions import Hold
from unit.samples import make_job

FULL = Hold("InsufficientCapacity", "full")
TOO_LARGE = Hold("ExceedsCapacity", "too large", stalled=True)
JOBS = {job.key: job for job in [make_job(f"job-{number:02}") for number in range(30)]}
KEYS = list(JOBS)


def test_the_first_that_could_ever_start_says_why_nothing_does() -> None:
    found = fronts([(KEYS[0], TOO_LARGE), (KEYS[1], FULL), (KEYS[2], replace(FULL, message="later"))], [], JOBS)
    assert found["urgent"].blocking is FULL
    assert list(found["urgent"].holds) == KEYS[:3]
    assert not found["urgent"].placed
    assert fronts([(KEYS[0], TOO_LARGE)], [], JOBS)["urgent"].blocking is TOO_LARGE


def test_each_queue_has_a_front_of_its_own() -> None:
    jobs = {**JOBS, KEYS[0]: replace(JOBS[KEYS[0]], queue="other"), KEYS[2]: replace(JOBS[KEYS[2]], queue="empty")}
    found = fronts([(KEYS[0], FULL), (KEYS[1], TOO_LARGE)], [KEYS[2], KEYS[3]], jobs)
    assert {queue: (list(front.holds), front.placed) for queue, front in found.items()} == {
        "other": ([KEYS[0]], False),
        "urgent": ([KEYS[1]], True),
    }


def test_only_so_many_are_kept() -> None:
    found = fronts([*((key, TOO_LARGE) for key in KEYS[:20]), (KEYS[20], FULL)], [], JOBS)["urgent"]
    assert len(found.holds) == SHOWN_AT_FRONT
    assert found.blocking is FULL


def test_the_order_of_heads_stays_as_shown_until_shares_are_counted_anew() -> None:
    shown, turned = KEYS[:3], [KEYS[1], KEYS[0], KEYS[2]]
    assert listed(turned, shown, recount=False) == shown
    assert listed(turned, shown, recount=True) == turned
    assert listed([KEYS[1], KEYS[4], KEYS[2]], shown, recount=False) == [KEYS[1], KEYS[4], KEYS[2]], "one has started"
    assert listed([*turned, KEYS[5]], shown, recount=False) == [*turned, KEYS[5]], "one has come"
    assert listed(KEYS[5:], KEYS[6:16], recount=False) == KEYS[6:16], "an eleventh had its turn for a moment"
    assert listed([], [], recount=False) == []


def test_words_of_the_first_jobs_own_status_are_shown_only_where_all_may_be_named() -> None:
    status = Status(reason="CreateFailed", message="a Kubernetes Job secret-1 exists in namespace finance")
    assert why(status, FULL, Visibility.NAMESPACE) == ("InsufficientCapacity", "full")
    assert why(status, None, Visibility.ALL) == (status.reason, status.message)
    assert why(status, None, Visibility.NAMESPACE) == (status.reason, DOCUMENTATION[Reason.CREATE_FAILED])
    assert why(Status(reason="Made up"), None, Visibility.NAMESPACE) == ("Made up", "the job's own status says why")
