"""A queue that may displace lower priorities: what its jobs take away, what becomes of that, and what is left alone."""

from typing import Any

import pytest

from batchyard.kube.errors import ApiError, Forbidden, TooManyRequests, Unavailable, from_status
from batchyard.kube.resources import JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import overrides_asking


async def furnish(cluster: Cluster, *, cpu: str = "2", minimum: int = 0, **definition: Any) -> None:
    """Two queues on one environment; the urgent one may displace work of the other."""
    cluster.furnish(cpu=cpu, **definition)
    cluster.put("JobQueue", "urgent", priority=9, preemption={"policy": "LowerPriority", "minimumRunSeconds": minimum})
    cluster.put("JobQueue", "low", priority=1)
    await cluster.start_operator()


async def run(cluster: Cluster, *names: str, queue: str = "low") -> None:
    for name in names:
        cluster.submit(name, jobQueue=queue)
        await cluster.pass_time(1)
        cluster.jobs.start(f"{name}-1")
        await cluster.pass_time(1)


@in_cluster()
async def test_what_started_last_goes_back_to_its_queue_at_no_cost(cluster: Cluster) -> None:
    await furnish(cluster)
    await run(cluster, "old", "new")
    cluster.submit("now")
    await cluster.pass_time(3)
    assert cluster.state("now") == ("Starting", "CreatingPod")
    assert cluster.state("old") == ("Running", "ContainerRunning")
    assert cluster.state("new")[0] == "Runnable"
    assert cluster.status("new")["interruptions"] == 1
    assert cluster.status("new")["attempts"][0]["reason"] == "Interrupted"
    [told] = cluster.events("new", "Preempted")
    assert told.message == "it makes room for BatchJob media/now of queue urgent, which has a higher priority"
    cluster.jobs.finish("now-1")
    await cluster.pass_time(3)
    assert cluster.state("new") == ("Starting", "CreatingPod")
    assert cluster.status("new")["attempts"][-1]["attempt"] == 1
    assert len(cluster.process.evicted()) == 1


@in_cluster()
async def test_an_array_shrinks_and_its_indexes_lose_nothing(cluster: Cluster) -> None:
    await furnish(cluster, cpu="4")
    await run(cluster, "single")
    cluster.submit("array", jobQueue="low", array={"size": 10})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0, 1, 2)
    cluster.submit("now", containerOverrides=overrides_asking(2))
    await cluster.pass_time(3)
    assert cluster.state("now") == ("Starting", "CreatingPod")
    assert cluster.jobs.indexed.active("array-1") == [0]
    assert cluster.array_status("array")["failed"] == 0
    assert cluster.status("array")["interruptions"] == 0
    assert cluster.array_status("array")["restarts"] == 2
    assert cluster.state("single") == ("Running", "ContainerRunning")
    assert cluster.process.evicted() == []
    assert cluster.events("array", "Preempted")
    cluster.jobs.finish("now-1")
    await cluster.pass_time(3)
    assert cluster.jobs.indexed.active("array-1") == [0, 1, 2]


@in_cluster()
async def test_after_an_array_has_shrunk_its_indexes_can_still_be_terminated(cluster: Cluster) -> None:
    await furnish(cluster, cpu="3")
    cluster.submit("array", jobQueue="low", array={"size": 10})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 1, 2)
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0)
    cluster.submit("now")
    await cluster.pass_time(3)
    assert cluster.jobs.indexed.active("array-1") == [1, 2]
    stops = [{"indexes": "2", "reason": "bad input"}]
    cluster.submit("array", jobQueue="low", array={"size": 10}, stopIndexes=stops)
    await cluster.pass_time(3)
    assert cluster.jobs.indexed.active("array-1") == [0, 1]
    assert cluster.array_status("array")["failedIndexes"] == "2"


@in_cluster()
async def test_a_minimum_of_time_protects_singles_and_arrays(cluster: Cluster) -> None:
    await furnish(cluster, cpu="3", minimum=60)
    cluster.submit("array", jobQueue="low", array={"size": 10, "maxConcurrency": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0, 1)
    await cluster.pass_time(15)
    await run(cluster, "single")
    await cluster.pass_time(5)
    cluster.submit("now")
    await cluster.pass_time(20)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    assert len(cluster.jobs.indexed.active("array-1")) == 2
    cluster.jobs.indexed.finish("array-1", 0)
    cluster.submit("later")
    await cluster.pass_time(15)  # what the first index gave back
    assert cluster.state("now") == ("Starting", "CreatingPod")
    assert cluster.state("later") == ("Runnable", "InsufficientCapacity")
    await cluster.pass_time(15)
    assert cluster.state("later") == ("Starting", "CreatingPod")
    assert cluster.jobs.indexed.active("array-1") == []
    assert cluster.state("single") == ("Running", "ContainerRunning")


@pytest.mark.parametrize(
    "refusal",
    [
        TooManyRequests(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's budget."),
        Forbidden(403, "Forbidden", "pods/eviction is forbidden"),
        from_status(500, {"message": 'Internal error occurred: failed calling webhook "drain.example.org"'}),
        Unavailable(0, "Timeout", "no answer"),
    ],
    ids=["budget", "forbidden", "webhook", "no answer"],
)
@in_cluster()
async def test_a_victim_whose_eviction_fails_is_left_out_and_others_are_asked(
    cluster: Cluster, refusal: ApiError
) -> None:
    await furnish(cluster)
    await run(cluster, "old", "guarded")
    cluster.api.fail_next("evict", PODS, refusal)
    cluster.submit("now")
    await cluster.pass_time(3)
    assert cluster.state("guarded") == ("Running", "ContainerRunning")
    assert cluster.state("old")[0] == "Runnable"
    assert cluster.state("now") == ("Starting", "CreatingPod")


@in_cluster(graceful=True)
async def test_what_takes_its_time_to_stop_is_waited_for_also_by_the_next_operator(cluster: Cluster) -> None:
    await furnish(cluster)
    await run(cluster, "old", "new")
    cluster.submit("now")
    await cluster.pass_time(15)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    assert "; work of lower priority makes room for it. At " in cluster.status("now")["message"]
    assert len(cluster.process.evicted()) == 1
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert cluster.process.evicted() == []
    job = cluster.kube_job("new-1")
    cluster.jobs.disrupt(job, "EvictionByEvictionAPI")
    await cluster.pass_time(3)
    assert cluster.state("now") == ("Starting", "CreatingPod")
    assert cluster.state("old") == ("Running", "ContainerRunning")


@pytest.mark.parametrize("change", [{"priority": 9}, {"priority": 1, "preemption": {"policy": "Never"}}])
@in_cluster()
async def test_nobody_is_displaced_by_equals_or_without_leave(cluster: Cluster, change: dict[str, Any]) -> None:
    await furnish(cluster)
    if change["priority"] == 9:
        cluster.put("JobQueue", "low", **change)
    else:
        cluster.put("JobQueue", "urgent", **{**change, "priority": 9})
    await run(cluster, "old", "new")
    cluster.submit("now")
    await cluster.pass_time(5)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    assert cluster.process.evicted() == []
    assert len(cluster.store.objects(JOBS, NAMESPACE)) == 2
