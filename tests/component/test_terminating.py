"""Pods that are being deleted hold room, licences and limits until they are gone, whatever became of their Jobs."""

from collections.abc import Callable
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, NAMESPACES, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking_container, multi_node

SLOT = {"cpu": 1000, "pods": 1}


def furnish(cluster: Cluster, **definition: Any) -> None:
    """One licence, one slot of the queue, and room for one job of one pod."""
    cluster.put("ConsumableResource", "licence", type="Replenishable", total=1)
    cluster.furnish(cpu="4", consumableResources=[{"name": "licence"}], **definition)
    cluster.put("JobQueue", "urgent", limits={"maxRunningJobs": 1})
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=1)


def held(cluster: Cluster) -> tuple[dict[str, int], int, int]:
    """Capacity, licences and slots of the queue."""
    accounts = cluster.process.operator.cache.accounts
    used = {name: amount for name, amount in accounts.charges.used.get("on-prem", {}).items() if amount}
    amounts = accounts.limit_usage.amounts
    return used, amounts["consumable", "licence"], amounts["queue", "urgent"]


def bound(cluster: Cluster) -> dict[str, dict[str, int]]:
    """What runs are charged for by node."""
    charges = cluster.process.operator.cache.accounts.charges.charges.values()
    found: dict[str, dict[str, int]] = {}
    for charge in charges:
        for node, amount in charge.bound.items():
            of_node = found.setdefault(node, {})
            for name, each in amount.items():
                of_node[name] = of_node.get(name, 0) + each
    return found


def delete_job(cluster: Cluster) -> None:
    cluster.delete("BatchJob", "first")


def delete_kube_job(cluster: Cluster) -> None:
    cluster.change("first", suspend=True)  # so that it does not run again
    cluster.delete_kube_job("first-1")


def stop(cluster: Cluster) -> None:
    cluster.change("first", stop={"mode": "Terminate", "reason": "wrong input"})


DELETIONS = [delete_job, delete_kube_job, stop]


@pytest.mark.parametrize("delete", DELETIONS)
@in_cluster(graceful=True)
async def test_the_next_starts_only_when_the_pod_is_gone(cluster: Cluster, delete: Callable[[Cluster], None]) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    first = cluster.kube_job("first-1")
    cluster.submit("second")
    await cluster.pass_time(1)
    delete(cluster)
    await cluster.pass_time(24)
    assert cluster.kube_jobs("second") == []
    assert held(cluster) == (SLOT, 1, 1)
    assert bound(cluster) == {"node-1": SLOT}
    assert cluster.state("second")[0] == "Runnable"
    cluster.jobs.terminate(first)
    await cluster.pass_time(2)
    assert cluster.kube_jobs("second") == ["second-1"]
    assert held(cluster) == (SLOT, 1, 1)
    cluster.jobs.finish("second-1")
    await cluster.pass_time(2)
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})


@in_cluster(graceful=True)
async def test_a_pod_deleted_by_force_holds_nothing_once_it_is_gone(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.submit("second")
    [pod] = cluster.pods()
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == []
    metadata = cluster.store.get(PODS, pod["metadata"]["name"], NAMESPACE)["metadata"]
    cluster.store.update(PODS, {**pod, "metadata": {**metadata, "finalizers": []}})
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]


@in_cluster(graceful=True)
async def test_a_pod_that_has_ended_holds_nothing_though_it_is_still_there(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.submit("second")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(3)
    [pod] = cluster.pods()
    cluster.store.update(PODS, {**pod, "status": {**pod["status"], "phase": "Failed"}}, status=True)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]
    assert held(cluster) == (SLOT, 1, 1)


@in_cluster(graceful=True)
async def test_a_pod_that_has_no_node_yet_holds_its_place_too(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    first = cluster.kube_job("first-1")
    cluster.submit("second")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(3)
    assert (held(cluster), bound(cluster)) == ((SLOT, 1, 1), {})
    cluster.jobs.terminate(first)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]


@in_cluster(graceful=True)
async def test_a_finished_job_that_expires_gives_nothing_back_twice(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first", ttlSecondsAfterFinished=30)
    cluster.jobs.finish("first-1")
    await cluster.pass_time(5)
    await cluster.submit_and_start("second")
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["second-1"]
    assert (held(cluster), bound(cluster)) == ((SLOT, 1, 1), {"node-1": SLOT})


@in_cluster(graceful=True)
async def test_the_same_name_submitted_anew_waits_for_the_pod_of_the_one_before(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    first = cluster.kube_job("first-1")
    cluster.delete("BatchJob", "first")
    cluster.submit("first")
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == []
    assert held(cluster) == (SLOT, 1, 1)
    cluster.jobs.terminate(first)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1"]
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})


