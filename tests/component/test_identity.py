"""Whose Kubernetes Jobs and pods are believed: what a tenant makes takes nothing from others and ends no job."""

import copy
from contextlib import suppress
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.definition.revisions import digest
from batchyard.kube.errors import AlreadyExists
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, CONTROLLER_REVISIONS, JOBS, PODS, SECRETS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.api import manifest
from objects.specs import asking_container

HUGE = {"containers": [{"name": "a", "image": "b", "resources": {"requests": {"cpu": "1000"}}}]}
COMPLETE = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T01:00:00Z"}
KINDS: dict[str, tuple[dict[str, str], dict[str, str], dict[str, Any]]] = {
    "single": ({}, {}, {}),
    "node": (
        {names.NODE: "1"},
        {names.MAIN_UID: "x", names.GANG_REQUEST: '{"cpu": 1000000}'},
        {},
    ),
    "array": ({names.ARRAY: "true"}, {}, {"completions": 1000, "parallelism": 1000, "completionMode": "Indexed"}),
    "index": ({names.INDEX: "0"}, {names.REQUEST: '{"cpu": 1000000}'}, {}),
}
"""Labels, annotations and spec that make a Job look like each kind of ours."""

STATEFUL_SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x", "uid": "x", "controller": True}
DELETED_DEFINITION = {
    "apiVersion": names.API_VERSION,
    "kind": names.JOB_DEFINITION,
    "name": "transcode",
    "uid": "of-another-time",
    "controller": True,
}


def crafted(owner: Object, name: str = "crafted-1", *, kind: str = "single", run: int = 1) -> Object:
    """A suspended Job that looks like a run of a BatchJob, and asks for all there is."""
    labels, annotations, spec = KINDS[kind]
    job, uid = owner["metadata"]["name"], owner["metadata"]["uid"]
    says = {"queue": "urgent", "environment": "on-prem", "run": str(run), "revision": "1", "job": job, "job-uid": uid}
    reference = {"apiVersion": names.API_VERSION, "kind": "BatchJob", "name": job, "uid": uid, "controller": True}
    return {
        "metadata": {
            "name": name,
            "labels": {**{f"batchyard.dev/{key}": value for key, value in says.items()}, **labels},
            "annotations": {names.ATTEMPT: "1", names.CONSUMABLES: '{"licence": 5}', **annotations},
            "ownerReferences": [reference],
        },
        "spec": {"suspend": True, **spec, "template": {"spec": HUGE}},
    }


def copied(job: Object, name: str) -> Object:
    """What somebody has who reads one of our Jobs, mark included."""
    made = copy.deepcopy(job)
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        made["metadata"].pop(field, None)
    return {**made, "metadata": {**made["metadata"], "name": name}, "status": {}}


async def nothing_is_taken(cluster: Cluster) -> None:
    """A job that needs all there is gets it."""
    await cluster.pass_time(10)
    cluster.submit("honest")
    await cluster.pass_time(5)
    assert cluster.state("honest") == ("Starting", "CreatingPod")
    assert cluster.get("ComputeEnvironment", "on-prem")["status"]["used"]["cpu"] == "4"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restart", [False, True])
@in_cluster()
async def test_a_crafted_job_takes_nothing_and_ends_nothing(cluster: Cluster, kind: str, restart: bool) -> None:
    """Of whatever kind, with an owner that exists, and while no operator acts, too."""
    cluster.furnish(request="4")
    cluster.put("ConsumableResource", "licence", total=5)
    await cluster.start_operator()
    own = cluster.submit("own", suspend=True)
    await cluster.pass_time(1)
    if restart:
        await cluster.processes[0].stop()
    cluster.store.create(JOBS, crafted(own, kind=kind), NAMESPACE)
    if restart:
        await cluster.start_operator()
    made = cluster.kube_job("crafted-1")
    cluster.store.update(JOBS, {**made, "status": {"conditions": [COMPLETE]}}, status=True)
    await nothing_is_taken(cluster)
    assert cluster.state("own") == ("Runnable", "Suspended")


@in_cluster()
async def test_an_owner_that_does_not_exist_is_no_owner(cluster: Cluster) -> None:
    cluster.furnish(request="4")
    absent = {"metadata": {"name": "x", "uid": "00000000-0000-0000-0000-000000000000"}}
    cluster.store.create(JOBS, crafted(absent), NAMESPACE)
    await cluster.start_operator()
    await nothing_is_taken(cluster)


@in_cluster()
async def test_a_job_of_another_namespace_is_not_of_a_job_whose_uid_it_names(cluster: Cluster) -> None:
    cluster.furnish(request="4")
    cluster.add_namespace("mallory")
    await cluster.start_operator()
    honest = cluster.submit("honest")
    await cluster.pass_time(1)
    for foreign in (crafted(honest, "honest-2", run=2), copied(cluster.kube_job("honest-1"), "honest-1")):
        cluster.store.create(JOBS, foreign, "mallory")
        made = cluster.store.get(JOBS, foreign["metadata"]["name"], "mallory")
        cluster.store.update(JOBS, {**made, "status": {"conditions": [COMPLETE]}}, status=True)
    await cluster.pass_time(10)
    assert cluster.state("honest") == ("Starting", "CreatingPod")
    assert len(cluster.status("honest")["attempts"]) == 1


