"""Runs that have a place and no pod, or a pod and no node: they say why, and give the place back at no cost."""

from typing import Any

import pytest

from batchyard.kube.errors import Forbidden
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process
from objects.answers import NO_NODE, QUOTA
from objects.specs import multi_node


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_a_refused_pod_gives_the_place_back_with_the_api_servers_words(cluster: Cluster, restarted: bool) -> None:
    await cluster.set_up(cpu="4", request="4")
    cluster.jobs.refuse_pods(QUOTA, "quota")
    cluster.submit("quota")
    await cluster.pass_time(2)
    assert cluster.state("quota") == ("Starting", "CreateFailed")
    assert cluster.status("quota")["message"] == f"quota-1: its pod is forbidden: {QUOTA}"
    cluster.submit("other")
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(25)
    await cluster.pass_time(6)
    assert cluster.state("other") == ("Starting", "CreatingPod")
    status = cluster.status("quota")
    assert (status["attempts"][0]["reason"], status["attempts"][0]["attempt"]) == ("CreateFailed", 1)
    assert QUOTA in status["attempts"][0]["message"]
    assert status.get("interruptions", 0) == 0
    cluster.jobs.allow_pods()
    cluster.jobs.finish("other-1")
    await cluster.pass_time(20)
    cluster.jobs.finish("quota-2")
    await cluster.pass_time(2)
    assert cluster.state("quota") == ("Succeeded", "Completed")
    assert [each["attempt"] for each in cluster.status("quota")["attempts"]] == [1, 1]


