"""Arrays whose indexes wait for single indexes, through the whole operator."""

from typing import Any

import pytest

from fakes.cluster import Cluster, in_cluster

N_TO_N = {"dependsOn": [{"job": "first", "type": "NToN"}]}
SEQUENTIAL = {"dependsOn": [{"type": "Sequential"}]}


async def finish_all(cluster: Cluster, name: str, exit_code: int = 0) -> None:
    cluster.finish_all(f"{name}-", exit_code)
    await cluster.pass_time(3)


@in_cluster()
async def test_each_index_starts_when_its_partner_has_succeeded(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("second", array={"size": 4}, **N_TO_N)
    await cluster.pass_time(1)
    assert cluster.state("second") == ("Pending", "DependencyNotFound")
    cluster.submit("first", array={"size": 4, "maxConcurrency": 2})
    await cluster.pass_time(2)
    assert cluster.state("second") == ("Pending", "WaitingForDependencies")
    assert cluster.status("second")["message"] == "every index waits for the same index of BatchJob first"
    cluster.jobs.indexed.finish("first-1", 1)
    await cluster.pass_time(2)
    assert cluster.kube_jobs("second-") == ["second-1-i1"]
    assert cluster.status("second")["message"].endswith("3 wait: for the same index of BatchJob first")
    cluster.jobs.indexed.finish("first-1", 0, 2)
    cluster.jobs.indexed.finish("first-1", 3)
    await cluster.pass_time(3)
    assert cluster.kube_jobs("second-") == [f"second-1-i{index}" for index in range(4)]
    await finish_all(cluster, "second")
    assert cluster.state("second") == ("Succeeded", "Completed")
    assert cluster.array_status("second")["retries"] == 0


@in_cluster()
async def test_an_index_whose_partner_failed_never_runs(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("first", array={"size": 3})
    cluster.submit("second", array={"size": 3}, **N_TO_N)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", 1, exit_code=1)
    cluster.jobs.indexed.finish("first-1", 0, 2)
    await cluster.pass_time(4)
    assert cluster.state("first") == ("Failed", "IndexesFailed")
    await finish_all(cluster, "second")
    assert cluster.kube_jobs("second-") == ["second-1-i0", "second-1-i2"]
    assert cluster.state("second") == ("Failed", "IndexesFailed")
    (failure,) = cluster.array_status("second")["firstFailures"]
    assert (failure["index"], failure["attempt"], failure["reason"]) == (1, 0, "DependencyNotMet")
    assert failure["message"] == "the same index of BatchJob first failed"


@in_cluster()
async def test_a_sequence_runs_one_index_at_a_time(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("steps", array={"size": 3}, **SEQUENTIAL)
    for index in range(3):
        await cluster.pass_time(2)
        assert cluster.kube_jobs("steps-") == [f"steps-1-i{before}" for before in range(index + 1)]
        cluster.jobs.finish(f"steps-1-i{index}")
    await cluster.pass_time(3)
    assert cluster.state("steps") == ("Succeeded", "Completed")


@in_cluster()
async def test_a_sequence_ends_with_its_first_failure(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("steps", array={"size": 4}, **SEQUENTIAL)
    await cluster.pass_time(2)
    cluster.jobs.finish("steps-1-i0")
    await cluster.pass_time(2)
    cluster.jobs.finish("steps-1-i1", 1)
    await cluster.pass_time(3)
    assert cluster.state("steps") == ("Failed", "IndexesFailed")
    assert (cluster.array_status("steps")["succeededIndexes"], cluster.array_status("steps")["failedIndexes"]) == (
        "0",
        "1-3",
    )
    assert cluster.array_status("steps")["firstFailures"][1]["message"] == "index 1 failed"


@pytest.mark.parametrize(
    ("first", "says"),
    [({"array": {"size": 5}}, "BatchJob first has 5 indexes"), ({}, "BatchJob first is no array")],
)
@in_cluster()
async def test_what_cannot_go_index_by_index_is_told(cluster: Cluster, first: dict[str, Any], says: str) -> None:
    await cluster.set_up()
    cluster.submit("second", array={"size": 4}, **N_TO_N)
    cluster.submit("first", **first)
    await cluster.pass_time(2)
    assert cluster.state("second") == ("Failed", "DependencyNotMet")
    assert says in cluster.status("second")["message"]


@in_cluster()
async def test_a_circle_of_arrays_is_found(cluster: Cluster) -> None:
    await cluster.set_up()
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        cluster.submit(name, array={"size": 2}, dependsOn=[{"job": other, "type": "NToN"}])
        await cluster.pass_time(2)
    assert {cluster.state(name) for name in "abc"} == {("Failed", "DependencyCycle")}


@in_cluster()
async def test_a_partner_that_is_deleted_after_its_end_still_counts(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("first", array={"size": 2})
    cluster.submit("second", array={"size": 2}, **N_TO_N)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", 0)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", 1, exit_code=1)
    await cluster.pass_time(15)
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(2)
    await cluster.restart_operator()
    await cluster.pass_time(20)
    await finish_all(cluster, "second")
    assert cluster.state("second") == ("Failed", "IndexesFailed")
    assert cluster.array_status("second")["succeededIndexes"] == "0"


@in_cluster()
async def test_a_killed_operator_starts_no_index_twice(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("first", array={"size": 4})
    cluster.submit("second", array={"size": 4}, **N_TO_N)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", 0, 1)
    await cluster.pass_time(0.1)
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert cluster.kube_jobs("second-") == ["second-1-i0", "second-1-i1"]
    cluster.jobs.indexed.finish("first-1", 2, 3)
    await cluster.pass_time(3)
    await finish_all(cluster, "second")
    assert cluster.state("second") == ("Succeeded", "Completed")
    assert cluster.kube_jobs("second-") == [f"second-1-i{index}" for index in range(4)]


@pytest.mark.parametrize("ended", [False, True])
@in_cluster()
async def test_a_partner_made_anew_with_another_size_is_noticed(cluster: Cluster, ended: bool) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit("first", array={"size": 4, "maxConcurrency": 1})
    cluster.submit("second", array={"size": 4}, **N_TO_N)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", 0)
    await cluster.pass_time(5)
    cluster.delete("BatchJob", "first")
    await cluster.pass_time(5)
    cluster.submit("first", array={"size": 2})
    await cluster.pass_time(2)
    if ended:
        cluster.jobs.indexed.finish("first-1", 0, 1)
        await cluster.pass_time(5)
    await finish_all(cluster, "second")
    assert cluster.state("second") == ("Failed", "IndexesFailed")
    assert cluster.array_status("second")["succeededIndexes"] == "0"
    assert cluster.status("second")["message"].endswith(
        "BatchJob first was made anew and has 2 indexes instead of 4: submit this array anew, too"
    )


@in_cluster()
async def test_long_lists_of_partners_are_merged_and_outlive_them_and_the_operator(cluster: Cluster) -> None:
    """Two arrays in more than a hundred pieces each, of which one index succeeded in both."""
    await cluster.set_up(cpu="500")
    cluster.submit("second", array={"size": 210}, dependsOn=[{"job": job, "type": "NToN"} for job in ("even", "odd")])
    for name, good in (("even", set(range(0, 210, 2))), ("odd", {4, *range(1, 210, 2)})):
        cluster.submit(name, array={"size": 210})
        for some in (set(range(105)), set(range(105, 210))):  # no more pods fit on the node
            await cluster.pass_time(15)
            cluster.jobs.indexed.finish(f"{name}-1", *(some - good), exit_code=1)
            cluster.jobs.indexed.finish(f"{name}-1", *(some & good))
        await cluster.pass_time(15)
        assert cluster.state(name) == ("Failed", "IndexesFailed")
        cluster.delete("BatchJob", name)
        await cluster.pass_time(2)
    first, last = cluster.status("second")["dependencies"]
    assert (first["job"], first["mergedInto"], "succeededIndexes" in first) == ("even", "odd", False)
    assert (last["job"], last["succeededIndexes"]) == ("odd", "4")
    await cluster.restart_operator()
    await cluster.pass_time(20)
    assert cluster.kube_jobs("second-") == ["second-1-i4"]
    await finish_all(cluster, "second")
    assert cluster.state("second") == ("Failed", "IndexesFailed")
    assert cluster.array_status("second")["succeededIndexes"] == "4"