@in_cluster()
async def test_a_mark_copied_to_another_job_is_of_no_use(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8", request="4")
    cluster.submit("own")
    await cluster.pass_time(1)
    for name in ("own-2", "own-3", "x"):
        cluster.store.create(JOBS, copied(cluster.kube_job("own-1"), name), NAMESPACE)
    cluster.submit("honest")
    await cluster.pass_time(5)
    assert cluster.state("honest") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_crafted_job_in_the_way_of_a_run_is_named(cluster: Cluster) -> None:
    await cluster.set_up(request="4")
    own = cluster.submit("own", suspend=True)
    await cluster.pass_time(1)
    cluster.store.create(JOBS, crafted(own, "own-1"), NAMESPACE)
    cluster.put("BatchJob", "own")
    await cluster.pass_time(5)
    assert cluster.state("own") == ("Runnable", "CreateFailed")
    assert "a Kubernetes Job own-1 that does not belong to this BatchJob exists" in cluster.status("own")["message"]
    cluster.delete_kube_job("own-1")
    await cluster.pass_time(60)
    assert cluster.state("own") == ("Starting", "CreatingPod")


@in_cluster()
async def test_an_operator_believes_what_the_one_before_it_made(cluster: Cluster) -> None:
    await cluster.set_up()
    await cluster.submit_and_start()
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert cluster.state() == ("Running", "ContainerRunning")
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["job-1"]


@pytest.mark.parametrize("lost", ["marks", "key"])
@in_cluster()
async def test_runs_from_before_the_key_are_taken_over(cluster: Cluster, lost: str) -> None:
    """After the upgrade of an operator without marks, and after the loss of the key."""
    first = await cluster.set_up()
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    await first.stop()
    if lost == "marks":
        job = cluster.kube_job("job-1")
        del job["metadata"]["annotations"][names.MARK], job["metadata"]["annotations"][names.REQUEST]
        cluster.store.update(JOBS, job)
    cluster.store.delete(SECRETS, "operator-marks", "batchyard-system")
    second = await cluster.start_operator()
    second.operator._mark_key._random_bytes = lambda count: b"n" * count
    await cluster.pass_time(20)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.get("ComputeEnvironment", "on-prem")["status"]["used"]["cpu"] == "1"
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_the_run_of_a_deleted_job_is_charged_to_its_end_also_by_the_next_operator(cluster: Cluster) -> None:
    await cluster.set_up(request="4")
    cluster.submit("own")
    await cluster.pass_time(1)
    job = cluster.kube_job("own-1")
    cluster.store.update(JOBS, {**job, "metadata": {**job["metadata"], "finalizers": ["example.com/slow"]}})
    cluster.delete("BatchJob", "own")
    await cluster.restart_operator()
    cluster.submit("honest")
    await cluster.pass_time(30)
    assert cluster.state("honest")[0] == "Runnable"
    job = cluster.kube_job("own-1")
    cluster.store.update(JOBS, {**job, "metadata": {**job["metadata"], "finalizers": []}})
    await cluster.pass_time(5)
    assert cluster.state("honest") == ("Starting", "CreatingPod")


@in_cluster()
async def test_labels_changed_on_a_running_job_change_nothing(cluster: Cluster) -> None:
    await cluster.set_up(request="4")
    cluster.submit("own")
    await cluster.pass_time(1)
    job = cluster.kube_job("own-1")
    job["metadata"]["labels"].update({names.ENVIRONMENT: "elsewhere", names.RUN: "x", names.QUEUE: "other"})
    job["metadata"]["annotations"].pop(names.REQUEST)
    cluster.store.update(JOBS, job)
    await cluster.pass_time(5)
    assert cluster.get("ComputeEnvironment", "on-prem")["status"]["used"]["cpu"] == "4"
    cluster.jobs.finish("own-1")
    await cluster.pass_time(5)
    assert cluster.state("own") == ("Succeeded", "Completed")


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("pods_too", [False, True])
@in_cluster()
async def test_a_job_that_lost_its_labels_is_not_run_twice_at_the_same_time(
    cluster: Cluster, restart: bool, pods_too: bool
) -> None:
    await cluster.set_up()
    await cluster.submit_and_start()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    del job["metadata"]["labels"][names.JOB_UID]
    cluster.store.update(JOBS, job)
    if pods_too:
        pod = cluster.jobs.pod(job)
        del pod["metadata"]["labels"][names.JOB_UID]
        cluster.store.update(PODS, pod)
    if restart:
        await cluster.restart_operator(orderly=True)
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["job-1"]
    assert cluster.status()["state"] == "Runnable"
    said = "Job job-1 in namespace media still exists, but its labels" if pods_too else "waits for pod job-1-"
    assert said in cluster.status()["message"]
    cluster.jobs.finish(job)
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["job-1", "job-2"]


@pytest.mark.parametrize("early", [False, True])
@in_cluster()
async def test_a_decoy_pod_is_not_read_as_that_of_a_run(cluster: Cluster, early: bool) -> None:
    first = await cluster.set_up()
    await cluster.submit_and_start()
    job = cluster.kube_job("job-1")
    await cluster.pass_time(1)
    real = cluster.jobs.pod(job)["metadata"]["name"]
    if early:
        await first.stop()
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": "job-1"}
    controller = {"apiVersion": "batch/v1", "kind": "Job", "name": "job-1", "uid": "another", "controller": True}
    for name, owners in (("decoy", []), ("other", [controller])):
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "ownerReferences": owners}
        status = {"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "Lie"}}}]}
        cluster.store.seed(PODS, {"metadata": metadata, "spec": {}, "status": status})
    if early:
        await cluster.start_operator()
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.status()["attempts"][0]["podName"] == real


@in_cluster()
async def test_a_pod_of_another_namespace_is_of_no_job_here(cluster: Cluster) -> None:
    cluster.furnish()
    cluster.add_namespace("mallory")
    await cluster.start_operator()
    cluster.submit(suspend=True)
    own = cluster.get("BatchJob", "job")
    labels = {names.JOB: "job", names.JOB_UID: own["metadata"]["uid"], "batch.kubernetes.io/job-name": "job-1"}
    pod = {"metadata": {"name": "job-1-x", "namespace": "mallory", "labels": labels}, "spec": {}}
    cluster.store.seed(PODS, {**pod, "status": {"phase": "Running"}})
    cluster.put("BatchJob", "job")
    await cluster.pass_time(5)
    assert cluster.state() == ("Starting", "CreatingPod")


@pytest.mark.parametrize("owner", [STATEFUL_SET, DELETED_DEFINITION])
@pytest.mark.parametrize("restart", [False, True])
@in_cluster()
async def test_a_revision_of_somebody_else_is_none(cluster: Cluster, owner: Object, restart: bool) -> None:
    """A StatefulSet gives its labels to its own; others may outlive a definition of the same name."""
    await cluster.set_up()
    content = {"container": asking_container(image="evil")}
    for number in (1, 2):
        labels = {names.DEFINITION: "transcode", names.REVISION: str(number), names.SPEC_HASH: digest(content)}
        name = f"transcode-{number}" if owner is DELETED_DEFINITION else f"x-{number}"
        metadata = {"name": name, "labels": labels, "ownerReferences": [owner]}
        revision = {"metadata": metadata, "revision": number, "data": {"spec": content}}
        with suppress(AlreadyExists):
            cluster.store.create(CONTROLLER_REVISIONS, revision, NAMESPACE)
    if restart:
        await cluster.restart_operator(orderly=True)
    await cluster.pass_time(1)
    cluster.submit()
    await cluster.pass_time(2)
    container = cluster.container()
    assert container["image"] == "busybox"
    assert cluster.get("JobDefinition", "transcode")["status"]["latestRevision"] == 1


@in_cluster()
async def test_without_the_key_nothing_is_decided(cluster: Cluster) -> None:
    cluster.furnish()
    cluster.store.create(SECRETS, {"metadata": {"name": "operator-marks"}}, "batchyard-system")
    process = await cluster.start_operator()
    cluster.store.create(BATCHJOBS, manifest("BatchJob", name="job"), NAMESPACE)
    await cluster.pass_time(10)
    assert process.operator.ready() != ""
    assert cluster.kube_jobs() == []
    cluster.store.delete(SECRETS, "operator-marks", "batchyard-system")
    await cluster.pass_time(60)
    assert process.operator.ready() == ""
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_decoy_pods_do_not_keep_an_array_from_giving_places_back(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    uid = cluster.submit("arr", array={"size": 20})["metadata"]["uid"]
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("arr-1", 0, 1, 2, 3)
    labels = {names.JOB: "arr", names.JOB_UID: uid, names.ARRAY: "true", "batch.kubernetes.io/job-name": "none"}
    for name, more in (("one", {names.COMPLETION_INDEX: "0"}), ("two", {}), ("three", {names.COMPLETION_INDEX: "x"})):
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {**labels, **more}}
        cluster.store.seed(PODS, {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}})
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=2)
    await cluster.pass_time(2)
    for index in (0, 1):
        cluster.jobs.indexed.hesitate("arr-1", index)
        await cluster.pass_time(3)
    assert cluster.parallelism("arr-1") == 2
    assert cluster.jobs.indexed.deleted == 0
