"""Nodes that Karpenter makes for a test: the objects that it takes, and what was ever there."""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import localcluster
from batchyard.api import names
from batchyard.core.model.resources import parse_resources
from e2e.clusterapi import PODS, ApiRefusedError, Json, until
from e2e.harness import Harness
from localcluster.cluster import Cluster

CLASS, SLOW, FAULTY = "e2e", "e2e-slow", "e2e-faulty"
"""Node classes: of one, machines are there after a second, of the next after twelve. Faults are those of the last."""
SPOT, STEADY = "spot", "steady"
"""Environments of which the first has such machines only, and the second none."""
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
POOLS = "/apis/karpenter.sh/v1/nodepools"
SHAPES = [
    {"instanceType": "m5.large", "vcpus": 2, "memory": "8Gi"},
    {"instanceType": "m5.xlarge", "vcpus": 4, "memory": "16Gi"},
    {"instanceType": "m5.2xlarge", "vcpus": 8, "memory": "32Gi"},
]
"""Of each, the provider says that pods can have 100 millicores and 10 MiB less."""


def start_karpenter(cluster: Cluster) -> None:
    """Have Karpenter run, with node classes."""
    if cluster.backend != "local":
        pytest.skip("only a local cluster has a Karpenter that makes simulated nodes")
    localcluster.up(cluster.name, simulated_nodes=0, audit=cluster.audit_log is not None, karpenter=True)
    for name, delay in {CLASS: "1s", SLOW: "12s", FAULTY: "1s"}.items():
        node_class = {
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": name},
            "spec": {"nodeRegistrationDelay": delay},
        }
        cluster.kubectl("apply", "-f", "-", input=json.dumps(node_class))


def managed(harness: Harness, name: str = "cloud", *, node_class: str = CLASS, **spec: Any) -> Json:
    """Return an environment whose nodes are made; fields that `spec.managed` has go there."""
    fields = (
        "shapes",
        "instanceTypes",
        "instanceFamilies",
        "idleSeconds",
        "deletionPolicy",
        "maxPendingPods",
        "zones",
        "requirements",
        "capacityTypes",
        "onDemandPercent",
        "onShortage",
    )
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": node_class}
    own = {"nodeClassRef": reference, "idleSeconds": 3, **{each: spec.pop(each) for each in fields if each in spec}}
    return harness.object(names.COMPUTE_ENVIRONMENT, name, {"type": "Managed", "maxVcpus": 16, "managed": own, **spec})


def spot_first(harness: Harness, grace: int, alone: int, **spot: Any) -> list[Json]:
    """Return a queue, and its environments: one of spot, and one for when no node comes there."""
    shortage = {"graceSeconds": grace, "leaveAloneSeconds": alone}
    own = {"maxVcpus": 64, "capacityTypes": ["Spot"], "onShortage": shortage, **spot}
    return [
        managed(harness, SPOT, node_class=FAULTY, **own),
        managed(harness, STEADY, node_class=FAULTY, maxVcpus=64),
        harness.queue("queue", SPOT, STEADY),
    ]


def claims_of(harness: Harness, name: str = "cloud") -> list[Json]:
    """The NodeClaims of an environment."""
    items: list[Json] = harness.api.get(f"{CLAIMS}?labelSelector={names.NODE_ENVIRONMENT}%3D{harness.named(name)}")[
        "items"
    ]
    return items


def pool_of(harness: Harness, name: str = "cloud") -> Json | None:
    """The NodePool of an environment, if there is one."""
    try:
        return harness.api.get(f"{POOLS}/{harness.named(name)}")
    except ApiRefusedError:
        return None


def wait_pool(harness: Harness, wanted: Callable[[Json | None], bool], name: str = "cloud") -> Json | None:
    """Wait until the NodePool of an environment is as wanted, or not there as that is wanted."""
    until(
        lambda: wanted(pool_of(harness, name)),
        60,
        lambda: f"NodePool {harness.named(name)}: {json.dumps(pool_of(harness, name), indent=1)}",
    )
    return pool_of(harness, name)


