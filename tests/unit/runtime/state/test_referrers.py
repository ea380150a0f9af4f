"""Which jobs have to be looked at when something comes, changes or goes, and that nothing is kept for nobody."""

from dataclasses import replace

import pytest

from batchyard.api import names
from batchyard.api.models.batchjob import JobState
from batchyard.core.model.array import ArrayShape
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import Status
from batchyard.kube.protocol import Object
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.referrers import NAMESPACE, REVISIONS, RUNTIME_CLASS, Reference, Referrers
from unit.samples import make_job, make_resolved, make_revision

JOB = make_job()
DEFINITION: Reference = (names.JOB_DEFINITION, "media", "transcode")
QUEUE: Reference = (names.JOB_QUEUE, "", "urgent")
LICENCE: Reference = (names.CONSUMABLE_RESOURCE, "", "licence")
WAITS, QUEUED = Status(JobState.PENDING), Status(JobState.RUNNABLE)
RUNS, ENDED = Status(JobState.RUNNING), Status(JobState.FAILED)


class Known:
    """Jobs as the cache keeps them."""

    def __init__(self) -> None:
        self.referrers = Referrers()
        self.jobs: dict[Key, BatchJob] = {}
        self.statuses: dict[Key, Status] = {}
        self.resolved: dict[Key, Resolved] = {}
        self.revisions = {("media", "transcode"): {3: make_revision(), 4: make_revision(4)}}

    def enter(self, job: BatchJob, status: Status = WAITS, resolved: Resolved | None = None) -> Key:
        self.jobs[job.key], self.statuses[job.key] = job, status
        if resolved is not None:
            self.resolved[job.key] = resolved
        self.referrers.enter(job, status)
        return job.key

    def concerned(self, changed: Reference) -> set[Key]:
        return self.referrers.concerned(changed, self.jobs, self.statuses, self.resolved, self.revisions)


@pytest.fixture
def known() -> Known:
    return Known()


def test_a_definition_concerns_those_that_name_it_with_a_number_or_without(known: Known) -> None:
    latest = known.enter(JOB)
    pinned = known.enter(replace(make_job("pinned"), pinned_revision=2))
    known.enter(replace(make_job("other"), definition="encode"))
    known.enter(replace(make_job(), key=("audio", "videos")))
    assert known.concerned(DEFINITION) == {latest, pinned}


def test_what_revisions_there_are_concerns_those_that_do_not_have_theirs(known: Known) -> None:
    has, resolved = known.enter(JOB, QUEUED, make_resolved()), make_resolved()
    lacking = {
        known.enter(make_job("new")),
        known.enter(make_job("deleted"), QUEUED, replace(resolved, revision=2)),
        known.enter(make_job("replaced"), QUEUED, replace(resolved, definition_uid="another")),
        known.enter(make_job("differs"), QUEUED, replace(resolved, digest="another")),
    }
    assert known.concerned((REVISIONS, "media", "transcode")) == lacking
    assert known.concerned(DEFINITION) == {has, *lacking}
    known.revisions = {}
    assert known.concerned((REVISIONS, "media", "transcode")) == {has, *lacking}


def test_a_queue_concerns_those_that_name_it_in_all_namespaces(known: Known) -> None:
    here, there = known.enter(JOB), known.enter(replace(make_job(), key=("audio", "videos")))
    known.enter(replace(make_job("other"), queue="night"))
    assert known.concerned(QUEUE) == {here, there}


def test_a_namespace_concerns_those_in_it(known: Known) -> None:
    key = known.enter(JOB)
    known.enter(replace(make_job(), key=("audio", "videos")))
    assert known.concerned((NAMESPACE, "", "media")) == {key}


def test_a_consumable_resource_concerns_all_that_wait(known: Known) -> None:
    waiting = {known.enter(JOB), known.enter(replace(make_job("other"), queue="night"))}
    known.enter(make_job("running"), RUNS, make_resolved())
    assert known.concerned(LICENCE) == waiting


