"""Limits on how long a job may wait for a reason, in a whole operator."""

from typing import Any

import pytest

from fakes.cluster import Cluster, in_cluster


def limit(cluster: Cluster, *reasons: str, seconds: int = 600, **fields: Any) -> None:
    limits = [{"reason": reason, "maxTimeSeconds": seconds} for reason in reasons]
    cluster.put("JobQueue", "urgent", jobStateTimeLimits=limits, **fields)


@in_cluster()
async def test_a_job_that_cannot_start_for_too_long_is_cancelled(cluster: Cluster) -> None:
    cluster.furnish(cpu="1")
    limit(cluster, "InsufficientCapacity")
    await cluster.start_operator()
    for name in ("first", "second", "third"):
        cluster.submit(name)
        await cluster.pass_time(1)
    cluster.submit("after", dependsOn=[{"job": "second"}])
    assert cluster.state("second") == ("Runnable", "InsufficientCapacity")
    await cluster.pass_time(590)
    assert cluster.state("second") == ("Runnable", "InsufficientCapacity")
    await cluster.pass_time(15)
    assert cluster.state("second") == ("Failed", "StateTimeLimitExceeded")
    message = cluster.status("second")["message"]
    assert (
        "spec.jobStateTimeLimits of queue urgent: could not start for 600 s because of InsufficientCapacity" in message
    )
    assert "needs 1 vCPU on one node" in message
    assert cluster.state("after") == ("Failed", "DependencyNotMet")
    assert cluster.state("third") == ("Runnable", "InsufficientCapacity"), "its time begins now"
    assert cluster.kube_jobs() == ["first-1"]
    await cluster.pass_time(300)
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "third-1"]
    assert "heldSince" not in cluster.status("third")


@pytest.mark.parametrize("kill", [False, True])
@in_cluster()
async def test_the_time_survives_a_restart(cluster: Cluster, kill: bool) -> None:
    cluster.furnish(cpu="1")
    limit(cluster, "ExceedsCapacity", "NoNodes")
    await cluster.start_operator()
    cluster.define(request="8")
    await cluster.pass_time(1)
    cluster.submit()
    await cluster.pass_time(300)
    since = cluster.status()["heldSince"]
    await cluster.restart_operator(orderly=not kill)
    await cluster.pass_time(280)
    assert (cluster.state(), cluster.status()["heldSince"]) == (("Runnable", "ExceedsCapacity"), since)
    await cluster.pass_time(30)
    assert cluster.state() == ("Failed", "StateTimeLimitExceeded")
    await cluster.pass_time(60)
    assert cluster.state() == ("Failed", "StateTimeLimitExceeded")


@in_cluster()
async def test_one_that_can_start_when_the_operator_comes_back_does(cluster: Cluster) -> None:
    cluster.furnish(cpu="1")
    limit(cluster, "InsufficientCapacity")
    process = await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("second")
    await cluster.pass_time(10)
    await process.stop()
    await cluster.pass_time(700)
    cluster.jobs.finish("first-1")
    await cluster.start_operator()
    await cluster.pass_time(20)
    assert cluster.kube_jobs() == ["first-1", "second-1"]


@in_cluster()
async def test_another_reason_in_between_starts_the_time_anew(cluster: Cluster) -> None:
    cluster.furnish(cpu="1")
    limit(cluster, "InsufficientCapacity")
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("second")
    await cluster.pass_time(400)
    limit(cluster, "InsufficientCapacity", state="Disabled")
    await cluster.pass_time(10)
    limit(cluster, "InsufficientCapacity")
    await cluster.pass_time(400)
    assert cluster.state("second") == ("Runnable", "InsufficientCapacity")
    await cluster.pass_time(250)
    assert cluster.state("second") == ("Failed", "StateTimeLimitExceeded")


@in_cluster()
async def test_arrays_are_cancelled_as_a_whole_unless_they_have_started(cluster: Cluster) -> None:
    cluster.furnish(cpu="2")
    limit(cluster, "InsufficientCapacity")
    await cluster.start_operator()
    cluster.submit("large", array={"size": 5})
    await cluster.pass_time(1)
    cluster.submit("late", array={"size": 3})
    await cluster.pass_time(700)
    assert cluster.state("large") == ("Pending", "IndexesRunning")
    assert cluster.state("late")[1] == "WaitingInQueue", "it is behind one that asks for more"
    cluster.submit("stop", jobQueue="urgent")
    cluster.delete("BatchJob", "large")
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=0.5)
    await cluster.pass_time(10)
    limit(cluster, "ExceedsCapacity")
    await cluster.pass_time(620)
    assert cluster.state("late") == ("Failed", "StateTimeLimitExceeded")
    assert cluster.array_status("late")["failedIndexes"] == "0-2"
