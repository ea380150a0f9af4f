"""Runs the mixed workload on either side, and watches the pods meanwhile."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from batchyard.kube.client import KubeClient
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import PODS

from .. import workload
from ..installation import Installation
from ..measure import AuditLog
from ..workload import NAMESPACE, Side
from . import objects
from .observed import Figures, Pods, figures
from .tasks import Task, tasks

_SETTLING = 2.0
"""Seconds for the watches to tell of what was last, and for what goes on beside jobs to calm down."""


@dataclass(frozen=True)
class Round:
    """Both sides, one right after the other."""

    bare: Figures
    batchyard: Figures


async def measured(installation: Installation, api: KubeClient, rounds: int) -> list[Round]:
    """Prepare the nodes and run so many rounds; Batchyard is first in every other one."""
    await objects.prepare(api, objects.prepare_nodes(installation.cluster))
    done = []
    for number in range(1, rounds + 1):
        order = ("bare", "batchyard") if number % 2 else ("batchyard", "bare")
        sides = {name: await _side(installation, api, name, number) for name in order}
        done.append(Round(**sides))
        bare, ours = done[-1].bare, done[-1].batchyard
        print(
            f"mixed {number} of {rounds}: bare {bare.seconds:.1f} s, Batchyard {ours.seconds:.1f} s, Unschedulable "
            f"{bare.unschedulable} and {ours.unschedulable}, elsewhere {ours.elsewhere}",
            flush=True,
        )
    return done


async def _side(installation: Installation, api: KubeClient, name: str, number: int) -> Figures:
    jobs = {f"{name}-{number}-{task.name}": task for task in tasks()}
    if name == "bare":
        side = replace(workload.BARE, build=lambda job: objects.bare_job(job, jobs[job]))
    else:
        side = replace(workload.BATCHYARD, build=lambda job: objects.batch_job(job, jobs[job]))
    audit = AuditLog(installation.audit_log)
    audit.skip()
    pods, submitted, seconds = await run(api, side, jobs)
    writes = sum(count for (agent, _, _), count in audit.writes().items() if agent == "kube-scheduler")
    await workload.clear(api, side)
    await asyncio.sleep(_SETTLING)
    shapes = {job: task.shape.name for job, task in jobs.items()}
    return figures(list(pods.by_uid.values()), shapes, submitted, seconds, writes)


async def run(api: KubeApi, side: Side, jobs: Mapping[str, Task]) -> tuple[Pods, dict[str, float], float]:
    """Submit each job at its time.

    Returns the pods as they were seen, when each job was submitted, and the seconds until all were finished.
    """
    _, version = await api.list(PODS, Selection(NAMESPACE))
    _, beginning = await api.list(side.resource, workload.OURS)
    pods, submitted, began = Pods(), dict[str, float](), time.monotonic()
    watching = asyncio.create_task(_follow(api, pods, version))
    ending = asyncio.create_task(workload.all_finished(api, side, len(jobs), beginning))
    left = iter(jobs.items())

    async def submit_some(due: Iterator[tuple[str, Task]]) -> None:
        for name, task in due:
            await asyncio.sleep(began + task.at - time.monotonic())
            submitted[name] = time.monotonic()
            await api.create(side.resource, side.build(name), NAMESPACE)

    await asyncio.gather(*(submit_some(left) for _ in range(workload.CREATORS)))
    async with asyncio.timeout(workload.TIMEOUT):
        ended = await ending
    await asyncio.sleep(_SETTLING)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return pods, submitted, ended - began


async def _follow(api: KubeApi, pods: Pods, version: str) -> None:
    while True:
        events = api.watch(PODS, version, Selection(NAMESPACE))
        async with aclosing(events):
            async for kind, pod in events:
                version = pod["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    pods.see(pod, time.monotonic())
