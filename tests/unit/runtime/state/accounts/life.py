"""A job in a cache, with one more account, and its Kubernetes Jobs and pods as the API server shows them."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.core.model.array import ArrayGrant, ArrayShape, IndexRun
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.queue import FairShare
from batchyard.core.model.resources import add
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.kube.protocol import Object
from batchyard.runtime.state.accounts.account import Account, Occupancy
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.pods import indexpods
from unit.samples import NOW, make_environment, make_job, make_queue, make_resolved

JOB = replace(make_job(shareIdentifier="red"), share="red")
KEY = JOB.key
MARKS = Marks(b"key", NOW)
REQUEST = {"cpu": 2000}
POD_REQUESTS = {"cpu": "2", "memory": "4Gi"}
"""What the template asks for."""
ENVIRONMENT = make_environment()
RESOLVED = replace(make_resolved(), consumables={"licence": 1, "token": 1})
SHAPE = ArrayShape(8)
RETRY = IndexRun(3, 2, 2)
GANG = Gang(0, (NodeGroup((0, 1), RESOLVED.template, REQUEST),))
ENDED: dict[str, Any] = {
    "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}]
}


class Slots(Account):
    """Counts the slots that are granted and taken up, and keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.granted: dict[Key, int] = {}
        self.taken: dict[Hashable, int] = {}

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        self.granted[job.key] = count
        self._note("grant")

    def withdraw(self, key: Key) -> None:
        del self.granted[key]
        self._note("withdraw")

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        self._take(occupancy)
        self._note(f"observe {run.name}" if occupancy.counts else f"beside {run.name}")

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        self._take(occupancy)
        self._note(f"forget {run.name}")

    def reset(self) -> None:
        self._note("reset")

    def _take(self, occupancy: Occupancy) -> None:
        if occupancy.living:
            self.taken[occupancy.item] = occupancy.slots
        else:
            self.taken.pop(occupancy.item, None)

    def _note(self, event: str) -> None:
        self.events.append((event, sum(self.granted.values()) + sum(self.taken.values())))


class Life:
    """A job in a cache with a fifth account, and what of it the API server shows; pods bear the names of their Jobs."""

    def __init__(self, **spec: Any) -> None:
        self.cache = Cache(lambda: NOW + 90, MARKS)
        self.slots = self.cache.accounts.open(Slots())
        catalogue = self.cache.catalogue
        catalogue.queues["urgent"] = make_queue(fair_share=FairShare())
        for name, replenishable in (("licence", True), ("token", False)):
            catalogue.consumables[name] = Consumable(name, name, 1, NOW, 100, replenishable)
        self.cache.snapshot()
        metadata = {"namespace": KEY[0], "name": KEY[1], "uid": JOB.uid, "generation": 1}
        self.cache.put_batchjob({"metadata": metadata, "spec": {**JOB.spec, **spec}})
        self.cache.resolved[KEY] = RESOLVED
        self._shown: dict[str, Object] = {}
        self._version = 0

    def grant(self, array: ArrayGrant | None = None, run: int = 1) -> None:
        self.cache.grant(Placement(KEY, "pool", REQUEST, run, array=array))

    def create(self, body: Object) -> None:
        made = {"uid": f"uid-{body['metadata']['name']}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        signed = MARKS.sign(body)
        self._show({**signed, "metadata": {**signed["metadata"], **made}})

    def change(self, name: str, parallelism: int | None = None, **status: Any) -> None:
        shown = self._shown[name]
        spec = shown["spec"] if parallelism is None else {**shown["spec"], "parallelism": parallelism}
        self._show({**shown, "spec": spec, "status": status})

    def _show(self, obj: Object) -> None:
        self._version += 1
        shown = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        self._shown[obj["metadata"]["name"]] = shown
        self.cache.put_run(shown)

    def delete(self, name: str) -> None:
        self.cache.remove_run((KEY[0], name), f"uid-{name}")

    def show_pod(self, job: str, node: str = "", phase: str = "Pending", **metadata: Any) -> None:
        """Show the pod of a Job, which asks for what it was granted."""
        self.cache.put_pod(self._pod(job, job, node, phase, metadata))

    def show_index_pod(self, index: int, node: str = "node-1", **metadata: Any) -> None:
        """Show the pod of an index of the Indexed Job, which is bound and has not ended."""
        labels = {names.ARRAY: "true", names.COMPLETION_INDEX: str(index)}
        pod = self._pod("videos-1", f"videos-1-{index}", node, "Running", {"labels": labels, **metadata})
        indexpods.put(self.cache, pod)

    def _pod(self, job: str, name: str, node: str, phase: str, metadata: dict[str, Any]) -> Object:
        controller = {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": f"uid-{job}", "controller": True}
        labels = {names.JOB: KEY[1], names.JOB_UID: JOB.uid, "batch.kubernetes.io/job-name": job}
        own = {"namespace": KEY[0], "name": name, "uid": f"uid-pod-{name}", "ownerReferences": [controller]}
        made = {**own, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
        containers = [{"name": "main", "resources": {"requests": POD_REQUESTS}}]
        return {
            "metadata": {**made, "labels": {**labels, **metadata.get("labels", {})}},
            "spec": {"containers": containers, **({"nodeName": node} if node else {})},
            "status": {"phase": phase},
        }

    def lose_pod(self, name: str) -> None:
        """Have a pod be gone."""
        self.cache.remove_pod((KEY[0], name), f"uid-pod-{name}")

    def lose_index_pod(self, index: int) -> None:
        """Have the pod of an index be gone, or end."""
        indexpods.remove(self.cache, (KEY[0], f"videos-1-{index}"), f"uid-pod-videos-1-{index}")

    def lose_batchjob(self) -> None:
        """Have the BatchJob be gone."""
        self.cache.remove_batchjob(KEY, JOB.uid)

    def count(self) -> None:
        """Do what comes before a pass."""
        self.cache.accounts.observe_pods()

    def held(self) -> tuple[dict[str, int], dict[str, dict[str, int]], int]:
        """What is charged, where pods are bound, and the licences that are held."""
        self.count()
        accounts = self.cache.accounts
        bound: dict[str, dict[str, int]] = {}
        for charge in accounts.charges.charges.values():
            for node, amount in charge.bound.items():
                bound[node] = add(bound.get(node, {}), amount)
        return dict(accounts.charges.used.get("pool", {})), bound, accounts.limit_usage.amounts["consumable", "licence"]

    def run(self, name: str) -> Run:
        run = self.cache.runs.find((KEY[0], name))
        assert run is not None
        return run

    def assert_balanced(self, used_up: int) -> None:
        """Nothing is held by anybody; what is used up stays so."""
        accounts = self.cache.accounts
        assert (self.slots.granted, self.slots.taken) == ({}, {})
        assert (accounts.charges.used, accounts.charges.charges) == ({}, {})
        assert accounts.limit_usage.amounts == {}
        assert accounts.array_slots.raised == {}
        usage = accounts.shares.usages(self.cache.catalogue)["urgent"]
        assert (usage.in_use("red"), usage.in_environment("pool")) == (0, 0)
        assert usage.used("red", NOW + 90) > 0
        assert accounts.consumptions.used_up(self.cache.catalogue) == {"token": used_up}
