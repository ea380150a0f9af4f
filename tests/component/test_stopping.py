"""Jobs that are held, released, cancelled and terminated, through the whole operator."""

from typing import Any

import pytest

from batchyard.kube.errors import Forbidden
from batchyard.kube.resources import BATCHJOBS, JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from fakes.process import Process

RETRIES: dict[str, Any] = {"attempts": 3, "backoff": {"initialSeconds": 10, "jitter": 0}}
MODES = pytest.mark.parametrize(
    ("mode", "reason", "word"), [("Cancel", "Cancelled", "cancelled"), ("Terminate", "Terminated", "terminated")]
)


def stop(cluster: Cluster, mode: str, name: str = "job") -> None:
    cluster.change(name, stop={"mode": mode, "reason": "wrong input"})


async def running(cluster: Cluster, **definition: Any) -> Process:
    process = await cluster.set_up(**definition)
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    return process


def observed(cluster: Cluster, name: str = "job") -> bool:
    """Whether the status is about the spec as it is now."""
    job = cluster.get("BatchJob", name)
    return bool(job["status"]["observedGeneration"] == job["metadata"]["generation"])


# What has not started.


@MODES
@in_cluster()
async def test_a_queued_job_ends_at_once(cluster: Cluster, mode: str, reason: str, word: str) -> None:
    await cluster.set_up(cpu="1")
    for name in ("first", "job", "third"):
        cluster.submit(name)
        await cluster.pass_time(1)
    stop(cluster, mode)
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", reason)
    status = cluster.status()
    assert (status["message"], status["attempts"]) == (f"{word}: wrong input", [])
    assert "queuePosition" not in status
    assert observed(cluster)
    assert cluster.condition("BatchJob", "job", "Failed") == ("True", reason, f"{word}: wrong input")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "third-1"]
    assert cluster.events() == []


@MODES
@in_cluster()
async def test_a_job_that_lacks_something_ends_at_once(cluster: Cluster, mode: str, reason: str, word: str) -> None:
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Pending", "JobDefinitionNotFound")
    stop(cluster, mode)
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", reason)
    cluster.furnish()
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == []


