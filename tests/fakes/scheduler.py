"""The scheduler, on command: gives pods that wait a node by what they ask of nodes and zones, and has them run.

What a pod requires must hold; of the nodes that are left, the ones that it prefers come first, then those in zones with
few of the pods that it is to be spread among.
"""

from collections.abc import Iterator
from typing import Any

from batchyard.api import names
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.resources import Resources, add, fits, pod_requests, subtract
from batchyard.core.scheduling.capacity.nodefit import admits
from batchyard.kube.protocol import Object
from batchyard.kube.resources import NODES, PODS
from batchyard.objects.kubernetes.node import read_node
from batchyard.objects.kubernetes.steering import HOSTNAME
from fakes.cluster import Cluster
from fakes.indexed import IndexedController, owner_of

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_ENDED = ("Succeeded", "Failed")


class Scheduler:
    """Of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store

    def run(self) -> list[str]:
        """Give each pod a node, in their order, and let its containers run; returns the pods that none is one for."""
        waiting = [pod for pod in self._pods() if not pod["spec"].get("nodeName")]
        waiting.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        return [pod["metadata"]["name"] for pod in waiting if not self._bind(pod)]

    def _bind(self, pod: Object) -> bool:
        able = [node for node in self._nodes() if self._may_be_on(pod, node)]
        if not able:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "none fits"}
            status = {**pod.get("status", {}), "phase": "Pending", "conditions": [condition]}
            self._store.update(PODS, {**pod, "status": status}, status=True)
            return False
        node = min(able, key=lambda it: (not _prefers(pod, it), self._alike(pod, it), it.name)).name
        if IndexedController.owns(pod):
            self._store.update(PODS, {**pod, "spec": {**pod["spec"], "nodeName": node}})
            self._cluster.jobs.indexed.start(
                owner_of(pod) or "", int(pod["metadata"]["labels"][names.COMPLETION_INDEX])
            )
        else:
            self._cluster.jobs.start(owner_of(pod) or "", node)
        return True

    def _may_be_on(self, pod: Object, node: Node) -> bool:
        if not node.ready or not node.schedulable or not admits(constraints_of(pod["spec"]), node):
            return False
        return fits({**pod_requests(pod["spec"]), "pods": 1}, self._free(node)) and all(
            self._is_beside(pod, node, term) for term in _affinity(pod, "podAffinity", _REQUIRED)
        )

    def _is_beside(self, pod: Object, node: Node, term: Any) -> bool:
        """Whether pods like those that it is to be with are there, or it is the first of them."""
        key, wanted = term["topologyKey"], term["labelSelector"]["matchLabels"]
        if key not in node.labels:
            return False
        others = {
            self._label(other, key)
            for other in self._pods()
            if other["spec"].get("nodeName") and wanted.items() <= other["metadata"]["labels"].items()
        }
        return node.labels[key] in others or (not others and wanted.items() <= pod["metadata"]["labels"].items())

    def _alike(self, pod: Object, node: Node) -> int:
        """How many of those that it is to be spread among are where the node is."""
        return sum(
            self._label(other, each["topologyKey"]) == node.labels.get(each["topologyKey"])
            for each in pod["spec"].get("topologySpreadConstraints") or ()
            for other in self._pods()
            if other["spec"].get("nodeName")
            and each["labelSelector"]["matchLabels"].items() <= other["metadata"]["labels"].items()
        )

    def _label(self, pod: Object, key: str) -> str | None:
        return next((node.labels.get(key) for node in self._nodes() if node.name == pod["spec"]["nodeName"]), None)

    def _free(self, node: Node) -> Resources:
        taken: Resources = {}
        for pod in self._pods():
            if pod["spec"].get("nodeName") == node.name:
                taken = add(taken, {**pod_requests(pod["spec"]), "pods": 1})
        return subtract(node.allocatable, taken)

    def _nodes(self) -> list[Node]:
        return [read_node(node) for node in self._store.objects(NODES)]

    def _pods(self) -> Iterator[Object]:
        """Those that have not ended."""
        for pod in self._store.objects(PODS):
            if (pod.get("status") or {}).get("phase") not in _ENDED and "deletionTimestamp" not in pod["metadata"]:
                yield pod


def _prefers(pod: Object, node: Node) -> bool:
    return any(
        node.labels.get(HOSTNAME) in each["values"]
        for wish in _affinity(pod, "nodeAffinity", _PREFERRED)
        for each in wish["preference"]["matchExpressions"]
    )


def _affinity(pod: Object, kind: str, strength: str) -> Any:
    return ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(strength) or ()
