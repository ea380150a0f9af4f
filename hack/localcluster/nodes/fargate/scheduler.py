"""Fargate's scheduler: gives each pod a node of its own, or says why it does not."""

import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

from ...api import ApiRefusedError, Json
from ..instance_types import ZONES
from ..simulated import node
from .profiles import SCHEDULER, Profile
from .refusals import NO_CAPACITY, meets, refusal
from .sizes import GIB, Size, pod_request, smallest

COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
_SMALLEST_MACHINE = Size(cpu=2000, memory=4 * GIB)
"""A Node says what its machine has, which is often more than the size that its pod may use."""
_PODS, _NODES = "/api/v1/pods", "/api/v1/nodes"
_ENDED = ("Succeeded", "Failed")


class PodsAndNodes(Protocol):
    """What is asked of the API server."""

    def list(self, path: str, **query: str) -> list[Json]:
        """The objects of a collection."""

    def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection, or a subresource such as a binding."""

    def patch(self, path: str, change: Json) -> Json:
        """Change an object, or its status."""

    def delete(self, path: str) -> None:
        """Delete an object; fine where it is gone."""


class Fargate:
    """The scheduler, and what may be changed while it runs.

    - delay: how many seconds after it was first seen a pod gets its node
    - out_of_capacity: no pod gets one until this is over, and for `delay` seconds after that
    - keep_nodes: the node of a pod that has ended stays until the pod is deleted, as with AWS; else it goes at once,
      and Kubernetes deletes the pod 40 to 60 s later
    """

    def __init__(
        self,
        api: PodsAndNodes,
        profiles: Sequence[Profile],
        *,
        delay: float = 1.0,
        out_of_capacity: bool = False,
        keep_nodes: bool = False,
    ) -> None:
        self.delay = delay
        self.out_of_capacity = out_of_capacity
        self.keep_nodes = keep_nodes
        self.stopped = threading.Event()
        """Set to stop it, and when it has stopped by itself."""
        self._api = api
        self._profiles = profiles
        self._since: dict[str, float] = {}
        """Since when pods wait for a node, by uid."""
        self._made: dict[str, str] = {}
        """The nodes of pods that are not there yet, by their uid."""
        self._nodes_made = 0

    def look(self, now: float) -> None:
        """Serve the pods that there are; `now` is in seconds of any clock."""
        nodes, pods = self._nodes(), self._pods()
        waiting = {pod["metadata"]["uid"]: pod for pod in pods if _waits(pod)}
        self._since = {uid: since for uid, since in self._since.items() if uid in waiting}
        self._made = {uid: name for uid, name in self._made.items() if uid in waiting and name in nodes}
        self._remove_unused(nodes, pods, keep=self.keep_nodes)
        for uid, pod in waiting.items():
            with suppress(ApiRefusedError):  # it may be gone by now; if not, it is there at the next look
                if uid not in self._made:
                    self._serve(uid, pod, now)
                elif _is_ready(nodes[self._made[uid]]):
                    self._bind(pod, self._made.pop(uid))

    def clear(self) -> None:
        """Remove the nodes of pods that have ended; those that run are left to kwok."""
        self._made.clear()
        self._remove_unused(self._nodes(), self._pods(), keep=False)

    def _nodes(self) -> dict[str, Json]:
        listed = self._api.list(_NODES, labelSelector=f"{COMPUTE_TYPE}=fargate")
        return {each["metadata"]["name"]: each for each in listed}

    def _pods(self) -> list[Json]:
        return self._api.list(_PODS, fieldSelector=f"spec.schedulerName={SCHEDULER}")

    def _remove_unused(self, nodes: dict[str, Json], pods: list[Json], *, keep: bool) -> None:
        """A pod that ended as it was deleted needs its node until it is gone: only a kubelet can say that it is."""
        used = set(self._made.values())
        used |= {pod["spec"].get("nodeName", "") for pod in pods if keep or _lives(pod)}
        for name in nodes.keys() - used:
            self._api.delete(f"{_NODES}/{name}")

    def _serve(self, uid: str, pod: Json, now: float) -> None:
        since = self._since.setdefault(uid, now)
        turn = self._nodes_made % len(ZONES)
        candidates = [_labels(zone) for zone in (*ZONES[turn:], *ZONES[:turn])]
        refused = refusal(pod, self._profiles, candidates)
        if refused is not None:
            self._say(pod, refused)
        elif now - since >= self.delay:
            if self.out_of_capacity:
                self._since[uid] = now
                self._say(pod, NO_CAPACITY)
            else:
                labels = next(each for each in candidates if meets(pod["spec"], each))
                self._made[uid] = self._make_node(_size(pod), labels)
                self._nodes_made += 1

    def _make_node(self, size: Size, labels: dict[str, str]) -> str:
        name = f"fargate-{secrets.token_hex(5)}"
        resources = {
            "cpu": f"{max(size.cpu, _SMALLEST_MACHINE.cpu)}m",
            "memory": str(max(size.memory, _SMALLEST_MACHINE.memory)),
            "ephemeral-storage": "20Gi",
            "pods": "1",
        }
        self._api.create(_NODES, node(name, resources, labels, {COMPUTE_TYPE: "fargate"}))
        return name

    def _bind(self, pod: Json, name: str) -> None:
        """The API server gives the annotations of a binding to its pod."""
        metadata = {"name": pod["metadata"]["name"], "annotations": {"CapacityProvisioned": str(_size(pod))}}
        target = {"apiVersion": "v1", "kind": "Node", "name": name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        self._api.create(f"{_path(pod)}/binding", binding)
        namespace, own = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._record(pod, "Normal", "Scheduled", f"Successfully assigned {namespace}/{own} to {name}")

    def _say(self, pod: Json, message: str) -> None:
        """Say in condition and Event why the pod has no node, once for each reason."""
        conditions = pod.get("status", {}).get("conditions") or ()
        if any(each["type"] == "PodScheduled" and each.get("message") == message for each in conditions):
            return
        said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        self._api.patch(f"{_path(pod)}/status", {"status": {"conditions": [{**said, "lastTransitionTime": _now()}]}})
        self._record(pod, "Warning", "FailedScheduling", message)

    def _record(self, pod: Json, kind: str, reason: str, message: str) -> None:
        metadata, now = pod["metadata"], _now()
        own = {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": metadata["namespace"]}
        about = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": own,
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", **about},
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": SCHEDULER},
            "reportingComponent": SCHEDULER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)


def _waits(pod: Json) -> bool:
    held = pod["spec"].get("schedulingGates") or pod["metadata"].get("deletionTimestamp")
    return not held and not pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in _ENDED


def _lives(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or pod.get("status", {}).get("phase") not in _ENDED


def _is_ready(found: Json) -> bool:
    conditions = found.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _size(pod: Json) -> Size:
    size = smallest(pod_request(pod["spec"]))
    assert size is not None, "a pod without a size is refused"
    return size


def _labels(zone: str) -> dict[str, str]:
    return {
        COMPUTE_TYPE: "fargate",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": zone,
    }


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
