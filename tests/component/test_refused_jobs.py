"""Kubernetes Jobs that the API server does not take: the job says its words, gives its place back and tries again."""

import pytest

from batchyard.kube.errors import ApiError, Unavailable, from_status
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBS
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process
from objects.answers import BY_POLICY, BY_WEBHOOK, NOT_ASKED

OFTEN = 1000
TOO_LARGE = [(413, "Request entity too large: limit is 3145728"), (500, "etcdserver: request is too large")]


def answer(code: int, message: str, reason: str = "") -> ApiError:
    return from_status(code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message})


REFUSALS = [
    answer(403, "exceeded quota: tight", "Forbidden"),
    answer(404, 'namespaces "media" not found', "NotFound"),
    answer(400, BY_WEBHOOK),
    answer(422, BY_POLICY, "Invalid"),
    answer(500, NOT_ASKED, "InternalError"),
    answer(500, "Internal error occurred: something odd", "InternalError"),
    answer(503, "no endpoints available", "ServiceUnavailable"),
    answer(429, "too many requests, please try again later", "TooManyRequests"),
    Unavailable(0, "Timeout", "the API server fell silent"),
]


def refuse(process: Process, prefix: str, error: ApiError) -> None:
    """From now on, take no Kubernetes Job whose name begins so."""
    original = process.api.create

    async def create(resource: object, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        if resource == JOBS and not dry_run and body["metadata"]["name"].startswith(prefix):
            raise error
        return await original(resource, body, namespace, dry_run=dry_run)  # type: ignore[arg-type]

    process.api.create = create  # type: ignore[method-assign]


def accept(process: Process) -> None:
    del process.api.create


@pytest.mark.parametrize("array", [{}, {"array": {"size": 4}}], ids=["single", "array"])
@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: f"{error.status}-{error.message[:12]}")
@in_cluster()
async def test_a_refusal_gives_the_place_back_within_seconds(
    cluster: Cluster, error: ApiError, array: dict[str, object]
) -> None:
    process = await cluster.set_up(cpu="4", request="4")
    refuse(process, "broken", error)
    cluster.submit("broken", **array)
    await cluster.pass_time(10)
    status = cluster.status("broken")
    assert (status["reason"], status["message"]) == ("CreateFailed", error.message)
    cluster.submit("fine")
    await cluster.pass_time(3)
    assert cluster.state("fine") == ("Starting", "CreatingPod")
    cluster.jobs.finish("fine-1")
    accept(process)
    for _ in range(60):
        await cluster.pass_time(10)
        if "broken-1" in cluster.kube_jobs():
            break
    assert "broken-1" in cluster.kube_jobs()


@in_cluster()
async def test_a_refused_job_waits_ever_longer(cluster: Cluster) -> None:
    process = await cluster.set_up()
    process.api.fail_next("create", JOBS, REFUSALS[0], times=OFTEN)
    cluster.submit()
    await cluster.pass_time(60)
    first_minute = process.api.count("create", JOBS)
    await cluster.pass_time(3600)
    assert 3 <= first_minute <= 8
    assert process.api.count("create", JOBS) - first_minute <= 30


@pytest.mark.parametrize("takes_effect", [True, False])
@in_cluster()
async def test_a_job_whose_creation_is_not_answered_runs_once(cluster: Cluster, takes_effect: bool) -> None:
    process = await cluster.set_up(cpu="4", request="4")
    process.api.lose_next("create", JOBS, after_effect=takes_effect, times=3)
    cluster.submit()
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["job-1"]
    assert cluster.state() == ("Starting", "CreatingPod")


@pytest.mark.parametrize("mode", ["Cancel", "Terminate"])
@pytest.mark.parametrize("error", [REFUSALS[0], REFUSALS[-1]], ids=["refused", "not answered"])
@in_cluster()
async def test_a_job_that_waits_for_another_try_can_be_stopped_at_once(
    cluster: Cluster, mode: str, error: ApiError
) -> None:
    process = await cluster.set_up()
    process.api.fail_next("create", JOBS, error, times=OFTEN)
    cluster.submit()
    await cluster.pass_time(120)
    cluster.submit(stop={"mode": mode, "reason": "not needed"})
    await cluster.pass_time(3)
    assert cluster.status()["state"] == "Failed"
    assert cluster.state()[1] in ("Cancelled", "Terminated")


@in_cluster()
async def test_a_refused_status_is_tried_again_and_harms_nobody(cluster: Cluster) -> None:
    process = await cluster.set_up()
    original = process.api.replace_status

    async def replace_status(resource: object, name: str, *rest: object, uid: str) -> Object:
        if name == "large":
            process.api.writes.append(("patch", BATCHJOBS, name))
            raise answer(413, "Request entity too large", "RequestEntityTooLarge")
        return await original(resource, name, *rest, uid=uid)  # type: ignore[arg-type]

    process.api.replace_status = replace_status  # type: ignore[method-assign,assignment]
    cluster.submit("large")
    cluster.submit("other")
    await cluster.pass_time(600)
    assert cluster.state("other") == ("Starting", "CreatingPod")
    assert process.writes(BATCHJOBS).count(("patch", "large")) <= 40
    del process.api.replace_status
    await cluster.pass_time(40)
    assert cluster.state("large") == ("Starting", "CreatingPod")


@pytest.mark.parametrize("array", [{}, {"array": {"size": 4}}], ids=["single", "array"])
@pytest.mark.parametrize(("code", "words"), TOO_LARGE)
@in_cluster()
async def test_a_job_that_is_too_large_fails_and_says_what_to_shorten(
    cluster: Cluster, code: int, words: str, array: dict[str, object]
) -> None:
    process = await cluster.set_up()
    refuse(process, "broken", answer(code, words))
    cluster.submit("broken", **array)
    await cluster.pass_time(10)
    assert cluster.state("broken") == ("Failed", "JobRejected")
    message = cluster.status("broken")["message"]
    assert f"the Kubernetes Job is larger than the API server takes ({words}): shorten spec.parameters" in message
