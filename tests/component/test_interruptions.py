"""Nodes that are taken away from under running jobs: what is evicted at the notice, what is counted of it."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.errors import Unavailable
from batchyard.kube.resources import COMPUTEENVIRONMENTS, NODE_CLAIMS, NODE_POOLS, NODES, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.nodepools import with_a_pool
from objects.specs import asking_container, multi_node

SIZE = {"cpu": "4", "memory": "16Gi"}
SPOT: dict[str, Any] = {"capacity_type": "spot", "capacity": SIZE}
ON_DEMAND: dict[str, Any] = {"capacity_type": "on-demand", "capacity": SIZE}


def status(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("ComputeEnvironment", "burst")["status"]
    return found


def counted(cluster: Cluster) -> int:
    found: int = status(cluster)["interruptions"]["nodes"]
    return found


def evicted(cluster: Cluster) -> int:
    return len(cluster.process.evicted())


def add_made_node(cluster: Cluster, number: int = 1, **claim: Any) -> None:
    """Have a node there that Karpenter has made."""
    name = f"made-{number}"
    cluster.karpenter.claim(f"burst-{number}", node=name, **claim)
    cluster.add_node(name, **{names.NODE_ENVIRONMENT: "burst", "karpenter.sh/initialized": "true"})


async def on_made_nodes(cluster: Cluster, *, nodes: int = 1, claim: dict[str, Any] = SPOT, **managed: Any) -> None:
    """A managed environment that has nodes, and an operator."""
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster, **managed)
    for number in range(1, nodes + 1):
        add_made_node(cluster, number, **claim)
    await cluster.pass_time(3)


async def with_a_job(cluster: Cluster, *, claim: dict[str, Any] = SPOT, **managed: Any) -> None:
    """The same, and a job that runs there."""
    cluster.define()
    await on_made_nodes(cluster, claim=claim, **managed)
    cluster.submit(retryStrategy={"attempts": 1})
    await cluster.pass_time(1)
    cluster.jobs.start("job-1", "made-1")
    await cluster.pass_time(2)


def taint(cluster: Cluster, name: str = "made-1") -> None:
    """What Karpenter does with the node of a claim that is deleted."""
    node = cluster.store.get(NODES, name)
    cluster.store.update(
        NODES, {**node, "spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}}
    )


def take_back(cluster: Cluster, number: int = 1) -> None:
    """The cloud gives notice."""
    cluster.karpenter.delete_claim(f"burst-{number}")
    taint(cluster, f"made-{number}")


def begins_anew(cluster: Cluster, name: str = "job") -> bool:
    """Whether a job has been interrupted once, at no cost of attempts."""
    found = cluster.status(name)
    ends = [each["reason"] for each in found["attempts"] if "reason" in each]
    return (found["interruptions"], ends) == (1, ["Interrupted"]) and {
        each["attempt"] for each in found["attempts"]
    } == {1}


async def with_two_jobs(cluster: Cluster) -> None:
    """Two that run on one node."""
    cluster.define()
    await on_made_nodes(cluster)
    for name in "first", "second":
        cluster.submit(name)
        await cluster.pass_time(1)
        cluster.jobs.start(f"{name}-1", "made-1")


# What runs there.


@in_cluster()
async def test_a_job_on_a_spot_node_is_evicted_at_the_notice_and_runs_again(cluster: Cluster) -> None:
    await with_a_job(cluster)
    take_back(cluster)
    await cluster.pass_time(2.5)
    assert evicted(cluster) == 1
    await cluster.pass_time(30)
    assert begins_anew(cluster)
    assert cluster.active_jobs() == ["job-2"], "it waits for another node"
    cluster.karpenter.drop()
    cluster.store.delete(NODES, "made-1")
    add_made_node(cluster, 2, **SPOT)
    await cluster.pass_time(5)
    cluster.jobs.start("job-2", "made-2")
    await cluster.pass_time(1)
    cluster.jobs.finish("job-2")
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Succeeded"
    assert evicted(cluster) == 1
    assert counted(cluster) == 1


def lists_of_pods(cluster: Cluster) -> int:
    return sum(resource == PODS for resource, _ in cluster.api.lists)


@in_cluster(graceful=True)
async def test_a_pod_is_asked_once_and_has_its_grace_period(cluster: Cluster) -> None:
    await with_a_job(cluster)
    take_back(cluster)
    await cluster.pass_time(60)
    assert evicted(cluster) == 1
    assert lists_of_pods(cluster) < 30
    cluster.jobs.stop_evicted("job-1")
    await cluster.pass_time(5)
    assert begins_anew(cluster)


@in_cluster()
async def test_a_pod_that_is_bound_at_the_last_moment_is_evicted_too(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.submit("late")
    await cluster.pass_time(1)
    cluster.karpenter.delete_claim()
    await cluster.pass_time(3)
    cluster.jobs.schedule("late-1", "made-1")
    await cluster.pass_time(7)
    assert evicted(cluster) == 2
    assert (cluster.status("late")["interruptions"], counted(cluster)) == (1, 1)


@pytest.mark.parametrize("capacity_type", ["on-demand", "reserved", ""])
@in_cluster()
async def test_other_nodes_that_are_deleted_are_left_to_karpenter_which_waits_for_the_jobs(
    cluster: Cluster, capacity_type: str
) -> None:
    await with_a_job(cluster, claim={**SPOT, "capacity_type": capacity_type})
    take_back(cluster)
    await cluster.pass_time(600)
    assert (evicted(cluster), cluster.state()[0]) == (0, "Running")
    cluster.jobs.finish("job-1")
    await cluster.pass_time(3)
    cluster.karpenter.drop()
    await cluster.pass_time(3)
    assert counted(cluster) == 0


@in_cluster()
async def test_an_empty_node_that_goes_is_no_interruption_and_costs_no_request(cluster: Cluster) -> None:
    await on_made_nodes(cluster)
    before = lists_of_pods(cluster)
    take_back(cluster)
    await cluster.pass_time(60)
    assert lists_of_pods(cluster) == before
    cluster.karpenter.drop()
    await cluster.pass_time(3)
    assert (evicted(cluster), counted(cluster), status(cluster)["scaleUps"]) == (0, 0, 1)


@in_cluster()
async def test_a_pod_that_a_disruption_budget_protects_is_asked_again_and_others_do_not_wait(cluster: Cluster) -> None:
    await with_two_jobs(cluster)
    protected = cluster.jobs.pod("first-1")["metadata"]["name"]
    cluster.store.guarded.add(protected)
    take_back(cluster)
    await cluster.pass_time(5)
    assert cluster.status("second")["interruptions"] == 1
    assert cluster.state("first")[0] == "Running"
    assert cluster.process.evicted().count(protected) >= 2
    cluster.store.guarded.clear()
    await cluster.pass_time(3)
    assert cluster.status("first")["interruptions"] == 1
    assert counted(cluster) == 1


@in_cluster()
async def test_one_that_the_api_server_gives_no_answer_about_keeps_no_other_waiting(cluster: Cluster) -> None:
    await with_two_jobs(cluster)
    cluster.api.fail_next("evict", PODS, Unavailable(500, "InternalError", "more than one PodDisruptionBudget"))
    take_back(cluster)
    await cluster.pass_time(2.2)
    assert evicted(cluster) >= 2
    await cluster.pass_time(5)
    assert [cluster.status(name)["interruptions"] for name in ("first", "second")] == [1, 1]


@in_cluster()
async def test_indexes_of_an_array_run_again_at_no_cost_of_attempts(cluster: Cluster) -> None:
    cluster.define()
    await on_made_nodes(cluster)
    cluster.submit("arr", array={"size": 3}, retryStrategy={"attempts": 1})
    await cluster.pass_time(2)
    for index in range(3):
        pod = cluster.jobs.indexed.pod("arr-1", index)
        cluster.store.update(PODS, {**pod, "spec": {**pod["spec"], "nodeName": "made-1" if index else "elsewhere"}})
    cluster.jobs.indexed.start("arr-1", 0, 1, 2)
    await cluster.pass_time(3)
    take_back(cluster)
    await cluster.pass_time(10)
    assert evicted(cluster) == 2
    assert (cluster.status("arr")["interruptions"], counted(cluster)) == (2, 1)
    cluster.karpenter.drop()
    cluster.store.delete(NODES, "made-1")
    add_made_node(cluster, 2, **SPOT)
    await cluster.pass_time(5)
    cluster.jobs.indexed.finish("arr-1", 0)
    again = [name for name in cluster.active_jobs() if name != "arr-1"]
    assert len(again) == 2
    for name in again:
        cluster.jobs.start(name, "made-2")
    await cluster.pass_time(2)
    cluster.finish_all("arr-")
    await cluster.pass_time(5)
    assert cluster.state("arr") == ("Succeeded", "Completed")
    assert cluster.array_status("arr")["succeededIndexes"] == "0-2"


@pytest.mark.parametrize("taken", [1, 2])
@in_cluster()
async def test_a_multi_node_job_is_interrupted_as_a_whole_by_the_loss_of_one_node(cluster: Cluster, taken: int) -> None:
    """Node 1 has the main node of the job, node 2 another."""
    cluster.define(**multi_node(2, asking_container("3", image="mpi"), mainNode=0))
    await on_made_nodes(cluster, nodes=2)
    cluster.submit(retryStrategy={"attempts": 1})
    await cluster.pass_time(1)
    cluster.jobs.start("job-1", "made-1")
    await cluster.pass_time(1)
    cluster.jobs.start("job-1-n1", "made-2")
    await cluster.pass_time(2)
    assert cluster.status()["message"] == "the main node runs on node made-1, 1 of 1 other nodes run"
    take_back(cluster, taken)
    await cluster.pass_time(2.5)
    assert evicted(cluster) == 1
    await cluster.pass_time(10)
    assert begins_anew(cluster)
    assert counted(cluster) == 1
    assert cluster.active_jobs("job-1") == []
    assert "job-2" in cluster.active_jobs()


# When it is no cloud that takes nodes.


@in_cluster()
async def test_a_nodepool_that_is_deleted_takes_its_claims_along_and_nothing_is_evicted(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.karpenter.delete_pool(at_once=False)
    cluster.karpenter.delete_claim()
    await cluster.pass_time(60)
    assert (evicted(cluster), cluster.state()[0], counted(cluster)) == (0, "Running", 0)


@in_cluster()
async def test_so_it_is_where_the_claim_is_seen_to_go_before_its_nodepool(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.api.disconnect(NODE_POOLS)
    cluster.karpenter.delete_pool(at_once=False)
    cluster.api.fail_next("list", NODE_POOLS, Unavailable(503, "ServiceUnavailable", "later"), times=3)
    cluster.karpenter.delete_claim()
    await cluster.pass_time(60)
    assert (evicted(cluster), cluster.state()[0], counted(cluster)) == (0, "Running", 0)


@in_cluster()
async def test_claims_of_a_nodepool_that_was_deleted_and_is_made_anew_are_none_of_its_own(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.karpenter.delete_pool()
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == ["burst"]
    cluster.karpenter.delete_claim()
    await cluster.pass_time(60)
    assert (evicted(cluster), cluster.state()[0], counted(cluster)) == (0, "Running", 0)


@in_cluster()
async def test_after_its_environment_nodes_wait_for_the_jobs(cluster: Cluster) -> None:
    await with_a_job(cluster, deletionPolicy="Wait")
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(5)
    cluster.karpenter.delete_claim()
    await cluster.pass_time(60)
    assert (evicted(cluster), cluster.state()[0]) == (0, "Running")


@in_cluster()
async def test_an_environment_that_cannot_be_used_for_now_loses_neither_pods_nor_counts(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.put_managed(max_vcpus=8, minVcpus=4)
    await cluster.pass_time(5)
    assert (status(cluster)["scaleUps"], counted(cluster)) == (1, 0)
    take_back(cluster)
    await cluster.pass_time(5)
    assert evicted(cluster) == 1
    cluster.put_managed()
    await cluster.pass_time(5)
    assert (status(cluster)["scaleUps"], counted(cluster)) == (1, 1)


# Counts and restarts.


@in_cluster()
async def test_a_node_that_is_lost_with_its_jobs_counts_whatever_its_capacity_type(cluster: Cluster) -> None:
    await with_a_job(cluster, claim=ON_DEMAND)
    cluster.karpenter.delete_claim()
    await cluster.pass_time(3)
    assert counted(cluster) == 0
    cluster.karpenter.drop()
    await cluster.pass_time(3)
    assert (counted(cluster), evicted(cluster)) == (1, 0)


@in_cluster()
async def test_counts_go_on_after_a_restart_and_nothing_is_counted_twice(cluster: Cluster) -> None:
    await with_a_job(cluster)
    take_back(cluster)
    await cluster.pass_time(5)
    assert (counted(cluster), status(cluster)["scaleUps"]) == (1, 1)
    before = status(cluster)["interruptions"]
    assert before["perHour"] == 1
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(60)
    assert status(cluster)["interruptions"] == before
    assert status(cluster)["scaleUps"] == 1
    add_made_node(cluster, 2, **SPOT)
    await cluster.pass_time(5)
    cluster.jobs.start("job-2", "made-2")
    await cluster.pass_time(3)
    take_back(cluster, 2)
    await cluster.pass_time(5)
    after = status(cluster)["interruptions"]
    assert (after["nodes"], status(cluster)["scaleUps"]) == (2, 2)
    assert 1.9 < after["perHour"] < 2
    assert after["lastAt"] > before["lastAt"]


@in_cluster(graceful=True)
async def test_a_process_that_takes_over_goes_on_evicting(cluster: Cluster) -> None:
    await with_a_job(cluster)
    await cluster.process.kill()
    take_back(cluster)
    await cluster.start_operator()
    await cluster.pass_time(20)
    assert evicted(cluster) == 1
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(20)
    assert evicted(cluster) == 0, "it was asked already"
    assert counted(cluster) == 0, "nobody saw it turn"


@in_cluster()
async def test_nodes_that_were_there_before_anybody_counted_are_counted_from_the_claims(cluster: Cluster) -> None:
    cluster.put_managed()
    await cluster.pass_time(1)
    cluster.karpenter.claim("burst-1")
    cluster.karpenter.claim("burst-2")
    await cluster.start_operator()
    await cluster.pass_time(5)
    assert status(cluster)["scaleUps"] == 2
    cluster.karpenter.uninstall()
    cluster.api.disconnect(NODE_CLAIMS)
    await cluster.pass_time(60)
    cluster.karpenter.install()
    cluster.karpenter.claim("burst-2")
    await cluster.pass_time(60)
    assert status(cluster)["scaleUps"] == 2, "what is found then may have been counted"


@in_cluster()
async def test_an_environment_that_is_made_anew_counts_anew(cluster: Cluster) -> None:
    await with_a_job(cluster)
    take_back(cluster)
    await cluster.pass_time(5)
    assert counted(cluster) == 1
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(1)
    cluster.put_managed()
    await cluster.pass_time(5)
    assert (counted(cluster), status(cluster)["scaleUps"]) == (0, 0)


@in_cluster()
async def test_a_status_is_not_written_for_a_rate_that_fades(cluster: Cluster) -> None:
    await with_a_job(cluster)
    take_back(cluster)
    await cluster.pass_time(30)
    cluster.karpenter.drop()
    cluster.store.delete(NODES, "made-1")
    await cluster.pass_time(30)
    writes = len(cluster.process.writes(COMPUTEENVIRONMENTS))
    await cluster.pass_time(200)
    assert len(cluster.process.writes(COMPUTEENVIRONMENTS)) == writes


@in_cluster()
async def test_what_nodes_have_is_in_use_idle_or_on_nodes_that_come_or_go(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.submit("more")
    cluster.karpenter.claim("burst-2", **SPOT)
    await cluster.pass_time(3)
    assert status(cluster)["vcpus"] == {"desired": 2, "provisioned": 8, "inUse": 2, "idle": 2}
    cluster.jobs.start("more-1", "made-1")
    add_node = {names.NODE_ENVIRONMENT: "burst", "karpenter.sh/initialized": "true"}
    cluster.karpenter.claim("burst-2", node="made-2", **SPOT)
    cluster.add_node("made-2", **add_node)
    await cluster.pass_time(3)
    assert status(cluster)["vcpus"] == {"desired": 2, "provisioned": 8, "inUse": 2, "idle": 6}
    cluster.karpenter.delete_claim("burst-2")
    await cluster.pass_time(3)
    assert status(cluster)["vcpus"] == {"desired": 2, "provisioned": 8, "inUse": 2, "idle": 2}


@in_cluster()
async def test_metrics_show_nodes_and_what_became_of_them(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.karpenter.claim("burst-2", instance_type="c-4x", zone="a", **ON_DEMAND)
    await cluster.pass_time(3)

    def reading(name: str, labels: str = "burst") -> float:
        return cluster.process.readings()[f"batchyard_environment_{name}", labels]

    assert reading("nodes", "spot,burst,,") == 1
    assert reading("nodes", "on-demand,burst,c-4x,a") == 1
    assert reading("nodes_coming") == 1
    assert reading("scale_ups_total") == 2
    assert (reading("interruptions_total"), reading("interruptions_per_hour")) == (0, 0)
    take_back(cluster)
    await cluster.pass_time(5)
    assert reading("interruptions_total") == 1
    assert 0.99 < reading("interruptions_per_hour") <= 1
    await cluster.pass_time(3600)
    assert 0.36 < reading("interruptions_per_hour") < 0.37
    standby = await cluster.start_operator()
    await cluster.pass_time(3)
    shown = standby.readings()
    assert shown["batchyard_environment_interruptions_total", "burst"] == 1
    assert 0.36 < shown["batchyard_environment_interruptions_per_hour", "burst"] < 0.37


@in_cluster()
async def test_claims_that_vanish_unseen_count_once(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.api.disconnect(NODE_CLAIMS)
    cluster.karpenter.drop()
    cluster.store.compact()
    await cluster.pass_time(10)
    assert counted(cluster) == 1
