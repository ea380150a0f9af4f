"""Where no node comes, jobs give their slots back at no cost and go on in the next environment of their queue."""

from typing import Any

import pytest

from batchyard.kube.resources import JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from objects.answers import NO_NODE
from objects.specs import asking_container, multi_node

SIZE = {"cpu": "4", "memory": "16Gi", "pods": "110"}
SPENT = "all requested instance types were unavailable during launch"


async def with_two(cluster: Cluster, *, request: str = "1", seconds: int = 300, **managed: Any) -> None:
    """A queue with spot before on-demand, none of which has a node."""
    for name in ("spot", "on-demand"):
        cluster.put_managed(name, fields={"unschedulableSeconds": seconds}, **managed)
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot", "on-demand"])
    cluster.define(request=request)
    await cluster.start_operator()
    await cluster.pass_time(3)


def find_no_node(cluster: Cluster, run: str, *indexes: int) -> None:
    for index in indexes:
        pod = cluster.jobs.indexed.pod(run, index)
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}
        pod["status"]["conditions"] = [condition]
        cluster.store.update(PODS, pod, status=True)


def environment_of(cluster: Cluster, run: str) -> str:
    found: str = cluster.store.get(JOBS, run, "media")["metadata"]["labels"]["batchyard.dev/environment"]
    return found


async def has_failed_on_spot(cluster: Cluster, name: str = "job") -> None:
    """Submit a job, and let it wait in vain for a node."""
    cluster.submit(name)
    await cluster.pass_time(2)
    assert cluster.status(name)["computeEnvironment"] == "spot"
    cluster.jobs.unschedulable(f"{name}-1", NO_NODE)
    await cluster.pass_time(2)
    assert cluster.state(name) == ("Starting", "ScalingUp")
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(2)
    assert cluster.state(name) == ("Starting", "ScalingUp")
    assert SPENT in cluster.status(name)["message"]
    await cluster.pass_time(50)
    assert cluster.state(name) == ("Starting", "ScalingUp"), "the grace time is not over"
    await cluster.pass_time(8)


@in_cluster()
async def test_a_job_goes_on_in_the_next_environment_within_the_grace_time_and_says_why(cluster: Cluster) -> None:
    await with_two(cluster)
    await has_failed_on_spot(cluster)
    status = cluster.status()
    assert status["computeEnvironment"] == "on-demand"
    assert [(each["computeEnvironment"], each["attempt"]) for each in status["attempts"]] == [
        ("spot", 1),
        ("on-demand", 1),
    ]
    assert status["attempts"][0]["reason"] == "InsufficientInstanceCapacity"
    assert SPENT in status["attempts"][0]["message"]
    assert "environment spot got no node for a pod (1 vCPU), asked for since 00:00:0" in status["message"]
    cluster.add_node("made-1", **{"batchyard.dev/compute-environment": "on-demand"})
    cluster.jobs.start("job-2", "made-1")
    await cluster.pass_time(2)
    assert cluster.state()[0] == "Running"
    assert SPENT in cluster.status()["message"]
    assert cluster.status().get("interruptions", 0) == 0


@in_cluster()
async def test_others_that_ask_for_the_same_do_not_try_and_one_does_once_the_time_is_over(cluster: Cluster) -> None:
    await with_two(cluster)
    await has_failed_on_spot(cluster)
    for name in ("a", "b"):
        cluster.submit(name)
    await cluster.pass_time(2)
    assert [cluster.status(name)["computeEnvironment"] for name in ("a", "b")] == ["on-demand", "on-demand"]
    await cluster.pass_time(180)
    for name in ("c", "d"):
        cluster.submit(name)
    await cluster.pass_time(2)
    assert [cluster.status(name)["computeEnvironment"] for name in ("c", "d")] == ["spot", "on-demand"], "one finds out"
    cluster.karpenter.claim("spot-1", "spot", capacity=SIZE, node="made-1")
    cluster.add_node("made-1", **{"batchyard.dev/compute-environment": "spot"})
    cluster.jobs.start("c-1", "made-1")
    await cluster.pass_time(2)
    cluster.submit("e")
    await cluster.pass_time(2)
    assert cluster.status("e")["computeEnvironment"] == "spot", "nodes come again"


