"""The Job controller for Indexed Jobs: keeps as many indexes going as the parallelism says, lowest first.

A part of `jobcontroller`, for Jobs with `backoffLimitPerIndex: 0`; pods start and end when the test says so.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from batchyard.api import names
from batchyard.core.model.indexset import IndexSet
from batchyard.kube import errors
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, PODS
from fakes.kubejobs import Job, has_ended, key_of
from fakes.podadmission import admitted
from fakes.store import Store

TRACKING = "batch.kubernetes.io/job-tracking"
GRACE = "fakes/grace"
"""A finalizer in the place of the time that a pod has to stop."""
_ENDED = ("Succeeded", "Failed")
BATCH_SECONDS = 1.0
"""How long the Job controller gathers changes of pods; a change of the Job itself is acted on at once."""


class IndexedController:
    """Creates, starts and ends the pods of Indexed Jobs."""

    def __init__(self, store: Store, refuses: Callable[[Object], bool] = lambda _: False) -> None:
        self._store = store
        self._refuses = refuses
        self.limit = 0
        """How many pods a Job may have before further ones are refused, where they are."""
        self._busy = False
        self._made = 0
        """How many pods were ever created."""
        self._due: set[tuple[str, str]] = set()
        self.lag: float | None = None
        """Seconds after which a change of a Job is acted on, and those of pods a second later. None: all at once."""
        self.restarted = 0
        """How many of the pods that were deleted for that had a node."""
        self.deleted = 0
        """How many pods were deleted because there were more than the parallelism allows."""

    @staticmethod
    def owns(pod: Object) -> bool:
        """Whether the pod is one of an Indexed Job."""
        return names.COMPLETION_INDEX in pod["metadata"]["labels"]

    def change(self, old: Object | None, new: Object) -> None:
        """A Job was created or changed: nothing is to be done where only its status was."""
        if self.lag is None:
            self.sync(new)
        elif old is None or old["spec"] != new["spec"] or "deletionTimestamp" in new["metadata"]:
            asyncio.get_running_loop().call_later(self.lag, self.sync, new)

    def _hear(self, job: Job) -> None:
        """Pods of a Job were changed."""
        key = key_of(job)
        if self.lag is None:
            self._sync(*key)
        elif key not in self._due:
            self._due.add(key)
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self._catch_up, *key)

    def _catch_up(self, namespace: str, name: str) -> None:
        self._due.discard((namespace, name))
        self._sync(namespace, name)

    def sync(self, job: Job) -> None:
        """Bring pods and status in line with the spec. Of too many pods, those that do not run go, then the newest."""
        self._sync(*key_of(job))

    def _sync(self, namespace: str, name: str) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            self._bring_in_line(namespace, name)
        finally:
            self._busy = False

    def start(self, job: Job, *indexes: int) -> None:
        """Have the containers of these indexes run."""
        for index in indexes:
            pod = self.pod(job, index)
            state = {"running": {"startedAt": self._store.timestamp()}}
            self._set_pod(self._schedule(pod), "Running", state)
        self._hear(job)

    def finish(self, job: Job, *indexes: int, exit_code: int = 0) -> None:
        """End the containers of these indexes."""
        for index in indexes:
            end = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed"}
            now = self._store.timestamp()
            state = {"terminated": {**end, "startedAt": now, "finishedAt": now}}
            self._set_pod(self.pod(job, index), "Failed" if exit_code else "Succeeded", state)
        self._hear(job)

    def disrupt(self, job: Job, *indexes: int, gone: bool = True) -> None:
        """Take the pods of these indexes away, by an eviction (`gone`) or by the kubelet."""
        for index in indexes:
            now = self._store.timestamp()
            condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": ""}
            pod = self.pod(job, index)
            kept = pod["status"].get("conditions", ())
            pod["status"]["conditions"] = [*kept, {**condition, "lastTransitionTime": now}]
            state = {"terminated": {"exitCode": 143, "reason": "Error", "startedAt": now, "finishedAt": now}}
            pod = self._set_pod(pod, "Failed", state)
            self.sync(job)
            if gone:
                self._delete(pod)

    def turn_away(self, job: Job, why: str, *indexes: int) -> None:
        """Have a virtual kubelet give pods up that its provider has no capacity for."""
        for index in indexes:
            pod = self._schedule(self.pod(job, index))
            pod["status"] |= {"reason": "ProviderFailed", "message": why}
            self._set_pod(pod, "Failed", None)
        self._hear(job)

    def hesitate(self, job: Job, index: int) -> None:
        """End an index's containers, and look at the Job a second later, as the real controller does."""
        self._busy = True
        self.finish(job, index)
        self._busy = False
        asyncio.get_running_loop().call_later(BATCH_SECONDS, self.sync, job)

    def end_deleted(self, pod: Object, exit_code: int) -> None:
        """Somebody has deleted a pod: its containers are stopped, and the index counts as that ends."""
        if self._busy:
            return  # the controller itself has, and counts it no more
        metadata = pod["metadata"]
        if pod["status"].get("phase") == "Running":
            now = self._store.timestamp()
            end = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "finishedAt": now}
            started = pod["status"]["containerStatuses"][0]["state"].get("running", {})
            pod = self._set_pod(pod, "Failed" if exit_code else "Succeeded", {"terminated": {**started, **end}})
        elif not _has_ended(pod):
            pod = self._set_pod(pod, "Failed", None)
        self._sync(metadata["namespace"], metadata["labels"]["batch.kubernetes.io/job-name"])
        self._release(pod)

    def terminate(self, job: Job, *indexes: int) -> None:
        """End the grace period of the pods of these indexes, also once their Job is gone."""
        for index in indexes:
            self._release(self.pod(job, index))

    def wait(self, job: Job, index: int, reason: str, message: str = "") -> None:
        """Have the kubelet wait before a container can start."""
        pod = self._schedule(self.pod(job, index))
        self._set_pod(pod, "Pending", {"waiting": {"reason": reason, "message": message}})

    def _schedule(self, pod: Object) -> Object:
        if pod["spec"].get("nodeName"):
            return pod
        pod["spec"]["nodeName"] = "node-1"
        pod = self._store.update(PODS, pod)
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._store.timestamp()}
        pod["status"]["conditions"] = [*pod["status"].get("conditions", ()), condition]
        return self._store.update(PODS, pod, status=True)

    def pod(self, job: Job, index: int) -> Object:
        """The newest pod of an index."""
        return max(self._pods(job, index), key=lambda pod: int(pod["metadata"]["labels"]["fakes/sequence"]))

    def active(self, job: Job) -> list[int]:
        """The indexes that have a pod which has not ended."""
        return sorted(_index(pod) for pod in self._pods(job) if not _has_ended(pod))

    def _bring_in_line(self, namespace: str, name: str) -> None:
        try:
            job = self._store.get(JOBS, name, namespace)
        except errors.NotFound:
            return
        if has_ended(job):
            return
        pods = self._pods(job)
        before = job.get("status") or {}
        completed = IndexSet.of(_index(pod) for pod in pods if pod["status"].get("phase") == "Succeeded")
        completed |= IndexSet.parse(before.get("completedIndexes", ""))
        failed = IndexSet.of(_index(pod) for pod in pods if pod["status"].get("phase") == "Failed")
        failed = (failed | IndexSet.parse(before.get("failedIndexes", ""))) - completed
        active = {_index(pod): pod for pod in pods if not _has_ended(pod)}
        if "deletionTimestamp" in job["metadata"]:
            for pod in pods:
                self._delete(pod)
            return
        left = [index for index in range(job["spec"]["completions"]) if index not in completed and index not in failed]
        wanted = min(job["spec"]["parallelism"], len(left))
        surplus = sorted(active.values(), key=_index, reverse=True)
        surplus.sort(key=_started_at, reverse=True)
        surplus.sort(key=lambda pod: (bool(pod["spec"].get("nodeName")), pod["status"].get("phase") == "Running"))
        for pod in surplus[: max(len(active) - wanted, 0)]:
            self.restarted += bool(pod["spec"].get("nodeName"))
            self._delete(active.pop(_index(pod)))
            self.deleted += 1
        for index in [index for index in left if index not in active][: max(wanted - len(active), 0)]:
            if len(active) >= self.limit and self._refuses(job):
                break
            active[index] = self._create(job, index)
        status: dict[str, Any] = {
            **(job.get("status") or {}),
            "active": len(active),
            "ready": sum(pod["status"].get("phase") == "Running" for pod in active.values()),
            "terminating": 0,
            "succeeded": len(completed),
            "failed": len(failed),
            "completedIndexes": str(completed),
            "failedIndexes": str(failed),
            "startTime": (job.get("status") or {}).get("startTime") or self._store.timestamp(),
        }
        if not left:
            kind, reason = ("Failed", "FailedIndexes") if failed else ("Complete", "CompletionsReached")
            now = self._store.timestamp()
            condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": now, "message": ""}
            status["conditions"] = [condition]
        self._store.update(JOBS, {**job, "status": status}, status=True)
        for pod in pods:
            if _has_ended(pod) and TRACKING in pod["metadata"].get("finalizers", ()):
                self._release(pod)  # it is counted

    def _create(self, job: Object, index: int) -> Object:
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        metadata = job["spec"]["template"].get("metadata") or {}
        marks = {names.COMPLETION_INDEX: str(index)}
        self._made += 1
        labels = {
            **(metadata.get("labels") or {}),
            **marks,
            "batch.kubernetes.io/job-name": name,
            "fakes/sequence": str(self._made),
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"{name}-{index}-",
                "finalizers": [TRACKING],
                "labels": labels,
                "annotations": {**(metadata.get("annotations") or {}), **marks},
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": name,
                        "uid": job["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": admitted(self._store, namespace, job["spec"]["template"]["spec"])[0],
        }
        pod = self._store.create(PODS, body, namespace)
        return self._set_pod(pod, "Pending", None)

    def _pods(self, job: Job, index: int | None = None) -> list[Object]:
        namespace, name = key_of(job)
        return self._store.objects(
            PODS, namespace, lambda pod: owner_of(pod) == name and (index is None or _index(pod) == index)
        )

    def _set_pod(self, pod: Object, phase: str, state: Object | None) -> Object:
        status = pod.setdefault("status", {})
        status["phase"] = phase
        if state is not None:
            containers = [container["name"] for container in pod["spec"]["containers"]]
            status["containerStatuses"] = [{"name": each, "state": state} for each in containers]
        return self._store.update(PODS, pod, status=True)

    def _release(self, pod: Object) -> None:
        with suppress(errors.NotFound):
            now = self._store.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
            if now["metadata"].pop("finalizers", None):
                self._store.update(PODS, now)

    def _delete(self, pod: Object) -> None:
        """It is told to stop without being counted any more, and then it is gone."""
        with suppress(errors.NotFound):
            now = self._store.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
            now["metadata"]["finalizers"] = [GRACE]
            self._store.update(PODS, now)
            self._store.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        self._release(pod)


def owner_of(pod: Object) -> str | None:
    """The name of the Job whose pod it is."""
    name: str | None = pod["metadata"]["labels"].get("batch.kubernetes.io/job-name")
    return name


def _index(pod: Object) -> int:
    return int(pod["metadata"]["labels"][names.COMPLETION_INDEX])


def _started_at(pod: Object) -> str:
    states = [each["state"] for each in pod["status"].get("containerStatuses", ())]
    return max((state.get("running", {}).get("startedAt", "") for state in states), default="")


def _has_ended(pod: Object) -> bool:
    return pod["status"].get("phase") in _ENDED
