"""Jobs that wait for jobs, through the whole operator: what it says, what it remembers, what it costs."""

from typing import Any

import pytest

from batchyard.core.model.job import BatchJob
from batchyard.core.planner import settle
from batchyard.kube.errors import NotFound
from batchyard.kube.resources import BATCHJOBS
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process

WAITING = ("Pending", "WaitingForDependencies")
STARTED = ("Starting", "CreatingPod")


def submit(cluster: Cluster, name: str, *others: str, **types: str) -> None:
    entries = [{"job": other} for other in others] + [{"job": job, "type": kind} for job, kind in types.items()]
    cluster.submit(name, dependsOn=entries)


async def finish(cluster: Cluster, name: str, exit_code: int = 0) -> None:
    cluster.jobs.finish(f"{name}-1", exit_code)
    await cluster.pass_time(1)


def ended(cluster: Cluster, name: str) -> list[str]:
    """The dependencies that the stored status remembers."""
    return [each["job"] for each in cluster.status(name).get("dependencies", ())]


def cost(process: Process, name: str) -> int:
    """Writes of a job's status."""
    return process.writes(BATCHJOBS).count(("patch", name)) + process.writes(BATCHJOBS).count(("update", name))


@in_cluster()
async def test_a_chain_runs_one_after_the_other_at_one_more_write_each(cluster: Cluster) -> None:
    process = await cluster.set_up()
    submit(cluster, "report", "analyse")
    submit(cluster, "analyse", "fetch")
    submit(cluster, "fetch")
    await cluster.pass_time(1)
    assert cluster.state("analyse") == cluster.state("report") == WAITING
    assert cluster.status("report")["message"] == "waits for BatchJob analyse to succeed"
    assert cluster.status("report")["jobDefinition"] == "transcode:1"
    for number, name in enumerate(("fetch", "analyse", "report"), start=1):
        assert len(cluster.kube_jobs()) == number
        cluster.jobs.start(f"{name}-1")
        await cluster.pass_time(30)
        await finish(cluster, name)
    assert {cluster.state(name)[0] for name in ("fetch", "analyse", "report")} == {"Succeeded"}
    assert ended(cluster, "report") == ["analyse"]
    assert [cost(process, name) for name in ("analyse", "report")] == [cost(process, "fetch") + 1] * 2


@in_cluster()
async def test_a_job_waits_for_all_and_their_ends_share_writes(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="50")
    names = [f"part-{number}" for number in range(20)]
    submit(cluster, "merge", *names)
    await cluster.pass_time(1)
    assert cluster.state("merge") == ("Pending", "DependencyNotFound")
    assert "part-7 and 12 more do not exist in namespace media yet" in cluster.status("merge")["message"]
    for name in names:
        submit(cluster, name)
    await cluster.pass_time(1)
    assert cluster.state("merge") == WAITING
    before = cost(process, "merge")
    for name in names:
        assert "merge-1" not in cluster.kube_jobs()
        await finish(cluster, name)
    await cluster.pass_time(1)
    assert cluster.state("merge") == STARTED
    assert ended(cluster, "merge") == names
    assert cost(process, "merge") == before + 2, "one write for the ends of 10 s, one for the start"


@in_cluster()
async def test_a_failure_goes_down_the_chain_at_once(cluster: Cluster) -> None:
    await cluster.set_up()
    submit(cluster, "link-0")
    for number in range(1, 50):
        submit(cluster, f"link-{number}", f"link-{number - 1}")
    submit(cluster, "cleanup", **{"link-49": "Finished"})
    submit(cluster, "alarm", **{"link-0": "Failed"})
    submit(cluster, "party", cleanup="Failed")
    await cluster.pass_time(1)
    await finish(cluster, "link-0", 3)
    assert {cluster.state(f"link-{number}") for number in range(1, 50)} == {("Failed", "DependencyNotMet")}
    message = cluster.status("link-49")["message"]
    assert message.startswith("BatchJob link-48 had to succeed but failed, because of BatchJob link-0 (NonZeroExit: ")
    assert cluster.condition("BatchJob", "link-49", "Failed")[0] == "True"
    assert sorted(cluster.kube_jobs()) == ["alarm-1", "cleanup-1", "link-0-1"]
    await finish(cluster, "cleanup")
    assert cluster.state("party") == ("Failed", "DependencyNotMet")
    assert "BatchJob cleanup had to fail but succeeded" in cluster.status("party")["message"]


