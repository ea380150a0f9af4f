"""Simulated nodes: kwok plays the kubelet for them, after the Stages in stages/.

Pods reach such a node only if they tolerate its taint, so that nothing real is ever "run" there by accident. A virtual
node is one that a virtual kubelet registers, for a service behind it that runs its pods and has room for any number.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..programs.build import KUBERNETES_VERSION
from ..state import LOOPBACK

NODE_LABEL = "batchyard.dev/node"
TAINT = "batchyard.dev/simulated"
VIRTUAL_LABEL = ("type", "virtual-kubelet")
VIRTUAL_TAINT = "virtual-kubelet.io/provider"
# kwok plays the kubelet of the nodes that carry it.
NODE_ANNOTATION = ("kwok.x-k8s.io/node", "fake")

_STAGES = Path(__file__).parent / "stages"
_NODE_INFO = {
    "architecture": "amd64",
    "operatingSystem": "linux",
    "osImage": "simulated",
    "kernelVersion": "simulated",
    "kubeletVersion": KUBERNETES_VERSION,
    "kubeProxyVersion": "",
    "containerRuntimeVersion": "simulated",
    "machineID": "",
    "systemUUID": "",
    "bootID": "",
}


def stages() -> list[dict[str, Any]]:
    """What happens to simulated nodes and to the pods on them."""
    return [yaml.safe_load(path.read_text()) for path in sorted(_STAGES.glob("*.yaml"))]


def node_manifests(
    names: list[str],
    *,
    cpu: str = "32",
    memory: str = "256Gi",
    pods: int = 110,
    gpu: int = 0,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A List of Nodes as their kubelets would register them."""
    resources = node_resources(cpu=cpu, memory=memory, pods=pods, gpu=gpu)
    own = {NODE_LABEL: "simulated", **(labels or {})}
    return _list(node(name, resources, own, {TAINT: "true"}) for name in names)


def virtual_node_manifests(
    names: list[str], resources: Mapping[str, str], *, labels: Mapping[str, str] | None = None, provider: str = "sim"
) -> dict[str, Any]:
    """A List of Nodes as virtual kubelets register them: their one taint names the provider behind them."""
    own = {**dict([VIRTUAL_LABEL]), "kubernetes.io/role": "agent", **(labels or {})}
    return _list(node(name, resources, own, {VIRTUAL_TAINT: provider}) for name in names)


def node_resources(*, cpu: str, memory: str, pods: int, gpu: int = 0) -> dict[str, str]:
    """What a node offers, as it is in its status."""
    resources = {"cpu": cpu, "memory": memory, "ephemeral-storage": "1Ti", "pods": str(pods)}
    if gpu:
        resources["nvidia.com/gpu"] = str(gpu)
    return resources


def node(
    name: str, resources: Mapping[str, str], labels: Mapping[str, str], taints: Mapping[str, str]
) -> dict[str, Any]:
    """A Node that kwok plays the kubelet of; its taints, by key, let no pod there that does not tolerate them."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": dict([NODE_ANNOTATION]),
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                **labels,
            },
        },
        "spec": {"taints": [{"key": key, "value": value, "effect": "NoSchedule"} for key, value in taints.items()]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": LOOPBACK},
                {"type": "Hostname", "address": name},
            ],
            "allocatable": dict(resources),
            "capacity": dict(resources),
            "nodeInfo": _NODE_INFO,
        },
    }


def _list(nodes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(nodes)}
