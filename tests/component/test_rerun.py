"""Chosen indexes of an earlier array that run again in a new one, through the whole operator."""

from typing import Any

import pytest

from batchyard.api import names
from fakes.cluster import Cluster, in_cluster

FAILED: dict[str, Any] = {"size": 5, "rerun": {"job": "old"}}


async def end_old(cluster: Cluster, *failing: int, size: int = 5) -> None:
    """Run an array to its end; these indexes of it fail."""
    cluster.submit("old", array={"size": size})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("old-1", *failing, exit_code=1)
    cluster.jobs.indexed.finish("old-1", *(set(range(size)) - set(failing)))
    await cluster.pass_time(3)


async def finish(cluster: Cluster, *names: str, exit_code: int = 0) -> None:
    for name in names:
        cluster.jobs.finish(name, exit_code)
    await cluster.pass_time(3)


@in_cluster()
async def test_failed_indexes_run_again(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    await end_old(cluster, 1, 3)
    new = cluster.submit("new", array=FAILED)
    await cluster.pass_time(3)
    assert cluster.kube_jobs("new-") == ["new-1-i1", "new-1-i3"]
    assert cluster.status("new")["message"] == "0 of 2 chosen indexes run, 2 start, 0 succeeded, 0 failed"
    shown = cluster.array_status("new")
    assert (shown["size"], shown["chosenIndexes"], shown["succeededBeforeIndexes"]) == (5, "1,3", "0,2,4")
    pod = cluster.kube_job("new-1-i3")["spec"]["template"]
    env = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
    assert (env["AWS_BATCH_JOB_ARRAY_SIZE"], env["AWS_BATCH_JOB_ATTEMPT"]) == ("5", "1")
    assert env["AWS_BATCH_JOB_ID"] == f"{new['metadata']['uid']}:$(AWS_BATCH_JOB_ARRAY_INDEX)"
    assert pod["metadata"]["annotations"][names.COMPLETION_INDEX] == "3"
    await finish(cluster, "new-1-i1")
    assert cluster.array_status("new")["progress"] == "1/2"
    await finish(cluster, "new-1-i3")
    assert cluster.state("new") == ("Succeeded", "Completed")
    assert cluster.status("new")["message"] == "all 2 chosen indexes succeeded"
    assert "failedIndexes" not in cluster.array_status("new")


@in_cluster()
async def test_given_indexes_run_again_with_retries_and_ends_of_their_own(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8", retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 1, "jitter": 0}})
    cluster.submit("old", array={"size": 5})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("old-1", *range(5))
    await cluster.pass_time(3)
    chosen = {"size": 5, "rerun": {"job": "old", "indexes": "0,2-3"}}
    cluster.submit("new", array=chosen)
    await cluster.pass_time(3)
    cluster.submit("new", array=chosen, stopIndexes=[{"indexes": "3-4", "reason": "bad input"}])
    await finish(cluster, "new-1-i0")
    await finish(cluster, "new-1-i2", exit_code=1)
    assert cluster.kube_jobs("new-") == ["new-1-i0", "new-1-i2", "new-2-i2"]
    await finish(cluster, "new-2-i2", exit_code=1)
    assert cluster.state("new") == ("Failed", "IndexesFailed")
    assert cluster.status("new")["message"].startswith("2 of 3 chosen indexes failed: 2-3; first seen: index 3: ")
    assert (cluster.array_status("new")["succeededIndexes"], cluster.array_status("new")["failedIndexes"]) == (
        "0",
        "2-3",
    )


@in_cluster()
async def test_the_earlier_one_is_waited_for_and_may_then_go(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("new", array=FAILED)
    await cluster.pass_time(2)
    assert cluster.state("new") == ("Pending", "DependencyNotFound")
    assert cluster.status("new")["message"].startswith("waits for BatchJob old to end; old does not exist")
    cluster.submit("old", array={"size": 5, "maxFailedIndexes": 0})
    await cluster.pass_time(2)
    assert cluster.state("new") == ("Pending", "WaitingForDependencies")
    cluster.jobs.indexed.finish("old-1", 0)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("old-1", 1, exit_code=1)
    await cluster.pass_time(5)
    assert cluster.state("old") == ("Failed", "TooManyFailedIndexes")
    assert cluster.kube_jobs("new-") == ["new-1-i1"]
    cluster.delete("BatchJob", "old")
    await cluster.pass_time(2)
    await cluster.restart_operator()
    await cluster.pass_time(20)
    for index in range(1, 5):
        await finish(cluster, f"new-1-i{index}")
    assert cluster.state("new") == ("Succeeded", "Completed")
    assert (cluster.array_status("new")["succeededIndexes"], cluster.array_status("new")["progress"]) == ("1-4", "4/4")


@pytest.mark.parametrize(
    ("old", "new", "state", "says"),
    [
        ({"array": {"size": 2}}, {"job": "old"}, ("Failed", "NothingToRerun"), "every index of BatchJob old has"),
        ({}, {"job": "old"}, ("Failed", "InvalidSpec"), "BatchJob old is no array"),
        ({"array": {"size": 3}}, {"job": "old"}, ("Failed", "InvalidSpec"), "BatchJob old has 3 indexes"),
        ({}, {"job": "old", "indexes": "1-2"}, ("Failed", "InvalidSpec"), "indexes has 2, but"),
        ({}, {"job": "old", "indexes": "all"}, ("Failed", "InvalidSpec"), "must be Failed, or indexes and ranges"),
    ],
)
@in_cluster()
async def test_what_cannot_run_again_fails_with_a_sentence(
    cluster: Cluster, old: dict[str, Any], new: dict[str, Any], state: tuple[str, str], says: str
) -> None:
    await cluster.set_up()
    cluster.submit("old", **old)
    await cluster.pass_time(2)
    if "array" in old:
        cluster.jobs.indexed.finish("old-1", *range(old["array"]["size"]))
    else:
        cluster.jobs.finish("old-1")
    await cluster.pass_time(3)
    cluster.submit("new", array={"size": 2, "rerun": new})
    await cluster.pass_time(2)
    assert cluster.state("new") == state
    assert says in cluster.status("new")["message"]
    assert (cluster.array_status("new")["failed"] == 0) == (state[1] == "NothingToRerun")


@in_cluster()
async def test_all_of_an_array_that_never_started_can_run_again(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("old", array={"size": 2}, shareIdentifier="nobody")
    await cluster.pass_time(2)
    assert cluster.state("old") == ("Failed", "ShareIdentifierNotAllowed")
    cluster.submit("new", array={"size": 2, "rerun": {"job": "old"}})
    await cluster.pass_time(3)
    assert cluster.kube_jobs("new-") == ["new-1-i0", "new-1-i1"]


@in_cluster()
async def test_those_that_wait_for_single_indexes_see_the_earlier_ones_too(cluster: Cluster) -> None:
    await cluster.set_up(cpu="16")
    await end_old(cluster, 1, 3)
    cluster.submit("new", array={"size": 5, "rerun": {"job": "old", "indexes": "1"}})
    cluster.submit("next", array={"size": 5}, dependsOn=[{"job": "new", "type": "NToN"}])
    await cluster.pass_time(3)
    assert cluster.kube_jobs("next-") == [f"next-1-i{index}" for index in (0, 2, 4)]
    assert cluster.array_status("next")["failedIndexes"] == "3"
    await finish(cluster, "new-1-i1")
    assert cluster.state("new") == ("Succeeded", "Completed")
    assert "next-1-i1" in cluster.kube_jobs("next-")
    cluster.submit("late", array={"size": 5}, dependsOn=[{"job": "new", "type": "NToN"}])
    cluster.submit("newer", array={"size": 5, "rerun": {"job": "new"}})
    await cluster.pass_time(3)
    assert cluster.kube_jobs("late-") == [f"late-1-i{index}" for index in (0, 1, 2, 4)]
    assert cluster.kube_jobs("newer-") == ["newer-1-i3"]


@in_cluster()
async def test_the_rest_of_a_sequence_runs_on_where_it_broke(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    in_turn = [{"type": "Sequential"}]
    cluster.submit("old", array={"size": 4}, dependsOn=in_turn)
    await cluster.pass_time(2)
    await finish(cluster, "old-1-i0")
    await finish(cluster, "old-1-i1", exit_code=1)
    cluster.submit("new", array={"size": 4, "rerun": {"job": "old"}}, dependsOn=in_turn)
    for index in (1, 2, 3):
        await cluster.pass_time(2)
        assert cluster.kube_jobs("new-") == [f"new-1-i{each}" for each in range(1, index + 1)]
        await finish(cluster, f"new-1-i{index}")
    assert cluster.state("new") == ("Succeeded", "Completed")


@in_cluster()
async def test_a_circle_is_found(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit("old", array={"size": 2, "rerun": {"job": "new"}})
    cluster.submit("new", array={"size": 2, "rerun": {"job": "old"}})
    await cluster.pass_time(3)
    assert {cluster.state(name) for name in ("old", "new")} == {("Failed", "DependencyCycle")}


@in_cluster()
async def test_a_chosen_index_that_cannot_start_says_why(cluster: Cluster) -> None:
    """There is no Indexed Job; what its pod waited for is remembered all the same when it is deleted for that."""
    await cluster.set_up(cpu="8", startupGraceSeconds=30)
    await end_old(cluster, 1, 3)
    cluster.submit("new", array=FAILED)
    await cluster.pass_time(3)
    cluster.jobs.wait("new-1-i1", "ImagePullBackOff", "no such image")
    cluster.jobs.start("new-1-i3")
    await cluster.pass_time(60)
    await finish(cluster, "new-1-i3")
    assert cluster.array_status("new")["failedIndexes"] == "1"
    assert cluster.array_status("new")["firstFailures"][0]["reason"] == "CannotStartContainer"