@in_cluster()
async def test_what_ended_before_the_job_came_counts(cluster: Cluster) -> None:
    await cluster.set_up()
    submit(cluster, "fetch")
    await cluster.pass_time(1)
    await finish(cluster, "fetch")
    submit(cluster, "analyse", "fetch")
    await cluster.pass_time(1)
    assert cluster.state("analyse") == STARTED


async def half_done(cluster: Cluster) -> Process:
    """One dependency of two has ended."""
    process = await cluster.set_up()
    for name in ("fetch", "index"):
        submit(cluster, name)
    submit(cluster, "analyse", "fetch", "index")
    await cluster.pass_time(1)
    await finish(cluster, "fetch")
    assert cluster.state("analyse") == WAITING
    return process


async def restart(cluster: Cluster) -> None:
    await cluster.restart_operator()
    await cluster.pass_time(60)  # the lease of the one before has to run out


async def then_it_runs(cluster: Cluster) -> None:
    assert cluster.state("analyse") == WAITING
    assert cluster.status("analyse")["message"] == "waits for BatchJob index to succeed"
    await finish(cluster, "index")
    assert cluster.state("analyse") == STARTED


@in_cluster()
async def test_one_deleted_after_its_end_counts_though_the_operator_dies_right_after(cluster: Cluster) -> None:
    await half_done(cluster)
    assert ended(cluster, "analyse") == []
    cluster.delete("BatchJob", "fetch")
    await cluster.pass_time(1)
    assert ended(cluster, "analyse") == ["fetch"]
    await restart(cluster)
    await then_it_runs(cluster)


@in_cluster()
async def test_one_deleted_while_no_operator_runs_counts_once_its_end_was_written(cluster: Cluster) -> None:
    process = await half_done(cluster)
    await cluster.pass_time(30)
    assert ended(cluster, "analyse") == ["fetch"]
    await process.kill()
    cluster.delete("BatchJob", "fetch")
    await restart(cluster)
    await then_it_runs(cluster)


@in_cluster()
async def test_one_that_ended_while_no_operator_ran_counts(cluster: Cluster) -> None:
    process = await half_done(cluster)
    await process.kill()
    cluster.jobs.finish("index-1")
    await restart(cluster)
    assert cluster.state("analyse") == STARTED


