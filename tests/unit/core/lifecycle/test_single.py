"""A job's status follows from its runs and pods."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.models.strategy import ExitAction
from batchyard.core.admission.admitted import Admitted
from batchyard.core.lifecycle.ending.retries import chance_of
from batchyard.core.lifecycle.single import (
    DEADLINE_GRACE_SECONDS,
    POD_GRACE_SECONDS,
    Progress,
    next_run,
    observe,
    orphaned_runs,
)
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.transitions import failed
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.definition import ExitRule, MemoryGrowth, RetryPolicy
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Attempt, Status
from unit.samples import (
    NOW,
    exited,
    interrupted,
    job_runs,
    make_attempt,
    make_job,
    make_managed,
    make_pod,
    make_resolved,
    make_run,
    runs_by_number,
    succeeded,
)

LATER = NOW + 100
GRACE = 30
JITTER = 5 * chance_of(make_job().uid, 1)
RUNNABLE = Status(JobState.RUNNABLE, "WaitingInQueue", revision=3, queue_position=2)
STARTED = make_pod(phase="Running", node_name="node-1", started_at=NOW + 10)
DONE = STARTED._replace(phase="Succeeded", stopped_at=NOW + 50, exit_code=0)
FAILED_ATTEMPT = make_attempt(1, stopped_at=NOW + 60, exit_code=1, reason="NonZeroExit")
RETRYING = Status(JobState.RUNNABLE, "RetryBackoff", revision=3, attempts=(FAILED_ATTEMPT,), not_before=NOW + 70)


def look(
    status: Status, *runs: Run, pods: tuple[Pod, ...] = (), now: float = LATER, attempts: int = 3, **policy: Any
) -> Progress:
    resolved = replace(make_resolved(), retry=RetryPolicy(attempts=attempts, **policy), startup_grace_seconds=GRACE)
    return observe(make_job(), Admitted(status, resolved), job_runs(runs, pods), Surroundings(), now)


def summary(status: Status) -> tuple[str, str]:
    return status.state.value, str(status.reason)


@pytest.mark.parametrize(
    ("pod", "summary_", "words"),
    [
        (None, ("Starting", "CreatingPod"), "Kubernetes Job videos-1 was created in environment pool"),
        (make_pod(), ("Starting", "CreatingPod"), "videos-1"),
        (make_pod(unschedulable="0/3 nodes"), ("Starting", "Unschedulable"), "0/3 nodes"),
        (make_pod(node_name="node-1"), ("Starting", "StartingContainer"), "being created on node node-1"),
        (STARTED, ("Running", "ContainerRunning"), "runs on node node-1"),
        (
            make_pod(created=LATER, waiting_reason="ImagePullBackOff", waiting_message="no such image"),
            ("Starting", "ImagePullBackOff"),
            "no such image",
        ),
    ],
)
def test_a_run_under_way(pod: Pod | None, summary_: tuple[str, str], words: str) -> None:
    status = look(RUNNABLE, make_run(), pods=() if pod is None else (pod,)).status
    assert summary(status) == summary_
    assert words in status.message
    assert (status.queue_position, status.environment, status.job_name) == (None, "pool", "videos-1")
    assert [attempt.run for attempt in status.attempts] == [1]
    assert status.stopped_at is None


@pytest.mark.parametrize(
    ("run", "attempts", "summary_", "not_before"),
    [
        (succeeded(), 3, ("Succeeded", "Completed"), None),
        (exited(), 1, ("Failed", "NonZeroExit"), None),
        (exited(), 3, ("Runnable", "RetryBackoff"), LATER + 10 + JITTER),
        (interrupted(), 1, ("Runnable", "Interrupted"), LATER),
    ],
)
def test_a_run_that_ended(run: Run, attempts: int, summary_: tuple[str, str], not_before: float | None) -> None:
    status = look(RUNNABLE, run, attempts=attempts).status
    assert summary(status) == summary_
    assert status.not_before == not_before
    assert status.attempts[0].stopped_at == run.ended_at
    over = summary_[0] != "Runnable"
    assert status.stopped_at == (run.ended_at if over else None)
    assert (status.environment, status.job_name) == (("pool", "videos-1") if over else ("", ""))
    assert status.interruptions == (1 if summary_[1] == "Interrupted" else 0)


def test_times_and_places_come_from_the_pod() -> None:
    status = look(RUNNABLE, succeeded(), pods=(DONE,)).status
    assert status.attempts == (
        Attempt(1, 1, "videos-1", "pool", "videos-1-x", "node-1", NOW + 10, NOW + 50, 0, "Completed", status.message),
    )
    assert (status.started_at, status.stopped_at) == (NOW + 10, NOW + 50)


def test_what_a_pod_told_earlier_is_kept_when_it_is_gone_at_the_end() -> None:
    running = look(RUNNABLE, make_run(), pods=(STARTED,)).status
    closed = look(running, exited()).status.attempts[0]
    assert (closed.pod_name, closed.node_name, closed.started_at) == ("videos-1-x", "node-1", NOW + 10)


def test_an_ended_job_waits_a_moment_for_the_last_word_of_its_pod() -> None:
    run = exited(code=137)
    assert run.ended_at is not None
    early = look(RUNNABLE, run, pods=(STARTED,), now=run.ended_at + 1)
    assert early.status.state is JobState.STARTING
    assert early.wake_at == run.ended_at + POD_GRACE_SECONDS
    told = look(early.status, run, pods=(STARTED._replace(phase="Failed", reason="OOMKilled"),), now=run.ended_at + 1)
    assert summary(told.status) == ("Runnable", "RetryBackoff")
    assert told.status.attempts[0].reason == "OOMKilled"
    late = look(early.status, run, pods=(STARTED,), now=run.ended_at + POD_GRACE_SECONDS)
    assert late.status.attempts[0].reason == "NonZeroExit"


def test_a_timeout_waits_longer_for_the_exit_code() -> None:
    run = exited(code=1)
    assert run.ended_at is not None
    silent = STARTED._replace(phase="Failed", reason="DeadlineExceeded")
    early = look(RUNNABLE, run, pods=(silent,), now=run.ended_at + POD_GRACE_SECONDS)
    assert (early.status.state, early.wake_at) == (JobState.STARTING, run.ended_at + DEADLINE_GRACE_SECONDS)
    told = look(early.status, run, pods=(silent._replace(exit_code=0),), now=run.ended_at + 3)
    assert (told.status.reason, told.status.attempts[0].exit_code) == ("DeadlineExceeded", 0)
    late = look(early.status, run, pods=(silent,), now=run.ended_at + DEADLINE_GRACE_SECONDS)
    assert (late.status.reason, late.status.attempts[0].exit_code) == ("DeadlineExceeded", None)
    gone = look(early.status, run, pods=(silent._replace(gone=True),), now=run.ended_at + 1)
    assert gone.status.reason == "DeadlineExceeded"


def test_a_run_that_ran_out_of_memory_says_which_container_and_what_the_next_has() -> None:
    run = exited(code=1, request={"memory": 4 * 2**30})
    pod = DONE._replace(phase="Failed", exit_code=1, reason="OOMKilled", out_of_memory=("main",))
    status = look(RUNNABLE, run, pods=(pod,), memory_growth=MemoryGrowth()).status
    assert summary(status) == ("Runnable", "RetryBackoff")
    assert status.message.endswith("with 8Gi of memory instead of 4Gi")
    (attempt,) = status.attempts
    assert (attempt.reason, attempt.exit_code, attempt.memory, attempt.out_of_memory) == (
        "OOMKilled",
        1,
        4 * 2**30,
        ("main",),
    )


@pytest.mark.parametrize("run", [succeeded(), interrupted()])
def test_only_a_failure_for_lack_of_memory_counts_as_one(run: Run) -> None:
    pod = DONE._replace(reason="OOMKilled", out_of_memory=("main",))
    assert look(RUNNABLE, run, pods=(pod,)).status.attempts[0].out_of_memory == ()


def test_a_rule_may_end_the_job_while_attempts_are_left() -> None:
    status = look(RUNNABLE, exited(code=3), exit_rules=(ExitRule(ExitAction.EXIT, "3"),)).status
    assert summary(status) == ("Failed", "NonZeroExit")
    assert status.message.endswith("evaluateOnExit[0] says Exit")
    assert status.attempts[0].message == "container main ended with exit code 3"


def test_a_rule_is_not_asked_about_an_attempt_that_was_followed_by_another() -> None:
    """The next run exists, so its status was lost, not its place: nothing that runs is given up for a rule."""
    rules = (ExitRule(ExitAction.EXIT, "*"),)
    status = look(RUNNABLE, exited(), make_run(2), exit_rules=rules).status
    assert summary(status) == ("Starting", "CreatingPod")


def test_a_job_starts_once_however_often_its_run_does() -> None:
    first = look(RUNNABLE, exited(), pods=(DONE._replace(phase="Failed"),)).status
    pod = make_pod(2, phase="Running", started_at=NOW + 90)
    second = look(first, exited(), make_run(2), pods=(pod,)).status
    assert second.state is JobState.RUNNING
    assert second.started_at == NOW + 10
    assert second.attempts[1].started_at == NOW + 90


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError"])
def test_an_error_that_may_heal_has_the_grace_time(reason: str) -> None:
    pod = make_pod(waiting_reason=reason, waiting_message="sorry")
    early = look(RUNNABLE, make_run(), pods=(pod,), now=NOW + GRACE - 1)
    assert summary(early.status) == ("Starting", reason)
    assert early.wake_at == NOW + GRACE
    late = look(early.status, make_run(), pods=(pod,), now=NOW + GRACE)
    assert summary(late.status) == ("Runnable", "RetryBackoff")
    assert late.status.attempts[0].reason == "CannotStartContainer"
    assert late.status.attempts[0].message == f"{reason}: sorry"
    assert orphaned_runs(late.status, runs_by_number(make_run())) == [make_run()]


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_an_error_that_never_heals_has_none(reason: str) -> None:
    pod = make_pod(waiting_reason=reason)
    status = look(RUNNABLE, make_run(), pods=(pod,), now=NOW, attempts=1).status
    assert summary(status) == ("Failed", "CannotStartContainer")


def test_a_run_that_somebody_deleted_is_repeated_at_no_cost() -> None:
    running = look(RUNNABLE, make_run(), pods=(STARTED,)).status
    lost = look(running, attempts=1).status
    assert summary(lost) == ("Runnable", "JobDeleted")
    assert lost.interruptions == 1
    assert lost.attempts[0].stopped_at == LATER
    assert next_run(lost) == (2, 1)


def test_a_deleted_run_is_missed_even_while_an_older_one_is_kept() -> None:
    running = look(RETRYING, exited(), make_run(2)).status
    assert summary(look(running, exited()).status) == ("Runnable", "JobDeleted")


@pytest.mark.parametrize(
    ("runs", "states"),
    [
        ((make_run(1),), [None]),
        ((exited(1), make_run(2)), ["NonZeroExit", None]),
        ((exited(1), exited(2), make_run(3)), ["NonZeroExit", "NonZeroExit", None]),
        ((interrupted(1), make_run(2, attempt=1)), ["Interrupted", None]),
        ((exited(1), exited(2), succeeded(3)), ["NonZeroExit", "NonZeroExit", "Completed"]),
    ],
)
def test_attempts_whose_status_was_never_written_are_found_again(
    runs: tuple[Run, ...], states: list[str | None]
) -> None:
    status = look(RUNNABLE, *runs).status
    assert [attempt.reason or None for attempt in status.attempts] == states
    assert [attempt.attempt for attempt in status.attempts] == [run.attempt for run in runs]


def test_a_newer_run_than_the_open_attempt_closes_it() -> None:
    """The status of the first run's end was lost; the second run says that it was not the last attempt."""
    running = look(RUNNABLE, make_run(), pods=(STARTED,)).status
    status = look(running, exited(), make_run(2), attempts=1).status
    assert summary(status) == ("Starting", "CreatingPod")
    assert [attempt.reason for attempt in status.attempts] == ["NonZeroExit", ""]


