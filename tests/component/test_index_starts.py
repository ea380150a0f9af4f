"""No index runs twice only because places of arrays are given and taken back."""

import asyncio
import random
from collections import Counter

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import PODS
from fakes.cluster import Cluster, in_cluster
from objects.specs import overrides_asking

CAPACITY = 5
LATENCY = 0.3


class Node:
    """Scheduler and kubelet: pods get the node while it has room, run for a while, and end; some fail at first."""

    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._ends: dict[str, float] = {}
        self.bound: Counter[tuple[str, str]] = Counter()
        """How many pods of a Job and index have got the node."""
        self.most = 0
        """How many pods there were at a time."""

    async def work(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            await self._cluster.pass_time(0.1)
            live = [
                pod
                for pod in self._cluster.store.objects(PODS)
                if pod["status"].get("phase") in (None, "Pending", "Running")
            ]
            self.most = max(self.most, len(live))
            for pod in live:
                self._look_at(pod, sum("nodeName" in each["spec"] for each in live))

    def _look_at(self, pod: Object, taken: int) -> None:
        labels, uid = pod["metadata"]["labels"], pod["metadata"]["uid"]
        name, index = labels["batch.kubernetes.io/job-name"], labels.get(names.COMPLETION_INDEX, "")
        now, jobs = asyncio.get_running_loop().time(), self._cluster.jobs
        if "deletionTimestamp" in pod["metadata"]:
            return
        if "nodeName" not in pod["spec"]:
            if taken < CAPACITY:
                self.bound[name, index] += 1
                self._ends[uid] = now + self._rng.uniform(0.5, 6)
                if index:
                    jobs.indexed.start(name, int(index))
                else:
                    jobs.start(name)
        elif now >= self._ends[uid]:
            if index:
                failed = int(index) % 2
                jobs.indexed.finish(name, int(index), exit_code=failed)
            else:
                jobs.finish(name)


@in_cluster()
async def test_each_index_starts_once_in_a_narrow_queue(cluster: Cluster) -> None:
    rng = random.Random(0)  # noqa: S311
    cluster.jobs.indexed.lag = rng.uniform(0.05, 0.8)
    cluster.furnish(cpu=f"{CAPACITY}", retryStrategy={"attempts": 3, "backoff": {"initialSeconds": 1}})
    cluster.put_queues(urgent=9, low=1)
    (await cluster.start_operator()).api.latency = LATENCY
    node = Node(cluster, rng)
    for number in range(2):
        cluster.submit(f"array-{number}", array={"size": 12}, jobQueue=rng.choice(["urgent", "low"]))
    for number in range(8):
        cluster.submit(f"job-{number}", jobQueue=rng.choice(["urgent", "low"]))
        await node.work(rng.uniform(0, 3))
        if number % 3 == 2:
            await cluster.process.kill()
            (await cluster.start_operator()).api.latency = LATENCY
    await node.work(60)
    states = {name: cluster.state(name)[0] for name in [f"array-{number}" for number in range(2)]}
    assert set(states.values()) == {"Succeeded"}, states
    assert {each: count for each, count in node.bound.items() if count > 1} == {}
    assert cluster.jobs.indexed.restarted == 0
    assert all("restarts" not in cluster.array_status(name) for name in states)
    assert node.most <= CAPACITY


@in_cluster(graceful=True)
async def test_an_index_stopped_by_a_lowering_that_came_late_is_counted(cluster: Cluster) -> None:
    """Whom the array makes way for is gone again before the Job controller hears of it: the pods are, too."""
    cluster.furnish(cpu="4", request="1")
    cluster.put_queues(urgent=9, low=1)
    await cluster.start_operator()
    indexed = cluster.jobs.indexed
    cluster.submit("array", array={"size": 12}, jobQueue="low")
    await cluster.pass_time(3)
    indexed.start("array-1", 0, 1, 2, 3)
    await cluster.pass_time(3)
    cluster.submit("front", containerOverrides=overrides_asking(4))
    await cluster.pass_time(3)
    indexed.lag, cluster.api.latency = 0.1, 1.1
    indexed.finish("array-1", 0, 1, 2, 3)
    await cluster.pass_time(0.6)
    cluster.delete("BatchJob", "front")
    await cluster.pass_time(0.6)
    indexed.start("array-1", *indexed.active("array-1"))
    await cluster.pass_time(20)
    assert indexed.restarted == 4
    assert cluster.array_status("array")["restarts"] == 4
