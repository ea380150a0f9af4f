"""Retry rules, growing memory and spread waits, through the whole operator and across its restarts."""

from typing import Any

import pytest

from batchyard.objects.times import parse_time
from fakes.cluster import Cluster, in_cluster

BACKOFF = {"initialSeconds": 10, "jitter": 0}


def memory_of(cluster: Cluster, kube_job: str) -> str:
    resources = cluster.container(kube_job)["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    return str(resources["limits"]["memory"])


def furnish(cluster: Cluster, memory: str = "1Gi", **strategy: Any) -> None:
    amounts = {"cpu": "1", "memory": memory}
    container = {"image": "busybox", "resources": {"requests": amounts, "limits": amounts}}
    cluster.furnish(container=container, retryStrategy={"attempts": 4, "backoff": BACKOFF, **strategy})


@pytest.mark.parametrize(
    ("code", "reason", "state"),
    [
        (42, "", ("Runnable", "RetryBackoff")),
        (41, "", ("Failed", "NonZeroExit")),
        (137, "OOMKilled", ("Runnable", "RetryBackoff")),
        (137, "", ("Failed", "NonZeroExit")),
        (1, "", ("Runnable", "RetryBackoff")),
    ],
)
@in_cluster()
async def test_the_first_rule_that_matches_decides(
    cluster: Cluster, code: int, reason: str, state: tuple[str, str]
) -> None:
    furnish(
        cluster,
        evaluateOnExit=[
            {"onExitCode": "42", "action": "Retry"},
            {"onExitCode": "4*", "action": "Exit"},
            {"onExitCode": "137", "onReason": "OutOfMemoryError*", "action": "Retry"},
            {"onExitCode": "137", "onStatusReason": "Essential container in task exited", "action": "Exit"},
        ],
    )
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", code, reason)
    await cluster.pass_time(3)
    assert cluster.state() == state
    await cluster.pass_time(30)
    assert cluster.kube_jobs() == (["job-1", "job-2"] if state[0] == "Runnable" else ["job-1"])


@in_cluster()
async def test_memory_grows_with_each_kill_up_to_the_maximum(cluster: Cluster) -> None:
    furnish(cluster, onOutOfMemory={"memoryMultiplier": 2, "maxMemory": "3Gi"})
    operator = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    said = []
    for run, amount in ((1, "1Gi"), (2, "2Gi"), (3, "3Gi")):
        assert memory_of(cluster, f"job-{run}") == amount
        assert operator.operator.cache.used["on-prem"]["memory"] == int(amount[0]) * 2**30
        cluster.jobs.finish(f"job-{run}", 137, "OOMKilled")
        await cluster.pass_time(3)
        said.append(cluster.status()["message"].partition(" s with ")[2])
        await cluster.pass_time(50)
    assert said == [
        "2Gi of memory instead of 1Gi",
        "3Gi of memory instead of 2Gi",
        "the same memory (maxMemory is 3Gi)",
    ]
    cluster.jobs.finish("job-4")
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert [(each["memory"], each.get("outOfMemory")) for each in cluster.status()["attempts"]] == [
        ("1Gi", ["main"]),
        ("2Gi", ["main"]),
        ("3Gi", ["main"]),
        ("3Gi", None),
    ]
    assert not any(operator.operator.cache.used["on-prem"].values())


@in_cluster()
async def test_other_failures_and_interruptions_keep_the_memory_that_it_has(cluster: Cluster) -> None:
    furnish(cluster, onOutOfMemory={})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(15)
    cluster.jobs.disrupt("job-2")
    await cluster.pass_time(5)
    cluster.jobs.finish("job-3", 137)
    await cluster.pass_time(30)
    assert [memory_of(cluster, f"job-{run}") for run in (1, 2, 3, 4)] == ["1Gi", "2Gi", "2Gi", "2Gi"]
    assert [each["attempt"] for each in cluster.status()["attempts"]] == [1, 2, 2, 3]


@pytest.mark.parametrize("moment", ["before the kill is seen", "while it waits", "while the second run runs"])
@in_cluster()
async def test_a_restarted_operator_comes_to_the_same_amount(cluster: Cluster, moment: str) -> None:
    furnish(cluster, onOutOfMemory={"memoryMultiplier": 1.5})
    first = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    if moment == "before the kill is seen":
        await first.kill()
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(5)
    if moment == "while it waits":
        await first.kill()
    await cluster.pass_time(15)
    if moment == "while the second run runs":
        await first.kill()
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert memory_of(cluster, "job-2") == "1536Mi"
    cluster.jobs.finish("job-2", 137, "OOMKilled")
    await cluster.pass_time(60)
    assert memory_of(cluster, "job-3") == "2304Mi"
    assert [each["memory"] for each in cluster.status()["attempts"]] == ["1Gi", "1536Mi", "2304Mi"]


@in_cluster()
async def test_a_job_grown_beyond_every_node_says_so_and_starts_once_there_is_one(cluster: Cluster) -> None:
    furnish(cluster, memory="10Gi", onOutOfMemory={})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(15)
    assert cluster.state() == ("Runnable", "ExceedsCapacity")
    assert "needs 1 vCPU, 20 GiB memory" in cluster.status()["message"]
    assert "onOutOfMemory.maxMemory" in cluster.status()["message"]
    assert cluster.condition("BatchJob", "job", "Stalled")[0] == "True"
    cluster.add_node("large", memory="32Gi")
    await cluster.pass_time(15)
    assert memory_of(cluster, "job-2") == "20Gi"


@in_cluster()
async def test_jobs_that_failed_together_do_not_come_back_together(cluster: Cluster) -> None:
    await cluster.set_up(cpu="20", retryStrategy={"attempts": 2})
    jobs = [f"job-{number}" for number in range(20)]
    for name in jobs:
        cluster.submit(name)
    await cluster.pass_time(1)
    for name in jobs:
        cluster.jobs.finish(f"{name}-1", 1)
    await cluster.pass_time(3)
    due = {name: cluster.status(name)["notBefore"] for name in jobs}
    await cluster.pass_time(30)
    waits = [_created(cluster, f"{name}-2") - _ended(cluster, f"{name}-1") for name in jobs]
    assert 9 <= min(waits) < 13
    assert 12 < max(waits) <= 18
    assert len(set(due.values())) >= 3
    assert all(0 <= _created(cluster, f"{name}-2") - parse_time(due[name]) <= 2 for name in jobs)


def _created(cluster: Cluster, kube_job: str) -> float:
    return parse_time(cluster.kube_job(kube_job)["metadata"]["creationTimestamp"])


def _ended(cluster: Cluster, kube_job: str) -> float:
    return parse_time(cluster.kube_job(kube_job)["status"]["conditions"][-1]["lastTransitionTime"])