@in_cluster()
async def test_jobs_that_ask_for_something_else_are_not_kept_from_it(cluster: Cluster) -> None:
    await with_two(cluster)
    await has_failed_on_spot(cluster)
    cluster.define("larger", request="2")
    cluster.submit("other", jobDefinition="larger")
    await cluster.pass_time(2)
    assert cluster.status("other")["computeEnvironment"] == "spot"


@in_cluster()
async def test_without_another_environment_it_waits_and_says_until_when(cluster: Cluster) -> None:
    await with_two(cluster)
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot"])
    await has_failed_on_spot(cluster)
    assert cluster.state() == ("Runnable", "InsufficientInstanceCapacity")
    cluster.submit("second")
    cluster.define("larger", request="2")
    cluster.submit("other", jobDefinition="larger")
    await cluster.pass_time(2)
    assert "environment spot is left alone with such pods until 00:0" in cluster.status()["message"]
    assert cluster.state("second")[0] == "Runnable"
    assert cluster.state("other")[0] == "Starting", "it closes nothing to others"
    await cluster.pass_time(185)
    assert cluster.state()[0] == "Starting", "the first is tried first: it has kept its turn"
    assert cluster.state("second")[0] == "Runnable"


@in_cluster()
async def test_a_limit_of_the_queue_counts_from_the_first_time_that_no_node_came(cluster: Cluster) -> None:
    await with_two(cluster)
    limit = {"reason": "InsufficientInstanceCapacity", "maxTimeSeconds": 600}
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot"], jobStateTimeLimits=[limit])
    await has_failed_on_spot(cluster)
    for run in (2, 3):
        await cluster.pass_time(180)
        assert cluster.state()[0] == "Starting"
        cluster.jobs.unschedulable(f"job-{run}", NO_NODE)
        cluster.karpenter.fail("spot", SPENT)
        await cluster.pass_time(65)
        assert cluster.state() == ("Runnable", "InsufficientInstanceCapacity")
    await cluster.pass_time(100)
    assert cluster.state() == ("Runnable", "InsufficientInstanceCapacity")
    await cluster.pass_time(15)
    assert cluster.state() == ("Failed", "StateTimeLimitExceeded")
    assert SPENT in cluster.status()["message"]


@in_cluster()
async def test_a_provider_that_refuses_goes_on_refusing_as_long_as_the_claim_is_there(cluster: Cluster) -> None:
    await with_two(cluster)
    cluster.karpenter.refuse("you have reached your quota", claim="spot-1", environment="spot")
    await cluster.pass_time(100)
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.unschedulable("job-1", NO_NODE)
    await cluster.pass_time(65)
    assert cluster.status()["computeEnvironment"] == "on-demand"
    assert "you have reached your quota" in cluster.status()["message"]


@in_cluster()
async def test_where_nodes_cannot_be_made_any_more_pods_do_not_wait_for_them(cluster: Cluster) -> None:
    await with_two(cluster)
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.unschedulable("job-1", NO_NODE)
    cluster.karpenter.judge("NodeClassReady", "False", "the node class is gone", pool="spot")
    await cluster.pass_time(65)
    assert cluster.status()["computeEnvironment"] == "on-demand"
    assert "the node class is gone" in cluster.status()["attempts"][0]["message"]


