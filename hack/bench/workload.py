"""The two sides of the comparison: the same pods, once as bare Jobs and once as BatchJobs.

Both are created the same way and timed alike: from the first create to the moment the last one is seen finished.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from batchyard.api import names
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import (
    BATCHJOBS,
    COMPUTEENVIRONMENTS,
    JOBDEFINITIONS,
    JOBQUEUES,
    JOBS,
    NAMESPACES,
    PODS,
    Resource,
)

NAMESPACE = "bench"
OURS = Selection(NAMESPACE, "bench=true")
CREATORS = 16
QUEUES = 30
AT_ONCE = 50
"""Jobs of the comparison of queues that run at the same time, so that most of them wait."""
TIMEOUT = 1200.0
"""Seconds that a side may take."""
_OF_ONE_JOB = ("batch.kubernetes.io/", "controller-uid", "job-name")
"""Labels that the API server gives to the pods of a Job."""

_CONTAINER = {
    "name": "main",
    "image": "localhost/batchyard/shell:1",
    "command": ["true"],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
}
_SELECTOR = {"batchyard.dev/node": "simulated"}
_TOLERATION = {"key": "batchyard.dev/simulated", "operator": "Exists"}


@dataclass(frozen=True)
class Side:
    """One side: what is created, and how its end is recognised."""

    name: str
    prefix: str
    """Of the names of its objects."""
    resource: Resource
    build: Callable[[str], Object]
    finished: Callable[[Object], bool]


def _bare_job(name: str) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"bench": "true"}},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "nodeSelector": _SELECTOR,
                    "tolerations": [_TOLERATION],
                    "containers": [_CONTAINER],
                }
            },
        },
    }


def _batch_job(name: str) -> Object:
    return {
        "apiVersion": "batchyard.dev/v1alpha1",
        "kind": "BatchJob",
        "metadata": {"name": name, "labels": {"bench": "true"}},
        "spec": {"jobQueue": "bench", "jobDefinition": "bench"},
    }


def _narrow(queue: Callable[[str], str]) -> Callable[[str], Object]:
    def build(name: str) -> Object:
        job = _batch_job(name)
        return {**job, "spec": {**job["spec"], "jobQueue": queue(name)}}

    return build


def _dealt_out(name: str) -> str:
    return f"narrow-{int(name.rpartition('-')[2]) % QUEUES + 1}"


def indexed_job(sample: Object, size: int, at_once: int) -> Side:
    """The bare side of an array: the Job that an array of Batchyard's is, under labels that Batchyard does not know."""
    spec = {**sample["spec"], "completions": size, "parallelism": at_once}
    del spec["selector"]
    template = spec["template"]
    labels = {key: value for key, value in template["metadata"]["labels"].items() if not key.startswith(_OF_ONE_JOB)}
    own = {key.replace("batchyard.dev/", "batchyard.bar/"): value for key, value in labels.items()}
    spec["template"] = {"metadata": {"labels": own}, "spec": template["spec"]}

    def build(name: str) -> Object:
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": {"bench": "true"}},
            "spec": spec,
        }

    return Side("a bare Indexed Job", "bare", JOBS, build, _job_finished)


async def indexed_job_of(api: KubeApi, array: str) -> Object:
    """The Indexed Job that Batchyard has made for an array."""
    found, _ = await api.list(JOBS, Selection(NAMESPACE, f"{names.JOB}={array},{names.ARRAY}"))
    return found[0]


def array(size: int, at_once: int) -> Side:
    """One array."""

    def build(name: str) -> Object:
        job = _batch_job(name)
        return {**job, "spec": {**job["spec"], "array": {"size": size, "maxConcurrency": at_once}}}

    return Side("an array", "batch", BATCHJOBS, build, _batch_job_finished)


def _job_finished(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)


def _batch_job_finished(obj: Object) -> bool:
    return (obj.get("status") or {}).get("state") == "Succeeded"


BARE = Side("bare Jobs", "bare", JOBS, _bare_job, _job_finished)
BATCHYARD = Side("Batchyard", "batch", BATCHJOBS, _batch_job, _batch_job_finished)
DEEP = Side("one queue", "deep", BATCHJOBS, _narrow(lambda _: "narrow-0"), _batch_job_finished)
SPREAD = Side("many queues", "spread", BATCHJOBS, _narrow(_dealt_out), _batch_job_finished)


async def prepare(api: KubeApi) -> None:
    """Create the namespace and what the BatchJobs refer to."""
    unmanaged = {"nodeSelector": _SELECTOR, "tolerations": [_TOLERATION]}
    narrow: Object = {"unmanaged": unmanaged, "maxVcpus": AT_ONCE / 10}
    queues: Object = {"computeEnvironments": ["narrow"]}
    objects: list[tuple[Resource, str, Object]] = [
        (COMPUTEENVIRONMENTS, "", {"kind": "ComputeEnvironment", "metadata": {"name": "narrow"}, "spec": narrow}),
        *(
            (JOBQUEUES, "", {"kind": "JobQueue", "metadata": {"name": f"narrow-{number}"}, "spec": queues})
            for number in range(QUEUES + 1)
        ),
        (NAMESPACES, "", {"metadata": {"name": NAMESPACE}}),
        (
            COMPUTEENVIRONMENTS,
            "",
            {
                "kind": "ComputeEnvironment",
                "metadata": {"name": "bench"},
                "spec": {"unmanaged": unmanaged},
            },
        ),
        (
            JOBQUEUES,
            "",
            {"kind": "JobQueue", "metadata": {"name": "bench"}, "spec": {"computeEnvironments": ["bench"]}},
        ),
        (
            JOBDEFINITIONS,
            NAMESPACE,
            {"kind": "JobDefinition", "metadata": {"name": "bench"}, "spec": {"container": _CONTAINER}},
        ),
    ]
    for resource, namespace, body in objects:
        await api.create(resource, {"apiVersion": resource.api_version, **body}, namespace)


async def run(api: KubeApi, side: Side, count: int, prefix: str) -> float:
    """Create `count` objects as fast as the API server takes them; seconds until all are finished."""
    _, version = await api.list(side.resource, OURS)
    watching = asyncio.create_task(all_finished(api, side, count, version))
    names = iter([f"{prefix}-{index}" for index in range(count)])
    started = time.monotonic()

    async def create_some() -> None:
        for name in names:
            await api.create(side.resource, side.build(name), NAMESPACE)

    await asyncio.gather(*(create_some() for _ in range(CREATORS)))
    async with asyncio.timeout(TIMEOUT):
        ended = await watching
    return ended - started


async def all_finished(api: KubeApi, side: Side, count: int, version: str) -> float:
    """Watch the objects of a side from a resourceVersion on; the time at which so many of them are finished."""
    finished: set[str] = set()
    while True:
        events = api.watch(side.resource, version, OURS)
        async with aclosing(events):
            async for kind, obj in events:
                version = obj["metadata"]["resourceVersion"]
                if kind in ("ADDED", "MODIFIED") and side.finished(obj):
                    finished.add(obj["metadata"]["uid"])
                    if len(finished) == count:
                        return time.monotonic()


async def clear(api: Any, side: Side) -> None:
    """Delete what a run left, and wait until all of it is gone, so that the next one starts alike."""
    items, _ = await api.list(side.resource, OURS)
    for obj in items:
        await api.delete(side.resource, obj["metadata"]["name"], NAMESPACE)
    for resource in (side.resource, JOBS, PODS):
        while (await api.list(resource, Selection(NAMESPACE), limit=1))[0]:
            await asyncio.sleep(0.5)
