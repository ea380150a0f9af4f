"""Indexes of an array that are stopped from outside, or whose pods cannot start."""

from typing import Any

import pytest

from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from fakes.indexed import TRACKING

RETRIES: dict[str, Any] = {"attempts": 2, "backoff": {"initialSeconds": 1, "maxSeconds": 1, "jitter": 0}}


async def running(cluster: Cluster, *indexes: int, size: int = 4, **definition: Any) -> None:
    await cluster.set_up(**definition)
    cluster.submit("arr", array={"size": size})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("arr-1", *indexes)
    await cluster.pass_time(10)


async def evict(cluster: Cluster, index: int) -> None:
    await cluster.evict(cluster.jobs.indexed.pod("arr-1", index))


def job_of_index(cluster: Cluster, index: int) -> str:
    found = [job for job in cluster.kube_jobs() if job != "arr-1" and f"i{index}" in job]
    assert len(found) == 1, cluster.kube_jobs()
    return found[0]


@in_cluster()
async def test_an_index_that_answers_an_eviction_with_0_runs_again(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2, 3)
    cluster.jobs.code_on_sigterm = 0
    await evict(cluster, 1)
    cluster.jobs.indexed.finish("arr-1", 0, 2, 3)
    await cluster.pass_time(5)
    assert cluster.kube_job("arr-1")["status"]["completedIndexes"] == "0-3"
    assert cluster.state("arr") == ("Pending", "IndexesRunning")
    array = cluster.array_status("arr")
    assert (array["succeededIndexes"], array["interruptedIndexes"]) == ("0,2-3", "1")
    again = cluster.kube_job(job_of_index(cluster, 1))
    cluster.jobs.start(again)
    await cluster.pass_time(5)
    cluster.jobs.finish(again)
    await cluster.pass_time(5)
    assert cluster.state("arr") == ("Succeeded", "Completed")
    status = cluster.status("arr")
    assert (status["array"]["succeededIndexes"], status["interruptions"]) == ("0-3", 1)
    assert "interruptedIndexes" not in status["array"]


@in_cluster()
async def test_that_an_index_is_to_run_again_survives_the_operator(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2, 3)
    cluster.jobs.code_on_sigterm = 0
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=0)
    await evict(cluster, 1)
    cluster.jobs.indexed.finish("arr-1", 0, 2, 3)
    await cluster.pass_time(2)
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert cluster.state("arr") == ("Pending", "IndexesRunning")
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=4)
    await cluster.pass_time(30)
    assert job_of_index(cluster, 1)


@in_cluster(graceful=True)
async def test_what_was_asked_to_stop_while_no_operator_acted_runs_again(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2, 3)
    await cluster.process.kill()
    cluster.delete_pod(cluster.jobs.indexed.pod("arr-1", 1))
    process = await cluster.start_operator()
    process.api.lose_next("list", JOBS, after_effect=False, times=2)
    await cluster.pass_time(40)
    pod = cluster.jobs.indexed.pod("arr-1", 1)
    assert "deletionTimestamp" in pod["metadata"], "its program takes its time"
    cluster.jobs.indexed.end_deleted(pod, 0)
    await cluster.pass_time(15)
    assert cluster.kube_job("arr-1")["status"]["completedIndexes"] == "1"
    assert cluster.array_status("arr")["interruptedIndexes"] == "1"
    assert job_of_index(cluster, 1)


@in_cluster()
async def test_pods_that_the_job_controller_deletes_itself_are_no_interruption(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2, 3)
    pod = cluster.jobs.indexed.pod("arr-1", 3)
    assert TRACKING in pod["metadata"]["finalizers"]
    job = cluster.kube_job("arr-1")
    job["spec"]["parallelism"] = 3
    cluster.jobs.indexed.sync(cluster.store.update(JOBS, job)["metadata"]["name"])
    await cluster.pass_time(2)
    assert "interruptedIndexes" not in cluster.array_status("arr")


@pytest.mark.parametrize("exit_code", [0, 143])
def test_a_retried_index_that_is_stopped_from_outside_runs_again(exit_code: int) -> None:
    @in_cluster()
    async def run(cluster: Cluster) -> None:
        await running(cluster, 0, size=1, retryStrategy=RETRIES)
        cluster.jobs.indexed.finish("arr-1", 0, exit_code=3)
        await cluster.pass_time(15)
        again = cluster.kube_job(job_of_index(cluster, 0))
        cluster.jobs.start(again)
        await cluster.pass_time(5)
        cluster.jobs.code_on_sigterm = exit_code
        cluster.delete_pod(cluster.jobs.pod(again))
        await cluster.pass_time(15)
        status = cluster.status("arr")
        assert (status["state"], status["interruptions"], len(cluster.kube_jobs())) == ("Pending", 1, 3)

    run()


@in_cluster()
async def test_one_index_that_cannot_start_fails_alone(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2)
    await cluster.pass_time(400)
    cluster.jobs.indexed.wait("arr-1", 3, "ErrImagePull", "toomanyrequests")
    await cluster.pass_time(200)
    assert cluster.state("arr") == ("Pending", "IndexesRunning"), "its grace time counts from when it got its node"
    await cluster.pass_time(200)
    assert cluster.state("arr") == ("Pending", "IndexesRunning")
    array = cluster.array_status("arr")
    assert (array["running"], array["failedIndexes"]) == (3, "3")
    assert (array["firstFailures"][0]["reason"], array["firstFailures"][0]["message"]) == (
        "CannotStartContainer",
        "ErrImagePull: toomanyrequests",
    )
    cluster.jobs.indexed.finish("arr-1", 0, 1, 2)
    await cluster.pass_time(5)
    assert cluster.state("arr") == ("Failed", "IndexesFailed")


@in_cluster()
async def test_an_index_that_cannot_start_is_tried_again_as_an_index(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2, retryStrategy=RETRIES, startupGraceSeconds=30)
    cluster.jobs.indexed.wait("arr-1", 3, "ErrImagePull", "toomanyrequests")
    await cluster.pass_time(60)
    again = cluster.kube_job(job_of_index(cluster, 3))
    assert cluster.array_status("arr")["retries"] == 1
    cluster.jobs.wait(again, "ErrImagePull", "toomanyrequests")
    await cluster.pass_time(60)
    array = cluster.array_status("arr")
    assert (array["failedIndexes"], array["firstFailures"][0]["reason"]) == ("3", "CannotStartContainer")
    assert array["running"] == 3


@in_cluster()
async def test_an_array_of_which_nothing_can_start_ends_soon(cluster: Cluster) -> None:
    await running(cluster, startupGraceSeconds=30, size=100)
    for index in range(4):
        cluster.jobs.indexed.wait("arr-1", index, "ErrImagePull", "no such image")
    await cluster.pass_time(50)
    assert cluster.state("arr") == ("Failed", "CannotStartContainer")


@in_cluster()
async def test_an_index_whose_pod_goes_before_it_ran_costs_no_attempt(cluster: Cluster) -> None:
    await running(cluster, 0, 1, 2)
    await evict(cluster, 3)
    await cluster.pass_time(15)
    status = cluster.status("arr")
    assert (status["interruptions"], status["array"]["failed"], status["array"]["retries"]) == (1, 0, 0)
    assert job_of_index(cluster, 3)
