"""What is kept off spot: a part of an environment's work, and jobs that have lost their nodes too often."""

from typing import Any

import pytest

from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from objects.specs import multi_node

NOT_SPOT = {"key": "karpenter.sh/capacity-type", "operator": "NotIn", "values": ["spot"]}
BOTH: dict[str, Any] = {"capacityTypes": ["OnDemand", "Spot"]}
AFTER_ONE = {"onInterruption": {"onDemandAfter": 1}}


def is_off_spot(cluster: Cluster, run: str) -> bool:
    """Whether the pods of a Kubernetes Job exclude spot nodes."""
    spec = cluster.store.get(JOBS, run, "media")["spec"]["template"]["spec"]
    of_nodes = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = of_nodes.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    return bool(terms) and all(NOT_SPOT in term["matchExpressions"] for term in terms)


async def with_both(cluster: Cluster, percent: int, **managed: Any) -> None:
    cluster.put_managed(**BOTH, onDemandPercent=percent, **managed)
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    cluster.define()
    await cluster.start_operator()
    await cluster.pass_time(3)


async def with_a_job(cluster: Cluster) -> None:
    """One that leaves spot after an interruption, and has been started."""
    cluster.define(retryStrategy=AFTER_ONE)
    await cluster.start_operator()
    await cluster.pass_time(3)
    cluster.submit()
    await cluster.pass_time(2)


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_a_part_of_the_work_is_kept_off_spot(cluster: Cluster, restarted: bool) -> None:
    await with_both(cluster, 25)
    for number in range(3):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(2)
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(25)
    for number in range(3, 8):
        cluster.submit(f"job-{number}")
        await cluster.pass_time(2)
    off = [number for number in range(8) if is_off_spot(cluster, f"job-{number}-1")]
    assert off == [0, 4]


@in_cluster()
async def test_arrays_and_multi_node_jobs_belong_to_it_as_a_whole(cluster: Cluster) -> None:
    await with_both(cluster, 50)
    cluster.put("JobDefinition", "mpi", **multi_node(2))
    cluster.submit("gang", jobDefinition="mpi")
    await cluster.pass_time(2)
    cluster.submit("array", array={"size": 2})
    await cluster.pass_time(2)
    cluster.submit("later")
    await cluster.pass_time(2)
    cluster.jobs.start("gang-1")
    await cluster.pass_time(2)
    runs = ("gang-1", "gang-1-n1", "array-1", "later-1")
    assert [is_off_spot(cluster, run) for run in runs] == [True, True, False, True]


@in_cluster()
async def test_without_nodes_on_demand_jobs_rather_run_on_spot(cluster: Cluster) -> None:
    await with_both(cluster, 100)
    cluster.submit()
    await cluster.pass_time(2)
    assert is_off_spot(cluster, "job-1")
    cluster.jobs.unschedulable("job-1", "0/1 nodes are available")
    cluster.karpenter.fail("burst")
    await cluster.pass_time(65)
    assert cluster.status()["jobName"] == "job-2"
    assert not is_off_spot(cluster, "job-2")


@in_cluster()
async def test_a_job_that_was_interrupted_so_often_goes_where_no_spot_is(cluster: Cluster) -> None:
    cluster.put_managed("spot", capacityTypes=["Spot"])
    cluster.put_managed("steady", capacityTypes=["OnDemand"])
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot", "steady"])
    await with_a_job(cluster)
    assert (cluster.status()["computeEnvironment"], is_off_spot(cluster, "job-1")) == ("spot", False)
    cluster.jobs.start("job-1")
    await cluster.evict(cluster.jobs.pod("job-1"))
    await cluster.pass_time(3)
    assert (cluster.status()["computeEnvironment"], is_off_spot(cluster, "job-2")) == ("steady", True)
    assert [each["attempt"] for each in cluster.status()["attempts"]] == [1, 1]


@in_cluster()
async def test_where_there_is_nothing_but_spot_it_goes_on_there(cluster: Cluster) -> None:
    cluster.put_managed("spot", capacityTypes=["Spot"])
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot"])
    await with_a_job(cluster)
    cluster.jobs.start("job-1")
    await cluster.evict(cluster.jobs.pod("job-1"))
    await cluster.pass_time(3)
    assert (cluster.status()["computeEnvironment"], is_off_spot(cluster, "job-2")) == ("spot", False)


@in_cluster()
async def test_an_index_that_leaves_spot_says_so_to_the_planner(cluster: Cluster) -> None:
    """Where it gets no node, others that may be on spot are not kept from it."""
    cluster.put_managed(**BOTH)
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    cluster.define(retryStrategy=AFTER_ONE)
    await cluster.start_operator()
    await cluster.pass_time(3)
    cluster.submit("array", array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0, 1)
    await cluster.evict(cluster.jobs.indexed.pod("array-1", 0))
    await cluster.pass_time(5)
    assert is_off_spot(cluster, "array-2-i0")
    cluster.jobs.unschedulable("array-2-i0", "0/1 nodes are available")
    cluster.karpenter.fail("burst")
    await cluster.pass_time(65)
    cluster.submit("other")
    await cluster.pass_time(2)
    assert cluster.state("other")[0] == "Starting"


@in_cluster()
async def test_it_goes_back_to_spot_once_nothing_else_is_there(cluster: Cluster) -> None:
    cluster.put_managed("spot", capacityTypes=["Spot"])
    cluster.put_managed("steady", capacityTypes=["OnDemand"], max_vcpus=4)
    cluster.put("JobQueue", "urgent", computeEnvironments=["spot", "steady"])
    await with_a_job(cluster)
    cluster.jobs.start("job-1")
    cluster.put("JobQueue", "other", computeEnvironments=["steady"])
    cluster.define("large", request="3")
    cluster.submit("first", jobQueue="other", jobDefinition="large")
    await cluster.pass_time(2)
    await cluster.evict(cluster.jobs.pod("job-1"))
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Runnable", "it waits for room off spot"
    cluster.delete("ComputeEnvironment", "steady")
    await cluster.pass_time(15)
    assert (cluster.status()["computeEnvironment"], is_off_spot(cluster, "job-2")) == ("spot", False)
