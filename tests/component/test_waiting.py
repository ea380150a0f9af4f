"""What a job that does not run says, whatever is missing and in whatever order things arrive."""

from collections.abc import Callable
from itertools import permutations

import pytest

from batchyard.kube.resources import NODES
from fakes.cluster import Cluster, in_cluster
from objects.specs import overrides_asking

PARTS: dict[str, Callable[[Cluster], object]] = {
    "definition": lambda cluster: cluster.define(),
    "queue": lambda cluster: cluster.put("JobQueue", "urgent"),
    "environment": lambda cluster: cluster.put("ComputeEnvironment", "on-prem"),
    "node": lambda cluster: cluster.add_node(),
    "job": lambda cluster: cluster.submit(),
}


@pytest.mark.parametrize(
    ("missing", "state", "words"),
    [
        ("definition", ("Pending", "JobDefinitionNotFound"), "JobDefinition transcode does not exist"),
        ("queue", ("Pending", "JobQueueNotFound"), "JobQueue urgent does not exist"),
        ("environment", ("Runnable", "ComputeEnvironmentNotFound"), "names environment on-prem"),
        ("node", ("Runnable", "NoNodes"), "no usable node in environment on-prem"),
    ],
)
@in_cluster()
async def test_what_is_missing_is_named_and_waited_for(
    cluster: Cluster, missing: str, state: tuple[str, str], words: str
) -> None:
    await cluster.start_operator()
    for name, add in PARTS.items():
        if name != missing:
            add(cluster)
    await cluster.pass_time(2)
    assert cluster.state() == state
    assert words in cluster.status()["message"]
    assert cluster.kube_jobs() == []
    PARTS[missing](cluster)
    await cluster.pass_time(2)
    assert cluster.state() == ("Starting", "CreatingPod")


@pytest.mark.parametrize("order", list(permutations(PARTS)), ids="-".join)
@in_cluster()
async def test_objects_may_arrive_in_any_order(cluster: Cluster, order: tuple[str, ...]) -> None:
    await cluster.start_operator()
    for name in order:
        PARTS[name](cluster)
        await cluster.pass_time(0.1)
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(1)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_a_namespace_is_let_in_by_its_labels(cluster: Cluster) -> None:
    cluster.furnish()
    cluster.put("JobQueue", "urgent", namespaceSelector={"matchLabels": {"team": "video"}})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Pending", "NamespaceNotAllowed")
    cluster.label_namespace(team="video")
    await cluster.pass_time(2)
    assert cluster.state() == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_disabled_queue_starts_nothing_and_lets_run_what_runs(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.put("JobQueue", "urgent", state="Disabled")
    cluster.submit("second")
    await cluster.pass_time(2)
    assert cluster.state("second") == ("Runnable", "JobQueueDisabled")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert cluster.state("first") == ("Succeeded", "Completed")
    cluster.put("JobQueue", "urgent")
    await cluster.pass_time(2)
    assert cluster.state("second") == ("Starting", "CreatingPod")


@in_cluster()
async def test_jobs_behind_others_know_their_place(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    for number in range(4):
        cluster.submit(f"job-{number}")
        await cluster.pass_time(1)
    assert cluster.state("job-1") == ("Runnable", "InsufficientCapacity")
    assert cluster.state("job-3") == ("Runnable", "WaitingInQueue")
    assert cluster.status("job-3")["queuePosition"] == 3
    assert "position 3 in queue urgent: 2 jobs are ahead" in cluster.status("job-3")["message"]
    cluster.jobs.finish("job-0-1")
    await cluster.pass_time(15)
    assert cluster.state("job-1") == ("Starting", "CreatingPod")
    assert "queuePosition" not in cluster.status("job-1")
    assert cluster.status("job-3")["queuePosition"] == 2


@in_cluster()
async def test_a_misfit_says_so_at_once_and_delays_nobody(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2")
    big = [{"name": "main", "resources": {"requests": {"cpu": "64"}}}]
    cluster.submit("huge", containerOverrides=big)
    cluster.submit("small")
    await cluster.pass_time(2)
    assert cluster.state("huge") == ("Runnable", "ExceedsCapacity")
    assert "the job needs 64 vCPU" in cluster.status("huge")["message"]
    assert cluster.condition("BatchJob", "huge", "Stalled")[0] == "True"
    assert cluster.state("small") == ("Starting", "CreatingPod")
    cluster.add_node("node-2", cpu="64")
    await cluster.pass_time(2)
    assert cluster.state("huge") == ("Starting", "CreatingPod")
    assert cluster.condition("BatchJob", "huge", "Stalled")[0] == ""


@in_cluster()
async def test_nodes_come_and_go(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.store.delete(NODES, "node-1")
    await cluster.pass_time(1)
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "NoNodes")
    cluster.add_node("node-2", cpu="500m")
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "ExceedsCapacity")
    cluster.add_node("node-3", cpu="2")
    await cluster.pass_time(2)
    assert cluster.state() == ("Starting", "CreatingPod")


@in_cluster()
async def test_what_goes_before_a_large_job_that_waits_is_decided_alike_after_a_restart(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2")
    cluster.put("JobQueue", "urgent", queueing={"policy": "Strict"})
    cluster.submit("holder", timeout={"attemptDurationSeconds": 3600})
    await cluster.pass_time(2)
    cluster.submit("large", containerOverrides=overrides_asking(2))
    cluster.submit("long", timeout={"attemptDurationSeconds": 7200})
    cluster.submit("short", timeout={"attemptDurationSeconds": 60})
    cluster.submit("short-too", timeout={"attemptDurationSeconds": 60})
    await cluster.pass_time(2)
    assert cluster.state("large") == ("Runnable", "InsufficientCapacity")
    assert cluster.state("long") == ("Runnable", "WaitingInQueue")
    assert cluster.state("short") == ("Starting", "CreatingPod")
    await cluster.restart_operator(orderly=True)
    cluster.jobs.finish("short-1")
    await cluster.pass_time(2)
    assert cluster.state("short-too") == ("Starting", "CreatingPod")
    assert cluster.state("long") == ("Runnable", "WaitingInQueue")
    cluster.jobs.finish("holder-1")
    cluster.jobs.finish("short-too-1")
    await cluster.pass_time(2)
    assert cluster.state("large") == ("Starting", "CreatingPod")
