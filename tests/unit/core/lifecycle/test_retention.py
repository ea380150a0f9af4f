"""Finished jobs go when their time is over, and never before their end could be seen."""

from collections.abc import Mapping

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle.retention import expires_at
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.planner.actions import Expire
from batchyard.core.planner.results import Settled
from batchyard.core.planner.settle import settle
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.snapshot import Snapshot

KEY: Key = ("media", "videos")
SUCCEEDED = Status(state=JobState.SUCCEEDED, stopped_at=100.0)


def _job(ttl: int | None) -> BatchJob:
    return BatchJob(KEY, "uid", 1, 0.0, "urgent", "transcode", None, spec={}, ttl_seconds=ttl)


def _settled(status: Status, ttl: int | None, now: float, runs: Mapping[str, JobRuns] | None = None) -> Settled:
    snapshot = Snapshot(
        jobs={KEY: _job(ttl)},
        statuses={KEY: status},
        resolved={},
        runs=runs or {},
        granted={},
        queues={},
        environments={},
        pools={},
        used={},
        definitions={},
        revisions={},
        namespaces={},
        backlog=Backlog(),
        dependents={},
        unpersisted_ends=(),
    )
    return settle(snapshot, [KEY], now)


@pytest.mark.parametrize(
    ("ttl", "status", "at"),
    [
        (60, SUCCEEDED, 160.0),
        (0, SUCCEEDED, 100.0),
        (None, SUCCEEDED, None),
        (60, Status(state=JobState.RUNNING), None),
    ],
)
def test_the_time_to_live_counts_from_the_end(ttl: int | None, status: Status, at: float | None) -> None:
    assert expires_at(_job(ttl), status) == at


def test_a_finished_job_is_deleted_when_its_time_is_over_and_not_before() -> None:
    early = _settled(SUCCEEDED, 60, now=159.0)
    assert (early.actions, early.wake) == ([], {KEY: 160.0})
    late = _settled(SUCCEEDED, 60, now=160.0)
    assert (late.actions, late.wake) == ([Expire(KEY)], {})


def test_the_end_of_a_job_is_shown_before_the_job_goes_even_if_its_time_is_over_already() -> None:
    run = Run("videos-1", "r", KEY, "uid", 1, 1, "urgent", "pool", 1, {}, 90.0, condition="Complete", ended_at=100.0)
    settled = _settled(Status(state=JobState.STARTING), 0, now=103.0, runs={"uid": JobRuns({1: run})})
    assert settled.statuses[KEY].state is JobState.SUCCEEDED
    assert (settled.actions, settled.wake) == ([], {KEY: 104.0})
