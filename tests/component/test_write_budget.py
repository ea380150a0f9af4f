"""What a job costs the API server: counted, not promised."""

from math import inf

import pytest

from batchyard.kube.resources import BATCHJOBS, COMPUTEENVIRONMENTS, CONTROLLER_REVISIONS, JOBQUEUES, JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process

BUDGET = 4


def cost(process: Process) -> list[str]:
    """The verbs of all writes that jobs cause one by one."""
    return [verb for verb, _ in process.writes(JOBS, BATCHJOBS, PODS)]


@in_cluster()
async def test_a_quick_job(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(0.1)
    cluster.jobs.start("job-1")
    await cluster.pass_time(0.1)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(60)
    assert cluster.state() == ("Succeeded", "Completed")
    assert len(cost(process)) <= 3


@in_cluster()
async def test_a_job_that_takes_its_time_at_every_step(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(0.1)
    job = cluster.kube_job("job-1")
    cluster.jobs.schedule(job, "node-1")
    await cluster.pass_time(30)
    assert cluster.state() == ("Starting", "StartingContainer")
    cluster.jobs.start(job)
    await cluster.pass_time(3600)
    assert cluster.state() == ("Running", "ContainerRunning")
    cluster.jobs.finish(job)
    await cluster.pass_time(600)
    assert cluster.state() == ("Succeeded", "Completed")
    assert len(cost(process)) <= BUDGET


@in_cluster()
async def test_a_job_that_fails(cluster: Cluster) -> None:
    process = await cluster.set_up()
    await cluster.submit_and_start()
    await cluster.pass_time(10)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(60)
    assert cluster.state() == ("Failed", "NonZeroExit")
    assert len(cost(process)) <= BUDGET


@in_cluster()
async def test_many_jobs_cost_no_more_each_and_their_queue_next_to_nothing(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="100")
    await cluster.pass_time(5)
    before = len(process.writes(JOBQUEUES, COMPUTEENVIRONMENTS, CONTROLLER_REVISIONS))
    for number in range(100):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(1)
    for name in cluster.kube_jobs():
        cluster.jobs.start(name)
    await cluster.pass_time(10)
    for name in cluster.kube_jobs():
        cluster.jobs.finish(name)
    await cluster.pass_time(60)
    assert {cluster.state(f"job-{number}") for number in range(100)} == {("Succeeded", "Completed")}
    assert len(cost(process)) <= BUDGET * 100
    assert len(process.writes(JOBQUEUES, COMPUTEENVIRONMENTS, CONTROLLER_REVISIONS)) - before <= 8


@in_cluster()
async def test_a_job_that_has_ended_costs_nothing_more(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    before = cost(process)
    again = await cluster.restart_operator(orderly=True)
    cluster.delete_kube_job("job-1")
    await cluster.pass_time(3600)
    assert len(before) <= BUDGET
    assert cost(again) == []


@in_cluster(graceful=True)
async def test_a_job_that_is_held_released_and_terminated_costs_one_write_for_each_wish(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit(suspend=True)
    await cluster.pass_time(5)
    assert cost(process) == ["patch"]
    cluster.change(suspend=False)
    await cluster.pass_time(5)
    cluster.jobs.start("job-1")
    await cluster.pass_time(5)
    before = cost(process)
    assert len(before) <= BUDGET
    cluster.change(stop={"mode": "Terminate", "reason": "no longer needed"})
    await cluster.pass_time(5)
    cluster.jobs.finish("job-1", 143)
    await cluster.pass_time(600)
    assert cluster.state() == ("Failed", "Terminated")
    assert cost(process)[len(before) :] == ["delete", "patch", "patch"]


@in_cluster()
async def test_a_cancelled_job_costs_no_write_more_than_its_end(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="1")
    cluster.submit("first")
    cluster.submit()
    await cluster.pass_time(5)
    before = len(cost(process))
    cluster.change(stop={"mode": "Cancel", "reason": "no longer needed"})
    await cluster.pass_time(60)
    assert cluster.state() == ("Failed", "Cancelled")
    assert len(cost(process)) == before + 1


@in_cluster()
async def test_a_job_that_waits_long_is_written_seldom(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="1")
    cluster.submit("first")
    cluster.submit("second")
    await cluster.pass_time(5)
    before = len(cost(process))
    await cluster.pass_time(24 * 60)
    assert len(cost(process)) == before + 1, "what is free, once"


@in_cluster()
async def test_estimates_of_the_start_cost_a_job_that_waits_long_little(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue of fifty that moves on every ten minutes, with durations that vary."""

    async def writes(name: str) -> tuple[int, int]:
        process = cluster.process
        before = len(process.writes(BATCHJOBS)), len(process.writes(JOBQUEUES))
        cluster.submit(f"{name}-0")
        await cluster.pass_time(2)
        for number in range(1, waiting + 1):
            cluster.submit(f"{name}-{number}")
            await cluster.pass_time(1)
        for number, each in enumerate(durations):
            cluster.jobs.start(f"{name}-{number}-1")
            await cluster.pass_time(each)
            cluster.jobs.finish(f"{name}-{number}-1")
            await cluster.pass_time(5)
        after = len(process.writes(BATCHJOBS)), len(process.writes(JOBQUEUES))
        for job in cluster.store.objects(BATCHJOBS):
            cluster.delete("BatchJob", job["metadata"]["name"])
        await cluster.pass_time(60)
        return after[0] - before[0], after[1] - before[1]

    waiting = 50
    durations = (600, 300, 800, 700, 500, 600, 850, 400, 600, 600)
    await cluster.set_up(cpu="1", timeout={"attemptDurationSeconds": 900})
    monkeypatch.setattr("batchyard.core.insight.queueposition.LEAST_PAUSE_SECONDS", inf)
    jobs_without, queue_without = await writes("silent")
    monkeypatch.undo()
    jobs_with, queue_with = await writes("told")
    assert jobs_with - jobs_without <= 2 * waiting, "of jobs that wait for up to one and a half hours"
    assert queue_with - queue_without <= 15
