"""What the pods of one side did, as a watch tells it, and what that sums up to."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchyard.api import names
from batchyard.api.quantities import parse_cpu_milli
from batchyard.kube.protocol import Object

from .tasks import free_milli

ALL = "all"
_JOB_LABELS = (names.JOB, "batch.kubernetes.io/job-name")


@dataclass
class Pod:
    """A pod of a job. Times are those at which the watch said so, in seconds of a clock that only runs forward."""

    job: str
    cpu_milli: int
    expected: tuple[str, ...]
    """Host names of the nodes that it prefers: where Batchyard expects it."""
    node: str = ""
    unschedulable: float | None = None
    """When the scheduler first found no node for it."""
    bound: float | None = None
    began: float | None = None
    ended: float | None = None

    @property
    def unschedulable_seconds(self) -> float:
        """How long it was without a node that the scheduler looked for in vain."""
        until = self.bound if self.bound is not None else self.ended
        return until - self.unschedulable if until is not None and self.unschedulable is not None else 0.0

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was bound to a node where it was not expected."""
        return bool(self.expected and self.node) and self.node not in self.expected


@dataclass
class Pods:
    """All pods of a side."""

    by_uid: dict[str, Pod] = field(default_factory=dict)

    def see(self, seen: Object, now: float) -> None:
        """Note how a pod is at this time; a deleted one is given in its last form."""
        metadata, spec, status = seen["metadata"], seen["spec"], seen.get("status") or {}
        pod = self.by_uid.get(metadata["uid"])
        if pod is None:
            job = next(metadata["labels"][label] for label in _JOB_LABELS if label in metadata["labels"])
            requests = [container["resources"]["requests"]["cpu"] for container in spec["containers"]]
            pod = self.by_uid[metadata["uid"]] = Pod(job, sum(map(parse_cpu_milli, requests)), _preferred(spec))
        if spec.get("nodeName") and not pod.node:
            pod.node = spec["nodeName"]
            pod.bound = now
        if not pod.node and pod.unschedulable is None and _is_unschedulable(status):
            pod.unschedulable = now
        phase = status.get("phase")
        if pod.began is None and phase in ("Running", "Succeeded"):
            pod.began = now
        if pod.ended is None and (phase in ("Succeeded", "Failed") or "deletionTimestamp" in metadata):
            pod.ended = now


@dataclass(frozen=True)
class Waits:
    """Seconds from submission until the pod runs."""

    mean: float
    longest: float


@dataclass(frozen=True)
class Figures:
    """What one side comes to."""

    seconds: float
    """From the first submission until the last job is finished."""
    utilisation: float
    """What running pods asked for, as a part of the vCPUs that others leave."""
    pods: int
    unschedulable: int
    """Pods that ever were."""
    unschedulable_seconds: float
    """Of all of these together."""
    elsewhere: int
    """Pods that were bound to a node where they were not expected."""
    repeated: int
    """Jobs that have had more than one pod."""
    waits: Mapping[str, Waits]
    """By the name of the shape, and of all jobs."""
    scheduler_writes: int


def figures(
    pods: Sequence[Pod],
    shapes: Mapping[str, str],
    submitted: Mapping[str, float],
    seconds: float,
    scheduler_writes: int,
) -> Figures:
    """Sum pods up; `shapes` and `submitted` (when each was) go by the names of jobs. All of them have run."""
    used = sum(
        pod.cpu_milli * (pod.ended - pod.began) for pod in pods if pod.began is not None and pod.ended is not None
    )
    began: dict[str, float] = {}
    for pod in pods:
        if pod.began is not None:
            began[pod.job] = min(pod.began, began.get(pod.job, pod.began))
    waited: dict[str, list[float]] = {}
    for name, shape in shapes.items():
        for group in (shape, ALL):
            waited.setdefault(group, []).append(began[name] - submitted[name])
    return Figures(
        seconds=seconds,
        utilisation=used / (free_milli() * seconds),
        pods=len(pods),
        unschedulable=sum(pod.unschedulable is not None for pod in pods),
        unschedulable_seconds=sum(pod.unschedulable_seconds for pod in pods),
        elsewhere=sum(pod.is_elsewhere for pod in pods),
        repeated=sum(count > 1 for count in Counter(pod.job for pod in pods).values()),
        waits={shape: Waits(statistics.mean(each), max(each)) for shape, each in waited.items()},
        scheduler_writes=scheduler_writes,
    )


def _preferred(spec: dict[str, Any]) -> tuple[str, ...]:
    of_nodes = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return tuple(
        value
        for term in of_nodes.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        for expression in term["preference"].get("matchExpressions") or ()
        for value in expression["values"]
    )


def _is_unschedulable(status: dict[str, Any]) -> bool:
    return any(
        each["type"] == "PodScheduled" and each["status"] == "False" and each.get("reason") == "Unschedulable"
        for each in status.get("conditions") or ()
    )
