"""Zones: single jobs and arrays are divided between them, a multi-node job stays in one, and one may be lost."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.clusterapi import Json, until
from e2e.harness import Harness
from e2e.madenodes import managed, start_karpenter, wait_at_zero
from e2e.ownnodes import FOREVER, LABEL, environment
from localcluster import Cluster
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

ZONE = "topology.kubernetes.io/zone"
ZONES = ("zone-a", "zone-b", "zone-c")
_CPU = {"containers": [{"name": "main", "image": SHELL, "resources": {"requests": {"cpu": "2", "memory": "32Mi"}}}]}


@pytest.fixture
def nodes(harness: Harness) -> Iterator[dict[str, list[str]]]:
    """Two simulated nodes of four vCPUs in each of three zones, for this test alone, by zone."""
    if harness.cluster.backend != "local":
        pytest.skip("only a local cluster has simulated nodes")
    found = {
        zone: harness.cluster.add_nodes(
            2,
            cpu="4",
            memory="8Gi",
            labels={LABEL: harness.namespace, ZONE: zone},
            prefix=harness.named(zone),
        )
        for zone in ZONES
    }
    yield found
    names = [node for several in found.values() for node in several]
    harness.cluster.kubectl("delete", "node", *names, "--wait=false", "--ignore-not-found")


def zones(harness: Harness, *batchjobs: str) -> Counter[str]:
    """How many pods of these jobs run in each zone."""
    labels = {
        node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE, "")
        for node in harness.api.get("/api/v1/nodes")["items"]
    }
    pods = [pod for name in batchjobs for pod in harness.running_pods_of(name)]
    return Counter(labels[pod["spec"]["nodeName"]] for pod in pods if pod["spec"]["nodeName"] in labels)


def wait_running(harness: Harness, count: int, *batchjobs: str) -> Counter[str]:
    """Wait until so many pods of these jobs run; returns where."""
    until(
        lambda: sum(zones(harness, *batchjobs).values()) == count,
        90,
        lambda: f"{count} pods: {harness.kubectl('get', 'bj,pods', '-o', 'wide')}",
    )
    return zones(harness, *batchjobs)


def gang(harness: Harness, name: str, size: int, **spec: Any) -> Json:
    """Return a definition of a multi-node job in one zone, each node of which takes two vCPUs until it is stopped."""
    ranges = [{"targetNodes": "0:", "template": {"metadata": {"annotations": FOREVER}, "spec": _CPU}}]
    multi_node = {"numNodes": size, "nodeRanges": ranges}
    return harness.object("JobDefinition", name, {"multiNode": multi_node, "zonePolicy": "Single", **spec})


def test_an_array_and_single_jobs_are_divided_between_zones(harness: Harness, nodes: dict[str, list[str]]) -> None:
    """Packed, each would fit into one zone."""
    singles = [f"single-{number}" for number in range(3)]
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.simulated_definition("array", annotations=FOREVER, cpu="500m", zonePolicy="Spread"),
        harness.simulated_definition("single", annotations=FOREVER, cpu="500m", zonePolicy="Spread"),
        harness.job("many", "array", "queue", array={"size": 12}),
        *(harness.job(name, "single", "queue") for name in singles),
    )
    assert wait_running(harness, 3, *singles) == dict.fromkeys(ZONES, 1)
    assert wait_running(harness, 12, "many") == dict.fromkeys(ZONES, 4)


def test_a_zone_is_lost_under_load(harness: Harness, nodes: dict[str, list[str]]) -> None:
    """Its nodes are cordoned and then gone, with what runs there. All is done in the others, at no cost of attempts."""
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.simulated_definition("work", duration="5s", zonePolicy="Spread"),
        gang(harness, "pair", 2),
        harness.job("gang", "pair", "queue"),
    )
    (zone,) = wait_running(harness, 2, "gang")
    harness.apply(harness.job("many", "work", "queue", array={"size": 40}))
    until(lambda: zones(harness, "many")[zone] > 0, 60, lambda: harness.kubectl("get", "pods", "-o", "wide"))
    harness.cluster.kubectl("cordon", *nodes[zone])
    harness.cluster.kubectl("delete", "node", *nodes[zone], "--wait=false")
    after = harness.wait_status("gang", lambda status: status.get("interruptions") == 1)
    assert after["attempts"][0]["reason"] == "Interrupted"
    ended = harness.wait_finished(["many"])["many"]
    assert (ended["state"], ended["array"]["succeeded"], ended["array"]["retries"]) == ("Succeeded", 40, 0)
    found = wait_running(harness, 2, "gang")
    assert len(found) == 1
    assert zone not in found
    again = harness.wait_status("gang", lambda status: len(status["attempts"]) > 1)
    assert [each["attempt"] for each in again["attempts"]] == [1, 1]


def test_a_multi_node_job_waits_for_room_in_one_zone(harness: Harness, nodes: dict[str, list[str]]) -> None:
    """With one vCPU taken of each node, no zone has room for three nodes of the job, and all together for six."""
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.simulated_definition("most", annotations=FOREVER, cpu="2500m", zonePolicy="Spread"),
        harness.job("before", "most", "queue", array={"size": 6}),
    )
    assert wait_running(harness, 6, "before") == dict.fromkeys(ZONES, 2)
    harness.apply(
        gang(harness, "three", 3),
        gang(harness, "five", 5),
        harness.job("a-too-large", "five", "queue"),
        harness.job("gang", "three", "queue"),
    )
    assert "one zone" in harness.wait_reason("gang", "InsufficientCapacity")["message"]
    assert "one zone" in harness.wait_reason("a-too-large", "ExceedsCapacity")["message"]
    harness.kubectl("delete", "batchjob", "before", "--wait=false")
    assert len(wait_running(harness, 3, "gang")) == 1


@pytest.fixture(scope="module")
def karpenter(cluster: Cluster) -> None:
    start_karpenter(cluster)


def test_nodes_that_are_made_are_in_one_zone_or_in_all(harness: Harness, karpenter: None) -> None:
    """From no node at all: which zone that is shows with the first of a multi-node job."""
    harness.apply(
        managed(harness, maxVcpus=40, instanceTypes=["m5.large", "m5.xlarge"]),
        harness.queue("queue", "cloud"),
        gang(harness, "three", 3),
        harness.job("gang", "three", "queue"),
        harness.simulated_definition("work", annotations=FOREVER, zonePolicy="Spread"),
        harness.job("many", "work", "queue", array={"size": 12}),
    )
    assert len(wait_running(harness, 3, "gang")) == 1
    assert len(wait_running(harness, 12, "many")) == len(ZONES)
    harness.kubectl("delete", "batchjob", "--all", "--wait=false")
    wait_at_zero(harness)
