"""A job from submission to its end, and every way to end it, through the whole operator."""

from typing import Any

import pytest

from batchyard.kube.resources import BATCHJOBS, JOBS, PODS
from fakes.cluster import Cluster, in_cluster

RETRIES: dict[str, Any] = {"attempts": 2, "backoff": {"initialSeconds": 10, "jitter": 0}}


@in_cluster()
async def test_from_submission_to_success(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == ("Starting", "CreatingPod")
    cluster.jobs.start("job-1", "node-1")
    await cluster.pass_time(10)
    assert cluster.state() == ("Running", "ContainerRunning")
    cluster.jobs.finish("job-1")
    await cluster.pass_time(2)
    status = cluster.status()
    attempt = status["attempts"][0]
    assert cluster.state() == ("Succeeded", "Completed")
    assert (status["jobDefinition"], status["computeEnvironment"]) == ("transcode:1", "on-prem")
    assert (attempt["exitCode"], attempt["nodeName"], attempt["jobName"]) == (0, "node-1", "job-1")
    assert status["startedAt"] < status["stoppedAt"] == attempt["stoppedAt"]
    assert cluster.condition("BatchJob", "job")[0] == "True"


@pytest.mark.parametrize(
    ("code", "reason", "shown"),
    [(1, "Error", "NonZeroExit"), (137, "OOMKilled", "OOMKilled"), (255, "", "NonZeroExit")],
)
@in_cluster()
async def test_a_failure_is_retried_and_then_final(cluster: Cluster, code: int, reason: str, shown: str) -> None:
    await cluster.set_up(retryStrategy=RETRIES)
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", code, reason)
    await cluster.pass_time(5)
    assert cluster.state() == ("Runnable", "RetryBackoff")
    assert cluster.kube_jobs() == ["job-1"]
    await cluster.pass_time(8)
    cluster.jobs.finish("job-2", code, reason)
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", shown)
    assert [(each["attempt"], each["exitCode"]) for each in cluster.status()["attempts"]] == [(1, code), (2, code)]
    assert cluster.condition("BatchJob", "job", "Failed")[0] == "True"


@in_cluster()
async def test_an_interruption_costs_no_attempt(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.start("job-1", "spot-1")
    await cluster.pass_time(1)
    cluster.jobs.disrupt("job-1", "TerminationByKubelet", "node shutdown")
    await cluster.pass_time(2)
    cluster.jobs.finish("job-2")
    await cluster.pass_time(2)
    status = cluster.status()
    assert cluster.state() == ("Succeeded", "Completed")
    assert status["interruptions"] == 1
    assert [(each["run"], each["attempt"], each["reason"]) for each in status["attempts"]] == [
        (1, 1, "Interrupted"),
        (2, 1, "Completed"),
    ]
    assert "TerminationByKubelet: node shutdown" in status["attempts"][0]["message"]


@in_cluster()
async def test_a_timeout_is_final(cluster: Cluster) -> None:
    await cluster.set_up(retryStrategy=RETRIES, timeout={"attemptDurationSeconds": 60})
    cluster.submit()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    assert job["spec"]["template"]["spec"]["activeDeadlineSeconds"] == 60
    cluster.jobs.start(job)
    await cluster.pass_time(60)
    pod = cluster.jobs.pod(job)
    pod["status"]["reason"] = "DeadlineExceeded"
    cluster.store.update(PODS, pod, status=True)
    cluster.jobs.finish(job, 143)
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", "DeadlineExceeded")


@in_cluster()
async def test_an_image_that_cannot_be_pulled_frees_its_place_in_time(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1", startupGraceSeconds=60)
    cluster.submit()
    await cluster.pass_time(1)
    cluster.submit("next")
    cluster.jobs.wait("job-1", "ImagePullBackOff", "Back-off pulling image")
    await cluster.pass_time(50)
    assert cluster.state() == ("Starting", "ImagePullBackOff")
    assert cluster.state("next") == ("Runnable", "InsufficientCapacity")
    await cluster.pass_time(15)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert cluster.kube_jobs() == ["next-1"]


@in_cluster()
async def test_a_job_deleted_while_it_waits_is_gone(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    for name in ("first", "second", "third"):
        cluster.submit(name)
        await cluster.pass_time(1)
    cluster.delete("BatchJob", "second")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "third-1"]


@in_cluster(graceful=True)
async def test_a_job_deleted_while_it_runs_gives_its_place_on(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("first")
    await cluster.pass_time(1)
    first = cluster.kube_job("first-1")
    cluster.submit("second")
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == [], "its container still runs"
    cluster.jobs.terminate(first)
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["second-1"]
    assert [pod["metadata"]["labels"]["batchyard.dev/job"] for pod in cluster.pods()] == ["second"]


@in_cluster(graceful=True)
async def test_a_run_deleted_by_hand_is_repeated_only_when_its_pod_is_gone(cluster: Cluster) -> None:
    await cluster.set_up()
    await cluster.submit_and_start()
    job = cluster.kube_job("job-1")
    await cluster.pass_time(1)
    cluster.delete_kube_job("job-1")
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == []
    assert cluster.state() == ("Runnable", "JobDeleted")
    cluster.jobs.terminate(job)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-2"]


@in_cluster()
async def test_a_finished_job_goes_when_its_time_is_over(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit("short", ttlSecondsAfterFinished=60)
    cluster.submit("long", ttlSecondsAfterFinished=600)
    cluster.submit("kept")
    await cluster.pass_time(1)
    for name in cluster.kube_jobs():
        cluster.jobs.finish(name)
    await cluster.pass_time(50)
    assert len(cluster.store.objects(BATCHJOBS)) == 3
    await cluster.pass_time(15)
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(600)
    assert [job["metadata"]["name"] for job in cluster.store.objects(BATCHJOBS)] == ["kept"]
    assert cluster.kube_jobs() == ["kept-1"]


@pytest.mark.parametrize("orderly", [True, False])
@in_cluster()
async def test_work_goes_on_while_the_operator_is_away(cluster: Cluster, orderly: bool) -> None:
    first = await cluster.set_up(cpu="2", retryStrategy=RETRIES)
    for number in range(4):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(1)
    await first.end(orderly=orderly)
    cluster.jobs.finish("job-0-1")
    cluster.jobs.finish("job-1-1", 1)
    cluster.delete("BatchJob", "job-2")
    await cluster.start_operator()
    await cluster.pass_time(30)
    assert cluster.state("job-0") == ("Succeeded", "Completed")
    assert cluster.status("job-1")["attempts"][0]["reason"] == "NonZeroExit"
    assert sorted(cluster.kube_jobs()) == ["job-0-1", "job-1-1", "job-1-2", "job-3-1"]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
@in_cluster()
async def test_a_clock_that_is_wrong_by_an_hour_stops_nothing(cluster: Cluster, skew: float) -> None:
    cluster.furnish(retryStrategy=RETRIES)
    await cluster.start_operator(skew=skew)
    await cluster.submit_and_start()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(15)
    cluster.jobs.finish("job-2")
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_a_clock_set_back_delays_no_retry_for_long(cluster: Cluster) -> None:
    process = await cluster.set_up(retryStrategy=RETRIES)
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(1)
    process.skew = -3600.0
    await cluster.pass_time(60)
    assert sorted(cluster.kube_jobs()) == ["job-1", "job-2"]


@in_cluster()
async def test_a_job_submitted_anew_waits_for_the_run_of_the_one_before(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    cluster.store.update(JOBS, {**job, "metadata": {**job["metadata"], "finalizers": ["example.com/slow"]}})
    cluster.delete("BatchJob", "job")
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "CreateFailed")
    assert "a Kubernetes Job job-1 that does not belong to this BatchJob exists" in cluster.status()["message"]
    assert cluster.api.count("create", JOBS) <= 3
    old = cluster.kube_job("job-1")
    cluster.store.update(JOBS, {**old, "metadata": {**old["metadata"], "finalizers": []}})
    await cluster.pass_time(10)
    assert cluster.state() == ("Starting", "CreatingPod")
    assert cluster.kube_job("job-1")["metadata"]["uid"] != old["metadata"]["uid"]


@in_cluster()
async def test_a_run_is_stopped_only_once_its_end_is_stored(cluster: Cluster) -> None:
    process = await cluster.set_up(
        retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 5}}, startupGraceSeconds=10
    )
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.wait("job-1", "ImagePullBackOff", "Back-off pulling image")
    await cluster.pass_time(5)
    process.api.lose_next("patch", BATCHJOBS, after_effect=False, times=1000)
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["job-1"], "whoever finds it gone would count it as deleted by somebody"
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert cluster.status()["attempts"][0]["reason"] == "CannotStartContainer"
    assert cluster.kube_jobs() == ["job-2"]