@in_cluster()
async def test_a_pod_whose_node_is_on_its_way_is_not_given_up_for_the_lack_of_others(cluster: Cluster) -> None:
    await with_two(cluster)
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.unschedulable("job-1", NO_NODE)
    cluster.karpenter.claim("spot-1", "spot", instance_type="c-4x", capacity=SIZE)
    await cluster.pass_time(2)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(120)
    assert cluster.state() == ("Starting", "ScalingUp")
    cluster.karpenter.drop("spot-1")
    await cluster.pass_time(3)
    assert cluster.status()["computeEnvironment"] == "on-demand", "now it has none"


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_an_array_that_has_not_begun_begins_elsewhere(cluster: Cluster, restarted: bool) -> None:
    await with_two(cluster)
    cluster.submit("array", array={"size": 3})
    await cluster.pass_time(2)
    find_no_node(cluster, "array-1", 0, 1, 2)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(30)
    assert SPENT in cluster.status("array")["message"]
    if restarted:
        await cluster.restart_operator()
    await cluster.pass_time(45)
    assert environment_of(cluster, "array-1") == "on-demand"
    status = cluster.status("array")
    assert (status["computeEnvironment"], status["array"]["starting"]) == ("on-demand", 3)
    assert SPENT in status["message"]
    assert "moved" not in status["array"]
    assert status.get("interruptions", 0) == 0
    cluster.jobs.indexed.finish("array-1", 0, 1, 2)
    await cluster.pass_time(3)
    assert cluster.state("array") == ("Succeeded", "Completed")


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_what_is_left_of_an_array_that_has_begun_goes_on_elsewhere(cluster: Cluster, restarted: bool) -> None:
    await with_two(cluster)
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("array-1", 0)
    find_no_node(cluster, "array-1", 1, 2, 3)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(75)
    if restarted:
        await cluster.restart_operator(orderly=True)
        await cluster.pass_time(5)
    status = cluster.status("array")
    assert status["array"]["moved"] is True
    assert [job["metadata"]["name"] for job in cluster.store.objects(JOBS)] == [
        "array-1",
        "array-1-i1",
        "array-1-i2",
        "array-1-i3",
    ]
    assert {environment_of(cluster, f"array-1-i{index}") for index in (1, 2, 3)} == {"on-demand"}
    assert (status["array"]["succeeded"], status["array"]["starting"]) == (1, 3)
    assert status.get("interruptions", 0) == 0
    for index in (1, 2, 3):
        cluster.jobs.finish(f"array-1-i{index}")
    await cluster.pass_time(3)
    assert cluster.state("array") == ("Succeeded", "Completed")
    assert cluster.status("array")["array"]["retries"] == 0
    assert cluster.active_jobs() == [], "the Indexed Job would wait for ever"


@in_cluster()
async def test_indexes_that_run_are_not_followed_by_others_where_no_nodes_come(cluster: Cluster) -> None:
    await with_two(cluster, onShortage={"graceSeconds": 20, "leaveAloneSeconds": 600})
    cluster.submit("array", array={"size": 6})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0, 1)
    find_no_node(cluster, "array-1", 2, 3, 4, 5)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(40)
    assert cluster.parallelism("array-1") == 2
    cluster.jobs.indexed.finish("array-1", 0)
    await cluster.pass_time(20)
    assert cluster.jobs.indexed.active("array-1") == [1]
    cluster.jobs.indexed.finish("array-1", 1)
    await cluster.pass_time(20)
    assert cluster.status("array")["array"]["moved"] is True
    assert {environment_of(cluster, f"array-1-i{index}") for index in (2, 3, 4, 5)} == {"on-demand"}


