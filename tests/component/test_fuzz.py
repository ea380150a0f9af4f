"""Objects that make no sense, thousands of them, put into a running cluster: the operator lives, and others go on.

The suite has some hundreds; BATCHYARD_FUZZ_OBJECTS=20000 is the long form, BATCHYARD_FUZZ_SEED another row of objects.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, NODE_CLAIMS, NODE_POOLS, NODES, OWN, PODS, Resource
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from fakes.process import Process
from fakes.scenarios import GOOD, furnish_good, still_works
from objects.odd import KINDS, NAMES, Odd
from objects.texts import texts

OBJECTS = int(os.environ.get("BATCHYARD_FUZZ_OBJECTS", "400"))
SEED = int(os.environ.get("BATCHYARD_FUZZ_SEED", "1"))
BATCH = 40


def furnish(cluster: Cluster) -> None:
    """Nodes for all, and a queue and an environment that no odd object refers to."""
    cluster.add_node("node-1", cpu="64", memory="256Gi")
    cluster.add_node("node-2", cpu="64", memory="256Gi", only="good")
    furnish_good(cluster, unmanaged={"nodeSelector": {"only": "good"}})


def kubernetes_takes(new: Object, _: Object | None) -> str | None:
    """What an API server has against a Job whose pod template is of wrong types, as far as the fakes read it."""
    template = new["spec"]["template"]
    metadata, spec = template.get("metadata") or {}, template["spec"]
    for field in ("labels", "annotations"):
        found = metadata.get(field) or {}
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            return f"spec.template.metadata.{field}: Invalid value"
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            if not isinstance(container.get("image"), str):
                return f"spec.template.spec.{field}: image: Required value"
    return None


class Storm:
    """Puts odd objects into a cluster, changes them, and takes them away."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.odd = Odd(seed)
        self.random = self.odd.random
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        """One object comes, changes or goes."""
        draw = self.random.random()
        if draw < 0.85:
            self._own(self.random.choice((*KINDS, "BatchJob", "JobDefinition")))
        elif draw < 0.90:
            self._labelled(JOBS)
        elif draw < 0.93:
            self._labelled(PODS)
        elif draw < 0.95:
            self._node()
        elif draw < 0.97:
            self._provisioned()
        else:
            self._move()

    def _put(self, resource: Resource, body: Object, namespace: str) -> None:
        """Create an object, replace one of its name, or delete that."""
        name = body["metadata"]["name"]
        self.done[str(resource)] += 1
        try:
            old = self.cluster.store.get(resource, name, namespace)
        except ApiError:
            self.cluster.store.create(resource, body, namespace)
            return
        if self.random.random() < 0.5:
            self.cluster.store.update(resource, {**body, "metadata": old["metadata"]})
        else:
            self.cluster.store.delete(resource, name, namespace)

    def _own(self, kind: str) -> None:
        resource = OWN[kind]
        name = self.random.choice(NAMES[kind])
        if kind == "BatchJob" and self.random.random() < 0.7:
            name = f"odd-{self.random.randrange(60)}"
        metadata = {"name": name, "labels": {"a": self.odd.text()}}
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": self.odd.spec(kind)}
        namespace = NAMESPACE if resource.namespaced else ""
        self._put(resource, body, namespace)
        if self.random.random() < 0.1:
            with suppress(ApiError):
                old = self.cluster.store.get(resource, name, namespace)
                self.cluster.store.update(resource, {**old, "status": self._status()}, status=True)

    def _status(self) -> Any:
        """A status that somebody has written by hand."""
        fields = ("state", "conditions", "attempts", "revisions", "array", "fairShare", "jobs", "front", "blocked")
        return {field: self.odd.junk() for field in self.random.sample(fields, 3)}

    def _labelled(self, resource: Resource) -> None:
        """A Job or a pod that says it is Batchyard's."""
        owner = self.random.choice([*NAMES["BatchJob"], "odd-1"])
        uid = "nobody"
        with suppress(ApiError):
            uid = self.cluster.get("BatchJob", owner)["metadata"]["uid"]
        keys = [names.JOB, names.JOB_UID, names.RUN, names.REVISION, names.QUEUE, names.ENVIRONMENT, names.INDEX]
        keys += [names.NODE, names.ARRAY, names.COMPLETION_INDEX, "batch.kubernetes.io/job-name"]
        labels = {key: self.random.choice(["1", "2", owner, self.odd.text()]) for key in keys if self._likely()}
        labels |= {names.JOB: owner, names.JOB_UID: uid} if self._likely() else {}
        notes = (names.ATTEMPT, names.SHARE, names.CONSUMABLES, names.GANG_REQUEST, names.MAIN_UID)
        texts = ["1", "{}", "[]", "null", '{"cpu": "x"}', '{"a": 1}', self.odd.text()]
        annotations = {key: self.random.choice(texts) for key in notes if self._likely()}
        reference = {"apiVersion": names.API_VERSION, "kind": names.BATCH_JOB, "name": owner, "uid": uid}
        name = f"crafted-{self.random.randrange(10)}"
        metadata: Any = {"name": name, "labels": labels, "annotations": annotations, "ownerReferences": [reference]}
        pod = {"containers": [{"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}]}
        spec: Any = pod if resource == PODS else {"completions": 1, "parallelism": 1, "template": {"spec": pod}}
        if resource == PODS:
            metadata["labels"] = {**labels, "fakes/sequence": "1"}
        self._put(resource, {"metadata": metadata, "spec": spec}, NAMESPACE)

    def _likely(self) -> bool:
        return self.random.random() < 0.8

    def _node(self) -> None:
        name = f"odd-{self.random.randrange(3)}"
        labels = {self.odd.text(): self.odd.text()}
        amounts = {"cpu": self.random.choice(["4", "0", "1e99", self.odd.text()]), "pods": "10", "memory": "1Gi"}
        taints = [{"key": self.odd.text(), "effect": self.random.choice(["NoSchedule", "NoExecute", ""])}]
        status = {"allocatable": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
        body = {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}, "status": status}
        self._put(NODES, body, "")

    def _provisioned(self) -> None:
        """A NodeClaim or a NodePool, as Karpenter and people may write it."""
        name = self.random.choice(NAMES["ComputeEnvironment"])
        metadata = {"name": name, "labels": {names.NODE_ENVIRONMENT: self.random.choice([name, self.odd.text()])}}
        if self._likely():
            amounts = {"cpu": self.random.choice(["4", "0", "1e99", self.odd.text()]), self.odd.text(): self.odd.junk()}
            status = {"capacity": amounts, "allocatable": self.odd.junk(), "nodeName": self.odd.text()}
            body = {"metadata": metadata, "spec": self.odd.junk(), "status": status}
            self._put(NODE_CLAIMS, body, "")
            with suppress(ApiError):
                claim = self.cluster.store.get(NODE_CLAIMS, name)
                self.cluster.store.update(NODE_CLAIMS, {**claim, "status": status}, status=True)
            return
        spec = {"limits": self.odd.junk(), "template": self.odd.junk()} if self._likely() else self.odd.junk()
        self._put(NODE_POOLS, {"metadata": metadata, "spec": spec}, "")

    def _move(self) -> None:
        """Something happens to a Kubernetes Job, or to the namespace."""
        self.done["moves"] += 1
        found = [job for job in self.cluster.store.objects(JOBS) if not job["metadata"]["name"].startswith("good")]
        if not found or self.random.random() < 0.1:
            self.cluster.label_namespace(team=self.odd.text())
            return
        job = self.random.choice(found)
        move = self.random.choice(["start", "finish", "fail", "disrupt", "delete"])
        with suppress(ApiError):
            if move == "start":
                self.cluster.jobs.start(job)
            elif move == "delete":
                self.cluster.delete_kube_job(job["metadata"]["name"])
            elif move == "disrupt":
                self.cluster.jobs.disrupt(job)
            else:
                self.cluster.jobs.finish(job, 0 if move == "finish" else 1)


async def goes_on(cluster: Cluster, name: str) -> None:
    await still_works(cluster, name, **GOOD)
    cluster.delete("BatchJob", name)


def figures(process: Process) -> dict[str, float]:
    """Passes, and errors contained by stage."""
    seen = process.readings()
    errors = {labels: value for (name, labels), value in seen.items() if name == "batchyard_contained_errors_total"}
    return {"passes": seen["batchyard_pass_seconds_count", ""], **errors}


def words(cluster: Cluster, kind: Resource) -> Iterator[str]:
    """All text in the statuses of a kind that the operator has written."""
    for obj in cluster.store.objects(kind):
        status = obj.get("status")
        if isinstance(status, dict) and "observedGeneration" in status:
            yield from texts(status)


@pytest.mark.timeout(OBJECTS)
@in_cluster(resync_seconds=30)
async def test_no_object_ends_a_pass_or_holds_up_others(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.store.validate(JOBS, kubernetes_takes)
    process = await cluster.start_operator()
    storm = Storm(cluster, SEED)
    for first in range(0, OBJECTS, BATCH):
        for _ in range(min(BATCH, OBJECTS - first)):
            storm.step()
            await cluster.pass_time(0.05)
        await goes_on(cluster, f"good-{first}")
    odd = [text for kind in OWN.values() for text in words(cluster, kind) if not text.isprintable()]
    assert odd == []
    found = figures(process)
    print(f"{sum(storm.done.values())} objects {dict(storm.done)}: {found}")
    assert found.keys() <= {"passes", "reading"}  # of Jobs and pods whose labels somebody has made up
    second = await cluster.restart_operator()
    await cluster.pass_time(20)
    await goes_on(cluster, "good-again")
    assert figures(second).keys() <= {"passes", "reading"}
