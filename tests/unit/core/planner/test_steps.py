"""The two steps of a pass: settle what happened, place what waits."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key, Stop
from batchyard.core.model.resources import Resources
from batchyard.core.model.status import Status
from batchyard.core.planner.actions import Expire, StopRun
from batchyard.core.planner.results import Settled
from batchyard.core.planner.schedule import place
from batchyard.core.planner.settle import settle
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    DEFINITION_UID,
    NOW,
    exited,
    make_attempt,
    make_definition,
    make_job,
    make_node,
    make_pod,
    make_resolved,
    make_revision,
    make_run,
    make_snapshot,
    succeeded,
    waiting,
)

JOB = make_job()
KEY = JOB.key
MARK: dict[str, Any] = {"revision": 3, "definition_uid": DEFINITION_UID, "digest": make_revision().digest}
RUNNABLE = Status(JobState.RUNNABLE, "WaitingInQueue", **MARK)
ENDED = make_attempt(1, stopped_at=NOW + 60, reason="NonZeroExit")
RETRYING = Status(JobState.RUNNABLE, "RetryBackoff", **MARK, attempts=(ENDED,), not_before=NOW + 70)
DONE = Status(
    JobState.SUCCEEDED, "Completed", revision=3, stopped_at=NOW, attempts=(ENDED._replace(reason="Completed"),)
)
THREE_ATTEMPTS = make_job(retryStrategy={"attempts": 3})


def settled(status: Status | None = None, *, job: BatchJob = JOB, now: float = NOW, **fields: Any) -> Settled:
    statuses = {job.key: status} if status else {job.key: Status()}
    return settle(make_snapshot(jobs=[job], statuses=statuses, **fields), [job.key], now)


def test_a_new_job_is_resolved_and_queued() -> None:
    result = settled()
    assert result.statuses == {KEY: RUNNABLE}
    assert result.resolved[KEY].revision == 3
    assert (result.queued, result.unqueued) == ([KEY], [])


def test_a_job_that_lacks_something_is_not_queued() -> None:
    result = settled(queues=[])
    assert (result.statuses[KEY].state, result.statuses[KEY].reason) == (JobState.PENDING, "JobQueueNotFound")
    assert (result.queued, result.unqueued) == ([], [KEY])


def test_a_job_that_can_never_run_fails() -> None:
    result = settled(job=replace(JOB, refusal="array jobs are not supported"))
    assert (result.statuses[KEY].state, result.statuses[KEY].reason) == (JobState.FAILED, "InvalidSpec")
    assert result.statuses[KEY].stopped_at == NOW
    assert result.unqueued == [KEY]


def test_a_runnable_job_whose_queue_is_deleted_waits_for_it_again() -> None:
    result = settled(RUNNABLE._replace(queue_position=4, stalled=True), queues=[], resolved={KEY: make_resolved()})
    status = result.statuses[KEY]
    assert (status.state, status.queue_position, status.stalled) == (JobState.PENDING, None, False)
    assert result.unqueued == [KEY]


def test_a_running_job_does_not_care_for_what_it_refers_to() -> None:
    running = Status(JobState.STARTING, "CreatingPod", revision=3, attempts=(make_attempt(1),))
    result = settled(running, queues=[], definitions={}, revisions={}, runs=[make_run()])
    assert result.statuses == {}


def test_a_run_that_the_status_does_not_know_decides_the_revision() -> None:
    """The operator died between creating the Job and writing the status; the definition has moved on since."""
    result = settled(runs=[make_run(revision=3)], definitions={}, revisions={})
    assert result.statuses[KEY].state is JobState.STARTING
    assert result.statuses[KEY].revision == 3


def test_a_job_is_resolved_to_the_revision_of_the_run_that_exists() -> None:
    newer = make_revision(4, parameters={"codec": "av1"})
    result = settled(
        runs=[make_run(revision=3)],
        definitions={("media", "transcode"): make_definition(digest=newer.digest)},
        revisions={("media", "transcode"): {3: make_revision(3), 4: newer}},
    )
    assert result.resolved[KEY].revision == 3


@pytest.mark.parametrize(
    ("status", "fields", "waits"),
    [
        (RUNNABLE, {}, True),
        (RETRYING, {"runs": [exited()], "now": NOW + 70}, True),
        (RETRYING, {"runs": [exited()], "now": NOW + 69}, False),
        (RETRYING, {"runs": [make_run(deleting=True)], "now": NOW + 99}, False),
        (RETRYING, {"pods": [make_pod(phase="Running")], "now": NOW + 99}, False),
        (RETRYING, {"pods": [make_pod(phase="Running", gone=True)], "now": NOW + 99}, True),
        (RETRYING, {"pods": [make_pod(phase="Failed")], "now": NOW + 99}, True),
        (RUNNABLE, {"granted": {KEY: Placement(KEY, "pool", {})}}, False),
        (DONE, {"runs": [succeeded()]}, False),
    ],
)
def test_a_job_waits_for_capacity_only_while_nothing_of_it_is_under_way(
    status: Status, fields: Mapping[str, Any], waits: bool
) -> None:
    result = settled(status, resolved={KEY: make_resolved()}, **fields)
    assert (result.queued == [KEY], result.unqueued == [KEY]) == (waits, not waits)


def test_a_retry_wakes_up_by_itself() -> None:
    assert settled(RETRYING, runs=[exited()], now=NOW + 60).wake == {KEY: NOW + 70}


def test_the_retry_strategy_is_the_jobs_own() -> None:
    status = settled(job=THREE_ATTEMPTS, runs=[exited()]).statuses[KEY]
    assert (status.state, status.reason) == (JobState.RUNNABLE, "RetryBackoff")
    assert settled(runs=[exited()]).statuses[KEY].state is JobState.FAILED


GROWING = make_job(retryStrategy={"attempts": 4, "onOutOfMemory": {"memoryMultiplier": 2}})
KILLED = make_attempt(1, stopped_at=NOW + 60, reason="OOMKilled", out_of_memory=("main",))


def test_a_job_that_ran_out_of_memory_asks_for_more() -> None:
    pod = make_pod(phase="Failed", exit_code=137, reason="OOMKilled", out_of_memory=("main",))
    before = make_resolved(GROWING)
    result = settled(RUNNABLE, job=GROWING, runs=[exited(code=137)], pods=[pod], resolved={KEY: before})
    resolved = result.resolved[KEY]
    assert (before.request["memory"], resolved.request["memory"]) == (4 * 2**30, 8 * 2**30)
    assert resolved.template["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "8Gi"}
    assert result.statuses[KEY].message.endswith("with 8Gi of memory instead of 4Gi")


@pytest.mark.parametrize("known", [make_resolved(GROWING), None])
def test_an_operator_that_starts_anew_comes_to_the_same_amount(known: Resolved | None) -> None:
    status = RETRYING._replace(attempts=(KILLED, KILLED._replace(run=2, attempt=2)))
    result = settled(status, job=GROWING, now=NOW + 99, resolved={KEY: known} if known else {})
    assert result.resolved[KEY].request["memory"] == 16 * 2**30
    again = settled(status, job=GROWING, now=NOW + 99, resolved=result.resolved)
    assert again.resolved == {}


def test_the_grown_amount_is_what_is_charged() -> None:
    status = RETRYING._replace(attempts=(KILLED,))
    resolved = settled(status, job=GROWING, now=NOW + 99).resolved[KEY]
    small = replace(make_job("small"), created=NOW + 1)
    snapshot = waiting(GROWING, small, request={"cpu": 1}, nodes=[make_node(memory="15Gi")])
    taken: Resources = {"memory": 8 * 2**30}
    others: dict[Hashable, Charge] = {"others": Charge("pool", taken, ("media", "others"), bound={"node-1": taken})}
    snapshot = replace(snapshot, resolved={**snapshot.resolved, KEY: resolved}, charges=others)
    result = place(snapshot, [], NOW + 99)
    assert result.placements == []
    assert "needs 2 vCPU, 8 GiB memory on one node" in result.statuses[KEY].message
    placement = place(replace(snapshot, charges={}), [], NOW + 99).placements[0]
    assert (placement.key, placement.request["memory"]) == (KEY, 8 * 2**30)


def test_a_job_that_has_grown_beyond_every_node_says_so_and_delays_nobody() -> None:
    status = RETRYING._replace(attempts=(KILLED,))
    resolved = settled(status, job=GROWING, now=NOW + 99).resolved[KEY]
    small = replace(make_job("small"), created=NOW + 1)
    snapshot = waiting(GROWING, small, request={"cpu": 1}, nodes=[make_node(memory="6Gi")])
    result = place(replace(snapshot, resolved={**snapshot.resolved, KEY: resolved}), [], NOW + 99)
    assert [placement.key[1] for placement in result.placements] == ["small"]
    told = result.statuses[KEY]
    assert (told.reason, told.stalled) == ("ExceedsCapacity", True)
    assert "needs 2 vCPU, 8 GiB memory" in told.message
    assert told.message.endswith(
        "its memory has grown since it ran out of it: add larger nodes, or submit it anew with a lower "
        "retryStrategy.onOutOfMemory.maxMemory"
    )


def test_a_stray_is_stopped_every_time_it_is_seen() -> None:
    snapshot = make_snapshot(jobs=[JOB], statuses={KEY: RETRYING}, runs=[make_run()])
    for _ in range(2):
        assert settle(snapshot, [KEY], NOW).actions == [StopRun(KEY, "videos-1", make_run().uid)]


def test_what_is_being_deleted_or_gone_is_left_alone() -> None:
    gone: Key = ("media", "gone")
    snapshot = make_snapshot(jobs=[replace(JOB, deleting=True)], runs=[make_run()])
    assert settle(snapshot, [KEY, gone], NOW) == Settled()


def test_runs_of_a_deleted_job_of_the_same_name_do_not_count() -> None:
    result = settled(runs=[make_run(owner_uid="another")])
    assert result.statuses == {KEY: RUNNABLE}
    assert result.queued == [KEY]


def test_settling_twice_changes_nothing_more() -> None:
    snapshot = make_snapshot(jobs=[JOB], runs=[exited()])
    first = settle(snapshot, [KEY], NOW)
    again = settle(replace(snapshot, statuses=first.statuses, resolved=first.resolved), [KEY], NOW)
    assert again.statuses == {}
    assert again.resolved == {}


CANCEL, TERMINATE = (Stop(mode, "wrong input") for mode in StopMode)


@pytest.mark.parametrize(
    ("wish", "state", "reason"),
    [
        ({"suspended": True}, JobState.RUNNABLE, "Suspended"),
        ({"stop": CANCEL}, JobState.FAILED, "Cancelled"),
        ({"stop": TERMINATE}, JobState.FAILED, "Terminated"),
    ],
)
def test_a_job_that_is_held_or_stopped_leaves_the_queue(wish: dict[str, Any], state: JobState, reason: str) -> None:
    for before in (Status(), RUNNABLE, RETRYING):
        result = settled(before, job=replace(JOB, **wish), now=NOW + 80)
        assert (result.statuses[KEY].state, result.statuses[KEY].reason) == (state, reason)
        assert (result.queued, result.unqueued) == ([], [KEY])


def test_a_held_job_does_not_wake_up_for_its_retry() -> None:
    assert settled(RETRYING, job=replace(THREE_ATTEMPTS, suspended=True), now=NOW + 61).wake == {}
    released = RETRYING._replace(reason="Suspended")
    assert settled(released, job=THREE_ATTEMPTS, now=NOW + 61).wake == {KEY: NOW + 70}


def test_between_grant_and_start_nothing_is_decided() -> None:
    """The Kubernetes Job may exist already; only the executor knows."""
    for job in (replace(JOB, suspended=True), replace(JOB, stop=CANCEL), replace(JOB, stop=TERMINATE)):
        result = settled(RUNNABLE, job=job, granted={KEY: Placement(KEY, "pool", {})})
        assert (result.statuses, result.unqueued) == ({}, [KEY])


def test_a_run_that_is_to_be_terminated_is_deleted_until_it_is_gone() -> None:
    job, run = replace(JOB, stop=TERMINATE), make_run()
    stop = StopRun(KEY, run.name, run.uid)
    running = Status(JobState.RUNNING, "ContainerRunning", revision=3, attempts=(make_attempt(1),))
    first = settled(running, job=job, runs=[run])
    assert first.actions == [stop]
    again = settled(first.statuses[KEY], job=job, runs=[run])
    assert (again.actions, again.statuses) == ([stop], {})
    assert settled(first.statuses[KEY], job=job, runs=[run._replace(deleting=True)]).actions == []
    assert settled(first.statuses[KEY], job=job).statuses[KEY].reason == "Terminated"


def test_a_run_of_a_terminated_job_that_the_status_does_not_know_is_deleted() -> None:
    """The operator died between creating the Job and writing the status."""
    run = make_run()
    result = settled(job=replace(JOB, stop=TERMINATE), runs=[run])
    assert result.actions == [StopRun(KEY, run.name, run.uid)]
    assert (result.statuses[KEY].state, result.statuses[KEY].reason) == (JobState.STARTING, "Stopping")


def test_results_add_up() -> None:
    one, other = settled(), settled(DONE, job=replace(make_job("other"), ttl_seconds=0))
    one.add(other)
    assert one.queued == [KEY]
    assert one.actions == [Expire(("media", "other"))]


def three_jobs(**fields: Any) -> Snapshot:
    jobs = [replace(make_job(name), created=NOW + number) for number, name in enumerate(["a", "b", "c"])]
    return waiting(*jobs, **fields)


def test_placing_grants_what_is_free_and_tells_the_others_why() -> None:
    snapshot = three_jobs(request={"cpu": 4000})
    result = place(snapshot, [("media", name) for name in "abc"], NOW)
    nodes = (("node-1", {"cpu": 4000, "pods": 1}),)
    assert result.placements == [Placement(("media", "a"), "pool", {"cpu": 4000}, run=1, attempt=1, nodes=nodes)]
    told = {key[1]: (str(status.reason), status.queue_position) for key, status in result.statuses.items()}
    assert told == {"b": ("InsufficientCapacity", 1), "c": ("WaitingInQueue", 2)}


def test_only_newcomers_are_told_their_place() -> None:
    result = place(three_jobs(request={"cpu": 4000}), [], NOW)
    assert [key[1] for key in result.statuses] == ["b"]


def test_what_was_said_is_not_said_again() -> None:
    snapshot = three_jobs(request={"cpu": 4000}, used={"pool": {"cpu": 1}})
    first = place(snapshot, [("media", "b")], NOW)
    statuses = {**snapshot.statuses, **first.statuses}
    assert place(replace(snapshot, statuses=statuses), [("media", "b")], NOW + 5).statuses == {}


def test_a_repeated_run_keeps_its_attempt() -> None:
    snapshot = three_jobs()
    last = make_attempt(4, attempt=2, stopped_at=NOW, reason="Interrupted")
    statuses = {**snapshot.statuses, ("media", "a"): RUNNABLE._replace(attempts=(last,))}
    placement = place(replace(snapshot, statuses=statuses), [], NOW).placements[0]
    assert (placement.run, placement.attempt) == (5, 2)


def test_placing_changes_nothing_by_itself() -> None:
    snapshot = three_jobs()
    place(snapshot, [], NOW)
    assert len(snapshot.backlog) == 3
    assert snapshot.used == {}
