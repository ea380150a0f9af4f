"""What the API server is given: the jobs of either side, what BatchJobs refer to, and the pods of others."""

from collections.abc import Sequence
from typing import Any

from batchyard.api import names
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import COMPUTEENVIRONMENTS, JOBDEFINITIONS, JOBQUEUES, NAMESPACES, PODS, Resource
from localcluster import Cluster

from ..workload import NAMESPACE
from .tasks import AGENT_MILLI, OTHERS, SHAPES, SIZES, Shape, Task

OTHERS_NAMESPACE = "bench-others"
_IMAGE = "localhost/batchyard/shell:1"
_LABEL = {"batchyard.dev/bench": "mixed"}
_FOREVER = {"sim.batchyard.dev/never-finish": "true"}
_TOLERATION = {"key": "batchyard.dev/simulated", "operator": "Exists"}


def bare_job(name: str, task: Task) -> Object:
    """A Kubernetes Job that asks for the same nodes as the environment of the BatchJobs."""
    template = _template(task.shape, task.seconds)
    spec = {**template["spec"], "restartPolicy": "Never", "nodeSelector": _LABEL, "tolerations": [_TOLERATION]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"bench": "true"}},
        "spec": {"backoffLimit": 0, "template": {**template, "spec": spec}},
    }


def batch_job(name: str, task: Task) -> Object:
    """The same job for Batchyard."""
    return {
        "apiVersion": "batchyard.dev/v1alpha1",
        "kind": "BatchJob",
        "metadata": {"name": name, "labels": {"bench": "true"}},
        "spec": {"jobQueue": "mixed", "jobDefinition": _definition(task.shape, task.seconds)},
    }


def prepare_nodes(cluster: Cluster) -> list[str]:
    """Add the nodes; their names, smaller ones first."""
    return [
        name
        for size in SIZES
        for name in cluster.add_nodes(size.count, cpu=f"{size.cpus}", memory=f"{size.memory_gib}Gi", labels=_LABEL)
    ]


async def prepare(api: KubeApi, nodes: Sequence[str]) -> None:
    """Create the pods of others on these nodes, and what the BatchJobs refer to."""
    environment: Object = {"unmanaged": {"nodeSelector": _LABEL, "tolerations": [_TOLERATION]}}
    objects: list[tuple[Resource, str, Object]] = [
        (COMPUTEENVIRONMENTS, "", _object(names.COMPUTE_ENVIRONMENT, "mixed", environment)),
        (JOBQUEUES, "", _object(names.JOB_QUEUE, "mixed", {"computeEnvironments": ["mixed"]})),
        (NAMESPACES, "", _object("Namespace", OTHERS_NAMESPACE, {})),
    ]
    for shape in SHAPES:
        for seconds in shape.seconds:
            spec = {"template": _template(shape, seconds)}
            definition = _object(names.JOB_DEFINITION, _definition(shape, seconds), spec)
            objects.append((JOBDEFINITIONS, NAMESPACE, definition))
    pods = [(f"agent-{node}", node, AGENT_MILLI) for node in nodes]
    pods += [(f"other-{number}", nodes[at], milli) for number, (at, milli) in enumerate(OTHERS)]
    for name, node, milli in pods:
        objects.append((PODS, OTHERS_NAMESPACE, _object("Pod", name, _other(node, milli), **_FOREVER)))
    for resource, namespace, body in objects:
        await api.create(resource, {"apiVersion": resource.api_version, **body}, namespace)


def _object(kind: str, name: str, spec: dict[str, Any], **annotations: str) -> Object:
    return {"kind": kind, "metadata": {"name": name, "annotations": annotations}, "spec": spec}


def _definition(shape: Shape, seconds: int) -> str:
    return f"{shape.name}-{seconds}s"


def _template(shape: Shape, seconds: int) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {"sim.batchyard.dev/duration": f"{seconds}s"}},
        "spec": {"containers": [_container(shape.cpu_milli, shape.memory_mib)]},
    }


def _other(node: str, milli: int) -> dict[str, Any]:
    return {"nodeName": node, "containers": [_container(milli, 256)], "tolerations": [_TOLERATION]}


def _container(milli: int, mib: int) -> dict[str, Any]:
    requests = {"cpu": f"{milli}m", "memory": f"{mib}Mi"}
    return {"name": "main", "image": _IMAGE, "command": ["true"], "resources": {"requests": requests}}
