"""No job runs in a protected namespace: neither a new one, nor one of before, nor more of one that runs."""

from typing import Any

import pytest

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.kube.resources import CONTROLLER_REVISIONS, JOBS, SERVICES
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import multi_node

PROTECTED = Protection("batchyard-system", frozenset({NAMESPACE}))
REFUSED = ("Failed", "NamespaceProtected")
RETRIES: dict[str, Any] = {"attempts": 3, "backoff": {"initialSeconds": 10, "jitter": 0}}
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "single": ({}, {}),
    "array": ({}, {"array": {"size": 3}}),
    "multi-node": (multi_node(3), {}),
}
"""Definition and job of each form."""


async def restart(cluster: Cluster, protection: Protection) -> None:
    await cluster.restart_operator(orderly=True, protection=protection)
    await cluster.pass_time(5)


@pytest.mark.parametrize("form", FORMS)
@in_cluster()
async def test_a_job_in_a_protected_namespace_fails_at_once(cluster: Cluster, form: str) -> None:
    definition, job = FORMS[form]
    cluster.furnish(**definition)
    process = await cluster.start_operator(protection=PROTECTED)
    cluster.submit(**job)
    await cluster.pass_time(1)
    assert cluster.state() == REFUSED
    assert "namespace media is protected, and no jobs run there: use another" in cluster.status()["message"]
    await cluster.pass_time(60)
    assert process.writes(JOBS, SERVICES, CONTROLLER_REVISIONS) == []


@in_cluster()
async def test_the_operators_own_namespace_is_protected(cluster: Cluster) -> None:
    cluster.furnish()
    await cluster.start_operator(protection=Protection(NAMESPACE, frozenset()))
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == REFUSED
    assert "namespace media is the operator's own" in cluster.status()["message"]


@in_cluster()
async def test_a_definition_there_says_that_it_is_of_no_use(cluster: Cluster) -> None:
    await cluster.start_operator(protection=PROTECTED)
    cluster.define()
    await cluster.pass_time(5)
    ready, reason, message = cluster.condition("JobDefinition", "transcode")
    assert (ready, reason) == ("False", "NamespaceProtected")
    assert "no jobs run there" in message
    await restart(cluster, NOTHING_PROTECTED)
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")


@pytest.mark.parametrize("form", FORMS)
@in_cluster()
async def test_one_that_waited_when_the_operator_was_restarted_fails(cluster: Cluster, form: str) -> None:
    definition, job = FORMS[form]
    await cluster.set_up(cpu="0", **definition)
    cluster.submit(**job)
    await cluster.pass_time(5)
    assert cluster.state()[1] == "ExceedsCapacity"
    await restart(cluster, PROTECTED)
    assert cluster.state() == REFUSED


@in_cluster()
async def test_what_runs_goes_on_and_no_other_attempt_is_made(cluster: Cluster) -> None:
    await cluster.set_up(retryStrategy=RETRIES)
    for name in ("good", "bad"):
        cluster.submit(name)
    await cluster.pass_time(1)
    for name in ("good", "bad"):
        cluster.jobs.start(f"{name}-1", "node-1")
    await restart(cluster, PROTECTED)
    assert [cluster.state(name) for name in ("good", "bad")] == [("Running", "ContainerRunning")] * 2
    cluster.jobs.finish("good-1")
    cluster.jobs.finish("bad-1", 1)
    await cluster.pass_time(60)
    assert cluster.state("good") == ("Succeeded", "Completed")
    assert cluster.state("bad") == REFUSED
    assert [each["exitCode"] for each in cluster.status("bad")["attempts"]] == [1]
    assert cluster.kube_jobs() == ["bad-1", "good-1"]


@in_cluster()
async def test_an_array_goes_on_in_the_places_that_it_has(cluster: Cluster) -> None:
    """The Job controller starts the next index in the place of one that ended; no place is added to these."""
    await cluster.set_up(cpu="2")
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0, 1)
    await restart(cluster, PROTECTED)
    cluster.add_node("node-2", cpu="8")
    await cluster.pass_time(60)
    assert cluster.state()[1] == "IndexesRunning"
    assert "1 wait: namespace media is protected" in cluster.status()["message"]
    assert cluster.parallelism("job-1") == 2
    for index in range(3):
        cluster.jobs.indexed.finish("job-1", index)
        await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")
