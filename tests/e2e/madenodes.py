"""Nodes that Karpenter makes for a test: the objects that it takes, and what was ever there."""

import json
import threading
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

CLASS, SLOW = "e2e", "e2e-slow"
"""Node classes: of one, machines are there after a second, of the other after twelve."""
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
    for name, delay in {CLASS: "1s", SLOW: "12s"}.items():
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
    )
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": node_class}
    own = {"nodeClassRef": reference, "idleSeconds": 3, **{each: spec.pop(each) for each in fields if each in spec}}
    return harness.object(names.COMPUTE_ENVIRONMENT, name, {"type": "Managed", "maxVcpus": 16, "managed": own, **spec})


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
