"""Hold, cancel and terminate, one decision at a time."""

from dataclasses import replace

import pytest

from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.core.admission.admitted import Admitted
from batchyard.core.lifecycle import stopping
from batchyard.core.lifecycle.ending.outcome import RunResult
from batchyard.core.lifecycle.ending.retries import GiveUp
from batchyard.core.lifecycle.single import observe, orphaned_runs
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.job import BatchJob, Stop
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.status import Status
from unit.samples import (
    NOW,
    exited,
    job_runs,
    make_attempt,
    make_job,
    make_pod,
    make_resolved,
    make_run,
    pods_by_run,
    runs_by_number,
    succeeded,
)

CANCEL = Stop(StopMode.CANCEL, "no longer needed")
TERMINATE = Stop(StopMode.TERMINATE, "wrong input")
RUNNABLE = Status(state=JobState.RUNNABLE, reason="WaitingInQueue", message="position 2", queue_position=2)
PENDING = Status(state=JobState.PENDING, reason="JobQueueNotFound", message="JobQueue urgent does not exist")
RUNNING = Status(
    state=JobState.RUNNING,
    reason="ContainerRunning",
    message="runs on node node-1",
    started_at=NOW,
    attempts=(make_attempt(started_at=NOW),),
)


def asked(stop: Stop | None = None, *, suspended: bool = False) -> BatchJob:
    return replace(make_job(), stop=stop, suspended=suspended)


def obeyed(job: BatchJob, status: Status, *, idle: bool = True) -> Status:
    result = stopping.stop_applied(job, status, idle=idle, now=NOW)
    assert isinstance(result, Status)
    return result


# What has not started.


@pytest.mark.parametrize("status", [RUNNABLE, PENDING])
@pytest.mark.parametrize(
    ("stop", "end"),
    [
        (CANCEL, GiveUp("Cancelled", "cancelled: no longer needed")),
        (TERMINATE, GiveUp("Terminated", "terminated: wrong input")),
    ],
)
def test_either_mode_ends_what_has_not_started(status: Status, stop: Stop, end: GiveUp) -> None:
    assert stopping.stop_applied(asked(stop), status, idle=True, now=NOW) == end
    assert asked(stop).start_blocked


def test_a_job_ends_only_once_nothing_of_its_last_run_is_left() -> None:
    status = obeyed(asked(CANCEL), RUNNABLE._replace(attempts=(make_attempt(2, stopped_at=NOW),)), idle=False)
    assert (status.state, status.reason, status.queue_position) == (JobState.RUNNABLE, "Stopping", None)
    assert status.message == "to be cancelled once Kubernetes Job videos-2 has ended: no longer needed"


def test_a_stop_wins_over_a_hold() -> None:
    assert isinstance(stopping.stop_applied(asked(CANCEL, suspended=True), RUNNABLE, idle=True, now=NOW), GiveUp)


def test_a_held_job_loses_its_place_and_gets_it_back() -> None:
    held = obeyed(asked(suspended=True), RUNNABLE._replace(stalled=True))
    assert (held.state, held.reason, held.queue_position, held.stalled) == (JobState.RUNNABLE, "Suspended", None, False)
    assert obeyed(asked(suspended=True), held) == held
    released = obeyed(asked(), held)
    assert (released.state, released.reason, released.message) == (JobState.RUNNABLE, "WaitingInQueue", "")


def test_a_held_job_still_says_what_is_missing() -> None:
    held = obeyed(asked(suspended=True), PENDING)
    assert (held.state, held.reason) == (JobState.PENDING, "Suspended")
    assert held.message.endswith("Besides, JobQueue urgent does not exist")
    assert obeyed(asked(suspended=True), held) == held


def test_a_job_released_before_its_next_attempt_is_due_says_so() -> None:
    held = obeyed(asked(suspended=True), RUNNABLE._replace(not_before=NOW + 60))
    released = obeyed(asked(), held)
    assert (released.reason, released.message) == ("RetryBackoff", "the next attempt is due at 00:01:00Z")
    assert released.not_before == NOW + 60


def test_a_job_that_nothing_is_asked_of_stays_as_it_is() -> None:
    for status in (RUNNABLE, PENDING, RUNNING, Status()):
        assert obeyed(asked(), status) is status
    assert not asked().start_blocked


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
@pytest.mark.parametrize("job", [asked(CANCEL), asked(TERMINATE), asked(suspended=True)])
def test_a_job_that_has_ended_stays_as_it_is(job: BatchJob, state: JobState) -> None:
    ended = RUNNING._replace(state=state)
    assert obeyed(job, ended) is ended
    assert observe(job, Admitted(ended, None), job_runs([make_run()]), Surroundings(), NOW).status is ended


# What runs.


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (asked(CANCEL), "(spec.stop: Cancel ends only what has not started; this run goes on, and is the last)"),
        (asked(suspended=True), "(spec.suspend holds only what has not started; this run goes on)"),
    ],
)
def test_a_run_goes_on_and_the_message_says_why(job: BatchJob, words: str) -> None:
    noted = obeyed(job, RUNNING, idle=False)
    assert noted == RUNNING._replace(message=f"runs on node node-1 {words}")
    assert obeyed(job, noted, idle=False) is noted, "said once only"
    assert obeyed(asked(), noted, idle=False) == RUNNING, "and no more once it is not asked"


def test_what_is_said_follows_the_wish() -> None:
    held = obeyed(asked(suspended=True), RUNNING, idle=False)
    assert obeyed(asked(CANCEL), held, idle=False) == obeyed(asked(CANCEL), RUNNING, idle=False)


