"""What is in the API server of the cluster of tests: how it gets there, and what is read of it."""

from typing import Any, NamedTuple

from batchyard.kube.errors import NotFound
from batchyard.kube.protocol import Object
from batchyard.kube.resources import (
    BATCHJOBS,
    EVENTS,
    JOBS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    OWN,
    PODS,
    RUNTIME_CLASSES,
)
from fakes.karpenter import Karpenter
from fakes.kubejobs import NAMESPACE, has_ended
from fakes.store import Store
from objects.api import manifest
from objects.managed import managed_fields
from objects.serverless import serverless_fields
from objects.specs import asking_container


class Event(NamedTuple):
    """What an Event says, and of which object."""

    about: str
    reason: str
    message: str


class Contents:
    """Objects put, changed and read, in the tests' namespace where they have one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.karpenter = Karpenter(store)

    # How they get there.

    def put(self, kind: str, name: str, /, **fields: Any) -> Object:
        """Create an object of Batchyard's kinds, or change its spec."""
        resource = OWN[kind]
        namespace = NAMESPACE if resource.namespaced else ""
        body = manifest(kind, name=name, **fields)
        try:
            old = self.store.get(resource, name, namespace)
        except NotFound:
            return self.store.create(resource, body, namespace)
        return self.store.update(resource, {**old, "spec": body["spec"]})

    def get(self, kind: str, name: str) -> Object:
        resource = OWN[kind]
        return self.store.get(resource, name, NAMESPACE if resource.namespaced else "")

    def delete(self, kind: str, name: str) -> None:
        resource = OWN[kind]
        self.store.delete(resource, name, NAMESPACE if resource.namespaced else "")

    def delete_kube_job(self, name: str) -> None:
        self.store.delete(JOBS, name, NAMESPACE)

    def delete_pod(self, pod: Object) -> None:
        self.store.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])

    def add_namespace(self, name: str) -> None:
        self.store.create(NAMESPACES, {"metadata": {"name": name}})

    def label_namespace(self, **labels: str) -> None:
        """Give the tests' namespace these labels, in place of those it has."""
        namespace = self.store.get(NAMESPACES, NAMESPACE)
        namespace["metadata"]["labels"] = labels
        self.store.update(NAMESPACES, namespace)

    def add_node(self, name: str = "node-1", *, cpu: str = "4", memory: str = "16Gi", **labels: str) -> None:
        status = {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.store.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": status})

    def limit(self, name: str = "defaults", namespace: str = NAMESPACE, **container: Any) -> None:
        """Create a LimitRange for containers, or have it say something else."""
        body = {"metadata": {"name": name}, "spec": {"limits": [{"type": "Container", **container}]}}
        try:
            old = self.store.get(LIMIT_RANGES, name, namespace)
        except NotFound:
            self.store.create(LIMIT_RANGES, body, namespace)
        else:
            self.store.update(LIMIT_RANGES, {**old, "spec": body["spec"]})

    def lift(self, name: str = "defaults") -> None:
        """Delete a LimitRange."""
        self.store.delete(LIMIT_RANGES, name, NAMESPACE)

    def put_runtime_class(self, name: str, **fields: Any) -> None:
        self.store.create(RUNTIME_CLASSES, {"metadata": {"name": name}, "handler": name, **fields})

    def submit(self, name: str = "job", **fields: Any) -> Object:
        return self.put("BatchJob", name, **fields)

    def change(self, name: str = "job", **fields: Any) -> None:
        """Change some fields of a BatchJob's spec, and leave the others."""
        job = self.get("BatchJob", name)
        self.store.update(BATCHJOBS, {**job, "spec": {**job["spec"], **fields}})

    def furnish(self, *, cpu: str = "4", request: str = "1", **definition: Any) -> None:
        """One node, environment, queue and definition, so that a job can run."""
        self.add_node(cpu=cpu)
        self.put("ComputeEnvironment", "on-prem")
        self.put("JobQueue", "urgent")
        self.define(request=request, **definition)

    def put_managed(self, name: str = "burst", **managed: Any) -> Object:
        """Create a managed environment, or change it; see `managed_fields`."""
        return self.put("ComputeEnvironment", name, **managed_fields(**managed))

    def put_serverless(self, name: str = "fargate", **serverless: Any) -> Object:
        """Create a serverless environment, or change it; see `serverless_fields`."""
        return self.put("ComputeEnvironment", name, **serverless_fields(**serverless))

    def put_queues(self, **priorities: int) -> None:
        """Queues of these names and priorities, on one environment."""
        for name, priority in priorities.items():
            self.put("JobQueue", name, priority=priority)

    def define(self, name: str = "transcode", *, request: str = "1", **fields: Any) -> None:
        """A definition of one container that asks for so many vCPUs, where nothing else is said."""
        self.put("JobDefinition", name, **{"container": asking_container(request), **fields})

    # What became of them.

    def status(self, name: str = "job") -> dict[str, Any]:
        found: dict[str, Any] = self.get("BatchJob", name).get("status") or {}
        return found

    def state(self, name: str = "job") -> tuple[str, str]:
        """State and reason."""
        status = self.status(name)
        return status.get("state", ""), status.get("reason", "")

    def array_status(self, name: str = "job") -> dict[str, Any]:
        found: dict[str, Any] = self.status(name)["array"]
        return found

    def queue_status(self, name: str = "urgent") -> dict[str, Any]:
        found: dict[str, Any] = self.get("JobQueue", name)["status"]
        return found

    def kube_job(self, name: str) -> Object:
        return self.store.get(JOBS, name, NAMESPACE)

    def kube_jobs(self, prefix: str = "") -> list[str]:
        """Names of the Kubernetes Jobs, or of those whose names begin so; sorted."""
        return [name for job in self.store.objects(JOBS) if (name := job["metadata"]["name"]).startswith(prefix)]

    def active_jobs(self, prefix: str = "") -> list[str]:
        """Names of those that have not ended."""
        return [name for name in self.kube_jobs(prefix) if not has_ended(self.kube_job(name))]

    def parallelism(self, kube_job: str) -> int:
        found: int = self.kube_job(kube_job)["spec"]["parallelism"]
        return found

    def pod_spec(self, kube_job: str = "job-1") -> dict[str, Any]:
        """What the pods of a Kubernetes Job are to be."""
        found: dict[str, Any] = self.kube_job(kube_job)["spec"]["template"]["spec"]
        return found

    def container(self, kube_job: str = "job-1") -> dict[str, Any]:
        """The only container of a Kubernetes Job's pods."""
        [found] = self.pod_spec(kube_job)["containers"]
        return dict(found)

    def pods(self) -> list[Object]:
        return self.store.objects(PODS)

    def condition(self, kind: str, name: str, condition: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        conditions = (self.get(kind, name).get("status") or {}).get("conditions") or ()
        found = next((each for each in conditions if each["type"] == condition), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")

    def events(self, about: str = "", reason: str = "") -> list[Event]:
        """All Events, or those about an object of this name, or for this reason."""
        found = [
            Event(each["involvedObject"]["name"], each["reason"], each["message"])
            for each in self.store.objects(EVENTS)
        ]
        return [each for each in found if about in ("", each.about) and reason in ("", each.reason)]
