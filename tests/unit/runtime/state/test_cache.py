"""The cache: capacity is charged once, records of replaced objects do not mix, late answers change nothing."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from batchyard.api import names
from batchyard.api.models.batchjob import JobState
from batchyard.core.admission.dependencies import remember
from batchyard.core.model.status import EndedDependency, Status
from batchyard.core.scheduling.decisions import Placement
from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import Forbidden, Invalid
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBS
from batchyard.objects.kubernetes.job import build_job
from batchyard.runtime.controllers.jobs import BatchJobController
from batchyard.runtime.loop.actions import CreateRun, WriteStatus
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.marks import Marks
from fakes.api import FakeApi
from unit.samples import NOW, make_environment, make_job, make_resolved

JOB = make_job()
KEY = JOB.key
ONE_RUN = {"cpu": 2000, "memory": 4 * 2**30, "pods": 1}
NOTHING: dict[str, int] = {}
MARKS = Marks(b"key", NOW)
PLACEMENT = Placement(KEY, "pool", {"cpu": 2000, "memory": 4 * 2**30})


def batchjob(uid: str = JOB.uid, **metadata: Any) -> Object:
    identity = {"namespace": KEY[0], "name": KEY[1], "uid": uid, "generation": 1}
    return {"metadata": {**identity, **metadata}, "spec": JOB.spec}


def kube_job(uid: str = "run", *, active: int = 0, ended: bool = False) -> Object:
    obj = MARKS.sign(build_job(JOB, make_resolved(), make_environment(), 1, 1))
    condition = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {
        **obj,
        "metadata": {
            **obj["metadata"],
            "uid": uid,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "resourceVersion": str(99 + bool(active) + 2 * ended),
        },
        "status": {"conditions": [condition]} if ended else {"active": active},
    }


def pod(**status: Any) -> Object:
    labels = {names.JOB: KEY[1], names.JOB_UID: JOB.uid, "batch.kubernetes.io/job-name": "videos-1"}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "videos-1", "uid": "run", "controller": True}
    metadata = {"namespace": "media", "name": "pod", "uid": "pod", "labels": labels, "ownerReferences": [owner]}
    return {"metadata": metadata, "status": status}


@pytest.fixture
def cache() -> Cache:
    cache = Cache(marks=MARKS)
    cache.put_batchjob(batchjob())
    return cache


def test_a_run_is_charged_once_from_its_grant_to_its_end(cache: Cache) -> None:
    cache.grant(PLACEMENT)
    assert cache.used["pool"] == ONE_RUN
    cache.put_run(kube_job())  # the informer is faster than the answer
    assert cache.granted == {}
    assert cache.used["pool"] == ONE_RUN
    cache.withdraw(KEY)
    cache.put_run(kube_job())
    assert cache.used["pool"] == ONE_RUN
    cache.put_run(kube_job(ended=True))
    assert cache.used["pool"] == NOTHING
    cache.remove_run(("media", "videos-1"), "run")
    assert cache.used["pool"] == NOTHING


def test_an_answer_that_comes_late_does_not_bring_a_run_back(cache: Cache) -> None:
    cache.put_run(kube_job(ended=True))
    cache.put_run(kube_job())
    assert cache.runs.of(JOB.uid).mains[1].ended
    assert cache.used["pool"] == {}


def test_an_answer_that_comes_late_does_not_hide_what_the_feed_has_shown(cache: Cache) -> None:
    cache.put_run(kube_job(active=1))  # nothing may follow on this for as long as its image cannot be pulled
    cache.put_run(kube_job())
    assert cache.runs.of(JOB.uid).mains[1].active == 1


def test_the_run_of_a_deleted_job_is_charged_until_it_is_gone(cache: Cache) -> None:
    cache.put_run(kube_job())
    cache.remove_batchjob(KEY, JOB.uid)
    assert cache.used["pool"] == ONE_RUN
    cache.remove_run(("media", "videos-1"), "run")
    assert cache.used["pool"] == NOTHING


def test_a_grant_of_a_deleted_job_is_taken_back(cache: Cache) -> None:
    cache.grant(PLACEMENT)
    cache.remove_batchjob(KEY, JOB.uid)
    assert cache.used["pool"] == NOTHING
    assert cache.granted == {}


def test_deletions_are_of_one_object_not_of_a_name(cache: Cache) -> None:
    cache.put_batchjob(batchjob("another"))
    assert cache.jobs[KEY].uid == "another"
    cache.remove_batchjob(KEY, JOB.uid)
    assert KEY in cache.jobs
    cache.put_run(kube_job("new"))
    cache.remove_run(("media", "videos-1"), "old")
    assert list(cache.runs.of(JOB.uid).mains) == [1]


def test_a_replaced_job_starts_from_nothing(cache: Cache) -> None:
    cache.set_status(KEY, Status(JobState.RUNNING))
    cache.put_run(kube_job())
    cache.put_batchjob(batchjob("another"))
    assert cache.statuses[KEY] == Status()
    assert "another" not in cache.runs.by_job
    assert cache.counts["urgent"] == {JobState.SUBMITTED: 1}


def test_our_own_status_writes_change_nothing_when_they_come_back(cache: Cache) -> None:
    cache.set_status(KEY, Status(JobState.RUNNING))
    cache.take_dirty()
    cache.put_batchjob({**batchjob(), "status": {"state": "Pending"}})
    assert cache.statuses[KEY].state is JobState.RUNNING
    assert cache.take_dirty() == set()


def test_a_new_leader_takes_over_what_is_stored(cache: Cache) -> None:
    cache.put_batchjob({**batchjob(), "status": {"state": "Pending"}}, fresh_status=True)
    assert cache.statuses[KEY].state is JobState.PENDING
    assert cache.counts["urgent"] == {JobState.PENDING: 1}
    cache.put_batchjob({**batchjob(), "status": {"state": "Succeeded"}}, fresh_status=True)
    assert cache.persistence.written == {}


def test_a_spec_that_is_older_than_the_known_one_changes_nothing(cache: Cache) -> None:
    """A watch is behind what a GET has shown."""
    wanted = {**batchjob(generation=2), "spec": {**JOB.spec, "suspend": True}}
    cache.put_batchjob(wanted)
    cache.changed.clear()
    cache.put_batchjob(batchjob())
    assert cache.jobs[KEY].suspended
    assert not cache.changed.is_set()
    cache.put_batchjob({**batchjob(), "status": {"state": "Pending"}}, fresh_status=True)
    assert cache.jobs[KEY].suspended
    assert cache.statuses[KEY].state is JobState.PENDING


@pytest.mark.parametrize("state", ["Runnable", "Failed"])
async def test_every_status_says_in_the_end_that_the_present_spec_was_seen(cache: Cache, state: str) -> None:
    api = FakeApi()
    created = api.store.create(BATCHJOBS, {"metadata": {"name": KEY[1]}, "spec": JOB.spec}, KEY[0])
    stored = api.store.update(BATCHJOBS, {**created, "status": {"state": state, "observedGeneration": 1}}, status=True)
    cache.put_batchjob(stored)
    assert cache.changes.take_respecified() == set()
    changed = api.store.update(BATCHJOBS, {**stored, "spec": {**JOB.spec, "suspend": True}})
    cache.put_batchjob(changed)
    assert cache.changes.take_respecified() == {KEY}
    executor = BatchJobController(api, cache, lambda: 0.0, Backoff())
    await executor.write_status(WriteStatus(KEY))
    now = api.store.get(BATCHJOBS, KEY[1], KEY[0])
    assert (now["status"]["state"], now["status"]["observedGeneration"]) == (state, 2)
    cache.put_batchjob(now)
    assert cache.changes.take_respecified() == set()
    assert (KEY in cache.persistence.written) == (state == "Runnable")


async def test_what_was_written_is_known_even_if_the_spec_changed_meanwhile(cache: Cache) -> None:
    class SlowApi(FakeApi):
        async def replace_status(self, *_: Any, **__: Any) -> Object:
            cache.put_batchjob({**batchjob(generation=2), "spec": {**JOB.spec, "suspend": True}})
            return {}

    cache.set_status(KEY, Status(JobState.RUNNABLE))
    await BatchJobController(SlowApi(), cache, lambda: 0.0, Backoff()).write_status(WriteStatus(KEY))
    assert (cache.persistence.written[KEY]["state"], cache.persistence.written[KEY]["observedGeneration"]) == (
        "Runnable",
        1,
    )


def test_what_cannot_be_read_changes_nothing(cache: Cache) -> None:
    other = {**batchjob("other"), "status": {"state": "Blocked"}}
    other["metadata"]["name"] = "other"
    with pytest.raises(ValueError, match="Blocked"):
        cache.put_batchjob(other)
    assert list(cache.jobs) == list(cache.statuses) == [KEY]


def depending(name: str, *others: str, uid: str = "", **status: Any) -> Object:
    spec = {**JOB.spec, "jobQueue": "q", "jobDefinition": "d:1", "dependsOn": [{"job": other} for other in others]}
    identity = {"namespace": "media", "name": name, "uid": uid or name, "generation": 1}
    return {"metadata": identity, "spec": spec, "status": status}


MERGE, FETCH = ("media", "merge"), ("media", "fetch")


def test_an_end_is_remembered_though_nobody_had_looked_at_it_before_the_job_went(cache: Cache) -> None:
    cache.put_batchjob(depending("fetch", state="Succeeded", attempts=[]))
    cache.put_batchjob(depending("merge", "fetch", "sort"))
    cache.remove_batchjob(FETCH, "fetch")
    assert cache.statuses[MERGE].dependencies == (EndedDependency("fetch", JobState.SUCCEEDED),)
    assert cache.persistence.unpersisted_dependents == {MERGE}, "this is to be written at once"
    assert MERGE in cache.take_dirty()


def test_an_end_that_was_not_stored_is_forgotten_with_its_job(cache: Cache) -> None:
    """It did not count for anybody yet."""
    cache.put_batchjob(depending("fetch"))
    cache.put_batchjob(depending("merge", "fetch"))
    cache.set_status(FETCH, Status(JobState.SUCCEEDED))
    cache.remove_batchjob(FETCH, "fetch")
    assert cache.statuses[MERGE].dependencies == ()
    assert cache.persistence.unpersisted_dependents == set()


def test_witnesses_are_those_whose_memory_is_not_stored(cache: Cache) -> None:
    stored: dict[str, Any] = {
        "dependencies": [{"job": "fetch", "state": "Succeeded"}],
        "state": "Pending",
        "attempts": [],
    }
    cache.put_batchjob(depending("fetch", state="Succeeded", attempts=[]))
    cache.put_batchjob(depending("merge", "fetch"))
    cache.put_batchjob(depending("report", "fetch", **stored))
    assert cache.unpersisted_dependents_of(FETCH) == [], "it has not looked yet"
    cache.set_status(MERGE, remember(cache.jobs[MERGE], cache.statuses[MERGE], "fetch", cache.statuses[FETCH]))
    assert cache.unpersisted_dependents_of(FETCH) == [MERGE]
    cache.persistence.written[MERGE] = stored
    assert cache.unpersisted_dependents_of(FETCH) == []


def test_those_that_wait_look_again_when_an_end_is_stored(cache: Cache) -> None:
    cache.put_batchjob(depending("fetch"))
    cache.put_batchjob(depending("merge", "fetch"))
    cache.set_status(FETCH, Status(JobState.SUCCEEDED))
    cache.take_dirty()
    cache.end_stored(FETCH)
    assert cache.take_dirty() == {MERGE}
    assert FETCH not in cache.snapshot().unpersisted_ends


def test_who_depends_on_whom_is_forgotten_with_the_job(cache: Cache) -> None:
    cache.put_batchjob(depending("merge", "fetch", "sort"))
    cache.put_batchjob(depending("report", "fetch"))
    changed = depending("merge", "fetch")  # no CRD lets that through
    changed["metadata"]["generation"] = 2
    cache.put_batchjob(changed)
    assert cache.dependents == {FETCH: {MERGE, ("media", "report")}}
    assert cache.dependents.newcomers == {MERGE, ("media", "report")}
    cache.put_batchjob(depending("merge", uid="another"))
    cache.remove_batchjob(("media", "report"), "report")
    assert (cache.dependents, cache.dependents.newcomers) == ({}, set())


def test_a_pod_is_remembered_for_as_long_as_its_job_exists(cache: Cache) -> None:
    cache.put_run(kube_job())
    cache.put_pod(pod(phase="Running"))
    cache.remove_pod(("media", "pod"), "pod")
    assert not cache.runs.of(JOB.uid).pods["videos-1"].live
    cache.remove_run(("media", "videos-1"), "run")
    assert JOB.uid not in cache.runs.by_job


def decoy(**status: Any) -> Object:
    """A pod with the labels of a run's, of a Job that is not the run's."""
    made = pod(**status)
    made["metadata"].update(name="decoy", uid="decoy")
    made["metadata"]["ownerReferences"][0]["uid"] = "another"
    return made


@pytest.mark.parametrize("order", ["decoy first", "decoy last", "only the decoy"])
def test_a_decoy_shown_before_the_job_gives_way_to_the_jobs_own_pod(cache: Cache, order: str) -> None:
    if order == "decoy first":
        cache.put_pod(decoy(phase="Failed"))
    if order != "only the decoy":
        cache.put_pod(pod(phase="Running"))
    if order != "decoy first":
        cache.put_pod(decoy(phase="Failed"))
    cache.put_run(kube_job())
    cache.put_pod(decoy(phase="Succeeded"))
    shown = {name: each.uid for name, each in cache.runs.of(JOB.uid).pods.items()}
    assert shown == ({} if order == "only the decoy" else {"videos-1": "pod"})
    cache.remove_pod(("media", "decoy"), "decoy")
    assert cache.runs.of(JOB.uid).pods.keys() == shown.keys()


def asking(made: Object, cpu: str) -> Object:
    return {**made, "spec": {"nodeName": "n1", "containers": [{"name": "x", "resources": {"requests": {"cpu": cpu}}}]}}


@pytest.mark.parametrize("order", list(permutations(["job", "pod", "decoy"])))
@pytest.mark.parametrize("again", [False, True])
def test_what_pretends_to_be_a_runs_pod_takes_its_room_as_another_pod(
    cache: Cache, order: Sequence[str], again: bool
) -> None:
    for what in [*order, *(order if again else ())]:
        match what:
            case "job":
                cache.put_run(kube_job())
            case "pod":
                cache.put_pod(asking(pod(phase="Running"), "1"))
            case "decoy":
                cache.put_pod(asking(decoy(phase="Running"), "2"))
    assert cache.snapshot().other_pods == {"n1": {"cpu": 2000, "pods": 1}}
    cache.remove_pod(("media", "decoy"), "decoy")
    cache.remove_pod(("media", "pod"), "pod")
    assert cache.snapshot().other_pods == {}


def test_a_pod_whose_labels_make_no_sense_takes_its_room(cache: Cache) -> None:
    made = asking(pod(phase="Running"), "1")
    del made["metadata"]["labels"][names.JOB]
    with pytest.raises(KeyError):
        cache.put_pod(made)
    assert cache.snapshot().other_pods == {"n1": {"cpu": 1000, "pods": 1}}


def test_a_pod_of_a_job_that_nobody_knows_takes_its_room_as_another_pod(cache: Cache) -> None:
    cache.remove_batchjob(KEY, JOB.uid)
    cache.put_pod(asking(pod(phase="Running"), "1"))
    assert cache.snapshot().other_pods == {"n1": {"cpu": 1000, "pods": 1}}
    cache.put_batchjob(batchjob())
    cache.put_pod(asking(pod(phase="Running"), "1"))
    assert cache.snapshot().other_pods == {"n1": {"cpu": 1000, "pods": 1}}
    cache.put_run(kube_job())  # from now on its run is charged
    assert cache.snapshot().other_pods == {}


@pytest.mark.parametrize("counted", [True, False])
def test_room_that_other_pods_give_back_wakes_a_pass_where_it_counts(cache: Cache, counted: bool) -> None:
    metadata = {"name": "pool", "uid": "ce"}
    cache.catalogue.intakes["ComputeEnvironment"].put(
        {"metadata": metadata, "spec": {"unmanaged": {}, "countOtherPods": counted}}
    )
    conditions = [{"type": "Ready", "status": "True"}]
    cache.catalogue.put_node({"metadata": {"name": "n1"}, "status": {"conditions": conditions}})
    cache.changed.clear()
    for node in "n1", "elsewhere":
        other = {"metadata": {"name": "web", "uid": node}, "spec": {"nodeName": node}}
        cache.catalogue.other_pods.put(other)
        assert not cache.changed.is_set()
        cache.catalogue.other_pods.remove(node)
        assert cache.changed.is_set() is (counted and node == "n1")
        cache.changed.clear()


def test_what_a_known_pod_belongs_to_does_not_change_with_its_labels(cache: Cache) -> None:
    cache.put_run(kube_job())
    cache.put_pod(pod(phase="Pending"))
    changed = pod(phase="Running")
    changed["metadata"]["labels"].update({names.JOB: "x", names.JOB_UID: "x"})
    changed["metadata"]["ownerReferences"] = []
    cache.put_pod(changed)
    assert cache.runs.of(JOB.uid).pods["videos-1"].phase == "Running"


def test_a_pod_outlives_its_job_for_as_long_as_it_runs(cache: Cache) -> None:
    cache.put_run(kube_job())
    cache.put_pod(pod(phase="Running"))
    cache.remove_run(("media", "videos-1"), "run")
    assert cache.runs.of(JOB.uid).pods["videos-1"].live
    cache.remove_pod(("media", "pod"), "pod")
    assert JOB.uid not in cache.runs.by_job


@pytest.mark.parametrize("error", [Forbidden(403, "Forbidden", "exceeded quota"), Invalid(422, "Invalid", "no")])
async def test_a_refusal_says_nothing_once_the_run_is_known_to_exist(cache: Cache, error: Exception) -> None:
    """The first try took effect unseen; the second is refused, for the first has used the quota up."""

    class SlowApi(FakeApi):
        async def create(self, *_: Any, **__: Any) -> Object:
            cache.put_run(kube_job())
            raise error

    cache.resolved[KEY] = make_resolved()
    cache.catalogue.environments["pool"] = make_environment()
    cache.set_status(KEY, Status(JobState.RUNNABLE))
    cache.grant(PLACEMENT)
    await BatchJobController(SlowApi(), cache, lambda: 0.0, Backoff()).create(CreateRun(KEY))
    assert cache.statuses[KEY] == Status(JobState.RUNNABLE)
    assert cache.used["pool"] == ONE_RUN


@pytest.mark.parametrize("change", ["deleting", "without environment", "unresolved"])
async def test_a_place_that_is_of_no_use_any_more_is_given_back(cache: Cache, change: str) -> None:
    if change == "deleting":
        cache.put_batchjob(batchjob(deletionTimestamp="2026-01-01T00:00:00Z"))
    if change != "unresolved":
        cache.resolved[KEY] = make_resolved()
    if change != "without environment":
        cache.catalogue.environments["pool"] = make_environment()
    cache.grant(PLACEMENT)
    api = FakeApi()
    await BatchJobController(api, cache, lambda: 0.0, Backoff()).create(CreateRun(KEY))
    assert api.count("create", JOBS) == 0
    assert cache.granted == {}
    assert cache.used["pool"] == NOTHING


@pytest.mark.parametrize("found", ["nothing", "ours", "another's"])
async def test_a_job_held_after_its_grant_starts_only_if_it_has_started(cache: Cache, found: str) -> None:
    """The answer to an earlier try may have been lost."""
    cache.resolved[KEY] = make_resolved()
    cache.catalogue.environments["pool"] = make_environment()
    cache.grant(PLACEMENT)
    api = FakeApi()
    if found != "nothing":
        body = kube_job()
        if found == "another's":
            body["metadata"]["labels"][names.JOB_UID] = "another"
        api.store.create(JOBS, body, "media")
    cache.put_batchjob({**batchjob(generation=2), "spec": {**JOB.spec, "suspend": True}})
    await BatchJobController(api, cache, lambda: 0.0, Backoff()).create(CreateRun(KEY))
    assert api.count("create", JOBS) == 0
    assert cache.granted == {}
    assert cache.used["pool"] == (ONE_RUN if found == "ours" else NOTHING)
    assert bool(cache.runs.by_job) == (found == "ours")
