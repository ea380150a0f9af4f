"""Which pods of arrays count as stopped from outside as they ran."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.array import ArrayShape
from batchyard.kube.protocol import Object
from batchyard.objects.kubernetes.indexedjob import build_indexed_job
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.leaving import note
from batchyard.runtime.state.marks import Marks
from unit.samples import NOW, make_environment, make_job, make_resolved

SHAPE = ArrayShape(4)
JOB = make_job(array=SHAPE)
MARKS = Marks(b"key", NOW)
TRACKING = "batch.kubernetes.io/job-tracking"


def indexed_job() -> Object:
    body = MARKS.sign(build_indexed_job(JOB, make_resolved(), SHAPE, make_environment(), 4))
    identity = {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"}
    return {**body, "metadata": {**body["metadata"], **identity}}


def pod(index: str = "1", job: str = "run", **metadata: Any) -> Object:
    """The metadata of a pod that runs and was asked to stop."""
    controller = {"apiVersion": "batch/v1", "kind": "Job", "name": "any", "uid": job, "controller": True}
    labels = {names.JOB: JOB.key[1], names.JOB_UID: JOB.uid, names.ARRAY: "true", names.COMPLETION_INDEX: index}
    own = {"namespace": JOB.key[0], "name": "pod", "uid": "pod", "labels": labels, "ownerReferences": [controller]}
    asked = {"deletionTimestamp": "2026-01-01T00:00:30Z", "finalizers": [TRACKING]}
    return {"metadata": {**own, **asked, **metadata}}


@pytest.fixture
def cache() -> Cache:
    cache = Cache(marks=MARKS)
    identity = {"namespace": JOB.key[0], "name": JOB.key[1], "uid": JOB.uid, "generation": 1}
    cache.put_batchjob({"metadata": identity, "spec": {**JOB.spec, "array": {"size": 4}}})
    cache.put_run(indexed_job())
    cache.awaiting_definition.clear()
    cache.take_dirty()
    return cache


def test_a_pod_that_was_asked_to_stop_is_noted_once(cache: Cache) -> None:
    note(cache, pod())
    assert (set(cache.runs.of(JOB.uid).leaving), cache.take_dirty()) == ({1}, {JOB.key})
    note(cache, pod())
    assert cache.take_dirty() == set()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(pod(job="another"), id="of another Job"),
        pytest.param(pod(ownerReferences=[]), id="of nobody"),
        pytest.param(pod(index="x"), id="of no index"),
        pytest.param(pod(finalizers=[]), id="deleted by the Job controller"),
        pytest.param({"metadata": {**pod()["metadata"], "labels": {names.JOB_UID: "other"}}}, id="of an unknown job"),
    ],
)
def test_others_are_not(cache: Cache, other: Object) -> None:
    note(cache, other)
    assert (set(cache.runs.of(JOB.uid).leaving), cache.take_dirty()) == (set(), set())


def test_what_was_noted_goes_with_the_job(cache: Cache) -> None:
    note(cache, pod())
    job = indexed_job()["metadata"]
    cache.remove_run((job["namespace"], job["name"]), "run")
    assert not cache.runs.of(JOB.uid).leaving
