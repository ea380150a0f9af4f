"""With `--show-names=namespace`, nothing that Batchyard writes about a namespace, or a queue, names a job of another.

Two namespaces share queues in a world that a seed makes, and every text is read as soon as it is written.
"""

import json
import random
from contextlib import suppress
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.definition.template import Templates
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.definition import Resolved, Revision
from batchyard.core.model.job import BatchJob
from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import Object
from batchyard.kube.resources import EVENTS, JOBS, NAMESPACES, OWN
from fakes.cluster import Cluster, in_cluster
from objects.api import manifest
from objects.specs import asking_container

NAMESPACES_OF = {"finance": "payroll", "media": "premiere"}
"""Each namespace with the word that the names of all its jobs begin with."""


class World:
    """Two namespaces, their jobs, and what happens to them."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)  # noqa: S311 - has to be repeatable
        self.leaks: set[str] = set()
        self.reasons: set[str] = set()
        """Reasons of statuses, Events and fronts that were seen."""
        self._count = 0
        cluster.store.listeners.append(self._look)

    def put(self, kind: str, name: str, namespace: str = "", **fields: Any) -> None:
        self.cluster.store.create(OWN[kind], manifest(kind, name=name, **fields), namespace)

    def furnish(self) -> None:
        self.cluster.add_node(cpu="4")
        self.put("ComputeEnvironment", "on-prem")
        self.put("ConsumableResource", "licence", total=2)
        self.put("JobQueue", "high", priority=9, preemption={"policy": "LowerPriority", "minimumRunSeconds": 0})
        self.put("JobQueue", "low", priority=1)
        self.put("JobQueue", "fair", priority=1, schedulingPolicy={"type": "FairShare"})
        self.put("JobQueue", "one", priority=2, limits={"maxRunningJobs": 1}, jobStateTimeLimits=[_AT_LIMIT])
        with suppress(ApiError):
            self.cluster.store.create(NAMESPACES, {"metadata": {"name": "finance"}})
        container = asking_container()
        for namespace in NAMESPACES_OF:
            self.put("JobDefinition", "plain", namespace, container=container)
            self.put("JobDefinition", "taking", namespace, container=container, consumableResources=[_TAKEN])

    async def step(self) -> None:
        """A job comes, or something happens to one."""
        if self.random.random() < 0.5:
            self._submit()
        else:
            with suppress(ApiError):
                self._move()
        await self.cluster.pass_time(self.random.choice([0.5, 2, 20]))

    def _submit(self) -> None:
        namespace = self.random.choice(list(NAMESPACES_OF))
        word, queue = NAMESPACES_OF[namespace], self.random.choice(["high", "low", "low", "fair", "one", "none"])
        fields: dict[str, Any] = {"jobQueue": queue, "jobDefinition": self.random.choice(["plain", "plain", "taking"])}
        if queue == "fair":
            fields["shareIdentifier"] = self.random.choice(["red", "blue"])
        if self.random.random() < 0.2:
            fields["array"] = {"size": 5}
        if self._count and self.random.random() < 0.2:
            fields["dependsOn"] = [{"job": f"{word}-{self.random.randrange(self._count)}"}]
        if self.random.random() < 0.2:  # the name of its run is taken, which its status says
            self._take(f"{word}-{self._count}-1", namespace)
        self.put("BatchJob", f"{word}-{self._count}", namespace, **fields)
        self._count += 1

    def _take(self, name: str, namespace: str) -> None:
        pod = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
        spec = {"completions": 1, "parallelism": 1, "suspend": True, "template": {"spec": pod}}
        self.cluster.store.create(JOBS, {"metadata": {"name": name}, "spec": spec}, namespace)

    def _move(self) -> None:
        jobs, found = self.cluster.jobs, self.cluster.store.objects(JOBS)
        found = [each for each in found if names.JOB in (each["metadata"].get("labels") or {})]
        if not found:
            return
        job = self.random.choice(found)
        name = job["metadata"]["name"]
        move = self.random.choice(["start", "start", "finish", "fail", "disrupt", "delete"])
        if job["spec"].get("completionMode") == "Indexed":
            places = range(job["spec"]["parallelism"])
            jobs.indexed.start(job, *places) if move == "start" else None
        elif move == "start":
            jobs.start(job)
        elif move == "finish":
            jobs.finish(job)
        elif move == "fail":
            jobs.finish(job, 1, message=f"{name} has failed")
        elif move == "disrupt":
            jobs.disrupt(job, message=f"{name} is evicted")
        else:
            self.cluster.store.delete(JOBS, name, job["metadata"]["namespace"])

    def _look(self, change: Any) -> None:
        """Read what is written, at the moment it is."""
        resource, _, new = change
        if new is None or resource not in {*OWN.values(), EVENTS}:
            return
        namespace = new["metadata"].get("namespace", "")
        said: Object = new if resource == EVENTS else new.get("status") or {}
        text = json.dumps(said)
        self.reasons |= {said.get("reason", ""), (said.get("head") or {}).get("reason", "")}
        for other, word in NAMESPACES_OF.items():
            if other != namespace and (word in text or f'"{other}"' in text or f"{other}/" in text):
                self.leaks.add(f"{resource} {namespace}: {text}")


_AT_LIMIT = {"reason": "QueueLimitReached", "maxTimeSeconds": 600, "action": "Cancel"}
_TAKEN = {"name": "licence", "quantity": 1}
STEPS = 100


async def begun(cluster: Cluster, visibility: Visibility = Visibility.NAMESPACE, seed: int = 0) -> World:
    """A world with an operator, in which nothing has happened yet."""
    world = World(cluster, seed)
    world.furnish()
    await cluster.start_operator(visibility=visibility)
    return world


async def live(cluster: Cluster, seed: int, visibility: Visibility) -> World:
    world = await begun(cluster, visibility, seed)
    for _ in range(STEPS):
        await world.step()
    return world


@pytest.mark.parametrize("seed", range(3))
@in_cluster()
async def test_no_text_about_a_namespace_names_a_job_of_another(cluster: Cluster, seed: int) -> None:
    world = await live(cluster, seed, Visibility.NAMESPACE)
    assert not world.leaks
    assert {"InsufficientCapacity", "WaitingInQueue", "Preempted", "Interrupted"} <= world.reasons


@in_cluster()
async def test_by_default_queues_and_events_name_them(cluster: Cluster) -> None:
    """So the test before could fail."""
    leaks = (await live(cluster, 0, Visibility.ALL)).leaks
    assert {leak.partition(" ")[0] for leak in leaks} == {"jobqueues.batchyard.dev", "events"}


@in_cluster()
async def test_who_is_displaced_is_told_by_which_queue_and_not_by_whom(cluster: Cluster) -> None:
    world = await begun(cluster)
    for number in range(4):
        world.put("BatchJob", f"premiere-{number}", "media", jobQueue="low", jobDefinition="plain")
        await cluster.pass_time(1)
        cluster.jobs.start(f"premiere-{number}-1")
    for namespace, word in NAMESPACES_OF.items():
        world.put("BatchJob", f"{word}-now", namespace, jobQueue="high", jobDefinition="plain")
    await cluster.pass_time(5)
    told = {event.message for event in cluster.events(reason="Preempted")}
    assert told == {
        "it makes room for a job of another namespace of queue high, which has a higher priority",
        "it makes room for BatchJob media/premiere-now of queue high, which has a higher priority",
    }
    assert not world.leaks


@in_cluster()
async def test_a_queue_tells_what_its_first_job_waits_for_and_the_owner_finds_it_by_its_uid(cluster: Cluster) -> None:
    world = await begun(cluster)
    for number in range(7):
        world.put("BatchJob", f"payroll-{number}", "finance", jobQueue="low", jobDefinition="plain")
        await cluster.pass_time(1)
    await cluster.pass_time(60)
    status = cluster.queue_status("low")
    uids = [
        cluster.store.get(OWN["BatchJob"], f"payroll-{number}", "finance")["metadata"]["uid"] for number in (4, 5, 6)
    ]
    assert [each["uid"] for each in status["front"]] == uids
    assert status["head"]["uid"] == uids[0]
    assert status["head"]["reason"] == status["blocked"]["reason"] == "InsufficientCapacity"
    assert status["head"]["message"] == (
        "next in queue low; needs 1 vCPU on one node of environment on-prem; others may start before it until "
        "00:10:04Z (queue low has the policy Bypass), then the room is held for it"
    )
    before = status["front"]
    await cluster.pass_time(600)
    assert cluster.queue_status("low")["front"] == before
    assert not world.leaks


@in_cluster()
async def test_an_error_of_batchyards_own_is_told_without_its_words(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(self: Templates, job: BatchJob, revision: Revision) -> Resolved:
        raise KeyError(("finance", "payroll-1"))

    monkeypatch.setattr(Templates, "resolve", resolve)
    world = await begun(cluster)
    world.put("BatchJob", "premiere-0", "media", jobQueue="low", jobDefinition="plain")
    await cluster.pass_time(3)
    assert "(KeyError)" in cluster.status("premiere-0")["message"]
    assert not world.leaks