@in_cluster()
async def test_an_array_leaves_nodes_that_stay_where_more_of_it_waits_than_runs(cluster: Cluster) -> None:
    """A node with room for what follows the index that ends there is no reason to creep along on it."""
    await with_two(cluster, onShortage={"graceSeconds": 20, "leaveAloneSeconds": 600})
    cluster.submit("array", array={"size": 8})
    await cluster.pass_time(2)
    cluster.add_node("made-1", cpu="2", **{"batchyard.dev/compute-environment": "spot"})
    cluster.karpenter.claim("spot-1", "spot", instance_type="c-4x", capacity=SIZE, node="made-1")
    for index in (0, 1):
        pod = cluster.jobs.indexed.pod("array-1", index)
        pod["spec"]["nodeName"] = "made-1"
        cluster.store.update(PODS, pod)
    cluster.jobs.indexed.start("array-1", 0, 1)
    find_no_node(cluster, "array-1", 2, 3, 4, 5, 6, 7)
    await cluster.pass_time(5)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(40)
    assert cluster.parallelism("array-1") == 2
    for index in (0, 1):
        cluster.jobs.indexed.finish("array-1", index)
        await cluster.pass_time(20)
    assert cluster.jobs.indexed.active("array-1") == []
    assert cluster.status("array")["array"]["moved"] is True


@in_cluster()
async def test_another_job_finds_out_where_the_one_that_did_is_gone(cluster: Cluster) -> None:
    await with_two(cluster, seconds=1200)
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot"])
    await has_failed_on_spot(cluster)
    cluster.submit("second")
    await cluster.pass_time(185)
    assert (cluster.state()[0], cluster.state("second")[0]) == ("Starting", "Runnable")
    cluster.change(stop={"mode": "Terminate", "reason": "not needed"})
    await cluster.pass_time(10)
    assert (cluster.state()[0], cluster.state("second")[0]) == ("Failed", "Starting")


@in_cluster()
async def test_a_wave_of_which_no_node_comes_keeps_nobody_from_the_next_environment(cluster: Cluster) -> None:
    await with_two(cluster, maxPendingPods=2)
    cluster.define("larger", request="2")
    for number in range(2):
        cluster.submit(f"large-{number}", jobDefinition="larger")
    await cluster.pass_time(2)
    cluster.submit("small")
    await cluster.pass_time(30)
    assert cluster.state("small")[0] == "Runnable"
    await cluster.pass_time(35)
    assert cluster.status("small")["computeEnvironment"] == "on-demand", "nobody has said why, and it was waited for"


@in_cluster()
async def test_a_multi_node_job_of_which_one_node_does_not_come_goes_elsewhere_as_a_whole(cluster: Cluster) -> None:
    await with_two(cluster)
    cluster.put("JobDefinition", "mpi", **multi_node(2, asking_container(3)))
    cluster.submit("gang", jobDefinition="mpi")
    await cluster.pass_time(2)
    assert cluster.status("gang")["computeEnvironment"] == "spot"
    cluster.add_node("made-1", **{"batchyard.dev/compute-environment": "spot"})
    cluster.karpenter.claim("spot-1", "spot", instance_type="c-4x", capacity=SIZE, node="made-1")
    cluster.jobs.start("gang-1", "made-1")
    await cluster.pass_time(2)
    cluster.jobs.unschedulable("gang-1-n1", NO_NODE)
    cluster.karpenter.fail("spot", SPENT)
    await cluster.pass_time(70)
    status = cluster.status("gang")
    assert status["computeEnvironment"] == "on-demand"
    assert [each["attempt"] for each in status["attempts"]] == [1, 1]
    assert SPENT in status["attempts"][0]["message"]


@in_cluster()
async def test_a_wave_that_is_full_is_waited_for_and_not_gone_past(cluster: Cluster) -> None:
    await with_two(cluster, maxPendingPods=2)
    for number in range(4):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(3)
    assert [cluster.status(f"job-{n}").get("computeEnvironment", "") for n in range(4)] == ["spot", "spot", "", ""]
    assert "maxPendingPods of environment spot" in cluster.status("job-2")["message"]
    cluster.karpenter.claim("spot-1", "spot", instance_type="c-4x", capacity=SIZE)
    await cluster.pass_time(3)
    assert [cluster.status(f"job-{n}").get("computeEnvironment", "") for n in range(4)] == ["spot"] * 4
