"""Simulated nodes that a test has for itself: what it puts there, what they have left, and which pods found none.

Room is a question of single nodes, so other tests must not run there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.resources import add, fits, parse_resources, subtract
from e2e.clusterapi import PODS, Json, path_of, until
from e2e.harness import Harness
from localcluster.images import SHELL
from localcluster.nodes.simulated import TAINT

LABEL = "batchyard.dev/e2e-nodes"
FOREVER = {"sim.batchyard.dev/never-finish": "true"}
_ENDED = ("Succeeded", "Failed")
_TOLERATIONS = [{"key": TAINT, "operator": "Exists"}]


@contextmanager
def own_nodes(harness: Harness, *shapes: tuple[int, Json]) -> Iterator[list[str]]:
    """Add so many nodes of each shape, and remove them in the end; the names are in the order of the shapes."""
    if harness.cluster.backend != "local":
        pytest.skip("only a local cluster has simulated nodes")
    own: Json = {"labels": {LABEL: harness.namespace}, "prefix": harness.named("node")}
    found = [node for count, shape in shapes for node in harness.cluster.add_nodes(count, **own, **shape)]
    yield found
    harness.cluster.kubectl("delete", "node", *found, "--wait=false")


# Objects


def environment(harness: Harness, name: str = "own", **spec: Any) -> Json:
    """Return an environment of these nodes."""
    unmanaged = {"nodeSelector": {LABEL: harness.namespace}, "tolerations": _TOLERATIONS}
    return harness.object(names.COMPUTE_ENVIRONMENT, name, {"unmanaged": unmanaged, **spec})


def template(harness: Harness, **requests: str) -> Json:
    """Return a pod template that runs until it is deleted; devices are requested by `gpu`."""
    own: Json = harness.simulated_definition("any", annotations=FOREVER)["spec"]["template"]
    if gpu := requests.pop("gpu", None):
        own["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": gpu}}
    own["spec"]["containers"][0].setdefault("resources", {})["requests"] = {"memory": "32Mi", **requests}
    return own


def other_pod(harness: Harness, name: str, cpu: str, node: str = "", memory: str = "32Mi") -> Json:
    """Return a pod that is not Batchyard's, on one node or on any of them."""
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    selector = {"kubernetes.io/hostname": node} if node else {LABEL: harness.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": FOREVER},
        "spec": {"containers": [container], "nodeSelector": selector, "tolerations": _TOLERATIONS},
    }


def put_others(harness: Harness, *pods: Json) -> None:
    """Make pods of others, and wait until they run."""
    made = {harness.api.post(path_of(PODS, harness.namespace), pod)["metadata"]["name"] for pod in pods}

    def run() -> bool:
        return made <= {pod["metadata"]["name"] for pod in harness.api.list(PODS, harness.namespace) if _runs(pod)}

    until(run, 60, lambda: f"pods of others run: {harness.kubectl('get', 'pods', '-o', 'wide')}")


def _runs(pod: Json) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def put_daemon_set(harness: Harness, cpu: str) -> None:
    """Make a DaemonSet with a pod on each node, and wait until they run."""
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu}}}
    labels = {"app": "agent"}
    pod = {"containers": [container], "nodeSelector": {LABEL: harness.namespace}, "tolerations": _TOLERATIONS}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels, "annotations": FOREVER}, "spec": pod},
    }
    harness.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec})
    harness.kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")


# What is seen


def watch_unschedulable(harness: Harness) -> dict[str, str]:
    """What the scheduler says from now on of each pod of a job for which it finds no node, by the pod's name.

    Also of pods that find one later.
    """
    said: dict[str, str] = {}

    def note(_: str, pod: Json) -> None:
        for condition in pod.get("status", {}).get("conditions", []):
            refused = condition["type"] == "PodScheduled" and condition["status"] == "False"
            if refused and names.JOB in pod["metadata"].get("labels", {}):
                said[pod["metadata"]["name"]] = condition.get("message", "")

    harness.api.watch(PODS, harness.namespace, note)
    return said


def nodes_of(harness: Harness) -> dict[str, str]:
    """Where each pod of a BatchJob runs, by the name of its BatchJob."""
    pods = harness.api.list(PODS, harness.namespace, labelSelector=names.JOB)
    return {pod["metadata"]["labels"][names.JOB]: pod["spec"].get("nodeName", "") for pod in pods}


def nodes_in_use(harness: Harness, batchjob: str) -> list[str]:
    """The node of each running pod of a BatchJob, sorted."""
    return sorted(pod["spec"]["nodeName"] for pod in harness.running_pods_of(batchjob))


def free(harness: Harness) -> dict[str, dict[str, int]]:
    """What each node that takes pods has left: what it offers, less what its pods ask for that have not ended.

    In milli-vCPUs, bytes and counts.
    """
    nodes = harness.api.get(f"/api/v1/nodes?labelSelector={LABEL}%3D{harness.namespace}")["items"]
    left = {
        node["metadata"]["name"]: parse_resources(node["status"]["allocatable"])
        for node in nodes
        if not node["spec"].get("unschedulable")
    }
    for pod in harness.api.list(PODS, harness.namespace):
        node = pod["spec"].get("nodeName")
        if node in left and pod["status"].get("phase") not in _ENDED:
            left[node] = subtract(left[node], requests_of(pod["spec"]))
    return left


def requests_of(pod: Json) -> dict[str, int]:
    """What a pod of this spec asks for, its pod slot included; in milli-vCPUs, bytes and counts."""
    total: dict[str, int] = {"pods": 1}
    for container in pod["containers"]:
        total = add(total, parse_resources(container.get("resources", {}).get("requests", {})))
    return total


def wait_full(harness: Harness) -> str:
    """Wait until nothing is on its way and no node has room for the job at the head of the queue; returns its name.

    All jobs must run until they are deleted, or the head may change meanwhile.
    """

    def head() -> str | None:
        statuses = harness.statuses()
        pods = harness.api.list(PODS, harness.namespace)
        if any(not pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp") for pod in pods):
            return None
        if any(status.get("state") not in ("Runnable", "Running") for status in statuses.values()):
            return None
        first = [name for name, status in statuses.items() if status.get("queuePosition") == 1]
        if len(first) != 1:
            return None
        definition = harness.batchjobs()[first[0]]["spec"]["jobDefinition"]
        asks = requests_of(_definition(harness, definition)["spec"]["template"]["spec"])
        return first[0] if not any(fits(asks, left) for left in free(harness).values()) else None

    def found_instead() -> str:
        return f"no node has room for the head: {free(harness)}\n{harness.kubectl('get', 'bj,pods', '-o', 'wide')}"

    return until(head, 60, found_instead)


def _definition(harness: Harness, name: str) -> Json:
    return harness.api.get(f"/apis/{names.API_VERSION}/namespaces/{harness.namespace}/jobdefinitions/{name}")


def running(harness: Harness, *jobs: str) -> None:
    """Wait until all of these run."""
    for job in jobs:
        harness.wait_state(job, "Running")