@MODES
@in_cluster()
async def test_a_job_that_waits_for_its_next_attempt_ends_at_once(
    cluster: Cluster, mode: str, reason: str, word: str
) -> None:
    await running(cluster, retryStrategy=RETRIES)
    cluster.jobs.finish("job-1", 7)
    await cluster.pass_time(2)
    stop(cluster, mode)
    await cluster.pass_time(60)
    assert cluster.state() == ("Failed", reason)
    (attempt,) = cluster.status()["attempts"]
    assert (attempt["reason"], attempt["exitCode"]) == ("NonZeroExit", 7)
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_a_job_may_be_submitted_held_and_is_released(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit(suspend=True)
    await cluster.pass_time(1)
    cluster.submit("later")
    await cluster.pass_time(1)
    assert cluster.state() == ("Runnable", "Suspended")
    assert cluster.kube_jobs() == ["later-1"], "a held job holds nobody up"
    cluster.submit("last")
    await cluster.pass_time(10)
    cluster.change(suspend=False)
    await cluster.pass_time(1)
    assert (cluster.state(), cluster.status()["queuePosition"]) == (("Runnable", "WaitingInQueue"), 2)
    assert observed(cluster)
    cluster.jobs.finish("later-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["last-1", "later-1"], "its place counts from its release"


@in_cluster()
async def test_a_held_job_stays_held_whatever_happens_around_it(cluster: Cluster) -> None:
    await cluster.start_operator()
    cluster.submit(suspend=True)
    await cluster.pass_time(2)
    assert cluster.state() == ("Pending", "Suspended")
    assert "JobDefinition transcode does not exist" in cluster.status()["message"]
    cluster.furnish()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "Suspended")
    await cluster.restart_operator()
    await cluster.pass_time(3600)
    assert (cluster.state(), cluster.kube_jobs()) == (("Runnable", "Suspended"), [])
    cluster.change(suspend=False)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_a_hold_between_two_attempts_holds_the_next(cluster: Cluster) -> None:
    await running(cluster, retryStrategy=RETRIES)
    cluster.change(suspend=True)
    await cluster.pass_time(2)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert "spec.suspend holds only what has not started" in cluster.status()["message"]
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(600)
    assert (cluster.state(), cluster.kube_jobs()) == (("Runnable", "Suspended"), ["job-1"])
    cluster.change(suspend=False)
    await cluster.pass_time(2)
    assert cluster.state() == ("Starting", "CreatingPod")
    assert cluster.kube_jobs() == ["job-1", "job-2"]


# What runs.


@in_cluster(graceful=True)
async def test_a_running_job_is_terminated_once_its_container_has_ended(cluster: Cluster) -> None:
    await running(cluster, cpu="1", retryStrategy=RETRIES)
    cluster.submit("next")
    stop(cluster, "Terminate")
    await cluster.pass_time(20)
    job = cluster.kube_job("job-1")
    assert "deletionTimestamp" in job["metadata"]
    assert cluster.state() == ("Running", "Stopping")
    assert cluster.kube_jobs() == ["job-1"], "its place was given away while it ran"
    pod = cluster.jobs.pod(job)
    ended = {"exitCode": 143, "reason": "Error", "finishedAt": cluster.store.timestamp()}
    containers = [{"name": each["name"], "state": {"terminated": ended}} for each in pod["spec"]["containers"]]
    pod["status"] = {"phase": "Failed", "containerStatuses": containers}
    cluster.store.update(PODS, pod, status=True)
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["job-1"]
    cluster.jobs.terminate(job)
    await cluster.pass_time(1)
    status = cluster.status()
    assert (cluster.state(), status["message"]) == (("Failed", "Terminated"), "terminated: wrong input")
    (attempt,) = status["attempts"]
    assert (attempt["reason"], attempt["exitCode"]) == ("Terminated", 143)
    assert attempt["stoppedAt"] == status["stoppedAt"]
    assert cluster.kube_jobs() == ["next-1"]
    assert cluster.events() == []


@in_cluster()
async def test_cancel_lets_a_run_go_on_and_is_the_end_of_attempts(cluster: Cluster) -> None:
    await running(cluster, retryStrategy=RETRIES)
    stop(cluster, "Cancel")
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert "Cancel ends only what has not started" in cluster.status()["message"]
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(60)
    assert cluster.state() == ("Failed", "Cancelled")
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_a_cancelled_run_may_succeed(cluster: Cluster) -> None:
    await running(cluster)
    stop(cluster, "Cancel")
    await cluster.pass_time(5)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster(graceful=True)
async def test_cancel_can_be_raised_to_terminate(cluster: Cluster) -> None:
    await running(cluster)
    stop(cluster, "Cancel")
    await cluster.pass_time(5)
    stop(cluster, "Terminate")
    await cluster.pass_time(2)
    assert cluster.state() == ("Running", "Stopping")
    cluster.jobs.terminate("job-1")
    await cluster.pass_time(2)
    assert cluster.state() == ("Failed", "Terminated")


@pytest.mark.parametrize("wish", [{"suspend": True}, {"stop": {"mode": "Terminate", "reason": "too late"}}])
@in_cluster()
async def test_a_job_that_has_ended_stays_as_it_is(cluster: Cluster, wish: dict[str, Any]) -> None:
    process = await running(cluster)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    before, writes = cluster.get("BatchJob", "job"), len(process.writes(BATCHJOBS, JOBS))
    cluster.change(**wish)
    await cluster.pass_time(60)
    after = cluster.status()
    assert observed(cluster)
    assert len(process.writes(BATCHJOBS, JOBS)) == writes + 1
    generations = {"observedGeneration": 2, "conditions": after["conditions"]}
    assert after == {**before["status"], **generations}
    assert [each["lastTransitionTime"] for each in after["conditions"]] == [
        each["lastTransitionTime"] for each in before["status"]["conditions"]
    ]
    assert cluster.kube_jobs() == ["job-1"]


# While things go wrong.


@pytest.mark.parametrize("orderly", [True, False])
@in_cluster(graceful=True)
async def test_what_was_asked_while_the_operator_was_away_counts(cluster: Cluster, orderly: bool) -> None:
    first = await cluster.set_up(cpu="2")
    for name in ("run", "ended", "waits", "held"):
        cluster.submit(name)
        await cluster.pass_time(1)
    for name in ("run-1", "ended-1"):
        cluster.jobs.start(name)
    await cluster.pass_time(2)
    await first.end(orderly=orderly)
    for name in ("run", "ended", "waits"):
        stop(cluster, "Terminate", name)
    cluster.change("held", suspend=True)
    cluster.jobs.finish("ended-1")
    await cluster.start_operator()
    await cluster.pass_time(40)
    assert cluster.state("ended") == ("Succeeded", "Completed")
    assert cluster.state("waits") == ("Failed", "Terminated")
    assert cluster.state("held") == ("Runnable", "Suspended")
    assert cluster.state("run") == ("Running", "Stopping")
    cluster.jobs.terminate("run-1")
    await cluster.pass_time(2)
    assert cluster.state("run") == ("Failed", "Terminated")
    assert cluster.kube_jobs() == ["ended-1"]


@pytest.mark.parametrize("seen", [True, False])
@in_cluster(graceful=True)
async def test_an_operator_that_dies_while_it_terminates_is_followed_by_one_that_goes_on(
    cluster: Cluster, seen: bool
) -> None:
    first = await running(cluster)
    stop(cluster, "Terminate")
    if not seen:
        first.api.cut_at_write(1, takes_effect=True)
    await cluster.pass_time(2)
    await first.kill()
    cluster.jobs.terminate("job-1")
    await cluster.start_operator()
    await cluster.pass_time(40)
    assert cluster.state() == ("Failed", "Terminated")
    assert cluster.kube_jobs() == []


@pytest.mark.parametrize("exists", [True, False])
@MODES
@in_cluster(graceful=True)
async def test_a_stop_that_races_with_the_creation_of_the_run(
    cluster: Cluster, mode: str, reason: str, word: str, exists: bool
) -> None:
    process = await cluster.set_up()
    process.api.lose_next("create", JOBS, after_effect=exists)
    cluster.submit()
    await cluster.pass_time(0.1)
    stop(cluster, mode)
    await cluster.pass_time(10)
    assert process.api.count("create", JOBS) == 1
    if not exists:
        assert (cluster.state(), cluster.kube_jobs()) == (("Failed", reason), [])
    elif mode == "Cancel":
        cluster.jobs.finish("job-1")
        await cluster.pass_time(5)
        assert cluster.state() == ("Succeeded", "Completed")
    else:
        assert cluster.state() == ("Starting", "Stopping")
        cluster.jobs.terminate("job-1")
        await cluster.pass_time(5)
        assert (cluster.state(), cluster.kube_jobs()) == (("Failed", reason), [])


@in_cluster()
async def test_a_stop_of_a_job_whose_run_is_not_taken_ends_it(cluster: Cluster) -> None:
    process = await cluster.set_up()
    process.api.fail_next("create", JOBS, Forbidden(403, "Forbidden", "exceeded quota"), times=100)
    cluster.submit()
    await cluster.pass_time(5)
    assert cluster.state() == ("Runnable", "CreateFailed")
    stop(cluster, "Cancel")
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", "Cancelled")


@in_cluster(graceful=True)
async def test_an_image_that_cannot_be_pulled_does_not_keep_a_job_from_being_terminated(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.wait("job-1", "ImagePullBackOff", "no such image")
    await cluster.pass_time(1)
    stop(cluster, "Terminate")
    await cluster.pass_time(1)
    assert cluster.state() == ("Starting", "Stopping")
    cluster.jobs.terminate("job-1")
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", "Terminated")
    assert "exitCode" not in cluster.status()["attempts"][0]


@in_cluster(graceful=True)
async def test_the_deletion_of_a_terminated_run_is_tried_until_it_works(cluster: Cluster) -> None:
    process = await running(cluster)
    process.api.lose_next("delete", JOBS, after_effect=False, times=4)
    stop(cluster, "Terminate")
    await cluster.pass_time(60)
    assert "deletionTimestamp" in cluster.kube_job("job-1")["metadata"]
    assert cluster.store.get(JOBS, "job-1", NAMESPACE)["metadata"]["finalizers"] == ["foregroundDeletion"]
