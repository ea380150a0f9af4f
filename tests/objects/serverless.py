"""Serverless environments, and the nodes on which their pods turn up: each on its own, or all on virtual ones."""

from collections.abc import Mapping
from typing import Any

from objects.api import Json

VIRTUAL = {"type": "virtual-kubelet"}
"""The label of virtual nodes."""
FARGATE_TAINT = {"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}
VIRTUAL_TAINT = {"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}
TOLERATES_VIRTUAL = [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}]
SIZES = [{"vcpus": 1, "memory": ["2Gi", "4Gi"]}, {"vcpus": 2, "memory": ["4Gi", "8Gi"]}]


def serverless_fields(*, max_vcpus: float | None = 16, provisioner: str = "fargate", **serverless: Any) -> Json:
    """Fields of the spec of a serverless environment; what is `serverless` stands there, `fields` beside it."""
    beside = serverless.pop("fields", {})
    own = {"provisioner": provisioner, **serverless}
    return {"type": "Serverless", "unmanaged": None, "maxVcpus": max_vcpus, "serverless": own, **beside}


def virtual_fields(*, max_vcpus: float | None = 16, **serverless: Any) -> Json:
    """The same of one whose pods run on virtual nodes."""
    own = {"nodeSelector": VIRTUAL, "tolerations": TOLERATES_VIRTUAL, **serverless}
    return serverless_fields(max_vcpus=max_vcpus, provisioner="virtualNodes", **own)


def node_without_machine(name: str, labels: Mapping[str, str], taint: Json, *, ready: bool = True) -> Json:
    """A Node behind which there is none, as the API server would hold it."""
    return {
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"taints": [taint]},
        "status": {
            "allocatable": {"cpu": "800", "memory": "4000Gi", "pods": "5k"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
