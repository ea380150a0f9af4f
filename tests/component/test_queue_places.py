"""Nobody keeps a place in a queue by a job that could not have been queued: held, or naming what does not exist."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes.cluster import Cluster, in_cluster
from objects.specs import asking_container

Release = Callable[[], Any]


def held(cluster: Cluster, **spec: Any) -> Release:
    cluster.submit("early", suspend=True, **spec)
    return lambda: cluster.submit("early", suspend=False, **spec)


def held_array(cluster: Cluster) -> Release:
    return held(cluster, array={"size": 2})


def undefined(cluster: Cluster) -> Release:
    cluster.submit("early", jobDefinition="to-come")
    container = asking_container()
    return lambda: cluster.put("JobDefinition", "to-come", container=container)


def after_a_held_job(cluster: Cluster) -> Release:
    """It ends as soon as it is released."""
    cluster.submit("other", suspend=True, jobQueue="aside")
    cluster.submit("early", dependsOn=[{"job": "other"}])
    return lambda: cluster.submit("other", suspend=False, jobQueue="aside")


def after_one_that_comes_late(cluster: Cluster) -> Release:
    cluster.submit("early", dependsOn=[{"job": "other"}])
    return lambda: cluster.submit("other", jobQueue="aside")


WAYS = (held, held_array, undefined, after_a_held_job, after_one_that_comes_late)


async def line(cluster: Cluster) -> list[str]:
    """The jobs in the order in which they start, one at a time."""
    order: list[str] = []
    for _ in range(12):
        await cluster.pass_time(3)
        for job in cluster.kube_jobs():
            name = job.rsplit("-", 1)[0]
            if name not in (*order, "other"):
                order.append(name)
            shown = cluster.kube_job(job)
            if shown["spec"].get("completionMode") == "Indexed":
                for index in cluster.jobs.indexed.active(job):
                    cluster.jobs.indexed.finish(job, index)
            elif not shown["status"].get("conditions"):
                cluster.jobs.finish(shown)
    return order


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("way", WAYS)
@in_cluster()
async def test_the_place_of_a_job_counts_from_its_release(
    cluster: Cluster, way: Callable[[Cluster], Release], restart: bool
) -> None:
    cluster.furnish(cpu="1")
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=1)
    cluster.add_node("beside", pool="beside")
    cluster.put("ComputeEnvironment", "beside", unmanaged={"nodeSelector": {"pool": "beside"}})
    cluster.put("JobQueue", "aside", computeEnvironments=["beside"])
    await cluster.start_operator()
    cluster.submit("running")
    await cluster.pass_time(5)
    release = way(cluster)
    await cluster.pass_time(5)
    cluster.submit("honest")
    await cluster.pass_time(10)
    release()
    await cluster.pass_time(5)
    if way in (after_a_held_job, after_one_that_comes_late):
        cluster.jobs.finish("other-1")
        await cluster.pass_time(5)
    assert cluster.status("early")["queuedAt"] > cluster.get("BatchJob", "honest")["metadata"]["creationTimestamp"]
    cluster.submit("later")
    if restart:
        await cluster.restart_operator()
    assert await line(cluster) == ["running", "honest", "early", "later"]


@in_cluster()
async def test_what_is_applied_together_in_any_order_has_its_place_from_then(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("running")
    await cluster.pass_time(5)
    cluster.submit("first", jobDefinition="together")
    await cluster.pass_time(2)
    cluster.submit("second")
    cluster.define("together")
    await cluster.pass_time(2)
    assert await line(cluster) == ["running", "first", "second"]


@pytest.mark.parametrize("kill", [False, True])
@in_cluster()
async def test_an_array_that_waits_says_why_also_after_a_restart(cluster: Cluster, kill: bool) -> None:
    cluster.furnish(cpu="1")
    cluster.put("JobQueue", "urgent", jobStateTimeLimits=[{"reason": "InsufficientCapacity", "maxTimeSeconds": 600}])
    await cluster.start_operator()
    for name in ("first", "head", "behind"):
        cluster.submit(name, **({} if name == "first" else {"array": {"size": 2}}))
        await cluster.pass_time(1)
    await cluster.pass_time(30)
    before = {name: cluster.status(name) for name in ("head", "behind")}
    assert before["head"]["message"].startswith("next in queue urgent; needs 1 vCPU")
    assert before["behind"]["message"].startswith("position 2 in queue urgent")
    await cluster.restart_operator(orderly=not kill)
    await cluster.pass_time(30)
    for name, status in before.items():
        assert cluster.status(name)["message"] == status["message"]
    assert cluster.status("head")["heldSince"] == before["head"]["heldSince"]
    await cluster.pass_time(570)
    assert cluster.state("head") == ("Failed", "StateTimeLimitExceeded")
