"""Consumable resources in a whole operator: who gets them, who waits, what is given back, what stays counted."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster

RETRIES = {"attempts": 3, "backoff": {"initialSeconds": 1, "jitter": 0}}


def furnish(cluster: Cluster, total: int, quantity: int = 1, *, used_up: bool = False, **definition: Any) -> None:
    """Room for eight jobs, a resource that they need, and a definition without it."""
    resource(cluster, total, used_up=used_up)
    needed = [{"name": "licence", "quantity": quantity}]
    cluster.furnish(cpu="8", consumableResources=needed, **definition)
    cluster.define("plain")


def resource(cluster: Cluster, total: int, *, used_up: bool = False) -> None:
    kind = "NonReplenishable" if used_up else "Replenishable"
    cluster.put("ConsumableResource", "licence", type=kind, total=total)


def shown(cluster: Cluster) -> tuple[int, int, int | None]:
    """In use, available and used up, as the status says."""
    status = cluster.get("ConsumableResource", "licence")["status"]
    return status["inUse"], status["available"], (status.get("consumption") or {}).get("consumed")


def started(cluster: Cluster) -> list[str]:
    return sorted({job["metadata"]["labels"][names.JOB] for job in cluster.store.objects(JOBS)})


def end(cluster: Cluster, *jobs: str, code: int = 0) -> None:
    for name in jobs:
        cluster.jobs.finish(name, code)


@in_cluster()
async def test_licences_are_locked_and_given_back(cluster: Cluster) -> None:
    furnish(cluster, total=5, quantity=2)
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(3)
    assert started(cluster) == ["job-0", "job-1"]
    assert shown(cluster) == (4, 1, None)
    assert cluster.state("job-2") == ("Runnable", "ConsumableResourceUnavailable")
    assert cluster.status("job-2")["message"] == (
        "needs 2 of consumable resource licence, of which 1 of 5 are available; waits until other jobs give theirs back"
    )
    assert "for which jobs before it wait" in cluster.status("job-3")["message"]
    assert cluster.kube_job("job-0-1")["metadata"]["annotations"][names.CONSUMABLES] == '{"licence": 2}'
    end(cluster, "job-0-1")
    await cluster.pass_time(3)
    assert started(cluster) == ["job-0", "job-1", "job-2"]
    assert shown(cluster) == (4, 1, None)
    end(cluster, "job-1-1", "job-2-1")
    await cluster.pass_time(3)
    end(cluster, "job-3-1")
    await cluster.pass_time(3)
    assert shown(cluster) == (0, 5, None)
    assert cluster.condition("ConsumableResource", "licence")[:2] == ("True", "Usable")


@in_cluster()
async def test_who_waits_for_a_resource_delays_only_those_who_need_it_too(cluster: Cluster) -> None:
    furnish(cluster, total=3)
    cluster.put("JobDefinition", "greedy", container={"image": "busybox"}, consumableResources=[_licences(3)])
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("greedy", jobDefinition="greedy")
    await cluster.pass_time(1)
    cluster.submit("late")
    cluster.submit("plain", jobDefinition="plain")
    await cluster.pass_time(2)
    assert started(cluster) == ["first", "plain"]
    assert cluster.state("late") == ("Runnable", "ConsumableResourceUnavailable")
    end(cluster, "first-1")
    await cluster.pass_time(2)
    assert started(cluster) == ["first", "greedy", "plain"]
    end(cluster, "greedy-1")
    await cluster.pass_time(2)
    assert "late" in started(cluster)


def _licences(quantity: int) -> dict[str, Any]:
    return {"name": "licence", "quantity": quantity}


@in_cluster()
async def test_more_than_there_is_in_all_says_so(cluster: Cluster) -> None:
    furnish(cluster, total=3, quantity=4)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "ExceedsConsumableResource")
    assert "of which there are 3 in all; raise spec.total" in cluster.status()["message"]
    assert cluster.condition("BatchJob", "job", "Stalled")[0] == "True"
    resource(cluster, 4)
    await cluster.pass_time(1)
    assert started(cluster) == ["job"]


@in_cluster()
async def test_one_that_does_not_exist_is_waited_for(cluster: Cluster) -> None:
    furnish(cluster, total=1)
    cluster.delete("ConsumableResource", "licence")
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == ("Runnable", "ConsumableResourceNotFound")
    resource(cluster, 1)
    await cluster.pass_time(1)
    assert started(cluster) == ["job"]


@in_cluster()
async def test_indexes_of_an_array_hold_their_own(cluster: Cluster) -> None:
    furnish(cluster, total=5, quantity=2)
    await cluster.start_operator()
    cluster.submit(array={"size": 6})
    await cluster.pass_time(3)
    assert cluster.parallelism("job-1") == 2
    assert shown(cluster) == (4, 1, None)
    assert "4 wait: needs 2 of consumable resource licence" in cluster.status()["message"]
    resource(cluster, 2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1)
    await cluster.pass_time(3)
    assert shown(cluster) == (4, 0, None)
    indexed.hesitate("job-1", 0)
    await cluster.pass_time(3)
    assert indexed.active("job-1") == [1]
    assert shown(cluster) == (2, 0, None)


@in_cluster()
async def test_what_is_used_up_stays_used_up(cluster: Cluster) -> None:
    furnish(cluster, total=3, used_up=True)
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(3)
    assert shown(cluster) == (3, 0, 3)
    end(cluster, "job-0-1", "job-1-1", "job-2-1")
    await cluster.pass_time(5)
    assert shown(cluster) == (0, 0, 3)
    assert cluster.state("job-3") == ("Runnable", "ConsumableResourceUnavailable")
    assert "raise spec.total of the ConsumableResource to refill it" in cluster.status("job-3")["message"]
    assert cluster.condition("ConsumableResource", "licence")[:2] == ("False", "NoneLeft")
    resource(cluster, 5, used_up=True)
    await cluster.pass_time(3)
    assert started(cluster)[-1] == "job-3"
    assert shown(cluster) == (1, 1, 4)


@in_cluster()
async def test_a_retry_uses_it_again(cluster: Cluster) -> None:
    furnish(cluster, total=2, used_up=True, retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    end(cluster, "job-1", code=1)
    await cluster.pass_time(5)
    end(cluster, "job-2", code=1)
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == ["job-1", "job-2"]
    assert cluster.state() == ("Runnable", "ConsumableResourceUnavailable")
    assert shown(cluster) == (0, 0, 2)


@in_cluster()
async def test_an_array_that_uses_something_up_stops_where_nothing_is_left(cluster: Cluster) -> None:
    furnish(cluster, total=4, used_up=True)
    await cluster.start_operator()
    cluster.submit(array={"size": 6, "maxConcurrency": 2})
    for _ in range(5):
        await cluster.pass_time(5)
        for job in cluster.store.objects(JOBS):
            if not (job.get("status") or {}).get("conditions"):
                cluster.jobs.finish(job)
    assert len(cluster.kube_jobs()) == 4
    assert shown(cluster) == (0, 0, 4)
    assert "needs 1 of consumable resource licence, of which 0 of 4 are left" in cluster.status()["message"]
    resource(cluster, 6, used_up=True)
    await cluster.pass_time(2)
    for job in cluster.store.objects(JOBS)[-2:]:
        cluster.jobs.finish(job)
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")
    assert shown(cluster) == (0, 0, 6)


@pytest.mark.parametrize("used_up", [False, True])
@pytest.mark.parametrize("kill", [False, True])
@in_cluster()
async def test_counts_survive_restarts_and_deleted_jobs(cluster: Cluster, used_up: bool, kill: bool) -> None:
    furnish(cluster, total=4, used_up=used_up)
    process = await cluster.start_operator()
    for number in range(3):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(5)
    end(cluster, "job-0-1")
    await cluster.pass_time(5)
    cluster.delete("BatchJob", "job-0")
    await process.end(orderly=not kill)
    cluster.delete("BatchJob", "job-1")
    for number in range(3, 7):
        cluster.submit(f"job-{number}")
    await cluster.start_operator()
    await cluster.pass_time(40)
    if used_up:
        assert started(cluster) == ["job-2", "job-3"]
        assert shown(cluster) == (2, 0, 4)
    else:
        assert started(cluster) == ["job-2", "job-3", "job-4", "job-5"]
        assert shown(cluster) == (4, 0, None)


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize("write", range(1, 8))
@in_cluster()
async def test_killed_at_any_write_nothing_is_used_up_twice_or_missed(
    cluster: Cluster, write: int, takes_effect: bool
) -> None:
    furnish(cluster, total=5, used_up=True)
    process = await cluster.start_operator()
    process.api.cut_at_write(write, takes_effect=takes_effect)
    for number in range(7):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(5)
    await cluster.restart_operator()
    await cluster.pass_time(40)
    assert len(cluster.kube_jobs()) == 5
    assert shown(cluster) == (5, 0, 5)


@in_cluster()
async def test_one_made_anew_starts_anew(cluster: Cluster) -> None:
    furnish(cluster, total=1, used_up=True)
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(30)
    cluster.delete("ConsumableResource", "licence")
    await cluster.pass_time(3)
    resource(cluster, 1, used_up=True)
    cluster.submit("second")
    await cluster.pass_time(3)
    assert started(cluster) == ["first", "second"]
    assert shown(cluster)[2] == 1
