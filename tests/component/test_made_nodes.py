"""The status of a managed environment follows the nodes that are made for it."""

from typing import Any

from batchyard.api import names
from batchyard.kube.resources import COMPUTEENVIRONMENTS, NODE_CLAIMS, NODES
from fakes.cluster import Cluster, in_cluster

SIZE = {"cpu": "4", "memory": "16Gi"}
IN_A = {"instance_type": "c-4x", "zone": "a", "capacity_type": "spot"}


def status(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("ComputeEnvironment", "burst")["status"]
    return found


def condition(cluster: Cluster, kind: str = "Ready") -> tuple[str, str, str]:
    return cluster.condition("ComputeEnvironment", "burst", kind)


def tainted(cluster: Cluster, name: str = "made-1") -> None:
    """Have a node there that Karpenter has made and not registered yet."""
    cluster.add_node(name, **{names.NODE_ENVIRONMENT: "burst"})
    taints = [
        {"key": names.NODE_ENVIRONMENT, "value": "burst", "effect": "NoSchedule"},
        {"key": "karpenter.sh/unregistered", "effect": "NoExecute"},
    ]
    cluster.store.update(NODES, {**cluster.store.get(NODES, name), "spec": {"taints": taints}})


def registered(cluster: Cluster, name: str = "made-1") -> None:
    node = cluster.store.get(NODES, name)
    cluster.store.update(NODES, {**node, "spec": {"taints": node["spec"]["taints"][:1]}})


@in_cluster()
async def test_a_node_is_asked_for_comes_takes_jobs_and_goes(cluster: Cluster) -> None:
    cluster.put_managed()
    await cluster.start_operator()
    await cluster.pass_time(5)
    assert status(cluster)["atZeroSince"] == "2026-01-01T00:00:00Z"
    assert condition(cluster)[:2] == ("True", "ScaledToZero")

    cluster.karpenter.claim()
    await cluster.pass_time(3)
    now = status(cluster)
    assert (now["nodes"], now["nodesComing"], now["provisioned"]) == (0, 1, {})
    assert now["madeNodes"] == [{"zone": "", "instanceType": "", "capacityType": "on-demand", "nodes": 1}]
    assert "atZeroSince" not in now
    assert condition(cluster, "Scaling") == ("True", "NodesComing", "1 node is on its way since 2026-01-01T00:00:05Z")

    cluster.karpenter.claim(capacity=SIZE, **IN_A)
    tainted(cluster)
    await cluster.pass_time(3)
    now = status(cluster)
    assert (now["nodes"], now["nodesComing"], now["provisioned"]) == (0, 1, SIZE)
    assert now["madeNodes"] == [{"zone": "a", "instanceType": "c-4x", "capacityType": "spot", "nodes": 1}]

    cluster.karpenter.claim(capacity=SIZE, node="made-1", **IN_A)
    registered(cluster)
    await cluster.pass_time(3)
    assert (status(cluster)["nodes"], status(cluster)["nodesComing"]) == (1, 0)
    assert condition(cluster) == ("True", "NodesAvailable", "1 node can take jobs")
    assert condition(cluster, "Scaling") == ("", "", "")

    cluster.karpenter.drop()
    cluster.store.delete(NODES, "made-1")
    await cluster.pass_time(3)
    now = status(cluster)
    assert (now["nodes"], now["nodesComing"], now["provisioned"], now["madeNodes"]) == (0, 0, {}, [])
    assert now["atZeroSince"] > "2026-01-01T00:00:10Z"
    assert condition(cluster)[:2] == ("True", "ScaledToZero")


@in_cluster()
async def test_claims_of_others_and_of_another_environment_do_not_count(cluster: Cluster) -> None:
    cluster.put_managed()
    cluster.put_managed("other")
    cluster.karpenter.claim("other-1", "other", capacity=SIZE)
    cluster.karpenter.claim("stray-1", "", capacity=SIZE)
    process = await cluster.start_operator()
    await cluster.pass_time(5)
    assert (status(cluster)["nodesComing"], status(cluster)["provisioned"]) == (0, {})
    assert cluster.get("ComputeEnvironment", "other")["status"]["provisioned"] == SIZE
    assert list(process.operator.cache.catalogue.provisioned.claims) == ["other-1"], "they are not even listed"


@in_cluster()
async def test_since_when_there_is_no_node_survives_restarts(cluster: Cluster) -> None:
    cluster.put_managed()
    await cluster.start_operator()
    await cluster.pass_time(600)
    since = status(cluster)["atZeroSince"]
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(600)
    assert status(cluster)["atZeroSince"] == since
    assert cluster.process.writes(COMPUTEENVIRONMENTS) == []


@in_cluster()
async def test_what_changes_of_a_claim_without_meaning_is_not_written(cluster: Cluster) -> None:
    cluster.put_managed()
    cluster.karpenter.claim(capacity=SIZE)
    process = await cluster.start_operator()
    await cluster.pass_time(5)
    written, passes = len(process.writes(COMPUTEENVIRONMENTS)), process.readings()["batchyard_pass_seconds_count", ""]
    for number in range(20):
        claim = cluster.store.get(NODE_CLAIMS, "burst-1")
        claim["status"]["lastPodEventTime"] = f"2026-01-01T00:00:{number:02}Z"
        cluster.store.update(NODE_CLAIMS, claim, status=True)
        await cluster.pass_time(0.1)
    assert process.readings()["batchyard_pass_seconds_count", ""] <= passes + 2
    assert len(process.writes(COMPUTEENVIRONMENTS)) == written


@in_cluster()
async def test_claims_that_vanish_while_nobody_watches_are_gone(cluster: Cluster) -> None:
    cluster.put_managed()
    cluster.karpenter.claim(capacity=SIZE)
    await cluster.start_operator()
    await cluster.pass_time(5)
    assert status(cluster)["nodesComing"] == 1
    cluster.api.disconnect(NODE_CLAIMS)
    cluster.karpenter.drop()
    cluster.store.compact()
    await cluster.pass_time(10)
    assert status(cluster)["nodesComing"] == 0
