"""Room is counted node by node, as the operator sees the cluster."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.resources import NODES
from fakes.cluster import Cluster, in_cluster


def furnish(cluster: Cluster, *definitions: str, **selectors: dict[str, str]) -> None:
    """Environments of these node selectors, a queue that tries them in this order, and definitions of one vCPU."""
    for name, selector in selectors.items():
        cluster.put("ComputeEnvironment", name, unmanaged={"nodeSelector": selector})
    cluster.put("JobQueue", "urgent", computeEnvironments=list(selectors))
    for name in definitions:
        define(cluster, name)


def define(cluster: Cluster, name: str, cpu: str = "1", **container: Any) -> None:
    resources = {"requests": {"cpu": cpu, "memory": "64Mi"}}
    cluster.put("JobDefinition", name, container={"image": "x", "resources": resources, **container})


def environment_of(cluster: Cluster, name: str) -> str:
    labels: dict[str, str] = cluster.kube_job(f"{name}-1")["metadata"]["labels"]
    return labels[names.ENVIRONMENT]


def free(cluster: Cluster, environment: str) -> str:
    found: str = cluster.get("ComputeEnvironment", environment)["status"]["free"]["cpu"]
    return found


def cordon(cluster: Cluster, name: str, *, unschedulable: bool = True) -> None:
    node = cluster.store.get(NODES, name)
    cluster.store.update(NODES, {**node, "spec": {"unschedulable": unschedulable}})


@pytest.mark.parametrize("array", [{}, {"array": {"size": 2}}])
@in_cluster()
async def test_a_job_runs_in_the_first_environment_that_has_a_node_for_it(
    cluster: Cluster, array: dict[str, Any]
) -> None:
    furnish(cluster, "plain", first={"pool": "first"}, second={"pool": "second"})
    cluster.add_node("a", pool="first")
    cluster.add_node("b", pool="second", disk="nvme")
    define(cluster, "picky", nodeSelector={"disk": "nvme"})
    define(cluster, "same-key", nodeSelector={"pool": "second"})
    await cluster.start_operator()
    jobs = ("picky", "same-key", "plain")
    for name in jobs:
        cluster.submit(name, jobDefinition=name, **array)
    await cluster.pass_time(3)
    assert [environment_of(cluster, name) for name in jobs] == ["second", "second", "first"]


@pytest.mark.parametrize("array", [{}, {"array": {"size": 2}}])
@in_cluster()
async def test_a_job_that_no_node_is_one_for_delays_nobody_and_starts_when_there_is_one(
    cluster: Cluster, array: dict[str, Any]
) -> None:
    furnish(cluster, "plain", first={})
    cluster.add_node("a", cpu="2")
    define(cluster, "picky", nodeSelector={"disk": "nvme"})
    await cluster.start_operator()
    cluster.submit("a-picky", jobDefinition="picky", **array)
    cluster.submit("b-plain", jobDefinition="plain")
    await cluster.pass_time(3)
    assert cluster.state("a-picky")[1] == "NoNodeMatches"
    message = cluster.status("a-picky")["message"]
    assert "disk=nvme excludes the only node" in message
    assert cluster.kube_jobs() == ["b-plain-1"]
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(20)
    cluster.add_node("b", disk="nvme")
    await cluster.pass_time(3)
    assert "a-picky-1" in cluster.kube_jobs()


@in_cluster()
async def test_what_is_free_in_pieces_is_not_given_to_a_large_job(cluster: Cluster) -> None:
    furnish(cluster, "small", first={})
    define(cluster, "large", cpu="2")
    define(cluster, "most", cpu="3")
    for node in ("a", "b"):
        cluster.add_node(node)
    await cluster.start_operator()
    for name in ("m1", "m2"):
        cluster.submit(name, jobDefinition="most")
    cluster.submit("wants-two", jobDefinition="large")
    await cluster.pass_time(3)
    cluster.jobs.start(cluster.kube_job("m1-1"), "a")
    cluster.jobs.start(cluster.kube_job("m2-1"), "b")
    await cluster.pass_time(3)
    assert (free(cluster, "first"), cluster.state("wants-two")) == ("2", ("Runnable", "InsufficientCapacity"))
    cluster.jobs.finish(cluster.kube_job("m2-1"))
    await cluster.pass_time(3)
    assert "wants-two-1" in cluster.kube_jobs()


@in_cluster()
async def test_a_pod_counts_where_the_scheduler_has_put_it(cluster: Cluster) -> None:
    """It was expected on the smaller node, which is free for another then; the larger one is not any more."""
    furnish(cluster, "small", first={})
    define(cluster, "eight", cpu="8")
    define(cluster, "four", cpu="4")
    cluster.add_node("a", cpu="4")
    cluster.add_node("b", cpu="8")
    await cluster.start_operator()
    cluster.submit("one", jobDefinition="small")
    await cluster.pass_time(1)
    cluster.jobs.start(cluster.kube_job("one-1"), "b")
    await cluster.pass_time(1)
    cluster.submit("two", jobDefinition="eight")
    await cluster.pass_time(3)
    assert cluster.state("two") == ("Runnable", "InsufficientCapacity")
    cluster.jobs.finish(cluster.kube_job("one-1"))
    await cluster.pass_time(3)
    cluster.submit("three", jobDefinition="four")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["one-1", "three-1", "two-1"]


@pytest.mark.parametrize("restarts", [False, True])
@in_cluster()
async def test_work_on_cordoned_nodes_takes_nothing_from_the_others(cluster: Cluster, restarts: bool) -> None:
    furnish(cluster, first={})
    define(cluster, "four", cpu="4")
    for node in ("a", "b", "c"):
        cluster.add_node(node)
    await cluster.start_operator()
    for name in ("one", "two"):
        cluster.submit(name, jobDefinition="four")
    await cluster.pass_time(2)
    cluster.jobs.start(cluster.kube_job("one-1"), "a")
    cluster.jobs.start(cluster.kube_job("two-1"), "b")
    cordon(cluster, "a")
    cordon(cluster, "b")
    if restarts:
        await cluster.restart_operator(orderly=True)
        await cluster.pass_time(20)
    await cluster.pass_time(3)
    assert (free(cluster, "first"), cluster.get("ComputeEnvironment", "first")["status"]["nodes"]) == ("4", 1)
    cluster.submit("three", jobDefinition="four")
    await cluster.pass_time(3)
    assert "three-1" in cluster.kube_jobs()
    assert free(cluster, "first") == "0"


@in_cluster()
async def test_a_node_of_two_environments_is_there_once(cluster: Cluster) -> None:
    furnish(cluster, first={})
    define(cluster, "three", cpu="3")
    define(cluster, "two", cpu="2")
    cluster.put("ComputeEnvironment", "second", unmanaged={})
    cluster.put("JobQueue", "other", computeEnvironments=["second"])
    cluster.add_node("a")
    await cluster.start_operator()
    cluster.submit("one", jobDefinition="three")
    cluster.submit("two", jobDefinition="three", jobQueue="other")
    cluster.submit("z", jobDefinition="two", jobQueue="other")
    await cluster.pass_time(3)
    assert len(cluster.kube_jobs()) == 1
    cluster.jobs.start(cluster.kube_job(cluster.kube_jobs()[0]), "a")
    await cluster.pass_time(3)
    assert (free(cluster, "first"), free(cluster, "second")) == ("1", "1")


@in_cluster()
async def test_who_waits_for_an_environment_keeps_its_nodes_from_jobs_that_come_by_another_one(
    cluster: Cluster,
) -> None:
    """Small jobs of a queue of lower priority would take each vCPU as it becomes free."""
    furnish(cluster, "small", first={})
    define(cluster, "whole", cpu="4")
    cluster.put("ComputeEnvironment", "second", unmanaged={})
    cluster.put("JobQueue", "urgent", priority=9, computeEnvironments=["first"])
    cluster.put("JobQueue", "other", priority=1, computeEnvironments=["second"])
    cluster.add_node("a")
    await cluster.start_operator()
    cluster.submit("before", jobDefinition="small", jobQueue="other")
    await cluster.pass_time(2)
    cluster.jobs.start(cluster.kube_job("before-1"), "a")
    cluster.submit("large", jobDefinition="whole")
    await cluster.pass_time(2)
    cluster.submit("after", jobDefinition="small", jobQueue="other")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["before-1"]
    cluster.jobs.finish(cluster.kube_job("before-1"))
    await cluster.pass_time(2)
    assert "large-1" in cluster.kube_jobs()
    assert "after-1" not in cluster.kube_jobs()


def preferred(cluster: Cluster, kube_job: str) -> list[str]:
    """The nodes that the pods of a Kubernetes Job prefer."""
    affinity = cluster.pod_spec(kube_job).get("affinity", {}).get("nodeAffinity", {})
    (wish,) = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or [{"preference": None}]
    if wish["preference"] is None:
        return []
    found: list[str] = wish["preference"]["matchExpressions"][0]["values"]
    return found


@in_cluster()
async def test_pods_prefer_the_nodes_that_they_are_expected_on(cluster: Cluster) -> None:
    furnish(cluster, "small", first={})
    define(cluster, "half", cpu="2")
    for node in ("a", "b"):
        cluster.add_node(node, **{"kubernetes.io/hostname": f"host-{node}"})
    await cluster.start_operator()
    cluster.submit("single", jobDefinition="small")
    await cluster.pass_time(1)
    cluster.submit("array", jobDefinition="half", array={"size": 3})
    await cluster.pass_time(2)
    assert preferred(cluster, "single-1") == ["host-a"]
    assert preferred(cluster, "array-1") == ["host-a", "host-b"]


@in_cluster()
async def test_each_node_of_a_multi_node_job_prefers_one_that_was_found_for_it(cluster: Cluster) -> None:
    furnish(cluster, first={})

    def part(cpu: str) -> dict[str, Any]:
        return {"container": {"image": "x", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}}

    ranges = [{"targetNodes": "0", **part("3")}, {"targetNodes": "1:2", **part("1")}]
    cluster.put(
        "JobDefinition", "mixed", container=None, multiNode={"numNodes": 3, "mainNode": 0, "nodeRanges": ranges}
    )
    for node, cpu in (("a", "3"), ("b", "2")):
        cluster.add_node(node, cpu=cpu, **{"kubernetes.io/hostname": node})
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="mixed")
    await cluster.pass_time(2)
    assert preferred(cluster, "gang-1") == ["a"]
    cluster.jobs.start(cluster.kube_job("gang-1"), "a")
    await cluster.pass_time(2)
    children = [name for name in cluster.kube_jobs() if name != "gang-1"]
    assert [preferred(cluster, name) for name in children] == [["b"], ["b"]]