@pytest.mark.parametrize(
    "status",
    [
        Status(JobState.SUCCEEDED, attempts=(make_attempt(1, stopped_at=NOW, reason="Completed"),)),
        Status(JobState.FAILED, "InvalidSpec"),
    ],
)
@pytest.mark.parametrize("runs", [(), (make_run(),), (exited(), make_run(2))])
def test_the_end_is_the_end(status: Status, runs: tuple[Run, ...]) -> None:
    assert look(status, *runs) == Progress(status)


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        (RUNNABLE, ()),
        (RETRYING, (exited(),)),
        (RETRYING, ()),
        (RUNNABLE._replace(state=JobState.PENDING), ()),
    ],
)
def test_with_nothing_new_nothing_changes(status: Status, runs: tuple[Run, ...]) -> None:
    assert look(status, *runs) == Progress(status)


@pytest.mark.parametrize(
    "runs",
    [
        (make_run(),),
        (exited(), make_run(2)),
        (exited(), exited(2)),
        (succeeded(),),
        (interrupted(), exited(2, attempt=1)),
    ],
)
@pytest.mark.parametrize("pods", [(), (STARTED,), (DONE,)])
def test_looking_twice_changes_nothing_more(runs: tuple[Run, ...], pods: tuple[Pod, ...]) -> None:
    once = look(RUNNABLE, *runs, pods=pods)
    assert look(once.status, *runs, pods=pods) == once