def wait_at_zero(harness: Harness, name: str = "cloud") -> None:
    """Wait until an environment has no node, nor one on its way."""
    until(lambda: not claims_of(harness, name), 90, lambda: f"no NodeClaims: {harness.kubectl('get', 'nodeclaims')}")


class Peak:
    """The most that was there at a time: vCPUs (in thousandths) of claims, and pods that had not ended."""

    def __init__(self) -> None:
        self.vcpus = 0
        self.pods = 0


@contextmanager
def watched(harness: Harness, name: str = "cloud") -> Iterator[Peak]:
    """Follow the claims of an environment, and the pods of the namespace."""
    peak, alive, ended = Peak(), dict[str, str](), ("Succeeded", "Failed")

    def note_pod(event: str, pod: Json) -> None:
        own = pod["metadata"]["name"]
        if event == "DELETED" or pod["status"].get("phase") in ended:
            alive.pop(own, None)
        else:
            alive[own] = pod["metadata"]["uid"]
        peak.pods = max(peak.pods, len(alive))

    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(0.1):
            sizes = [each.get("status", {}).get("capacity", {}) for each in claims_of(harness, name)]
            peak.vcpus = max(peak.vcpus, sum(parse_resources(size).get("cpu", 0) for size in sizes))

    harness.api.watch(PODS, harness.namespace, note_pod)
    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    try:
        yield peak
    finally:
        stopped.set()
        looker.join()


class Bound:
    """The pods that were given a node, by their BatchJob and index (that of an array, or none), from now on."""

    def __init__(self, harness: Harness) -> None:
        self._pods: defaultdict[tuple[str, str], dict[str, Json]] = defaultdict(dict)
        self.alive: set[str] = set()
        """The pods that are there and have not ended, with or without a node."""
        self._harness = harness
        first = harness.api.watch(PODS, harness.namespace, self._note)
        threading.Thread(target=self._follow, args=(first,), daemon=True).start()

    def _follow(self, watch: threading.Thread) -> None:
        """Watch anew, as the API server ends what is read too slowly: what has ended is there still, and seen then."""
        while True:
            watch.join()
            self.alive.clear()
            try:
                watch = self._harness.api.watch(PODS, self._harness.namespace, self._note)
            except OSError:
                return  # the proxy ended, and with it the session
            time.sleep(1)

    def _note(self, event: str, pod: Json) -> None:
        if event == "ERROR":
            return
        metadata = pod["metadata"]
        labels = metadata["labels"]
        index = labels.get(names.INDEX, labels.get(names.COMPLETION_INDEX, labels.get(names.NODE, "")))
        if event == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed"):
            self.alive.discard(metadata["uid"])
        else:
            self.alive.add(metadata["uid"])
        if pod["spec"].get("nodeName"):
            self._pods[labels[names.JOB], index][metadata["uid"]] = pod

    def of(self, batchjob: str) -> dict[str, list[Json]]:
        """Those of a BatchJob by index, as each was seen last."""
        known = list(self._pods.items())
        return {index: list(pods.values()) for (job, index), pods in known if job == batchjob}

    def succeeded(self, batchjob: str) -> dict[str, int]:
        """How many of them have succeeded, by index.

        Those that were asked to go meanwhile count where there are no others: they may have ended just before.
        """
        done = [(index, pod) for index, pods in self.of(batchjob).items() for pod in pods if _has_succeeded(pod)]
        undisturbed = Counter(index for index, pod in done if not _is_disrupted(pod))
        return {**Counter(index for index, _ in done), **undisturbed}

    def environments(self, batchjob: str) -> Counter[str]:
        """Where they were, by the label of the environment."""
        pods = [pod for pods in self.of(batchjob).values() for pod in pods]
        return Counter(pod["metadata"]["labels"][names.ENVIRONMENT].rpartition("-")[2] for pod in pods)


def _has_succeeded(pod: Json) -> bool:
    return bool(pod["status"].get("phase") == "Succeeded")


def _is_disrupted(pod: Json) -> bool:
    return any(each["type"] == "DisruptionTarget" for each in pod["status"].get("conditions", []))
