"""The statuses of queues and environments."""

import pytest

from batchyard.kube.resources import COMPUTEENVIRONMENTS, JOBQUEUES, NODES
from fakes.cluster import Cluster, in_cluster


def counts(cluster: Cluster, queue: str = "urgent") -> dict[str, int]:
    jobs = cluster.queue_status(queue)["jobs"]
    return {state: number for state, number in jobs.items() if number}


@in_cluster()
async def test_a_queue_counts_its_jobs_and_an_environment_what_they_use(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2")
    for number in range(3):
        cluster.submit(f"job-{number}")
    cluster.submit("lost", jobDefinition="elsewhere")
    await cluster.pass_time(1)
    cluster.jobs.start("job-0-1")
    await cluster.pass_time(5)
    assert counts(cluster) == {"pending": 1, "runnable": 1, "starting": 1, "running": 1}
    status = cluster.get("ComputeEnvironment", "on-prem")["status"]
    assert (status["nodes"], status["jobs"]) == (1, 2)
    assert (status["capacity"]["cpu"], status["used"]["cpu"], status["free"]["cpu"]) == ("2", "2", "0")
    for name in ("job-0-1", "job-1-1"):
        cluster.jobs.finish(name)
    await cluster.pass_time(5)
    cluster.jobs.finish("job-2-1")
    cluster.delete("BatchJob", "lost")
    await cluster.pass_time(5)
    assert counts(cluster) == {}
    status = cluster.get("ComputeEnvironment", "on-prem")["status"]
    assert (status["jobs"], status["used"]["cpu"], status["free"]["cpu"]) == (0, "0", "2")


@in_cluster()
async def test_conditions_follow_what_is_there(cluster: Cluster) -> None:
    await cluster.start_operator()
    cluster.put("JobQueue", "urgent")
    await cluster.pass_time(5)
    assert cluster.condition("JobQueue", "urgent")[:2] == ("False", "ComputeEnvironmentNotFound")
    cluster.put("ComputeEnvironment", "on-prem")
    await cluster.pass_time(5)
    assert cluster.condition("JobQueue", "urgent")[:2] == ("True", "Enabled")
    assert cluster.condition("ComputeEnvironment", "on-prem")[:2] == ("False", "NoNodes")
    cluster.add_node()
    await cluster.pass_time(5)
    assert cluster.condition("ComputeEnvironment", "on-prem")[:2] == ("True", "NodesAvailable")
    cluster.put("JobQueue", "urgent", state="Disabled")
    cluster.put("ComputeEnvironment", "on-prem", state="Disabled")
    await cluster.pass_time(5)
    assert cluster.condition("JobQueue", "urgent")[:2] == ("True", "Disabled")
    assert cluster.condition("ComputeEnvironment", "on-prem")[:2] == ("True", "Disabled")


@pytest.mark.parametrize("change", ["cordoned", "not ready", "tainted", "deleted"])
@in_cluster()
async def test_a_node_that_takes_no_jobs_is_no_capacity(cluster: Cluster, change: str) -> None:
    cluster.furnish()
    cluster.add_node("node-2", cpu="1")
    await cluster.start_operator()
    node = cluster.store.get(NODES, "node-2")
    match change:
        case "cordoned":
            cluster.store.update(NODES, {**node, "spec": {"unschedulable": True}})
        case "not ready":
            node["status"]["conditions"][0]["status"] = "Unknown"
            cluster.store.update(NODES, node, status=True)
        case "tainted":
            cluster.store.update(NODES, {**node, "spec": {"taints": [{"key": "spot", "effect": "NoSchedule"}]}})
        case "deleted":
            cluster.store.delete(NODES, "node-2")
    await cluster.pass_time(5)
    status = cluster.get("ComputeEnvironment", "on-prem")["status"]
    assert (status["nodes"], status["capacity"]["cpu"]) == (1, "4")


@in_cluster()
async def test_capacity_lost_under_running_jobs_starts_no_more(cluster: Cluster) -> None:
    cluster.furnish(cpu="2")
    cluster.add_node("node-2", cpu="2")
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(1)
    cluster.store.delete(NODES, "node-2")
    cluster.submit("one-more")
    await cluster.pass_time(5)
    assert len(cluster.kube_jobs()) == 4
    status = cluster.get("ComputeEnvironment", "on-prem")["status"]
    assert (status["capacity"]["cpu"], status["used"]["cpu"], status["free"]["cpu"]) == ("2", "4", "0")


@in_cluster()
async def test_nothing_is_written_while_nothing_changes(cluster: Cluster) -> None:
    process = await cluster.set_up()
    await cluster.pass_time(5)
    before = len(process.writes(JOBQUEUES, COMPUTEENVIRONMENTS))
    await cluster.pass_time(600)
    assert len(process.writes(JOBQUEUES, COMPUTEENVIRONMENTS)) == before


@in_cluster()
async def test_a_status_that_seems_not_to_be_written_is_written_again(cluster: Cluster) -> None:
    process = await cluster.set_up()
    await cluster.pass_time(5)
    for verb in ("patch", "update"):
        process.api.lose_next(verb, COMPUTEENVIRONMENTS)
    cluster.add_node("node-2")
    await cluster.pass_time(10)
    process.api.heal()
    assert cluster.get("ComputeEnvironment", "on-prem")["status"]["nodes"] == 2