def test_a_job_says_which_pod_of_an_earlier_run_the_next_one_waits_for() -> None:
    """The same one while it lives, and no longer than that."""
    why = "Kubernetes Job videos-1 was deleted before it ended"
    begun = look(RUNNABLE, make_run(), pods=(STARTED,)).status
    deleted = look(begun, pods=(STARTED,)).status
    assert deleted.message == f"{why}; the next run waits for pod {STARTED.name} on node node-1: it goes on"

    def waiting(**pods: Pod) -> str:
        return observe(make_job(), Admitted(deleted, None), JobRuns(pods=pods), Surroundings(), LATER).status.message

    other = STARTED._replace(name="another", asked_to_stop_at=NOW)
    assert waiting(first=other, second=STARTED) == deleted.message
    assert waiting(first=other, second=DONE) == (
        f"{why}; the next run waits for pod another on node node-1: it has been told to stop"
    )
    assert waiting(second=DONE) == waiting() == why


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ((), (1, 1)),
        ((FAILED_ATTEMPT,), (2, 2)),
        ((FAILED_ATTEMPT._replace(reason="Interrupted"),), (2, 1)),
        ((FAILED_ATTEMPT, FAILED_ATTEMPT._replace(run=2, attempt=2, reason="JobDeleted")), (3, 2)),
        ((FAILED_ATTEMPT._replace(run=77, attempt=1, reason="Interrupted"),), (78, 1)),
    ],
)
def test_numbers_of_the_next_run(attempts: tuple[Attempt, ...], expected: tuple[int, int]) -> None:
    assert next_run(Status(attempts=attempts)) == expected