@in_cluster(graceful=True)
async def test_a_namespace_that_is_deleted_gives_everything_back_as_its_pods_go(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.store.delete(NAMESPACES, NAMESPACE)
    pods = cluster.pods()
    for job in cluster.store.objects(JOBS):
        cluster.delete_kube_job(job["metadata"]["name"])
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(5)
    assert (held(cluster), bound(cluster)) == ((SLOT, 1, 1), {"node-1": SLOT})
    _gone(cluster, *pods)
    await cluster.pass_time(1)
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})


def _gone(cluster: Cluster, *pods: Object) -> None:
    """The grace period of these is over."""
    for pod in pods:
        now = cluster.store.get(PODS, pod["metadata"]["name"], NAMESPACE)
        now["metadata"].pop("finalizers")
        cluster.store.update(PODS, now)


@in_cluster(graceful=True)
async def test_a_watch_that_breaks_meanwhile_forgets_no_pod_and_keeps_none(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.submit("second")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(3)
    cluster.api.disconnect_all()
    await cluster.pass_time(10)
    assert held(cluster) == (SLOT, 1, 1)
    assert cluster.kube_jobs() == []
    cluster.store.compact()
    cluster.api.disconnect_all()
    _gone(cluster, *cluster.pods())
    await cluster.pass_time(20)
    assert cluster.kube_jobs() == ["second-1"]


@in_cluster(graceful=True)
async def test_a_multi_node_job_holds_everything_until_the_last_pod_of_any_node_is_gone(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=2)
    needed = [{"name": "licence"}]
    cluster.define("pair", **multi_node(2, asking_container()), consumableResources=needed)
    await cluster.start_operator()
    cluster.submit("first", jobDefinition="pair")
    await cluster.pass_time(1)
    cluster.jobs.start("first-1")
    await cluster.pass_time(1)
    cluster.jobs.start("first-1-n1", "node-2")
    await cluster.pass_time(1)
    nodes = [cluster.kube_job(name) for name in ("first-1", "first-1-n1")]
    whole = {"cpu": 2000, "pods": 2}
    assert (held(cluster), bound(cluster)) == ((whole, 1, 1), {"node-1": SLOT, "node-2": SLOT})
    cluster.submit("second")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == []
    cluster.jobs.terminate(nodes[0])
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == []
    assert (held(cluster), bound(cluster)) == ((whole, 1, 1), {"node-2": SLOT})
    cluster.jobs.terminate(nodes[1])
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]
    assert held(cluster) == (SLOT, 1, 1)


async def running_array(cluster: Cluster) -> None:
    """An array of three indexes, all of which run, in a place for three."""
    furnish(cluster)
    cluster.put("ConsumableResource", "licence", type="Replenishable", total=3)
    cluster.put("JobQueue", "urgent", limits={"maxRunningJobs": 3})
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=3)
    await cluster.start_operator()
    cluster.submit("first", array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("first-1", 0, 1, 2)
    await cluster.pass_time(2)


@in_cluster(graceful=True)
async def test_pods_of_an_array_hold_their_slots_one_by_one(cluster: Cluster) -> None:
    await running_array(cluster)
    cluster.submit("second")
    cluster.submit("third")
    await cluster.pass_time(1)
    assert (held(cluster), bound(cluster)) == (({"cpu": 3000, "pods": 3}, 3, 3), {"node-1": {"cpu": 3000, "pods": 3}})
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == []
    assert (held(cluster), bound(cluster)) == (({"cpu": 3000, "pods": 3}, 3, 3), {"node-1": {"cpu": 3000, "pods": 3}})
    cluster.jobs.indexed.terminate("first-1", 1)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]
    assert held(cluster) == ({"cpu": 3000, "pods": 3}, 3, 3)
    assert bound(cluster) == {"node-1": {"cpu": 2000, "pods": 2}}
    cluster.jobs.indexed.terminate("first-1", 0, 2)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1", "third-1"]
    assert (held(cluster), bound(cluster)) == (({"cpu": 2000, "pods": 2}, 2, 2), {})


@in_cluster(graceful=True)
async def test_the_pod_of_a_further_run_of_an_index_holds_its_slot(cluster: Cluster) -> None:
    furnish(cluster, retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 0}})
    await cluster.start_operator()
    cluster.submit("first", array={"size": 1})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("first-1", 0)
    cluster.jobs.indexed.finish("first-1", 0, exit_code=1)
    await cluster.pass_time(10)
    [again] = [cluster.kube_job(name) for name in cluster.kube_jobs("first-2")]
    cluster.jobs.start(again)
    cluster.submit("second")
    await cluster.pass_time(2)
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == []
    assert (held(cluster), bound(cluster)) == ((SLOT, 1, 1), {"node-1": SLOT})
    cluster.jobs.terminate(again)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["second-1"]