@in_cluster()
async def test_one_that_removes_itself_counts(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit("fetch", ttlSecondsAfterFinished=0)
    submit(cluster, "index")
    submit(cluster, "analyse", "fetch", "index")
    await cluster.pass_time(1)
    await finish(cluster, "fetch")
    await cluster.pass_time(2)
    with pytest.raises(NotFound):
        cluster.get("BatchJob", "fetch")
    await restart(cluster)
    await then_it_runs(cluster)


@in_cluster()
async def test_one_that_removes_itself_is_there_until_its_end_is_remembered(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit("fetch", ttlSecondsAfterFinished=0)
    submit(cluster, "index")
    submit(cluster, "analyse", "fetch", "index")
    await cluster.pass_time(1)
    cluster.jobs.finish("fetch-1")
    await cluster.pass_time(0.5)
    process.api.lose_next("patch", BATCHJOBS, after_effect=False, times=4)
    await cluster.pass_time(2)
    assert cluster.state("fetch")[0] == "Succeeded"
    assert ended(cluster, "analyse") == []
    await cluster.pass_time(20)
    assert ended(cluster, "analyse") == ["fetch"]
    with pytest.raises(NotFound):
        cluster.get("BatchJob", "fetch")


@in_cluster()
async def test_nothing_starts_before_the_end_it_waits_for_is_stored(cluster: Cluster) -> None:
    process = await cluster.set_up()
    submit(cluster, "fetch")
    submit(cluster, "analyse", fetch="Sequential")
    await cluster.pass_time(1)
    process.api.lose_next("patch", BATCHJOBS, after_effect=False, times=3)
    await finish(cluster, "fetch")
    assert cluster.status("fetch")["state"] != "Succeeded"
    assert cluster.kube_jobs() == ["fetch-1"]
    await cluster.pass_time(10)
    assert cluster.state("fetch")[0] == "Succeeded"
    assert cluster.state("analyse") == STARTED


@in_cluster()
async def test_one_submitted_anew_after_its_end_is_not_waited_for_again(cluster: Cluster) -> None:
    await half_done(cluster)
    cluster.delete("BatchJob", "fetch")
    submit(cluster, "fetch")
    await cluster.pass_time(1)
    await then_it_runs(cluster)


@in_cluster()
async def test_one_deleted_before_its_end_is_waited_for_anew(cluster: Cluster) -> None:
    await half_done(cluster)
    cluster.delete("BatchJob", "index")
    await cluster.pass_time(2)
    assert cluster.state("analyse") == ("Pending", "DependencyNotFound")
    assert cluster.status("analyse")["message"].endswith("; index does not exist in namespace media yet")
    submit(cluster, "index")
    await cluster.pass_time(2)
    await then_it_runs(cluster)


@in_cluster()
async def test_every_job_of_a_circle_fails_and_says_why(cluster: Cluster) -> None:
    await cluster.set_up()
    submit(cluster, "a", "b")
    submit(cluster, "b", "c")
    submit(cluster, "outside", "a")
    await cluster.pass_time(5)
    submit(cluster, "c", a="Finished")
    await cluster.pass_time(2)
    assert {cluster.state(name) for name in "abc"} == {("Failed", "DependencyCycle")}
    assert "b -> c -> a -> b" in cluster.status("b")["message"]
    assert cluster.state("outside") == ("Failed", "DependencyNotMet")
    assert cluster.kube_jobs() == []
    cluster.delete("BatchJob", "c")
    submit(cluster, "c")
    await cluster.pass_time(2)
    assert cluster.state("c") == STARTED
    assert cluster.state("b") == ("Failed", "DependencyCycle"), "what has ended has ended"


@in_cluster()
async def test_a_circle_whose_other_jobs_had_no_time_to_fail_is_found_again(cluster: Cluster) -> None:
    process = await cluster.set_up()
    submit(cluster, "a", "b")
    submit(cluster, "b", "c")
    await cluster.pass_time(5)
    process.api.cut_at_write(1, takes_effect=True)
    submit(cluster, "c", a="Finished")
    await cluster.pass_time(2)
    assert sorted(cluster.state(name)[0] for name in "abc") != ["Failed"] * 3
    await restart(cluster)
    assert {cluster.state(name) for name in "abc"} == {("Failed", "DependencyCycle")}


@in_cluster()
async def test_a_search_for_circles_that_takes_long_is_not_repeated_soon(cluster: Cluster, monkeypatch: Any) -> None:
    monkeypatch.setattr("batchyard.runtime.loop.cyclesearch.SEARCH_SHARE", 1e-9)
    await cluster.set_up()
    submit(cluster, "a", "b")
    await cluster.pass_time(1)
    submit(cluster, "b", "a")
    await cluster.pass_time(30)
    assert cluster.state("a") == cluster.state("b") == WAITING
    await cluster.pass_time(40)
    assert cluster.state("a") == cluster.state("b") == ("Failed", "DependencyCycle")


@pytest.mark.parametrize("exit_code", [0, 1])
@in_cluster()
async def test_hundreds_of_dependents_are_found_without_looking_at_others(
    cluster: Cluster, exit_code: int, monkeypatch: Any
) -> None:
    process = await cluster.set_up(cpu="500")
    submit(cluster, "fetch")
    for number in range(300):
        submit(cluster, f"dependent-{number}", "fetch")
        submit(cluster, f"bystander-{number}", "never")
    await cluster.pass_time(5)
    cache = process.operator.cache
    assert len(cache.waiting_for(("media", "fetch"))) == 300
    settled: list[str] = []
    monkeypatch.setattr(
        "batchyard.core.planner.settle._settle_one",
        _counting(settled, settle._settle_one),
    )
    await finish(cluster, "fetch", exit_code)
    await cluster.pass_time(60)
    wanted = {"Failed"} if exit_code else {"Starting", "Runnable"}
    assert {cluster.state(f"dependent-{number}")[0] for number in range(300)} == wanted
    assert not any(name.startswith("bystander") for name in settled)
    assert settled.count("dependent-250") <= 4
    for number in range(300):
        cluster.delete("BatchJob", f"bystander-{number}")
        cluster.delete("BatchJob", f"dependent-{number}")
    await cluster.pass_time(5)
    assert not cache.dependents, "the index forgets"


def _counting(settled: list[str], original: Any) -> Any:
    def settle_one(snapshot: Any, surroundings: Any, job: BatchJob, *rest: Any) -> Any:
        settled.append(job.key[1])
        return original(snapshot, surroundings, job, *rest)

    return settle_one