@pytest.mark.parametrize(
    ("status", "runs", "names"),
    [
        (Status(JobState.RUNNING, attempts=(make_attempt(1),)), (make_run(1),), []),
        (RETRYING, (make_run(1),), ["videos-1"]),
        (RETRYING, (make_run(1, deleting=True),), []),
        (RETRYING, (exited(1),), []),
        (Status(JobState.FAILED, "JobRejected"), (make_run(1),), ["videos-1"]),
        (
            Status(JobState.RUNNING, attempts=(FAILED_ATTEMPT, make_attempt(2))),
            (make_run(1), make_run(2)),
            ["videos-1"],
        ),
    ],
)
def test_runs_that_nobody_waits_for_are_strays(status: Status, runs: tuple[Run, ...], names: list[str]) -> None:
    assert [run.name for run in orphaned_runs(status, runs_by_number(*runs))] == names


def test_a_job_that_never_ran_can_fail() -> None:
    status = failed(RUNNABLE, "JobRejected", "no", LATER)
    assert summary(status) == ("Failed", "JobRejected")
    assert (status.stopped_at, status.queue_position, status.attempts) == (LATER, None, ())


FAILURE = Failure("InsufficientCapacityError", "there is none", NOW, NOW + 20)
SCALING = Surroundings({"pool": make_managed()}, failures={"pool": FAILURE}, unmet={(make_job().key, "pool"): 1})
HOMELESS = make_pod(unschedulable="0/1 nodes", created=NOW, request={"cpu": 1000})


def seen_while_scaling(status: Status, run: Run, now: float, around: Surroundings = SCALING) -> Progress:
    pod = HOMELESS._replace(run=run.name)
    return observe(make_job(), Admitted(status, make_resolved()), job_runs([run], [pod]), around, now)


def test_a_run_gives_its_slot_back_where_no_node_comes() -> None:
    """At no cost, and to be tried again at once: its environment is left alone."""
    run = make_run(2, attempt=1, active=1)
    status = Status(JobState.RUNNABLE, attempts=(make_attempt(1, stopped_at=NOW, reason="Interrupted"),))
    waits = seen_while_scaling(status, run, NOW + 59)
    assert summary(waits.status) == ("Starting", "ScalingUp")
    assert waits.wake_at == NOW + 60
    over = seen_while_scaling(waits.status, run, NOW + 60).status
    assert summary(over) == ("Runnable", "InsufficientInstanceCapacity")
    assert (over.attempts[-1].reason, over.not_before, next_run(over)) == (over.reason, NOW + 60, (3, 1))
    assert "there is none (run 2 gave its slot back)" in over.message
    for others in ({}, {(make_job().key, "other"): 1}):
        unheard = replace(SCALING, unmet=others)
        assert seen_while_scaling(waits.status, run, NOW + 60, unheard).wake_at == NOW + 300, "a node is on its way"


def test_a_run_that_is_elsewhere_says_why_all_the_time() -> None:
    run = make_run(1, active=1, instead="environment spot got no node")
    created = look(Status(JobState.RUNNABLE), run).status
    waiting = seen_while_scaling(created, run, NOW + 30).status
    placed = look(waiting, run, pods=(make_pod(node_name="node-1"),)).status
    running = look(placed, run, pods=(STARTED,)).status
    for each in (created, waiting, placed, running):
        assert each.message.endswith("; environment spot got no node")
    plain = run._replace(instead="")
    assert look(Status(JobState.RUNNABLE), plain, pods=(STARTED,)).status.message == "runs on node node-1"
