"""Pods that have a node and do not start: the kubelet's words in status, and an end after the grace time."""

from typing import Any

import pytest

from batchyard.kube.protocol import ALL, Object, Selection
from batchyard.kube.resources import EVENTS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking_container, multi_node

NOT_MOUNTED = 'MountVolume.SetUp failed for volume "keys" : secret "not-there" not found'
NO_SANDBOX = "Failed to create pod sandbox: container init was OOM-killed (memory limit too low?)"


def tell(cluster: Cluster, pod: Object, reason: str, message: str, kind: str = "Warning") -> None:
    """Have the kubelet write an Event about a pod."""
    metadata = pod["metadata"]
    body = {
        "metadata": {"generateName": "event-"},
        "involvedObject": {"kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet"},
        "lastTimestamp": cluster.store.timestamp(),
    }
    cluster.store.create(EVENTS, body, NAMESPACE)


async def bound(cluster: Cluster, **definition: Any) -> Object:
    await cluster.set_up(**{"startupGraceSeconds": 60, **definition})
    cluster.submit()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    cluster.jobs.schedule(job)
    return cluster.jobs.pod(job)


@pytest.mark.parametrize(("reason", "message"), [("FailedMount", NOT_MOUNTED), ("FailedCreatePodSandBox", NO_SANDBOX)])
def test_what_only_events_tell_is_in_status_soon_and_ends_the_attempt_in_time(reason: str, message: str) -> None:
    @in_cluster()
    async def run(cluster: Cluster) -> None:
        pod = await bound(cluster)
        tell(cluster, pod, "Scheduled", "assigned", "Normal")
        tell(cluster, pod, reason, message)
        await cluster.pass_time(10)
        assert cluster.state() == ("Starting", reason)
        assert cluster.status()["message"] == f"{reason}: {message}"
        await cluster.pass_time(45)
        assert cluster.state()[0] == "Starting"
        await cluster.pass_time(10)
        assert cluster.state() == ("Failed", "CannotStartContainer")
        assert message in cluster.status()["message"]

    run()


@in_cluster()
async def test_the_image_is_named_where_the_kubelet_is_late_to_write_the_status(cluster: Cluster) -> None:
    pod = await bound(cluster, startupGraceSeconds=20)
    tell(cluster, pod, "Failed", 'Failed to pull image "nowhere/missing:1": not found')
    tell(cluster, pod, "Failed", "Error: ErrImagePull")
    await cluster.pass_time(2)
    tell(cluster, pod, "BackOff", 'Back-off pulling image "nowhere/missing:1"', "Normal")
    tell(cluster, pod, "Failed", "Error: ImagePullBackOff")
    await cluster.pass_time(30)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert "nowhere/missing:1" in cluster.status()["message"]


@in_cluster()
async def test_a_mere_name_is_told_where_there_are_no_words(cluster: Cluster) -> None:
    pod = await bound(cluster)
    tell(cluster, pod, "Failed", "Error: ErrImagePull")
    await cluster.pass_time(10)
    assert cluster.status()["message"] == "Failed: Error: ErrImagePull"


@in_cluster()
async def test_a_restarted_operator_knows_the_grace_time_and_the_words(cluster: Cluster) -> None:
    pod = await bound(cluster)
    tell(cluster, pod, "FailedMount", NOT_MOUNTED)
    await cluster.pass_time(30)
    await cluster.restart_operator()
    await cluster.pass_time(40)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert NOT_MOUNTED in cluster.status()["message"]


@in_cluster()
async def test_what_has_healed_is_forgotten(cluster: Cluster) -> None:
    pod = await bound(cluster)
    tell(cluster, pod, "FailedMount", NOT_MOUNTED)
    await cluster.pass_time(10)
    assert cluster.state() == ("Starting", "FailedMount")
    await cluster.pass_time(1)
    tell(cluster, pod, "Pulling", "Pulling image", "Normal")
    await cluster.pass_time(300)
    assert cluster.state() == ("Starting", "StartingContainer")
    cluster.jobs.start("job-1")
    await cluster.pass_time(1)
    assert cluster.state() == ("Running", "ContainerRunning")


def count_readings_of_events(cluster: Cluster) -> list[str]:
    """From now on, what is asked of the API server about Events."""
    asked: list[str] = []
    pages = cluster.api.list_pages

    def counted(resource: Any, selection: Selection = ALL, **options: Any) -> Any:
        if resource == EVENTS:
            asked.append(selection.fields)
        return pages(resource, selection, **options)

    cluster.api.list_pages = counted  # type: ignore[method-assign]
    return asked


@in_cluster()
async def test_a_pod_that_takes_long_without_trouble_is_left_alone_and_asked_about_less_and_less(
    cluster: Cluster,
) -> None:
    pod = await bound(cluster)
    tell(cluster, pod, "Pulling", "Pulling image", "Normal")
    asked = count_readings_of_events(cluster)
    await cluster.pass_time(1200)
    assert cluster.state() == ("Starting", "StartingContainer")
    assert 3 < len(asked) < 60


@in_cluster()
async def test_many_pods_that_take_long_are_asked_about_at_once_and_the_stuck_ones_a_few_at_a_time(
    cluster: Cluster,
) -> None:
    await cluster.set_up(cpu="100", request="1")
    names = [f"slow-{number}" for number in range(40)]
    stuck = [f"stuck-{number}" for number in range(30)]
    for name in names + stuck:
        cluster.submit(name)
    await cluster.pass_time(2)
    for name in names + stuck:
        cluster.jobs.schedule(f"{name}-1")
    for name in stuck:
        tell(cluster, cluster.jobs.pod(f"{name}-1"), "FailedMount", NOT_MOUNTED)
    asked = count_readings_of_events(cluster)
    await cluster.pass_time(8)
    assert len(asked) <= 1 + 2 * 10
    assert {selector for selector in asked if "uid=" not in selector} == {"involvedObject.kind=Pod,type=Warning"}
    await cluster.pass_time(30)
    assert {cluster.state(name) for name in stuck} == {("Starting", "FailedMount")}
    assert {cluster.state(name) for name in names} == {("Starting", "StartingContainer")}


@in_cluster()
async def test_the_grace_time_counts_from_when_a_node_was_found(cluster: Cluster) -> None:
    await cluster.set_up(startupGraceSeconds=300)
    cluster.submit()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    cluster.jobs.unschedulable(job, "0/3 nodes are available")
    await cluster.pass_time(250)
    cluster.jobs.wait(job, "ErrImagePull", "registry answered 503")
    await cluster.pass_time(200)
    assert cluster.state() == ("Starting", "ErrImagePull")
    await cluster.pass_time(110)
    assert cluster.state() == ("Failed", "CannotStartContainer")


@in_cluster()
async def test_another_node_of_a_multi_node_job_that_cannot_mount_says_so_and_ends_the_attempt(
    cluster: Cluster,
) -> None:
    cluster.furnish()
    cluster.define(**multi_node(2, asking_container(image="mpi"), mainNode=0), startupGraceSeconds=60)
    await cluster.start_operator()
    await cluster.submit_and_start()
    await cluster.pass_time(1)
    other = cluster.kube_job("job-1-n1")
    cluster.jobs.schedule(other)
    tell(cluster, cluster.jobs.pod(other), "FailedMount", NOT_MOUNTED)
    await cluster.pass_time(20)
    assert f"node 1: FailedMount: {NOT_MOUNTED}" in cluster.status()["message"]
    await cluster.pass_time(50)
    assert cluster.state() == ("Failed", "CannotStartContainer")
