"""Names of Kubernetes Jobs that look like those of another BatchJob, and those that an older operator gave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from objects.specs import multi_node

SEQUENTIAL: dict[str, Any] = {"dependsOn": [{"type": "Sequential"}]}
RETRIES = {"attempts": 3, "backoff": {"initialSeconds": 1, "jitter": 0}}


@contextmanager
def older_operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Operators name the Jobs of single indexes as the first versions did."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "batchyard.objects.kubernetes.indexedjob.index_run_name", lambda job, run, index: f"{job}-i{index}-{run}"
        )
        yield


async def go_on(cluster: Cluster) -> None:
    """Let every Kubernetes Job that has not ended succeed, until there is none."""
    for _ in range(10):
        cluster.finish_all()
        await cluster.pass_time(3)


@pytest.mark.parametrize("other", ["sweep-i1", "sweep-1-i1", "sweep-1"])
@pytest.mark.parametrize("first", [True, False])
@in_cluster()
async def test_a_job_that_is_named_like_a_part_of_an_array_is_none(
    cluster: Cluster, other: str, *, first: bool
) -> None:
    await cluster.set_up(cpu="8", retryStrategy=RETRIES)
    if first:
        cluster.submit(other)
        await cluster.pass_time(2)
    cluster.submit("sweep", array={"size": 3}, **SEQUENTIAL)
    await cluster.pass_time(2)
    cluster.jobs.finish("sweep-1-i0", 1)
    await cluster.pass_time(3)
    cluster.submit(other)
    await go_on(cluster)
    assert cluster.state(other) == cluster.state("sweep") == ("Succeeded", "Completed")
    assert cluster.array_status("sweep")["retries"] == 1
    assert len(cluster.status(other)["attempts"]) == 1


@pytest.mark.parametrize("answered", [True, False])
@in_cluster()
async def test_an_index_that_runs_under_its_old_name_is_not_started_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *, answered: bool
) -> None:
    cluster.furnish(cpu="8", retryStrategy=RETRIES)
    with older_operator(monkeypatch):
        process = await cluster.start_operator()
        if not answered:
            process.api.lose_next("create", JOBS)
        cluster.submit("sweep", array={"size": 2}, **SEQUENTIAL)
        await cluster.pass_time(2 if answered else 0.1)
        await process.kill()
    assert cluster.kube_jobs() == ["sweep-i0-1"]
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["sweep-i0-1"]
    assert cluster.array_status("sweep")["activeIndexes"] == "0"
    cluster.jobs.finish("sweep-i0-1", 1)
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["sweep-2-i0", "sweep-i0-1"]
    await go_on(cluster)
    assert cluster.kube_jobs() == ["sweep-1-i1", "sweep-2-i0", "sweep-i0-1"]
    assert cluster.state("sweep") == ("Succeeded", "Completed")


@in_cluster()
async def test_an_array_that_is_terminated_takes_indexes_under_old_names_along(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.furnish(cpu="8")
    with older_operator(monkeypatch):
        process = await cluster.start_operator()
        cluster.submit("sweep", array={"size": 2}, **SEQUENTIAL)
        await cluster.pass_time(2)
        await process.kill()
    await cluster.start_operator()
    await cluster.pass_time(20)
    cluster.submit("sweep", array={"size": 2}, stop={"mode": "Terminate", "reason": "enough"}, **SEQUENTIAL)
    await cluster.pass_time(60)
    assert (cluster.kube_jobs(), cluster.state("sweep")) == ([], ("Failed", "Terminated"))


@in_cluster()
async def test_a_retry_whose_creation_had_no_answer_is_known_when_the_array_is_cancelled(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="8", retryStrategy=RETRIES)
    cluster.submit("sweep", array={"size": 2})
    await cluster.pass_time(2)
    process.api.lose_next("create", JOBS)
    cluster.jobs.indexed.finish("sweep-1", 0, exit_code=1)
    cluster.jobs.indexed.finish("sweep-1", 1)
    await cluster.pass_time(7)
    cluster.submit("sweep", array={"size": 2}, stop={"mode": "Cancel"})
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["sweep-1", "sweep-2-i0"]
    cluster.jobs.finish("sweep-2-i0")
    await cluster.pass_time(5)
    assert cluster.state("sweep") == ("Succeeded", "Completed")


@in_cluster()
async def test_the_longest_names_are_taken_by_the_api_server(cluster: Cluster) -> None:
    longest = "j" * 51
    cluster.furnish(cpu="8", retryStrategy=RETRIES)
    cluster.define("together", **multi_node(2, {"image": "mpi", "resources": {"limits": {"cpu": "1"}}}))
    await cluster.start_operator()
    cluster.submit(f"{longest}a", array={"size": 100_000, "maxConcurrency": 2})
    cluster.submit(f"{longest}b", array={"size": 100_000, "maxConcurrency": 2}, **SEQUENTIAL)
    cluster.submit(f"{longest}c", jobDefinition="together")
    await cluster.pass_time(2)
    cluster.jobs.start(f"{longest}c-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == [f"{longest}{end}" for end in ("a-1", "b-1-i0", "c-1", "c-1-n1")]