def test_a_runtime_class_concerns_those_whose_pods_name_it_or_may(known: Known) -> None:
    kata = replace(make_resolved(), runtime_classes=("kata",))
    concerned = {known.enter(JOB, QUEUED, kata), known.enter(make_job("unresolved"))}
    known.enter(make_job("other"), QUEUED, make_resolved())
    known.enter(make_job("running"), RUNS, kata)
    assert known.concerned((RUNTIME_CLASS, "", "kata")) == concerned


def test_it_concerns_a_job_of_which_something_is_still_to_start(known: Known) -> None:
    array = replace(make_job("array"), array=ArrayShape(2))
    known.enter(JOB, RUNS, make_resolved())
    known.enter(make_job("ended"), ENDED)
    assert known.concerned(DEFINITION) == set()
    begun = {known.enter(array, RUNS, make_resolved()), known.enter(make_job("unresolved"), RUNS)}
    assert known.concerned(DEFINITION) == begun


def test_a_name_goes_with_the_last_job_that_mentions_it() -> None:
    referrers, other = Referrers(), make_job("other")
    referrers.enter(JOB, WAITS)
    referrers.enter(other, WAITS)
    referrers.enter(make_job("ended"), ENDED)
    referrers.leave(JOB)
    referrers.leave(JOB)
    assert referrers.of_definition(("media", "transcode")) == {other.key}
    referrers.leave(other)
    assert referrers == {}
    assert referrers.of_definition(("media", "transcode")) == set()


def batchjob(definition: str = "transcode", state: str = "", **metadata: object) -> Object:
    identity = {"namespace": "media", "name": "videos", "uid": "one", "generation": 1}
    spec = {**JOB.spec, "jobDefinition": definition}
    return {"metadata": {**identity, **metadata}, "spec": spec, "status": {"state": state} if state else {}}


def test_the_cache_forgets_what_a_job_named_with_its_end_its_change_and_itself() -> None:
    cache = Cache()
    cache.put_batchjob(batchjob())
    cache.put_batchjob(batchjob("encode:2", generation=2))  # no CRD lets that through
    assert cache.referrers.of_definition(("media", "transcode")) == set()
    assert cache.referrers.of_definition(("media", "encode")) == {JOB.key}
    cache.set_status(JOB.key, ENDED)
    assert cache.referrers == {}
    cache.put_batchjob(batchjob(uid="another"))
    assert cache.referrers.of_definition(("media", "transcode")) == {JOB.key}
    cache.remove_batchjob(JOB.key, "another")
    assert cache.referrers == {}


def test_a_new_leader_knows_who_has_ended_from_what_is_stored() -> None:
    cache = Cache()
    cache.put_batchjob(batchjob())
    cache.put_batchjob(batchjob(state="Failed"), fresh_status=True)
    assert cache.referrers == {}
    cache.put_batchjob(batchjob(state="Pending"), fresh_status=True)
    assert cache.referrers.of_definition(("media", "transcode")) == {JOB.key}


def definition(name: str, image: str = "busybox") -> Object:
    identity = {"namespace": "media", "name": name, "uid": name, "generation": 1}
    return {"metadata": identity, "spec": {"container": {"name": "main", "image": image}}}


@pytest.mark.parametrize("name", ["transcode", "transcode:1"])
def test_the_cache_marks_a_job_when_its_definition_comes_changes_and_goes(name: str) -> None:
    cache = Cache()
    cache.put_batchjob(batchjob(name))
    cache.confirm(("media", "transcode"), {JOB.key})
    cache.take_dirty()
    cache.catalogue.put_definition(definition("encode"))
    assert cache.take_dirty() == set()
    for image in ("busybox", "another"):
        cache.catalogue.put_definition(definition("transcode", image))
        assert cache.take_dirty() == {JOB.key}
    cache.catalogue.remove_definition(("media", "transcode"), "transcode")
    assert cache.take_dirty() == {JOB.key}
