"""How runs end that somebody outside has stopped, and those of pods with more than one container."""

from typing import Any

import pytest

from batchyard.kube.protocol import Object
from batchyard.kube.resources import PODS
from fakes.cluster import Cluster, in_cluster
from objects.specs import multi_node

MAIN = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}
PROXY = {"name": "proxy", "image": "envoy"}
WITH_CLASSIC_SIDECAR = {"spec": {"containers": [MAIN, PROXY]}}
WITH_NATIVE_SIDECAR = {"spec": {"initContainers": [{**PROXY, "restartPolicy": "Always"}], "containers": [MAIN]}}


async def started(cluster: Cluster, **fields: Any) -> Object:
    await cluster.set_up(**fields)
    await cluster.submit_and_start()
    job = cluster.kube_job("job-1")
    await cluster.pass_time(10)
    return job


def show(cluster: Cluster, job: Object, phase: str = "Running", **states: Object) -> None:
    """What the kubelet shows of the containers of a pod."""
    pod = cluster.jobs.pod(job)
    native = {each["name"] for each in pod["spec"].get("initContainers", ())}
    shown = [{"name": name, "state": state} for name, state in states.items()]
    pod["status"]["phase"] = phase
    pod["status"]["initContainerStatuses"] = [each for each in shown if each["name"] in native]
    pod["status"]["containerStatuses"] = [each for each in shown if each["name"] not in native]
    cluster.store.update(PODS, pod, status=True)


def running(cluster: Cluster) -> Object:
    return {"running": {"startedAt": cluster.store.timestamp()}}


def ended(cluster: Cluster, exit_code: int) -> Object:
    now = cluster.store.timestamp()
    return {"terminated": {"exitCode": exit_code, "reason": "Error", "startedAt": now, "finishedAt": now}}


async def take_away(cluster: Cluster, how: str, name: str) -> None:
    pod = next(pod for pod in cluster.pods() if pod["metadata"]["name"].startswith(f"{name}-"))
    if how == "evicted":
        await cluster.evict(pod)
    else:
        cluster.delete_pod(pod)


@pytest.mark.parametrize("exit_code", [0, 3, 143])
@pytest.mark.parametrize("how", ["evicted", "deleted"])
def test_a_job_that_is_stopped_from_outside_runs_again_whatever_its_program_answers(how: str, exit_code: int) -> None:
    @in_cluster()
    async def run(cluster: Cluster) -> None:
        await started(cluster)
        cluster.jobs.code_on_sigterm = exit_code
        await take_away(cluster, how, "job-1")
        await cluster.pass_time(5)
        status = cluster.status()
        assert status["attempts"][0]["reason"] == "Interrupted"
        assert ("EvictionByEvictionAPI" if how == "evicted" else "was deleted") in status["attempts"][0]["message"]
        assert [(each["run"], each["attempt"]) for each in status["attempts"]] == [(1, 1), (2, 1)]
        assert status["interruptions"] == 1

    run()


@in_cluster()
async def test_a_job_that_had_ended_before_its_pod_was_deleted_has_succeeded(cluster: Cluster) -> None:
    job = await started(cluster)
    cluster.jobs.finish(job, 0)
    await cluster.pass_time(1)
    cluster.delete_pod(cluster.jobs.pod(job))
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")


@pytest.mark.parametrize("how", ["evicted", "deleted"])
def test_a_pod_that_goes_before_it_ran_costs_no_attempt(how: str) -> None:
    @in_cluster()
    async def run(cluster: Cluster) -> None:
        await cluster.set_up()
        cluster.submit()
        await cluster.pass_time(1)
        await take_away(cluster, how, "job-1")
        await cluster.pass_time(5)
        status = cluster.status()
        assert status["attempts"][0]["reason"] == "Interrupted"
        assert [(each["run"], each["attempt"]) for each in status["attempts"]] == [(1, 1), (2, 1)]

    run()


@in_cluster()
async def test_a_job_displaced_by_one_of_higher_priority_runs_again_although_it_ends_with_0(cluster: Cluster) -> None:
    await started(cluster, cpu="1")
    cluster.jobs.code_on_sigterm = 0
    queue: dict[str, Any] = {"priority": 9, "preemption": {"policy": "LowerPriority"}}
    cluster.put("JobQueue", "express", **queue)
    cluster.submit("first", jobQueue="express")
    await cluster.pass_time(5)
    assert cluster.status()["attempts"][0]["reason"] == "Interrupted"
    assert cluster.state()[0] == "Runnable"


