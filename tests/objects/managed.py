"""Managed environments, and the NodeClaims and NodePools that Karpenter and people make."""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from objects.api import NODE_CLASS, Json, manifest

SMALL = {"c-4x": (4, "16Gi")}
"""Instance types: vCPUs, memory, and GPUs where there are some."""
Shapes = Mapping[str, tuple[Any, ...]]
CREATED = "2026-01-01T00:00:00Z"


def managed_fields(*, max_vcpus: float | None = 16, shapes: Shapes = SMALL, **managed: Any) -> Json:
    """Fields of the spec of a managed environment; what is `managed` stands there as it is, `fields` beside it."""
    beside = managed.pop("fields", {})
    types = [_shape(name, *shape) for name, shape in shapes.items()]
    made = {"nodeClassRef": NODE_CLASS, **({"shapes": types} if types else {}), **managed}
    return {"type": "Managed", "unmanaged": None, "maxVcpus": max_vcpus, "managed": made, **beside}


def managed_environment(
    name: str = "burst", *, max_vcpus: float | None = 16, shapes: Shapes = SMALL, **managed: Any
) -> Json:
    """A managed environment as the API server would hold it."""
    obj = manifest("ComputeEnvironment", name=name, **managed_fields(max_vcpus=max_vcpus, shapes=shapes, **managed))
    obj["metadata"] |= {"uid": f"uid-{name}", "generation": 1, "creationTimestamp": CREATED}
    return obj


def _shape(name: str, vcpus: float, memory: str, gpus: int = 0) -> Json:
    return {"instanceType": name, "vcpus": vcpus, "memory": memory, **({"gpus": gpus} if gpus else {})}


def node_claim(
    name: str = "burst-1",
    environment: str = "burst",
    *,
    instance_type: str = "",
    zone: str = "",
    capacity_type: str = "on-demand",
    capacity: Mapping[str, str] | None = None,
    node: str = "",
    deleting: bool = False,
    **status: Any,
) -> Json:
    """A NodeClaim as Karpenter makes it; one with a capacity is launched, one with a node has joined the cluster.

    What is said beside stands in its status as it is.
    """
    said = {
        names.NODE_ENVIRONMENT: environment,
        "karpenter.sh/nodepool": environment,
        "karpenter.sh/capacity-type": capacity_type,
        "node.kubernetes.io/instance-type": instance_type,
        "topology.kubernetes.io/zone": zone,
    }
    deletion = {"deletionTimestamp": CREATED, "finalizers": ["karpenter.sh/termination"]} if deleting else {}
    labels = {key: value for key, value in said.items() if value}
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": CREATED, "labels": labels, **deletion}
    said_of_it = {
        **({"capacity": dict(capacity), "allocatable": dict(capacity)} if capacity else {}),
        **({"nodeName": node} if node else {}),
        **status,
    }
    requirements = [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [instance_type]}]
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": metadata,
        "spec": {"nodeClassRef": NODE_CLASS, "requirements": requirements if instance_type else []},
        "status": said_of_it,
    }
