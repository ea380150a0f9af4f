"""What is kept of a refused BatchJob: each part that makes sense, whatever is wrong with the others."""

from typing import Any

import pytest

from batchyard.api.models.batchjob import StopMode
from batchyard.core.model.array import ArrayShape, IndexStop, Rerun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Stop
from batchyard.objects.kinds.batchjob import read_batchjob
from objects.api import manifest


def read(**spec: Any) -> BatchJob:
    """Read a job that is refused for a field that nobody knows."""
    obj = manifest("BatchJob", unknown=1, **spec)
    obj["metadata"] |= {"namespace": "media", "uid": "uid"}
    job = read_batchjob(obj)
    assert job.refusal
    return job


def test_a_refused_array_is_the_array_that_it_was() -> None:
    rerun = {"job": "earlier", "indexes": "1,3-4"}
    stops = [{"indexes": "7,9-11", "reason": "bad input"}, {"indexes": "all"}, "8", {"indexes": 2}]
    job = read(
        array={"size": 50, "maxConcurrency": 4, "maxFailedIndexes": 2, "rerun": rerun},
        dependsOn=[{"type": "Sequential"}],
        stopIndexes=stops,
    )
    stopped = (IndexStop(IndexSet.parse("7,9-11"), "bad input"), IndexStop(IndexSet.parse("2"), ""))
    assert job.array == ArrayShape(50, 4, 2, True, stopped, Rerun("earlier", IndexSet.parse("1,3-4")))
    assert job.depends_on == ()


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        ({"size": 200_000}, ArrayShape(200_000)),
        ({"size": 5, "maxConcurrency": "2", "maxFailedIndexes": True}, ArrayShape(5)),
        ({"size": 5, "rerun": {"indexes": "some"}}, ArrayShape(5, rerun=Rerun(""))),
        ({"size": 5, "rerun": "earlier"}, ArrayShape(5)),
        ({"size": 10**9}, None),
        ({"size": "5"}, None),
        ({}, None),
        ([5], None),
    ],
)
def test_only_what_has_a_size_that_can_be_counted_is_an_array(array: Any, shape: ArrayShape | None) -> None:
    assert read(array=array).array == shape


@pytest.mark.parametrize(
    ("stop", "wish"),
    [
        ({"mode": "Terminate", "reason": "enough"}, Stop(StopMode.TERMINATE, "enough")),
        ({"mode": "Kill"}, Stop(StopMode.CANCEL, "")),
        ("Terminate", None),
    ],
)
def test_a_wish_to_stop_counts(stop: Any, wish: Stop | None) -> None:
    assert read(stop=stop).stop == wish


@pytest.mark.parametrize(("seconds", "ttl"), [(0, 0), (60, 60), (-1, None), ("60", None)])
def test_a_time_to_live_counts_if_it_makes_sense(seconds: Any, ttl: int | None) -> None:
    assert read(ttlSecondsAfterFinished=seconds).ttl_seconds == ttl


def test_what_it_refers_to_and_whether_it_is_held() -> None:
    job = read(jobDefinition="transcode:7", shareIdentifier="red", suspend=True)
    assert (job.queue, job.definition, job.pinned_revision) == ("urgent", "transcode", 7)
    assert (job.share, job.suspended) == ("red", True)
    odd = read(jobDefinition=7, shareIdentifier=None, suspend="yes", dependsOn={}, stopIndexes="1")
    assert (odd.definition, odd.share, odd.suspended, odd.array) == ("7", "", False, None)
