"""A namespace of a test's own on the cluster: makes Batchyard's objects in it and waits for what becomes of them.

Objects without a namespace (queues, environments) get names that begin with the namespace's, and go with it.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from batchyard.api import names
from batchyard.api.kinds import KINDS
from e2e.clusterapi import BATCHJOBS, JOBS, PODS, ApiRefusedError, ClusterApi, Json, path_of, until
from localcluster import Cluster, LocalClusterError
from localcluster.images import SHELL
from localcluster.nodes.simulated import NODE_LABEL, TAINT

TERMINAL = ("Succeeded", "Failed")
WAIT_SECONDS = 90.0
"""Far more than anything takes on an idle machine: a test that fails has time, one that passes never waits."""

_CLUSTER_SCOPED = (names.JOB_QUEUE, names.COMPUTE_ENVIRONMENT, names.CONSUMABLE_RESOURCE)


class Harness:
    """One namespace and the objects in it."""

    def __init__(self, cluster: Cluster, api: ClusterApi, namespace: str) -> None:
        self.cluster = cluster
        self.api = api
        self.namespace = namespace

    def begin(self) -> None:
        """Make the namespace."""
        self.cluster.kubectl("create", "namespace", self.namespace)
        self.cluster.kubectl("label", "namespace", self.namespace, "batchyard.dev/e2e=true")

    def end(self) -> None:
        """Delete all of it, without waiting."""
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")
        kinds = "jobqueues,computeenvironments,consumableresources"
        self.cluster.kubectl("delete", kinds, "-l", f"batchyard.dev/e2e={self.namespace}", "--wait=false")

    # Making objects

    def named(self, name: str) -> str:
        """Name of a cluster-scoped object of this test."""
        return f"{self.namespace}-{name}"

    def apply(self, *objects: Json) -> str:
        """`kubectl apply`; says what kubectl says."""
        return self.kubectl(
            "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def refused(self, *objects: Json) -> str:
        """`kubectl apply` that must fail; returns the API server's words."""
        with pytest.raises(LocalClusterError) as refusal:
            self.apply(*objects)
        return str(refusal.value)

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - subprocess's word
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *args, input=input, check=check)

    def object(self, kind: str, name: str, spec: Json) -> Json:
        """Return an object of one of the five kinds."""
        metadata: Json = {"name": name}
        if kind in _CLUSTER_SCOPED:
            metadata = {"name": self.named(name), "labels": {"batchyard.dev/e2e": self.namespace}}
        return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}

    def real_environment(self, name: str = "real", **spec: Any) -> Json:
        """Return an environment of the real node; skips the test where there is none."""
        if not self.cluster.has_real_node:
            pytest.skip("this cluster has no real node")
        unmanaged = {"nodeSelector": {NODE_LABEL: "real"}}
        return self.object(names.COMPUTE_ENVIRONMENT, name, {"unmanaged": unmanaged, **spec})

    def simulated_environment(self, name: str = "simulated", **spec: Any) -> Json:
        """Return an environment of the simulated nodes; skips the test where there are none."""
        if self.cluster.backend != "local":
            pytest.skip("this cluster has no simulated nodes")
        tolerations = [{"key": TAINT, "operator": "Exists"}]
        unmanaged = {"nodeSelector": {NODE_LABEL: "simulated"}, "tolerations": tolerations}
        return self.object(names.COMPUTE_ENVIRONMENT, name, {"unmanaged": unmanaged, **spec})

    def queue(self, name: str, *environments: str, **spec: Any) -> Json:
        """Return a queue for environments of this test."""
        wanted = [self.named(each) for each in environments]
        return self.object(names.JOB_QUEUE, name, {"computeEnvironments": wanted, **spec})

    def definition(
        self,
        name: str,
        *command: str,
        image: str = SHELL,
        cpu: str = "50m",
        memory: str = "32Mi",
        container: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> Json:
        """Return a definition of one small container."""
        resources = {"requests": {"cpu": cpu, "memory": memory}}
        main = {"image": image, "command": list(command), "resources": resources, **(container or {})}
        return self.object(names.JOB_DEFINITION, name, {"container": main, **spec})

    def simulated_definition(
        self,
        name: str,
        *,
        duration: str = "0s",
        cpu: str = "1",
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Json:
        """Return a definition whose pod a simulated node ends after a time."""
        container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu, "memory": "32Mi"}}}
        metadata = {"annotations": {"sim.batchyard.dev/duration": duration, **(annotations or {})}}
        template = {"metadata": metadata, "spec": {"containers": [container]}}
        return self.object(names.JOB_DEFINITION, name, {"template": template, **spec})

    def job(self, name: str, definition: str, queue: str, **spec: Any) -> Json:
        """Return a BatchJob for a queue of this test."""
        wanted = {"jobDefinition": definition, "jobQueue": self.named(queue), **spec}
        return self.object(names.BATCH_JOB, name, wanted)

    def evict(self, pod: str) -> None:
        """Evict a pod as `kubectl drain` does."""
        metadata = {"name": pod, "namespace": self.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        self.api.post(path_of(PODS, self.namespace, pod) + "/eviction", eviction)

    # Looking and waiting

    def batchjobs(self) -> dict[str, Json]:
        """Every BatchJob by name."""
        return {each["metadata"]["name"]: each for each in self.api.list(BATCHJOBS, self.namespace)}

    def statuses(self) -> dict[str, Json]:
        """Status of every BatchJob by name."""
        return {name: each.get("status", {}) for name, each in self.batchjobs().items()}

    def jobs_of(self, batchjob: str) -> list[Json]:
        """The Kubernetes Jobs of a BatchJob."""
        return self.api.list(JOBS, self.namespace, labelSelector=f"{names.JOB}={batchjob}")

    def pods_of(self, batchjob: str) -> list[Json]:
        """The pods of a BatchJob."""
        return self.api.list(PODS, self.namespace, labelSelector=f"{names.JOB}={batchjob}")

    def running_pods_of(self, batchjob: str) -> list[Json]:
        """Those of them that run."""
        return [pod for pod in self.pods_of(batchjob) if pod["status"].get("phase") == "Running"]

    def logs_of(self, batchjob: str) -> str:
        """What the container of a BatchJob's only pod wrote."""
        return self.kubectl("logs", "-l", f"{names.JOB}={batchjob}", "--tail=-1")

    def wait_status(
        self, batchjob: str, wanted: Callable[[Json], bool], seconds: float = WAIT_SECONDS, describe: str = ""
    ) -> Json:
        """Wait until the status of a BatchJob is as wanted; returns it."""
        path = path_of(BATCHJOBS, self.namespace, batchjob)

        def look() -> Json | None:
            try:
                status: Json = self.api.get(path).get("status", {})
            except ApiRefusedError:
                return None
            return status if wanted(status) else None

        return until(look, seconds, lambda: f"BatchJob {batchjob} {describe}: {self._shown(batchjob)}")

    def wait_state(self, batchjob: str, *states: str, seconds: float = WAIT_SECONDS) -> Json:
        """Wait until a BatchJob is in one of the states; returns its status."""
        return self.wait_status(batchjob, lambda status: status.get("state") in states, seconds, f"in {states}")

    def wait_reason(self, batchjob: str, reason: str, seconds: float = WAIT_SECONDS) -> Json:
        """Wait until a BatchJob shows a reason; returns its status."""
        return self.wait_status(batchjob, lambda status: status.get("reason") == reason, seconds, f"with {reason}")

    def wait_finished(self, batchjobs: Collection[str] | None = None, seconds: float = WAIT_SECONDS) -> dict[str, Json]:
        """Wait until these BatchJobs (or all) have ended; returns their statuses."""

        def look() -> dict[str, Json] | None:
            found = self.statuses()
            wanted = {name: found.get(name, {}) for name in (batchjobs or found)}
            return wanted if all(each.get("state") in TERMINAL for each in wanted.values()) else None

        return until(look, seconds, lambda: f"finished: {json.dumps(self.statuses(), indent=1)}")

    def wait_pods(self, batchjob: str, number: int, seconds: float = WAIT_SECONDS) -> None:
        """Wait until a BatchJob has that many pods."""
        until(
            lambda: len(self.pods_of(batchjob)) == number,
            seconds,
            lambda: f"{number} pods of {batchjob}: {self.kubectl('get', 'pods')}",
        )

    def wait_gone(self, batchjob: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until a BatchJob, its Kubernetes Jobs and its pods do not exist any more."""

        def gone() -> bool:
            return batchjob not in self.batchjobs() and not self.jobs_of(batchjob) and not self.pods_of(batchjob)

        until(gone, seconds, lambda: f"{batchjob} gone: {self.kubectl('get', 'bj,jobs,pods')}")

    def wait_condition(self, plural: str, name: str, reason: str, seconds: float = WAIT_SECONDS) -> Json:
        """Wait until the Ready condition of a queue, environment or definition shows a reason; returns it."""

        def ready(status: Json) -> Json:
            return next((each for each in status.get("conditions", []) if each["type"] == "Ready"), {"reason": None})

        def shown(status: Json) -> bool:
            return bool(ready(status)["reason"] == reason)

        return ready(self.wait_shown(plural, name, shown, seconds))

    def wait_shown(self, plural: str, name: str, wanted: Callable[[Json], bool], seconds: float = WAIT_SECONDS) -> Json:
        """Wait until the status of a queue, environment or definition is as wanted; returns it."""
        path = path_of((names.API_VERSION, plural), self.namespace, name)
        if plural != KINDS[names.JOB_DEFINITION].plural:
            path = f"/apis/{names.API_VERSION}/{plural}/{self.named(name)}"

        def look() -> Json | None:
            status: Json = self.api.get(path).get("status", {})
            return status if wanted(status) else None

        return until(look, seconds, lambda: f"{plural} {name} as wanted: {json.dumps(self.api.get(path), indent=1)}")

    def _shown(self, batchjob: str) -> str:
        return self.kubectl("get", "batchjob", batchjob, "-o", "yaml", check=False) or "it does not exist"


class StateRecord:
    """Every state and reason that BatchJobs of a namespace showed, in order, from the moment this was made."""

    def __init__(self, harness: Harness) -> None:
        self._seen: dict[str, list[tuple[str, str]]] = {}
        harness.api.watch(BATCHJOBS, harness.namespace, self._note)

    def _note(self, event: str, batchjob: Json) -> None:
        status = batchjob.get("status", {})
        shown = (status.get("state", ""), status.get("reason", ""))
        seen = self._seen.setdefault(batchjob["metadata"]["name"], [])
        if event != "DELETED" and shown[0] and shown not in seen[-1:]:
            seen.append(shown)

    def states(self, batchjob: str) -> list[str]:
        """States in order, repetitions left out."""
        states: list[str] = []
        for state, _ in self._seen.get(batchjob, []):
            if state not in states[-1:]:
                states.append(state)
        return states

    def reasons(self, batchjob: str) -> list[str]:
        """Reasons in order."""
        return [reason for _, reason in self._seen.get(batchjob, [])]


def exit_codes(status: Json) -> list[int | None]:
    """Exit code of each attempt."""
    return [attempt.get("exitCode") for attempt in status["attempts"]]


def conditions(status: Json) -> dict[str, str]:
    """Status of each condition by type."""
    return {each["type"]: each["status"] for each in status["conditions"]}


def started_in_order(statuses: Mapping[str, Json], expected: Sequence[str]) -> bool:
    """Whether jobs started one after another in this order."""
    return sorted(expected, key=lambda name: statuses[name]["startedAt"]) == list(expected)
