"""Arrays through the whole operator: places, ends of indexes, retries, and everything that may come in between."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.resources import BATCHJOBS, JOBS, PODS
from fakes.cluster import NAMESPACE, Cluster, in_cluster

RETRIES: dict[str, Any] = {"attempts": 3, "backoff": {"initialSeconds": 10, "jitter": 0}}


def array(cluster: Cluster, name: str = "job") -> dict[str, Any]:
    found: dict[str, Any] = cluster.status(name)["array"]
    return found


def parallelism(cluster: Cluster, name: str = "job-1") -> int:
    found: int = cluster.kube_job(name)["spec"]["parallelism"]
    return found


@in_cluster()
async def test_every_index_runs_once_in_one_job(cluster: Cluster) -> None:
    cluster.furnish(cpu="8")
    await cluster.start_operator()
    cluster.submit(array={"size": 5})
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-1"]
    job = cluster.kube_job("job-1")
    assert (job["spec"]["completions"], parallelism(cluster)) == (5, 5)
    indexed = cluster.jobs.indexed
    indexed.start(NAMESPACE, "job-1", 0, 1, 2)
    await cluster.pass_time(5)
    assert cluster.state() == ("Pending", "IndexesRunning")
    assert cluster.status()["message"] == "3 of 5 indexes run, 2 start, 0 succeeded, 0 failed"
    indexed.start(NAMESPACE, "job-1", 3, 4)
    indexed.finish(NAMESPACE, "job-1", 0, 1, 3)
    await cluster.pass_time(5)
    shown = array(cluster)
    assert (shown["progress"], shown["succeededIndexes"], shown["activeIndexes"]) == ("3/5", "0-1,3", "2,4")
    indexed.finish(NAMESPACE, "job-1", 2, 4)
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")
    assert array(cluster)["succeededIndexes"] == "0-4"
    assert cluster.condition("BatchJob", "job")[0] == "True"


@in_cluster()
async def test_pods_know_their_index(cluster: Cluster) -> None:
    cluster.furnish()
    await cluster.start_operator()
    submitted = cluster.submit(array={"size": 2})
    await cluster.pass_time(1)
    env = {
        each["name"]: each for each in cluster.jobs.indexed.pod(NAMESPACE, "job-1", 1)["spec"]["containers"][0]["env"]
    }
    source = env["AWS_BATCH_JOB_ARRAY_INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert source == f"metadata.annotations['{names.COMPLETION_INDEX}']"
    assert env["AWS_BATCH_JOB_ARRAY_SIZE"]["value"] == "2"
    assert env["AWS_BATCH_JOB_ID"]["value"] == f"{submitted['metadata']['uid']}:$(AWS_BATCH_JOB_ARRAY_INDEX)"
    assert list(env).index("AWS_BATCH_JOB_ARRAY_INDEX") < list(env).index("AWS_BATCH_JOB_ID")


@in_cluster()
async def test_it_gets_what_is_free_and_more_when_that_comes(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit(array={"size": 10})
    await cluster.pass_time(5)
    assert parallelism(cluster) == 3
    assert cluster.status()["message"].endswith(
        "7 wait: next in queue urgent; waits for 1 vCPU to become free in environment on-prem"
    )
    cluster.jobs.finish(cluster.kube_job("first-1"))
    await cluster.pass_time(1)
    assert parallelism(cluster) == 4
    cluster.add_node("node-2", cpu="2")
    await cluster.pass_time(1)
    assert parallelism(cluster) == 6


@in_cluster()
async def test_the_tail_frees_places_for_others(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    await cluster.start_operator()
    cluster.submit(array={"size": 5})
    cluster.submit("next")
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.finish(NAMESPACE, "job-1", 0)
    await cluster.pass_time(2)
    assert (parallelism(cluster), indexed.active(NAMESPACE, "job-1")) == (4, [1, 2, 3, 4])
    assert cluster.kube_jobs() == ["job-1"]
    indexed.finish(NAMESPACE, "job-1", 1)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-1", "next-1"]


@in_cluster()
async def test_no_more_run_than_max_concurrency(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    await cluster.start_operator()
    cluster.submit(array={"size": 10, "maxConcurrency": 2})
    cluster.submit("next")
    await cluster.pass_time(2)
    assert parallelism(cluster) == 2
    assert "next-1" in cluster.kube_jobs()
    assert cluster.status()["message"] == "0 of 10 indexes run, 2 start, 0 succeeded, 0 failed"


@in_cluster()
async def test_a_failed_index_is_tried_again_by_itself(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit(array={"size": 4, "maxConcurrency": 2})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.finish(NAMESPACE, "job-1", 0, exit_code=3)
    await cluster.pass_time(5)
    assert indexed.active(NAMESPACE, "job-1") == [1, 2]
    assert (cluster.kube_jobs(), array(cluster)["failed"]) == (["job-1"], 0)
    indexed.finish(NAMESPACE, "job-1", 1, 2)
    indexed.finish(NAMESPACE, "job-1", 3)
    await cluster.pass_time(7)
    assert cluster.kube_jobs() == ["job-1", "job-i0-2"]
    again = cluster.kube_job("job-i0-2")
    env = {each["name"]: each.get("value") for each in again["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["AWS_BATCH_JOB_ATTEMPT"] == "2"
    assert again["spec"]["template"]["metadata"]["annotations"][names.COMPLETION_INDEX] == "0"
    assert cluster.state()[0] == "Pending"
    cluster.jobs.start(again)
    cluster.jobs.finish(again)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert (array(cluster)["succeededIndexes"], array(cluster)["retries"]) == ("0-3", 1)


@in_cluster()
async def test_failures_are_counted_listed_and_final(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", retryStrategy={**RETRIES, "attempts": 2})
    await cluster.start_operator()
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 1, exit_code=3)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0, 2)
    await cluster.pass_time(12)
    cluster.jobs.finish(cluster.kube_job("job-i1-2"), 4)
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "IndexesFailed")
    message = "container main ended with exit code 4"
    assert cluster.status()["message"] == f"1 of 3 indexes failed: 1; first seen: index 1: {message}"
    failure = array(cluster)["firstFailures"][0]
    assert (failure["index"], failure["attempt"], failure["exitCode"]) == (1, 2, 4)
    assert (array(cluster)["failedIndexes"], array(cluster)["succeededIndexes"]) == ("1", "0,2")


@in_cluster()
async def test_exit_rules_count_for_each_index(cluster: Cluster) -> None:
    rules = [{"onExitCode": "3", "action": "Exit"}]
    cluster.furnish(cpu="4", retryStrategy={**RETRIES, "evaluateOnExit": rules})
    await cluster.start_operator()
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0, exit_code=3)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 1, exit_code=4)
    await cluster.pass_time(15)
    assert cluster.kube_jobs() == ["job-1", "job-i1-2"]
    assert array(cluster)["failedIndexes"] == "0"


@in_cluster()
async def test_too_many_failures_end_it(cluster: Cluster) -> None:
    cluster.furnish(cpu="8")
    await cluster.start_operator()
    cluster.submit(array={"size": 8, "maxFailedIndexes": 1})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 1, exit_code=3)
    await cluster.pass_time(5)
    assert cluster.state()[0] == "Pending"
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 5, exit_code=3)
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", "TooManyFailedIndexes")
    assert cluster.kube_jobs() == []
    assert array(cluster)["failed"] == 8


@in_cluster()
async def test_a_disrupted_index_run_costs_no_attempt(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", retryStrategy={**RETRIES, "attempts": 2})
    await cluster.start_operator()
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0, exit_code=1)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 1)
    await cluster.pass_time(12)
    cluster.jobs.disrupt(cluster.kube_job("job-i0-2"))
    await cluster.pass_time(2)
    third = cluster.kube_job("job-i0-3")
    assert third["metadata"]["annotations"][names.ATTEMPT] == "2"
    cluster.jobs.finish(third)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_a_deleted_kubernetes_job_is_made_up_for_index_by_index(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    await cluster.start_operator()
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0, 2)
    await cluster.pass_time(3)
    cluster.store.delete(JOBS, "job-1", NAMESPACE, propagation="Foreground")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["job-i1-2", "job-i3-2"]
    for name in cluster.kube_jobs():
        cluster.jobs.finish(cluster.kube_job(name))
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert array(cluster)["retries"] == 0


@in_cluster()
async def test_a_template_that_cannot_start_ends_it(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", startupGraceSeconds=30)
    await cluster.start_operator()
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.wait(NAMESPACE, "job-1", 0, "ImagePullBackOff", "no such image")
    await cluster.pass_time(20)
    assert cluster.state()[0] == "Pending"
    await cluster.pass_time(20)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert cluster.status()["message"] == "ImagePullBackOff: no such image"
    assert cluster.kube_jobs() == []


@in_cluster()
async def test_terminated_it_ends_with_all_of_its_pods(cluster: Cluster) -> None:
    cluster.furnish(cpu="2")
    await cluster.start_operator()
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0)
    await cluster.pass_time(2)
    cluster.submit(array={"size": 4}, stop={"mode": "Terminate", "reason": "wrong input"})
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "Terminated")
    assert cluster.status()["message"] == "terminated: wrong input"
    assert (array(cluster)["succeededIndexes"], array(cluster)["failedIndexes"]) == ("0", "1-3")
    assert cluster.kube_jobs() == []
    cluster.submit("next")
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["next-1"]


@in_cluster()
async def test_one_that_waits_is_cancelled_or_held_as_any_job(cluster: Cluster) -> None:
    cluster.furnish(cpu="1")
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("held", array={"size": 2}, suspend=True)
    cluster.submit("cancelled", array={"size": 2}, stop={"mode": "Cancel", "reason": "not needed"})
    await cluster.pass_time(2)
    assert cluster.state("held") == ("Pending", "Suspended")
    assert cluster.state("cancelled") == ("Failed", "Cancelled")
    assert array(cluster, "cancelled")["failedIndexes"] == "0-1"


@pytest.mark.parametrize("moment", [0.5, 2.5, 14.0])
@in_cluster()
async def test_a_killed_operator_changes_nothing(cluster: Cluster, moment: float) -> None:
    cluster.furnish(cpu="2", retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit(array={"size": 4})

    async def live(seconds: float) -> None:
        await cluster.pass_time(seconds)

    await live(min(moment, 2.0))
    if moment > 2:
        cluster.jobs.indexed.finish(NAMESPACE, "job-1", 0, exit_code=1)
        cluster.jobs.indexed.finish(NAMESPACE, "job-1", 1)
        await live(moment - 2.0)
    await cluster.processes[-1].kill()
    await cluster.start_operator()
    await live(60)
    indexed = cluster.jobs.indexed
    while active := indexed.active(NAMESPACE, "job-1"):
        indexed.finish(NAMESPACE, "job-1", *active)
        await live(2)
    await live(60)
    for name in cluster.kube_jobs():
        if name != "job-1":
            cluster.jobs.finish(cluster.kube_job(name))
    await live(5)
    assert cluster.state() == ("Succeeded", "Completed")
    retried = ["job-i0-2"] if moment > 2 else []
    assert cluster.kube_jobs() == ["job-1", *retried]


@in_cluster()
async def test_a_large_one_costs_few_writes(cluster: Cluster) -> None:
    cluster.furnish(cpu="10")
    process = await cluster.start_operator()
    cluster.submit(array={"size": 90})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    while active := indexed.active(NAMESPACE, "job-1"):
        indexed.finish(NAMESPACE, "job-1", active[0])
        await cluster.pass_time(0.5)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    writes = process.writes(JOBS, BATCHJOBS, PODS)
    assert [verb for verb, name in writes if name == "job-1"] == ["create"]
    assert len(writes) < 45


@in_cluster()
async def test_it_can_ask_for_nothing_that_does_not_go_with_it(cluster: Cluster) -> None:
    cluster.furnish(retryStrategy={"attempts": 2, "onOutOfMemory": {}})
    await cluster.start_operator()
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    assert cluster.state() == ("Failed", "InvalidSpec")
    assert "onOutOfMemory cannot be used with an array" in cluster.status()["message"]
