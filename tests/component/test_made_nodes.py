"""The status of a managed environment follows the nodes that are made for it."""

from typing import Any

from batchyard.api import names
from batchyard.kube.resources import COMPUTEENVIRONMENTS, NODE_CLAIMS, NODES, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.nodepools import with_a_pool

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


def without_a_node(cluster: Cluster) -> None:
    """Have the scheduler say of all pods that it finds no node."""
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    for pod in cluster.pods():
        found = cluster.store.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        cluster.store.update(PODS, {**found, "status": {**found["status"], "conditions": [said]}}, status=True)


@in_cluster()
async def test_a_node_that_is_taken_away_is_not_one_that_comes(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.claim(capacity=SIZE, node="made-1")
    cluster.add_node("made-1", **{names.NODE_ENVIRONMENT: "burst", "karpenter.sh/initialized": "true"})
    await cluster.pass_time(3)
    assert (status(cluster)["nodes"], status(cluster)["nodesComing"]) == (1, 0)
    node = cluster.store.get(NODES, "made-1")
    disrupted = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
    cluster.store.update(NODES, {**node, "spec": {"taints": [disrupted]}})
    await cluster.pass_time(3)
    assert (status(cluster)["nodes"], status(cluster)["nodesComing"]) == (0, 0)
    assert condition(cluster, "Scaling") == ("", "", "")


@in_cluster()
async def test_work_on_a_cordoned_node_keeps_its_room(cluster: Cluster) -> None:
    """Sixteen vCPUs are the ceiling, one node has them all: while it is cordoned nothing else can come."""
    cluster.define(request="8")
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster, shapes={})
    whole = {"cpu": "16", "memory": "64Gi", "pods": "110"}
    cluster.karpenter.claim(capacity=whole, node="made-1")
    labels = {names.NODE_ENVIRONMENT: "burst", "karpenter.sh/initialized": "true"}
    cluster.add_node("made-1", cpu="16", **labels)
    cluster.submit("first")
    await cluster.pass_time(3)
    cluster.jobs.start("first-1", "made-1")
    node = cluster.store.get(NODES, "made-1")
    cluster.store.update(NODES, {**node, "spec": {**node.get("spec", {}), "unschedulable": True}})
    await cluster.pass_time(1)
    cluster.submit("second")
    await cluster.pass_time(5)
    assert cluster.state("second") == ("Runnable", "InsufficientCapacity")


@in_cluster()
async def test_an_array_that_gets_no_nodes_in_time_says_so_when_it_gives_its_slots_back(cluster: Cluster) -> None:
    cluster.define()
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster)
    cluster.submit("many", array={"size": 3})
    await cluster.pass_time(3)
    without_a_node(cluster)
    await cluster.pass_time(8)
    assert "environment burst is getting a node for a pod (" in cluster.status("many")["message"]
    await cluster.pass_time(292)
    message = cluster.status("many")["message"]
    assert (
        "environment burst got no node for a pod (1 vCPU), asked for since 00:00:03Z: 0/3 nodes are available"
        in message
    )
    assert "is getting" not in message


@in_cluster()
async def test_where_no_nodes_can_be_made_a_job_goes_to_the_next_environment(cluster: Cluster) -> None:
    cluster.define()
    cluster.put("ComputeEnvironment", "mine", unmanaged={"nodeSelector": {"pool": "mine"}})
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst", "mine"])
    await with_a_pool(cluster)
    cluster.karpenter.judge("NodeClassReady", "False", "NodeClass not found")
    await cluster.pass_time(1)
    cluster.submit("waits")
    await cluster.pass_time(20)
    assert cluster.state("waits") == ("Runnable", "InsufficientCapacity")
    assert (
        "environment burst gets no further node: no nodes are made from NodePool burst"
        in (cluster.status("waits")["message"])
    )
    cluster.add_node("mine-1", pool="mine")
    await cluster.pass_time(2)
    labels = cluster.kube_job("waits-1")["metadata"]["labels"]
    assert labels[names.ENVIRONMENT] == "mine"


@in_cluster()
async def test_once_nodes_can_be_made_who_waits_is_looked_at_again(cluster: Cluster) -> None:
    cluster.define()
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster)
    cluster.karpenter.judge("NodeClassReady", "False", "NodeClass not found")
    await cluster.pass_time(1)
    cluster.submit("waits")
    await cluster.pass_time(5)
    assert cluster.state("waits")[0] == "Runnable"
    cluster.karpenter.judge("NodeClassReady", "True", "")
    await cluster.pass_time(1)
    assert cluster.state("waits")[0] == "Starting"
