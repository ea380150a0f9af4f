"""Arrays with places and no pods, or pods and no nodes: they keep what they can use, and give the rest back."""

from typing import Any

from batchyard.kube.resources import JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from objects.answers import NO_NODE, QUOTA
from objects.specs import asking_container


def find_no_node(cluster: Cluster, *indexes: int) -> None:
    for index in indexes:
        pod = cluster.jobs.indexed.pod("array-1", index)
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}
        pod["status"]["conditions"] = [condition]
        cluster.store.update(PODS, pod, status=True)


@in_cluster()
async def test_an_array_without_pods_gives_all_its_places_back(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", request="1")
    cluster.jobs.refuse_pods(QUOTA, "array")
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(4)
    assert QUOTA in cluster.status("array")["message"]
    cluster.put("JobDefinition", "large", container=asking_container(4, "b"))
    cluster.submit("other", jobDefinition="large")
    await cluster.pass_time(6)
    assert cluster.state("other") == ("Starting", "CreatingPod")
    assert cluster.parallelism("array-1") == 0
    assert QUOTA in cluster.status("array")["message"]
    cluster.jobs.finish("other-1")
    await cluster.pass_time(120)
    cluster.jobs.allow_pods()
    await cluster.pass_time(200)
    assert cluster.parallelism("array-1") == 4
    assert cluster.jobs.indexed.active("array-1") == [0, 1, 2, 3]
    cluster.jobs.indexed.finish("array-1", 0, 1, 2, 3)
    await cluster.pass_time(5)
    assert cluster.state("array") == ("Succeeded", "Completed")


@in_cluster()
async def test_tries_of_an_array_grow_ever_rarer(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="4", request="1")
    cluster.jobs.refuse_pods(QUOTA)
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(1800)
    assert 6 <= process.writes(JOBS).count(("patch", "array-1")) <= 40


@in_cluster()
async def test_an_array_keeps_the_places_whose_pods_were_made(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", request="1")
    cluster.jobs.indexed.limit = 2
    cluster.jobs.refuse_pods(QUOTA, "array")
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(1)
    cluster.jobs.indexed.start("array-1", 0, 1)
    await cluster.pass_time(11)
    assert cluster.parallelism("array-1") == 2
    assert QUOTA in cluster.status("array")["message"]
    assert cluster.jobs.indexed.active("array-1") == [0, 1]


@in_cluster()
async def test_indexes_that_find_no_node_give_their_places_back(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", request="1")
    cluster.put("ComputeEnvironment", "on-prem", unschedulableSeconds=60)
    await cluster.start_operator()
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(1)
    cluster.jobs.indexed.start("array-1", 0)
    find_no_node(cluster, 1, 2, 3)
    await cluster.pass_time(20)
    assert NO_NODE in cluster.status("array")["message"]
    assert cluster.parallelism("array-1") == 4
    await cluster.pass_time(42)
    assert cluster.parallelism("array-1") == 1
    assert cluster.jobs.indexed.active("array-1") == [0]
    assert NO_NODE in cluster.status("array")["message"]
    assert cluster.status("array").get("interruptions", 0) == 0


@in_cluster()
async def test_jobs_of_single_indexes_give_their_places_back(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", request="1")
    cluster.jobs.refuse_pods(QUOTA, "array")
    cluster.submit("array", array={"size": 3}, dependsOn=[{"type": "Sequential"}])
    await cluster.pass_time(3)
    assert QUOTA in cluster.status("array")["message"]
    await cluster.pass_time(6)
    assert cluster.kube_jobs() == []
    cluster.jobs.allow_pods()
    await cluster.pass_time(20)
    names = cluster.kube_jobs()
    assert len(names) == 1
    cluster.jobs.finish(cluster.kube_job(names[0]))
    await cluster.pass_time(3)
    status: dict[str, Any] = cluster.status("array")
    assert status["array"]["succeeded"] == 1
    assert status.get("interruptions", 0) == 0