@pytest.mark.parametrize("exit_code", [0, 143])
def test_a_termination_is_one_whatever_the_program_answers(exit_code: int) -> None:
    @in_cluster()
    async def run(cluster: Cluster) -> None:
        job = await started(cluster)
        cluster.jobs.code_on_sigterm = exit_code
        cluster.submit(stop={"mode": "Terminate", "reason": "not needed"})
        await cluster.pass_time(5)
        assert job
        assert cluster.state() == ("Failed", "Terminated")

    run()


@in_cluster()
async def test_the_main_nodes_eviction_repeats_a_multi_node_job_although_it_ends_with_0(cluster: Cluster) -> None:
    cluster.furnish()
    cluster.define(**multi_node(2, mainNode=0))
    await cluster.start_operator()
    await cluster.submit_and_start()
    await cluster.pass_time(10)
    cluster.jobs.code_on_sigterm = 0
    await take_away(cluster, "evicted", "job-1")
    await cluster.pass_time(5)
    assert cluster.status()["attempts"][0]["reason"] == "Interrupted"


@in_cluster()
async def test_the_code_of_a_native_sidecar_says_nothing(cluster: Cluster) -> None:
    job = await started(cluster, container=None, template=WITH_NATIVE_SIDECAR)
    show(cluster, job, proxy=ended(cluster, 77), main=running(cluster))
    cluster.jobs.finish(job, 3)
    await cluster.pass_time(5)
    attempt = cluster.status()["attempts"][0]
    assert (attempt["reason"], attempt["exitCode"]) == ("NonZeroExit", 3)
    assert attempt["message"] == "container main ended with exit code 3"


@in_cluster()
async def test_a_native_sidecar_that_is_started_again_ends_no_run(cluster: Cluster) -> None:
    job = await started(cluster, container=None, template=WITH_NATIVE_SIDECAR, startupGraceSeconds=30)
    await cluster.pass_time(3600)
    for reason in ("CrashLoopBackOff", "ErrImagePull"):
        show(cluster, job, main=running(cluster), proxy={"waiting": {"reason": reason, "message": "again"}})
        await cluster.pass_time(60)
        assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_a_native_sidecar_that_never_comes_up_ends_the_attempt_after_the_grace_time(cluster: Cluster) -> None:
    await cluster.set_up(container=None, template=WITH_NATIVE_SIDECAR, startupGraceSeconds=30)
    cluster.submit()
    await cluster.pass_time(1)
    job = cluster.kube_job("job-1")
    cluster.jobs.schedule(job)
    crash = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    show(cluster, job, "Pending", proxy=crash, main={"waiting": {"reason": "PodInitializing"}})
    await cluster.pass_time(5)
    assert cluster.state() == ("Starting", "CrashLoopBackOff")
    await cluster.pass_time(40)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert "back-off 10s" in cluster.status()["message"]


@in_cluster()
async def test_a_classic_sidecar_that_goes_on_is_named(cluster: Cluster) -> None:
    job = await started(cluster, container=None, template=WITH_CLASSIC_SIDECAR)
    show(cluster, job, main=ended(cluster, 0), proxy=running(cluster))
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.status()["message"] == (
        "container main has ended with exit code 0; the job goes on until the other containers on node node-1 have "
        "ended, too: proxy"
    )


@in_cluster()
async def test_a_timeout_does_not_hide_how_the_main_container_ended(cluster: Cluster) -> None:
    timeout = {"attemptDurationSeconds": 60}
    job = await started(cluster, container=None, template=WITH_CLASSIC_SIDECAR, timeout=timeout)
    done = ended(cluster, 0)
    show(cluster, job, main=done, proxy=running(cluster))
    await cluster.pass_time(60)
    show(cluster, job, main=done, proxy=ended(cluster, 137))
    pod = cluster.jobs.pod(job)
    pod["status"]["reason"] = "DeadlineExceeded"
    cluster.store.update(PODS, pod, status=True)
    cluster.jobs.stop(job)
    await cluster.pass_time(15)
    assert cluster.state() == ("Failed", "DeadlineExceeded")
    assert cluster.status()["attempts"][0]["exitCode"] == 0
    assert "container main had ended with exit code 0" in cluster.status()["message"]


@in_cluster()
async def test_what_outlasts_a_main_container_that_failed_is_stopped(cluster: Cluster) -> None:
    job = await started(cluster, container=None, template=WITH_CLASSIC_SIDECAR)
    show(cluster, job, main=ended(cluster, 4), proxy=running(cluster))
    await cluster.pass_time(5)
    attempt = cluster.status()["attempts"][0]
    assert (attempt["reason"], attempt["exitCode"]) == ("NonZeroExit", 4)
    assert cluster.pods(), "the pod is kept for its logs"