@in_cluster(graceful=True)
async def test_what_admission_adds_to_a_pod_is_charged_once_it_is_there(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=3)
    cluster.put("JobQueue", "urgent", limits={"maxRunningJobs": 3})
    cluster.put("ConsumableResource", "licence", total=3)

    await cluster.start_operator()
    cluster.jobs.overhead = {"cpu": "500m", "memory": "64Mi"}
    await cluster.submit_and_start("first")
    cluster.jobs.overhead = {}
    await cluster.pass_time(1)
    more = {"cpu": 1500, "memory": 64 * 2**20, "pods": 1}
    assert (held(cluster)[0], bound(cluster)) == (more, {"node-1": more})
    cluster.submit("second")
    await cluster.pass_time(1)
    assert held(cluster)[0] == {"cpu": 2500, "memory": 64 * 2**20, "pods": 2}
    cluster.submit("third")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "second-1"], "no place for a whole one is left"


@in_cluster(graceful=True)
async def test_who_begins_to_act_meanwhile_counts_the_pods_of_jobs_that_are_there(cluster: Cluster) -> None:
    await running_array(cluster)
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(5)
    three = {"cpu": 3000, "pods": 3}
    assert (held(cluster), bound(cluster)) == ((three, 3, 3), {"node-1": three})
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(5)
    assert (held(cluster), bound(cluster)) == ((three, 3, 3), {"node-1": three})
    cluster.jobs.indexed.terminate("first-1", 0, 1, 2)
    await cluster.pass_time(2)
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})


@in_cluster(graceful=True)
async def test_who_starts_meanwhile_does_not_know_what_pods_without_a_job_held(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(2)
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(2)
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})
    _gone(cluster, *cluster.pods())
    await cluster.submit_and_start("second")
    assert held(cluster) == (SLOT, 1, 1)


@in_cluster(graceful=True)
async def test_an_array_whose_job_is_deleted_runs_no_index_twice_at_once(cluster: Cluster) -> None:
    await running_array(cluster)
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=8)
    cluster.put("JobQueue", "urgent")
    cluster.put("ConsumableResource", "licence", type="Replenishable", total=8)
    cluster.delete_kube_job("first-1")
    await cluster.pass_time(60)
    cluster.jobs.indexed.terminate("first-1", 0, 1)
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == []
    cluster.jobs.indexed.terminate("first-1", 2)
    await cluster.pass_time(60)
    assert [cluster.kube_job(name)["metadata"]["labels"][names.INDEX] for name in cluster.kube_jobs()] == list("012")


@in_cluster(graceful=True)
async def test_an_array_whose_job_is_deleted_is_terminated_when_its_pods_have_ended(cluster: Cluster) -> None:
    await running_array(cluster)
    cluster.delete_kube_job("first-1")
    cluster.change("first", stop={"mode": "Terminate", "reason": "wrong input"})
    await cluster.pass_time(10)
    assert cluster.state("first")[0] == "Pending"
    cluster.jobs.indexed.terminate("first-1", 0, 1, 2)
    await cluster.pass_time(10)
    assert cluster.state("first") == ("Failed", "Terminated")
    assert (held(cluster), bound(cluster)) == (({}, 0, 0), {})


@pytest.mark.parametrize("array", [True, False])
@in_cluster(graceful=True)
async def test_who_starts_meanwhile_knows_the_room_of_pods_of_a_job_that_is_there(
    cluster: Cluster, array: bool
) -> None:
    await (running_array(cluster) if array else _running_single(cluster))
    cluster.change("first", suspend=True)
    cluster.delete_kube_job("first-1")
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(5)
    assert held(cluster) == ({}, 0, 0)
    assert cluster.process.operator.cache.catalogue.other_pods.by_node == {"node-1": _times(3 if array else 1)}
    _gone(cluster, *cluster.pods())
    await cluster.pass_time(1)
    assert cluster.process.operator.cache.catalogue.other_pods.by_node == {}


def _times(pods: int) -> dict[str, int]:
    return {name: amount * pods for name, amount in SLOT.items()}


async def _running_single(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")


@pytest.mark.parametrize("restart", [False, True])
@in_cluster()
async def test_a_pod_that_has_succeeded_leaves_its_room_before_its_job_says_so(cluster: Cluster, restart: bool) -> None:
    furnish(cluster)
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.submit("second")
    await cluster.pass_time(1)
    cluster.jobs.end_pod("first-1")
    if restart:
        await cluster.restart_operator()
    await cluster.pass_time(25)
    assert cluster.state("first") == ("Running", "ContainerRunning"), "its end is not known yet"
    assert cluster.kube_jobs("second") == ["second-1"]
    assert held(cluster) == (SLOT, 1, 1)
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert cluster.state("first") == ("Succeeded", "Completed")
    assert held(cluster) == (SLOT, 1, 1)


@in_cluster()
async def test_after_a_pod_that_failed_its_own_job_goes_first(cluster: Cluster) -> None:
    furnish(cluster, retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 0}})
    await cluster.start_operator()
    await cluster.submit_and_start("first")
    cluster.submit("second")
    await cluster.pass_time(1)
    cluster.jobs.end_pod("first-1", 1)
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["first-1"]
    cluster.jobs.finish("first-1", 1)
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["first-1", "first-2"]
