"""A job that waits for room is told what is free and what of it is too little, with few writes."""

import pytest

from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS
from fakes.cluster import Cluster, in_cluster, watching
from objects.specs import asking_container, multi_node

FIGURES = "of 2 nodes, none has enough vCPU free (at most 1 vCPU); free in all: 2 vCPU"


async def two_nodes_with_one_vcpu_each(cluster: Cluster) -> None:
    """Each has four vCPUs, of which a job takes three. `large` needs two, and `gang` two on each of two nodes."""
    cluster.furnish()
    cluster.add_node("second", cpu="4")
    for name, cpu in (("three", "3"), ("large", "2"), ("whole", "4")):
        cluster.define(name, request=cpu)
    cluster.put("JobDefinition", "gang", **multi_node(2, asking_container("2")))
    await cluster.start_operator()
    for name, node in (("a", "node-1"), ("b", "second")):
        cluster.submit(name, jobDefinition="three")
        await cluster.pass_time(1)
        cluster.jobs.start(cluster.kube_job(f"{name}-1"), node)
    await cluster.pass_time(3)


def message(cluster: Cluster, name: str = "large") -> str:
    found: str = cluster.status(name)["message"]
    return found


@pytest.mark.parametrize("restart", [False, True])
@in_cluster()
async def test_figures_come_after_some_seconds_and_follow_what_happens(cluster: Cluster, restart: bool) -> None:
    await two_nodes_with_one_vcpu_each(cluster)
    cluster.submit("large", jobDefinition="large")
    await cluster.pass_time(0.5)
    assert message(cluster) == (
        "next in queue urgent; needs 2 vCPU on one node of environment on-prem; others may start before it until "
        "00:10:05Z (queue urgent has the policy Bypass), then the room is held for it"
    )
    await cluster.pass_time(12)
    assert message(cluster).endswith(FIGURES)
    if restart:
        await cluster.restart_operator(orderly=True)
    cluster.submit("behind", jobDefinition="large")
    await cluster.pass_time(60)
    assert message(cluster).endswith(FIGURES)
    cluster.add_node("third", cpu="1500m")
    await cluster.pass_time(60)
    assert "of 3 nodes, none has enough vCPU free (at most 1.5 vCPU); free in all: 3.5 vCPU" in message(cluster)
    cluster.jobs.finish("a-1")
    await cluster.pass_time(3)
    assert cluster.state("large") == ("Starting", "CreatingPod")


@in_cluster()
async def test_an_array_is_told_before_it_starts_and_after(cluster: Cluster) -> None:
    await two_nodes_with_one_vcpu_each(cluster)
    cluster.submit("array", jobDefinition="large", array={"size": 3})
    await cluster.pass_time(15)
    assert message(cluster, "array").endswith(FIGURES)
    cluster.jobs.finish("a-1")
    await cluster.pass_time(60)
    assert cluster.parallelism("array-1") == 2
    assert "1 wait: next in queue urgent; needs 2 vCPU on one node of environment on-prem; others may " in message(
        cluster, "array"
    )
    assert message(cluster, "array").endswith("none has enough vCPU free (at most 1 vCPU); free in all: 1 vCPU")


@in_cluster()
async def test_a_gang_is_told_how_many_of_its_nodes_find_room(cluster: Cluster) -> None:
    await two_nodes_with_one_vcpu_each(cluster)
    cluster.add_node("third", cpu="3")
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(15)
    assert "there is room for 1 of its 2 nodes, and for the next (2 vCPU) of 3 nodes, none" in message(cluster, "gang")


@in_cluster()
async def test_few_writes_however_much_changes(cluster: Cluster) -> None:
    """Others start and end all the time beside a job that no node has room for, for an hour."""
    await two_nodes_with_one_vcpu_each(cluster)
    cluster.put("JobQueue", "beside", computeEnvironments=["on-prem"], priority=99)
    cluster.submit("large", jobDefinition="whole")
    await cluster.pass_time(15)
    told: list[str] = []

    def note(before: Object | None, after: Object | None) -> None:
        if after is not None and after["metadata"]["name"] == "large":
            told.append((after.get("status") or {}).get("message", ""))

    with watching(cluster.store, BATCHJOBS, note):
        for number in range(60):
            cluster.submit(f"other-{number}", jobQueue="beside")
            await cluster.pass_time(30)
            cluster.jobs.start(cluster.kube_job(f"other-{number}-1"))
            await cluster.pass_time(20 + number % 7)
            cluster.jobs.finish(f"other-{number}-1")
            await cluster.pass_time(10)
    assert 3 < len(told) < 25, told
    assert all(". At " in each for each in told), "what is known already is not taken back"
