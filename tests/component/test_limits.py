"""Limits of queues and shares in a whole operator: what runs, what is said, what survives a restart."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster

SHARED = {"type": "FairShare", "fairShare": {"shares": [{"shareIdentifier": "red", "maxRunningJobs": 1}]}}


def limited(cluster: Cluster, queue: str = "urgent", *, priority: int = 1, **fields: Any) -> None:
    cluster.put("JobQueue", queue, priority=priority, **fields)


def furnish(cluster: Cluster, **limits: Any) -> None:
    """Room for eight jobs, a queue with limits and one without that comes after it."""
    cluster.furnish(cpu="8")
    limited(cluster, priority=9, limits=limits)
    limited(cluster, "other")


@in_cluster()
async def test_a_queue_runs_no_more_than_its_limit_and_keeps_nobody_out(cluster: Cluster) -> None:
    furnish(cluster, maxRunningJobs=2)
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"job-{number}")
        await cluster.pass_time(1)
    cluster.submit("elsewhere", jobQueue="other")
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["elsewhere-1", "job-0-1", "job-1-1"]
    assert cluster.state("job-2") == ("Runnable", "QueueLimitReached")
    assert cluster.status("job-2")["message"] == (
        "queue urgent is at its limit: 2 of its jobs run, and spec.limits.maxRunningJobs is 2; wait until fewer do, or "
        "raise the limit"
    )
    assert cluster.state("job-3") == ("Runnable", "WaitingInQueue")
    cluster.jobs.finish("job-0-1")
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["elsewhere-1", "job-1-1", "job-2-1"]


@in_cluster()
async def test_a_changed_limit_counts_at_once_and_what_runs_goes_on(cluster: Cluster) -> None:
    furnish(cluster, maxRunningJobs=3)
    await cluster.start_operator()
    for number in range(6):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(1)
    limited(cluster, limits={"maxRunningJobs": 1})
    await cluster.pass_time(5)
    assert cluster.active_jobs() == ["job-0-1", "job-1-1", "job-2-1"]
    for name in ("job-0-1", "job-1-1"):
        cluster.jobs.finish(name)
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["job-2-1"]
    limited(cluster, limits={"maxRunningJobs": 2})
    await cluster.pass_time(1)
    assert cluster.active_jobs() == ["job-2-1", "job-3-1"]
    limited(cluster)
    await cluster.pass_time(1)
    assert cluster.active_jobs() == ["job-2-1", "job-3-1", "job-4-1", "job-5-1"]


@in_cluster()
async def test_shares_have_limits_of_their_own(cluster: Cluster) -> None:
    cluster.furnish(cpu="8")
    cluster.delete("JobQueue", "urgent")
    limited(cluster, schedulingPolicy=SHARED, limits={"maxRunningJobsPerShare": 2})
    await cluster.start_operator()
    for share in ("red", "blue"):
        for number in range(3):
            cluster.submit(f"{share}-{number}", shareIdentifier=share)
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["blue-0-1", "blue-1-1", "red-0-1"]
    assert cluster.state("red-1") == ("Runnable", "ShareLimitReached")
    assert "share red of queue urgent is at its limit: 1 of its jobs runs" in cluster.status("red-1")["message"]
    assert cluster.state("blue-2") == ("Runnable", "ShareLimitReached")


@in_cluster()
async def test_each_index_of_an_array_counts(cluster: Cluster) -> None:
    furnish(cluster, maxRunningJobs=3)
    await cluster.start_operator()
    cluster.submit("single")
    await cluster.pass_time(1)
    cluster.submit(array={"size": 10})
    await cluster.pass_time(5)
    assert cluster.parallelism("job-1") == 2
    assert "8 wait: queue urgent is at its limit: 3 of its jobs run" in cluster.status()["message"]
    cluster.jobs.finish("single-1")
    await cluster.pass_time(1)
    assert cluster.parallelism("job-1") == 3


@in_cluster()
async def test_an_array_gives_places_back_when_the_limit_is_lowered(cluster: Cluster) -> None:
    furnish(cluster, maxRunningJobs=4)
    await cluster.start_operator()
    cluster.submit(array={"size": 10})
    await cluster.pass_time(1)
    limited(cluster, limits={"maxRunningJobs": 2})
    await cluster.pass_time(2)
    assert cluster.parallelism("job-1") == 4
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1, 2, 3)
    for index, left in ((1, 3), (2, 2), (0, 2)):
        indexed.hesitate("job-1", index)
        await cluster.pass_time(2)
        assert len(indexed.active("job-1")) == left
    assert indexed.deleted == 0


@in_cluster()
async def test_an_array_that_holds_all_places_of_its_queue_lets_other_shares_in(cluster: Cluster) -> None:
    cluster.furnish(cpu="8")
    cluster.delete("JobQueue", "urgent")
    limited(cluster, schedulingPolicy={"type": "FairShare"}, limits={"maxRunningJobs": 2})
    await cluster.start_operator()
    cluster.submit("red", shareIdentifier="red", array={"size": 10})
    await cluster.pass_time(30)
    indexed = cluster.jobs.indexed
    indexed.start("red-1", 0, 1)
    cluster.submit("blue", shareIdentifier="blue")
    await cluster.pass_time(3)
    assert cluster.state("blue") == ("Runnable", "QueueLimitReached")
    indexed.hesitate("red-1", 0)
    await cluster.pass_time(2)
    assert "blue-1" in cluster.active_jobs()
    assert indexed.active("red-1") == [1]


@pytest.mark.parametrize("kill", [False, True])
@in_cluster()
async def test_a_restarted_operator_counts_what_exists(cluster: Cluster, kill: bool) -> None:
    furnish(cluster, maxRunningJobs=3)
    process = await cluster.start_operator()
    cluster.submit("first")
    cluster.submit("array", array={"size": 5, "maxConcurrency": 2})
    await cluster.pass_time(2)
    await process.end(orderly=not kill)
    cluster.submit("late")
    await cluster.start_operator()
    await cluster.pass_time(30)
    labels = [job["metadata"]["labels"][names.JOB] for job in cluster.store.objects(JOBS)]
    assert sorted(labels) == ["array", "first"]
    assert cluster.state("late") == ("Runnable", "QueueLimitReached")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert "late-1" in cluster.active_jobs()
