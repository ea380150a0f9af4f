"""What users name goes when the last object that names it does: nothing grows with all the jobs that ever were."""

import random
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from batchyard.api.models.batchjob import JobState
from batchyard.runtime.loop.alarms import Alarms
from batchyard.runtime.state.awaitingdefinition import AwaitingDefinition
from batchyard.runtime.state.transitions.counts import Counts
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from fakes.process import Process
from objects.api import manifest
from objects.specs import fair_share
from unit.samples import make_job

JOBS = 2_000
SLACK = 100
"""What may be left in all: heaps and lists that are tidied now and then. One entry in twenty jobs is more."""


def sizes(root: Any) -> dict[str, int]:
    """How many entries each collection has that can be reached, by the way to it."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", root)]
    while todo:
        path, value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Mapping | list | set | frozenset | deque):
            found[path] = len(value)
        todo += [(f"{path}.{name}", part) for name, part in parts(value)]
    return found


def parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{type(key).__name__}]", each) for key, each in value.items())
    elif isinstance(value, list | tuple | set | deque):
        yield from (("[]", each) for each in value)
    if type(value).__module__.startswith(("batchyard.", "prometheus_client.metrics")):
        yield from getattr(value, "__dict__", {}).items()


def total(process: Process) -> int:
    return sum(sizes([process.operator, process.metrics.finished, process.metrics.contained_errors]).values())


def job(name: str, **spec: Any) -> dict[str, Any]:
    body = manifest("BatchJob", name=name, **spec)
    metadata = {"namespace": NAMESPACE, "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {**body, "metadata": {**body["metadata"], **metadata, "generation": 1, "resourceVersion": "1"}}


@in_cluster()
async def test_thousands_of_jobs_with_names_of_their_own_leave_nothing_behind(cluster: Cluster) -> None:
    """They name queues, definitions, shares and other jobs that nobody knows, wait, fail and go."""
    process = await cluster.set_up(cpu="1")
    await cluster.pass_time(10)
    before = total(process)
    cache, names = process.operator.cache, random.Random(1)  # noqa: S311 - has to be repeatable
    for _ in range(0, JOBS, 500):
        bodies = []
        for _ in range(500):
            name = f"job-{names.getrandbits(60):x}"
            bodies.append(
                job(
                    name,
                    jobQueue=names.choice([f"queue-{name}", "urgent"]),
                    jobDefinition=names.choice([f"def-{name}", "transcode", "transcode:1"]),
                    shareIdentifier=names.choice([f"share{name[4:]}", None]),
                    dependsOn=names.choice([[{"job": f"other-{name}"}], None]),
                    ttlSecondsAfterFinished=names.choice([2**31 - 1, None]),
                    stop=names.choice([{"mode": "Cancel", "reason": "random"}, None]),
                    unknown=names.choice([1, None, None]),
                )
            )
        for body in bodies:
            cache.put_batchjob(body)
        await cluster.pass_time(1)
        for body in bodies:
            cache.remove_batchjob((NAMESPACE, body["metadata"]["name"]), body["metadata"]["uid"])
        await cluster.pass_time(1)
    for kube_job in cluster.kube_jobs():
        cluster.delete_kube_job(kube_job)
    await cluster.pass_time(120)
    assert process.stopped == []
    assert total(process) <= before + SLACK


@in_cluster()
async def test_queues_definitions_and_environments_that_come_and_go_leave_nothing_behind(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="4")
    await cluster.pass_time(10)
    before = total(process)
    for number in range(60):
        cluster.put("ComputeEnvironment", f"env-{number}")
        policy = fair_share(shareDecaySeconds=0)
        cluster.put("JobQueue", f"queue-{number}", computeEnvironments=[f"env-{number}"], **policy)
        cluster.put("JobDefinition", f"def-{number}", container={"image": f"image-{number}"})
        cluster.put("ConsumableResource", f"licence-{number}", type="NonReplenishable")
        name = f"job-{number}"
        cluster.submit(name, jobQueue=f"queue-{number}", jobDefinition=f"def-{number}", shareIdentifier=f"s{number}")
        await cluster.pass_time(3)
        if f"{name}-1" in cluster.kube_jobs():
            cluster.jobs.finish(f"{name}-1", number % 2)
            await cluster.pass_time(3)
        cluster.delete("BatchJob", name)
        cluster.delete("JobDefinition", f"def-{number}")
        cluster.delete("JobQueue", f"queue-{number}")
        cluster.delete("ComputeEnvironment", f"env-{number}")
        cluster.delete("ConsumableResource", f"licence-{number}")
        await cluster.pass_time(3)
    await cluster.pass_time(120)
    assert process.stopped == []
    after = total(process)
    assert after <= before + SLACK, sizes(process.operator)


def test_a_job_has_one_alarm_and_none_when_it_is_gone() -> None:
    alarms = Alarms()
    for at in range(10_000):
        alarms.ring_at(("media", "videos"), 1e9 + at)
        alarms.tidy([("media", "videos")])
    assert len(alarms) < 100
    assert alarms.take_due(2e9) == {("media", "videos")}
    assert alarms.take_due(3e9) == set()


def test_what_is_counted_down_to_nothing_is_gone() -> None:
    counts, awaiting_definition = Counts(), AwaitingDefinition()
    counts.add("queue", JobState.RUNNABLE)
    counts.add("queue", JobState.RUNNABLE, -1)
    awaiting_definition.enter(make_job())
    awaiting_definition.leave(("media", "transcode"), {("media", "videos")})
    assert (counts, awaiting_definition) == ({}, {})
