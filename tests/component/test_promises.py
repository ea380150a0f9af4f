"""What is on its way to somebody stays his: whoever waits behind, however long it takes, and across restarts."""

import asyncio

import pytest

from batchyard.kube.errors import NotFound
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from objects.specs import overrides_asking


class Kubelet:
    """Starts what waits; of what is told to go the first stops after a second, all others when their grace is over."""

    def __init__(self, cluster: Cluster, grace: float = 30) -> None:
        self._cluster = cluster
        self._grace = grace
        self._gone_at: dict[str, float] = {}

    async def work(self, seconds: int) -> None:
        for _ in range(seconds):
            await self._cluster.pass_time(1)
            for job in self._cluster.store.objects(JOBS):
                self._look_at(job)

    def _look_at(self, job: Object) -> None:
        now, jobs = asyncio.get_running_loop().time(), self._cluster.jobs
        try:
            pod = jobs.pod(job)
        except NotFound:
            return
        if "deletionTimestamp" not in pod["metadata"]:
            if pod["status"]["phase"] == "Pending":
                jobs.start(job)
            return
        uid = pod["metadata"]["uid"]
        if now >= self._gone_at.setdefault(uid, now + (self._grace if self._gone_at else 1)):
            self._gone_at[uid] = float("inf")
            jobs.stop_evicted(job)


async def furnish(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", timeout={"attemptDurationSeconds": 3600})
    cluster.define("short", request="2", timeout={"attemptDurationSeconds": 600})
    cluster.put("JobQueue", "urgent", priority=9, preemption={"policy": "LowerPriority"})
    cluster.put("JobQueue", "low", priority=1)
    await cluster.start_operator()


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster(graceful=True)
async def test_room_that_comes_bit_by_bit_goes_to_whom_it_is_made_for(cluster: Cluster, restarted: bool) -> None:
    await furnish(cluster)
    kubelet = Kubelet(cluster)
    for name in ("one", "two"):
        cluster.submit(name, jobQueue="low", containerOverrides=overrides_asking(2))
        await kubelet.work(2)
    for number in range(5):
        cluster.submit(f"short-{number}", jobQueue="low", jobDefinition="short")
    cluster.submit("now", containerOverrides=overrides_asking(4))
    await kubelet.work(5)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    assert "work of lower priority makes room for it" in cluster.status("now")["message"]
    if restarted:
        await cluster.restart_operator()
    await kubelet.work(40)
    assert cluster.state("now") == ("Running", "ContainerRunning")
    assert [name for name in cluster.kube_jobs() if name.startswith("short")] == []
    assert [cluster.status(name)["interruptions"] for name in ("one", "two")] == [1, 1]


async def gather(cluster: Cluster, *, asked: int) -> None:
    """An array with half of the room, whose indexes end one by one, and a large job that waits before small ones."""
    cluster.furnish(cpu="8", request="1")
    cluster.put_queues(urgent=9, low=5, lowest=1)
    await cluster.start_operator()
    limit = {"attemptDurationSeconds": 36000}
    await cluster.submit_and_start("large", timeout=limit, containerOverrides=overrides_asking(4))
    cluster.submit("array", jobQueue="low", array={"size": 1000})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("array-1", 0, 1, 2, 3)
    await cluster.pass_time(2)
    cluster.submit("front", containerOverrides=overrides_asking(asked))
    for number in range(8):
        cluster.submit(f"small-{number}", jobQueue="lowest", timeout={"attemptDurationSeconds": 30000})
    await cluster.pass_time(3)
    for index in range(4):
        indexed.hesitate("array-1", index)
        await cluster.pass_time(10)
    await cluster.pass_time(10)
    assert [name for name in cluster.kube_jobs() if name.startswith("small")] == []


@in_cluster()
async def test_what_an_array_gives_back_goes_to_whom_it_makes_way_for(cluster: Cluster) -> None:
    await gather(cluster, asked=4)
    assert cluster.state("front") == ("Starting", "CreatingPod")
    assert cluster.jobs.indexed.active("array-1") == []
    assert cluster.jobs.indexed.deleted == 0


@in_cluster()
async def test_no_array_stops_in_vain(cluster: Cluster) -> None:
    await gather(cluster, asked=8)
    assert cluster.state("front") == ("Runnable", "InsufficientCapacity")
    indexed = cluster.jobs.indexed
    assert indexed.active("array-1") == [4, 5, 6, 7]
    indexed.start("array-1", 4, 5, 6, 7)
    cluster.jobs.finish("large-1")  # what it gives back now is what was lacking
    await cluster.pass_time(3)
    for index in range(4, 8):
        indexed.hesitate("array-1", index)
        await cluster.pass_time(3)
    assert cluster.state("front") == ("Starting", "CreatingPod")
    assert indexed.deleted == 0


@in_cluster()
async def test_nothing_goes_in_vain_beside_what_is_protected(cluster: Cluster) -> None:
    """One of two is guarded for good: the other is not displaced again and again."""
    await furnish(cluster)
    kubelet = Kubelet(cluster)
    cluster.submit("guarded", jobQueue="low", containerOverrides=overrides_asking(2))
    await kubelet.work(2)
    for number in range(5):
        cluster.submit(f"short-{number}", jobQueue="low", jobDefinition="short")
    await kubelet.work(2)
    guarded = cluster.jobs.pod("guarded-1")["metadata"]["name"]
    cluster.store.guarded.add(guarded)
    cluster.submit("now", containerOverrides=overrides_asking(4))
    await kubelet.work(600)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    assert cluster.state("guarded")[0] == "Running"
    assert sum(cluster.status(f"short-{number}").get("interruptions", 0) for number in range(5)) <= 1
