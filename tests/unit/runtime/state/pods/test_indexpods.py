"""What is kept of the pods of arrays, and which count as stopped from outside as they ran."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.array import ArrayShape
from batchyard.core.model.run import Run
from batchyard.kube.protocol import Object
from batchyard.objects.kubernetes.indexedjob import build_indexed_job
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.pods import indexpods
from batchyard.runtime.state.pods.livepods import Seat
from unit.runtime.state.waking import has_woken
from unit.samples import NOW, make_environment, make_job, make_resolved

SHAPE = ArrayShape(4)
JOB = make_job(array=SHAPE)
MARKS = Marks(b"key", NOW)
REQUESTS = {"cpu": "2", "memory": "4Gi"}
SPEC = {"nodeName": "node-1", "containers": [{"name": "main", "resources": {"requests": REQUESTS}}]}
TRACKING = "batch.kubernetes.io/job-tracking"


def indexed_job() -> Object:
    body = MARKS.sign(build_indexed_job(JOB, make_resolved(), SHAPE, make_environment(), 4))
    identity = {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"}
    return {**body, "metadata": {**body["metadata"], **identity}}


def pod(index: str = "1", job: str = "run", **metadata: Any) -> Object:
    """A pod that runs and was asked to stop."""
    controller = {"apiVersion": "batch/v1", "kind": "Job", "name": "any", "uid": job, "controller": True}
    labels = {names.JOB: JOB.key[1], names.JOB_UID: JOB.uid, names.ARRAY: "true", names.COMPLETION_INDEX: index}
    own = {"namespace": JOB.key[0], "name": "pod", "uid": "pod", "labels": labels, "ownerReferences": [controller]}
    asked = {"deletionTimestamp": "2026-01-01T00:00:30Z", "finalizers": [TRACKING]}
    return {"metadata": {**own, **asked, **metadata}, "spec": SPEC, "status": {"phase": "Running"}}


@pytest.fixture
def cache() -> Cache:
    cache = Cache(marks=MARKS)
    identity = {"namespace": JOB.key[0], "name": JOB.key[1], "uid": JOB.uid, "generation": 1}
    cache.put_batchjob({"metadata": identity, "spec": {**JOB.spec, "array": {"size": 4}}})
    cache.put_run(indexed_job())
    cache.awaiting_definition.clear()
    cache.take_dirty()
    cache.changed.clear()
    return cache


def test_a_pod_that_was_asked_to_stop_is_noted_once(cache: Cache) -> None:
    indexpods.put(cache, pod())
    assert (set(cache.runs.of(JOB.uid).leaving), cache.take_dirty()) == ({1}, {JOB.key})
    indexpods.put(cache, pod())
    assert cache.take_dirty() == set()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(pod(job="another"), id="of another Job"),
        pytest.param(pod(ownerReferences=[]), id="of nobody"),
        pytest.param(pod(index="x"), id="of no index"),
        pytest.param(pod(finalizers=[]), id="deleted by the Job controller"),
        pytest.param(pod(labels={names.JOB_UID: "other"}), id="of an unknown job"),
        pytest.param({**pod(), "status": {"phase": "Pending"}}, id="has not run"),
        pytest.param({**pod(), "status": {}}, id="has no status"),
    ],
)
def test_others_are_not(cache: Cache, other: Object) -> None:
    indexpods.put(cache, other)
    assert (set(cache.runs.of(JOB.uid).leaving), cache.take_dirty()) == (set(), set())


def test_what_was_noted_goes_with_the_job(cache: Cache) -> None:
    indexpods.put(cache, pod())
    job = indexed_job()["metadata"]
    cache.remove_run((job["namespace"], job["name"]), "run")
    assert not cache.runs.of(JOB.uid).leaving


def main(cache: Cache) -> Run:
    found = cache.runs.of(JOB.uid).indexed
    assert found is not None
    return found


SEAT = Seat("node-1", (("cpu", 2000), ("memory", 4 * 2**30)))


def test_a_pod_counts_on_its_node_until_it_is_gone(cache: Cache) -> None:
    for _ in range(2):
        indexpods.put(cache, pod())
    indexpods.put(cache, pod(name="other"))
    assert cache.runs.live.seats_of(main(cache)) == {SEAT: 2}
    assert cache.changed.is_set()
    assert list(cache.runs.take_moved()) == [main(cache)]
    for _ in range(2):
        indexpods.remove(cache, (JOB.key[0], "pod"), "pod")
    assert cache.runs.live.seats_of(main(cache)) == {SEAT: 1}


async def test_it_has_a_pass_begin_soon_and_not_at_once(cache: Cache) -> None:
    assert not await has_woken(cache.changed, lambda: indexpods.put(cache, pod(finalizers=[])))
    assert cache.changed.is_set()
    assert await has_woken(cache.changed, lambda: cache.runs.live.others.put(("media", "single"), "job", "node-1", {}))


def test_an_event_that_moves_nothing_wakes_nobody(cache: Cache) -> None:
    running = pod(deletionTimestamp=None, finalizers=[])
    del running["metadata"]["deletionTimestamp"]
    indexpods.put(cache, running)
    cache.changed.clear()
    list(cache.runs.take_moved())
    indexpods.put(cache, {**running, "status": {"phase": "Running", "podIP": "10.0.0.1"}})
    indexpods.remove(cache, (JOB.key[0], "unknown"), "uid-unknown")
    assert not cache.changed.is_set()
    assert list(cache.runs.take_moved()) == []


def test_a_pod_that_is_shown_before_its_job_counts_with_that() -> None:
    cache = Cache(marks=MARKS)
    identity = {"namespace": JOB.key[0], "name": JOB.key[1], "uid": JOB.uid, "generation": 1}
    indexpods.put(cache, pod())
    assert list(cache.runs.take_moved()) == []
    cache.put_batchjob({"metadata": identity, "spec": {**JOB.spec, "array": {"size": 4}}})
    cache.put_run(indexed_job())
    assert cache.runs.live.seats_of(main(cache)) == {SEAT: 1}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(pod(job="another"), id="of another Job"),
        pytest.param(pod(ownerReferences=[]), id="of nobody"),
        pytest.param(pod(namespace="elsewhere"), id="in another namespace"),
    ],
)
def test_pods_of_others_count_for_no_job_that_is_known(cache: Cache, other: Object) -> None:
    indexpods.put(cache, other)
    assert cache.runs.live.seats_of(main(cache)) == {}
    assert list(cache.runs.take_moved()) == []


def test_what_cannot_be_read_counts_as_not_known(cache: Cache) -> None:
    odd = [{"name": "main", "resources": {"requests": {"cpu": "plenty"}}}]
    indexpods.put(cache, {**pod(), "spec": {"nodeName": "node-2", "containers": odd}})
    assert cache.runs.live.seats_of(main(cache)) == {Seat("node-2", ()): 1}


def test_a_pod_that_no_job_is_known_for_takes_its_room_all_the_same(cache: Cache) -> None:
    taken, others = {"cpu": 2000, "memory": 4 * 2**30, "pods": 1}, cache.catalogue.other_pods
    indexpods.put(cache, pod())
    assert others.by_node == {}, "its run is charged"
    indexpods.put(cache, pod(name="foreign", uid="foreign", ownerReferences=[]))
    indexpods.put(cache, pod(namespace="elsewhere", uid="elsewhere"))
    assert others.by_node == {"node-1": {name: 2 * amount for name, amount in taken.items()}}
    indexpods.remove(cache, ("elsewhere", "pod"), "elsewhere")
    assert others.by_node == {"node-1": taken}


def test_pods_that_are_shown_before_their_job_are_its_own_from_then_on() -> None:
    cache = Cache(marks=MARKS)
    identity = {"namespace": JOB.key[0], "name": JOB.key[1], "uid": JOB.uid, "generation": 1}
    cache.put_batchjob({"metadata": identity, "spec": {**JOB.spec, "array": {"size": 4}}})
    indexpods.put(cache, pod())
    assert set(cache.catalogue.other_pods.by_node) == {"node-1"}
    cache.put_run(indexed_job())
    assert cache.catalogue.other_pods.by_node == {}
    assert cache.runs.live.seats_of(main(cache)) == {SEAT: 1}