@in_cluster()
async def test_tries_grow_ever_rarer_also_over_restarts(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", request="4")
    cluster.jobs.refuse_pods(QUOTA)
    cluster.submit()
    await cluster.pass_time(900)
    runs = cluster.status()["attempts"][-1]["run"]
    assert 5 <= runs <= 12
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(900)
    assert cluster.status()["attempts"][-1]["run"] - runs <= 7
    assert {each["attempt"] for each in cluster.status()["attempts"]} == {1}


@in_cluster()
async def test_a_pod_that_is_made_within_seconds_goes_on(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.jobs.refuse_pods(QUOTA)
    cluster.submit()
    await cluster.pass_time(3)
    cluster.jobs.allow_pods()
    cluster.jobs.start("job-1")
    await cluster.pass_time(60)
    assert cluster.state() == ("Running", "ContainerRunning")


@in_cluster()
async def test_a_pod_that_nobody_says_anything_about_is_waited_for_as_long_as_a_start(cluster: Cluster) -> None:
    await cluster.set_up(startupGraceSeconds=60)
    cluster.jobs.refuse_pods(QUOTA)
    cluster.jobs.silent = True
    cluster.submit()
    await cluster.pass_time(10)
    assert cluster.state() == ("Starting", "CreateFailed")
    assert cluster.status()["message"] == "the Kubernetes Job has no pod, and no Event says why"
    await cluster.pass_time(55)
    assert cluster.status()["state"] == "Runnable"


@in_cluster()
async def test_a_job_that_the_job_controller_does_not_look_at_is_waited_for_and_given_up(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", request="4", startupGraceSeconds=10)
    cluster.store.listeners.remove(cluster.jobs._on_change)
    cluster.submit("unseen")
    await cluster.pass_time(1)
    cluster.submit("other")
    await cluster.pass_time(35)
    assert cluster.state("unseen") == ("Starting", "CreateFailed")
    await cluster.pass_time(260)
    assert cluster.state("unseen") == ("Starting", "CreateFailed")
    await cluster.pass_time(7)
    assert cluster.state("other") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_job_that_somebody_suspends_says_so_and_gives_its_place_back(cluster: Cluster) -> None:
    await cluster.set_up(startupGraceSeconds=60)
    cluster.jobs.refuse_pods(QUOTA)
    cluster.submit()
    await cluster.pass_time(0.5)
    cluster.jobs.suspend("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Starting", "CreateFailed")
    assert "suspended (spec.suspend) by somebody else" in cluster.status()["message"]
    await cluster.pass_time(57)
    assert cluster.status()["state"] == "Runnable"
    assert cluster.status()["attempts"][0]["reason"] == "CreateFailed"


@in_cluster()
async def test_a_pod_without_a_node_gives_its_place_back_after_the_environments_time(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", request="4", retryStrategy={"maxInterruptions": 0})
    cluster.put("ComputeEnvironment", "on-prem", unschedulableSeconds=100)
    await cluster.start_operator()
    cluster.submit("picky")
    await cluster.pass_time(1)
    cluster.jobs.unschedulable("picky-1", NO_NODE)
    cluster.submit("other")
    await cluster.pass_time(90)
    assert cluster.state("picky") == ("Starting", "Unschedulable")
    await cluster.pass_time(12)
    assert cluster.state("other") == ("Starting", "CreatingPod")
    status = cluster.status("picky")
    assert NO_NODE in status["message"]
    assert (status["attempts"][0]["reason"], status.get("interruptions", 0)) == ("Unschedulable", 0)
    cluster.jobs.finish("other-1")
    await cluster.pass_time(20)
    assert cluster.kube_jobs() == ["other-1", "picky-2"]


@in_cluster()
async def test_a_job_that_gave_its_place_back_goes_behind_those_that_came_before(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", request="4")
    cluster.put("ComputeEnvironment", "on-prem", unschedulableSeconds=100)
    await cluster.start_operator()
    for name in ("a-picky", "b-picky", "c-picky", "other"):
        cluster.submit(name)
    for _ in range(150):
        await cluster.pass_time(3)
        for job in cluster.store.objects(JOBS):
            if "picky" in job["metadata"]["name"] and "deletionTimestamp" not in job["metadata"]:
                cluster.jobs.unschedulable(job, NO_NODE)
        if cluster.state("other")[0] == "Starting":
            return
    raise AssertionError("those that no node takes come again and again, and nobody else has a turn")


@in_cluster()
async def test_a_stop_ends_a_job_at_once_that_gave_its_place_back(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.jobs.refuse_pods(QUOTA)
    cluster.submit()
    await cluster.pass_time(100)
    while cluster.status()["state"] != "Runnable":
        await cluster.pass_time(1)
    cluster.submit(stop={"mode": "Cancel", "reason": "not needed"})
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", "Cancelled")


# Other nodes of multi-node jobs.


async def main_node_runs(cluster: Cluster) -> Process:
    cluster.furnish(cpu="8")
    cluster.define(**multi_node(3))
    process = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    return process


@in_cluster()
async def test_a_node_whose_job_is_refused_ends_the_run(cluster: Cluster) -> None:
    process = await main_node_runs(cluster)
    original = process.api.create

    async def create(resource: Any, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        if resource == JOBS and body["metadata"]["name"].endswith("n2"):
            raise Forbidden(403, "Forbidden", QUOTA)
        return await original(resource, body, namespace, dry_run=dry_run)

    process.api.create = create  # type: ignore[method-assign]
    cluster.jobs.start("job-1")
    await cluster.pass_time(2)
    assert f"node 2: {QUOTA}" in cluster.status()["message"]
    await cluster.pass_time(6)
    assert cluster.status()["state"] == "Runnable"
    assert cluster.status()["attempts"][0]["reason"] == "CreateFailed"
    del process.api.create
    await cluster.pass_time(20)
    cluster.jobs.start("job-2")
    await cluster.pass_time(2)
    assert len(cluster.kube_jobs()) == 3


@in_cluster()
async def test_a_node_whose_pod_is_refused_ends_the_run(cluster: Cluster) -> None:
    await main_node_runs(cluster)
    cluster.jobs.refuse_pods(QUOTA)
    cluster.jobs.start("job-1")
    await cluster.pass_time(4)
    assert QUOTA in cluster.status()["message"]
    await cluster.pass_time(5)
    assert cluster.status()["state"] == "Runnable"
    assert cluster.status()["attempts"][0]["reason"] == "CreateFailed"
    assert cluster.kube_jobs() == []


@in_cluster()
async def test_a_node_that_finds_no_place_ends_the_run(cluster: Cluster) -> None:
    await main_node_runs(cluster)
    cluster.jobs.start("job-1")
    await cluster.pass_time(2)
    other = next(name for name in cluster.kube_jobs() if name.endswith("n2"))
    cluster.jobs.unschedulable(other, NO_NODE)
    await cluster.pass_time(290)
    assert cluster.status()["state"] == "Running"
    assert NO_NODE in cluster.status()["message"]
    await cluster.pass_time(11)
    assert cluster.status()["state"] == "Runnable"
    assert cluster.status()["attempts"][0]["reason"] == "Unschedulable"