def test_a_run_to_be_terminated_is_a_stray_until_it_is_being_deleted() -> None:
    run = make_run()
    assert orphaned_runs(RUNNING, runs_by_number(run), terminate=True) == [run]
    assert orphaned_runs(RUNNING, runs_by_number(run)) == []
    assert orphaned_runs(RUNNING, runs_by_number(run._replace(deleting=True)), terminate=True) == []


def seen(run: object, pod: object, job: BatchJob | None = None, status: Status = RUNNING) -> Status:
    runs = runs_by_number(run) if run else {}  # type: ignore[arg-type]
    pods = pods_by_run(pod) if pod else {}  # type: ignore[arg-type]
    resolved = make_resolved(retryStrategy={"attempts": 3})
    job = job or asked(TERMINATE)
    observed = observe(job, Admitted(status, resolved), JobRuns(runs, pods=pods), Surroundings(), NOW + 60)
    return obeyed(job, observed.status, idle=False)


LIVE = make_pod(phase="Running", node_name="node-1", started_at=NOW)
ENDED = LIVE._replace(phase="Failed", exit_code=143, stopped_at=NOW + 59)
DELETING = make_run(deleting=True)


@pytest.mark.parametrize(
    ("run", "pod"),
    [(make_run(), LIVE), (make_run(), None), (DELETING, LIVE), (DELETING, None), (None, LIVE)],
    ids=["not deleted yet", "no pod yet", "pod ends", "pod unseen", "pod outlives its Job"],
)
def test_a_run_that_is_being_terminated_is_not_called_ended(run: object, pod: object) -> None:
    status = seen(run, pod)
    assert (status.state, status.reason) == (JobState.RUNNING, "Stopping")
    assert status.message == "to be terminated once Kubernetes Job videos-1 has ended: wrong input"
    assert status.attempts[-1].stopped_at is None


@pytest.mark.parametrize(
    ("run", "pod", "exit_code"),
    [
        (DELETING, ENDED, 143),
        (DELETING, ENDED._replace(phase="Succeeded", exit_code=0), 0),
        (DELETING, ENDED._replace(gone=True), 143),
        (exited(1, 143, deleting=True), None, 143),
        (succeeded(1, deleting=True), None, 0),
        (None, None, None),
        (None, ENDED, 143),
    ],
    ids=["pod ended", "politely", "pod gone", "Job failed", "Job complete", "all gone", "Job gone first"],
)
def test_a_terminated_job_fails_once_nothing_of_it_runs(run: object, pod: object, exit_code: int | None) -> None:
    status = seen(run, pod)
    assert (status.state, status.reason, status.message) == (JobState.FAILED, "Terminated", "terminated: wrong input")
    (attempt,) = status.attempts
    assert (attempt.reason, attempt.exit_code) == ("Terminated", exit_code)
    assert status.stopped_at == attempt.stopped_at is not None
    assert status.interruptions == 0


def test_an_attempt_that_was_followed_by_another_was_not_the_one_terminated() -> None:
    """The write of its end was lost, and its Kubernetes Job is gone."""
    job, resolved = asked(TERMINATE), make_resolved(retryStrategy={"attempts": 3})
    status = observe(
        job, Admitted(RUNNING, resolved), job_runs([make_run(2, attempt=2)]), Surroundings(), NOW + 60
    ).status
    assert (status.state, status.reason) == (JobState.STARTING, "Stopping")
    assert [attempt.run for attempt in status.attempts] == [1, 2]
    assert [attempt.reason for attempt in status.attempts] == ["JobDeleted", ""]
    assert status.stopped_at is None


def test_a_run_that_ends_by_itself_first_keeps_its_own_end() -> None:
    assert seen(succeeded(), None).state is JobState.SUCCEEDED
    used_up = RUNNING._replace(attempts=(make_attempt(attempt=3, started_at=NOW),))
    status = seen(exited(), None, status=used_up)
    assert (status.state, status.reason) == (JobState.FAILED, "NonZeroExit")


@pytest.mark.parametrize("stop", [CANCEL, TERMINATE])
def test_a_run_that_ends_by_itself_is_not_repeated(stop: Stop) -> None:
    job, resolved = asked(stop), make_resolved(retryStrategy={"attempts": 3})
    status = observe(job, Admitted(RUNNING, resolved), job_runs([exited()]), Surroundings(), NOW).status
    assert (status.state, status.reason) == (JobState.RUNNABLE, "RetryBackoff")
    end = stopping.stop_applied(job, status, idle=True, now=NOW)
    assert isinstance(end, GiveUp)
    assert end.reason == {StopMode.CANCEL: "Cancelled", StopMode.TERMINATE: "Terminated"}[stop.mode]


def test_an_image_that_is_never_found_does_not_hide_the_termination() -> None:
    waiting = make_pod(waiting_reason="InvalidImageName", waiting_message="no")
    status = seen(make_run(), waiting, status=RUNNING._replace(state=JobState.STARTING))
    assert (status.state, status.reason) == (JobState.STARTING, "Stopping")


def test_the_end_of_a_terminated_run_is_never_a_failure_to_retry() -> None:
    end = stopping.outcome(TERMINATE, exited(1, 1, deleting=True), None)
    assert (end.result, end.exit_code) == (RunResult.TERMINATED, 1)


def test_words_of_others_are_left_whole() -> None:
    """A message of the kubelet may speak of fields of a spec as ours do."""
    starting = RUNNING._replace(state=JobState.STARTING, message="Unschedulable: no node fits (spec.nodeSelector)")
    assert obeyed(asked(), starting, idle=False) is starting
    held = obeyed(asked(suspended=True), starting, idle=False)
    assert held.message.startswith(f"{starting.message} (spec.suspend holds")
