"""The stream of transitions: who follows it learns each decision once, with what was before."""

from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.finishedjobs import FinishedJobs
from objects.api import manifest

RUNNING = Status(JobState.RUNNING, "ContainerRunning")
SUCCEEDED = Status(JobState.SUCCEEDED, "Completed", stopped_at=1.0)


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, JobState, JobState]] = []

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        self.seen.append((job.key[1], before.state, after.state))


@pytest.fixture
def cache() -> Cache:
    cache = Cache(lambda: 0.0)
    cache.put_batchjob(_job("videos"))
    return cache


def _job(name: str, **status: Any) -> dict[str, Any]:
    obj = manifest("BatchJob", name=name)
    obj["metadata"] |= {"uid": name, "namespace": "media", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {**obj, "status": status} if status else obj


def test_decisions_are_followed_and_loading_a_job_is_none(cache: Cache) -> None:
    recorder = Recorder()
    cache.observers.append(recorder)
    cache.put_batchjob(_job("loaded", state="Running", reason="ContainerRunning"))
    cache.set_status(("media", "videos"), RUNNING)
    cache.set_status(("media", "videos"), SUCCEEDED)
    cache.remove_batchjob(("media", "videos"), "videos")
    assert recorder.seen == [
        ("videos", JobState.SUBMITTED, JobState.RUNNING),
        ("videos", JobState.RUNNING, JobState.SUCCEEDED),
    ]


@pytest.mark.parametrize(("queues", "label"), [({"urgent"}, "urgent"), (set[str](), "")])
def test_an_end_is_counted_once(cache: Cache, queues: set[str], label: str) -> None:
    metrics = Metrics()
    cache.observers.append(FinishedJobs(metrics, queues))
    for status in (RUNNING, SUCCEEDED, SUCCEEDED._replace(message="said again")):
        cache.set_status(("media", "videos"), status)
    count = metrics.registry.get_sample_value("batchyard_jobs_finished_total", {"queue": label, "state": "Succeeded"})
    assert count == 1
