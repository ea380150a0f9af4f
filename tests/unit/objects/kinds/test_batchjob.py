"""From a BatchJob to its record."""

from typing import Any

from batchyard.api.models.batchjob import DependencyType, StopMode
from batchyard.core.model.array import ArrayShape, IndexStop, Rerun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Dependency, Stop
from batchyard.objects.kinds.batchjob import read_batchjob
from objects.api import manifest


def read(**spec: Any) -> BatchJob:
    obj = manifest("BatchJob", **spec)
    obj["metadata"] |= {"namespace": "media", "uid": "uid", "generation": 3}
    job = read_batchjob(obj)
    assert job.refusal == ""
    assert job.spec == obj["spec"]
    return job


def test_what_is_left_out_means_nothing() -> None:
    job = read()
    assert (job.key, job.uid, job.generation) == (("media", "sample"), "uid", 3)
    assert (job.queue, job.definition, job.pinned_revision) == ("urgent", "transcode", None)
    assert (job.depends_on, job.ttl_seconds, job.suspended, job.stop, job.share, job.array) == (
        (),
        None,
        False,
        None,
        "",
        None,
    )


def test_fields_become_parts_of_the_record() -> None:
    job = read(
        jobDefinition="transcode:7",
        ttlSecondsAfterFinished=60,
        suspend=True,
        stop={"mode": "Terminate", "reason": "enough"},
        shareIdentifier="red",
    )
    assert (job.definition, job.pinned_revision, job.ttl_seconds) == ("transcode", 7, 60)
    assert (job.suspended, job.stop, job.share) == (True, Stop(StopMode.TERMINATE, "enough"), "red")


def test_dependencies_are_on_other_jobs() -> None:
    """Sequential with another job says no more than Succeeded; without one it is about an array's own indexes."""
    job = read(
        array={"size": 5},
        dependsOn=[
            {"job": "a"},
            {"job": "b", "type": "Sequential"},
            {"type": "Sequential"},
            {"job": "c", "type": "NToN"},
        ],
    )
    assert job.depends_on == (Dependency("a"), Dependency("b"), Dependency("c", DependencyType.N_TO_N))
    assert job.array == ArrayShape(5, sequential=True)


def test_the_array_that_a_rerun_names_is_a_dependency() -> None:
    stop = {"indexes": "7,9-11", "reason": "bad input"}
    array = {"size": 50, "maxConcurrency": 4, "maxFailedIndexes": 2, "rerun": {"job": "earlier", "indexes": "1,7-9"}}
    job = read(array=array, stopIndexes=[stop])
    assert job.depends_on == (Dependency("earlier", DependencyType.FINISHED, rerun=True),)
    stops = (IndexStop(IndexSet.parse("7,9-11"), "bad input"),)
    assert job.array == ArrayShape(50, 4, 2, stops=stops, rerun=Rerun("earlier", IndexSet.parse("1,7-9")))
    assert read(array={"size": 5, "rerun": {"job": "earlier"}}).array == ArrayShape(5, rerun=Rerun("earlier"))
