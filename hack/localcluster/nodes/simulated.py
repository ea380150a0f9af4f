"""Simulated nodes: kwok plays the kubelet for them, after the Stages in stages/.

Pods reach such a node only if they tolerate its taint, so that nothing real is ever "run" there by accident.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..programs.build import KUBERNETES_VERSION
from ..state import LOOPBACK

NODE_LABEL = "batchyard.dev/node"
TAINT = "batchyard.dev/simulated"
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
    resources = {"cpu": cpu, "memory": memory, "ephemeral-storage": "1Ti", "pods": str(pods)}
    if gpu:
        resources["nvidia.com/gpu"] = str(gpu)
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": dict([NODE_ANNOTATION]),
                "labels": {
                    NODE_LABEL: "simulated",
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    **(labels or {}),
                },
            },
            "spec": {"taints": [{"key": TAINT, "value": "true", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": LOOPBACK},
                    {"type": "Hostname", "address": name},
                ],
                "allocatable": resources,
                "capacity": resources,
                "nodeInfo": _NODE_INFO,
            },
        }
        for name in names
    ]
    return {"apiVersion": "v1", "kind": "List", "items": nodes}
