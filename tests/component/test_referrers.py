"""What comes or changes costs the jobs that refer to it, and not all that wait.

Counted in jobs that were looked at, never in time.
"""

from collections import Counter
from typing import Any

import pytest

from batchyard.core.planner.settle import settle
from batchyard.kube.resources import CONTROLLER_REVISIONS, NAMESPACES
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking_container, multi_node

BYSTANDERS = 2000
STARTED = ("Starting", "CreatingPod")
NOT_FOUND = ("Pending", "JobDefinitionNotFound")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each job was settled."""
    count: Counter[str] = Counter()

    def counting(snapshot: Any, keys: Any, *rest: Any) -> Any:
        keys = list(keys)
        count.update(name for _, name in keys)
        return settle(snapshot, keys, *rest)

    monkeypatch.setattr("batchyard.runtime.loop.containment.settle", counting)
    return count


def submit_bystanders(cluster: Cluster) -> None:
    """Most wait for definitions, queues and jobs that do not come, the others for a place."""
    for number in range(BYSTANDERS):
        forms: list[dict[str, Any]] = [
            {"jobDefinition": f"other-{number}"},
            {"jobDefinition": "encode", "jobQueue": f"other-{number}"},
            {"jobDefinition": "encode:1", "jobQueue": "idle"},
            {"jobDefinition": "encode", "jobQueue": "idle", "dependsOn": [{"job": "nobody"}]},
        ]
        cluster.submit(f"bystander-{number}", **forms[number % len(forms)])


def furnish(cluster: Cluster) -> None:
    cluster.add_node(cpu="8")
    cluster.put("ComputeEnvironment", "on-prem")
    cluster.put("ComputeEnvironment", "closed", state="Disabled")
    cluster.put("JobQueue", "urgent")
    cluster.put("JobQueue", "idle", computeEnvironments=["closed"])
    cluster.define("encode")
    submit_bystanders(cluster)


def submit_all_forms(cluster: Cluster) -> None:
    cluster.submit("latest")
    cluster.submit("pinned", jobDefinition="transcode:1")
    cluster.submit("array", array={"size": 2})
    cluster.submit("pair", array={"size": 2}, dependsOn=[{"job": "array", "type": "NToN"}])
    cluster.submit("nodes", jobDefinition="mpi")


def define_all(cluster: Cluster) -> None:
    cluster.define()
    cluster.define("mpi", **multi_node(2))


def assert_all_moved(cluster: Cluster) -> None:
    assert {"latest-1", "pinned-1", "array-1", "nodes-1"} <= set(cluster.kube_jobs())
    assert cluster.status("pair")["jobDefinition"] == "transcode:1"


@in_cluster()
async def test_a_new_definition_costs_the_jobs_that_wait_for_it(cluster: Cluster, looked_at: Counter[str]) -> None:
    furnish(cluster)
    await cluster.start_operator()
    submit_all_forms(cluster)
    await cluster.pass_time(60)
    assert {cluster.state(name) for name in ("latest", "pinned", "array", "pair", "nodes")} == {NOT_FOUND}
    assert cluster.state("bystander-0") == NOT_FOUND
    assert cluster.state("bystander-2")[0] == "Runnable"
    looked_at.clear()
    define_all(cluster)
    await cluster.pass_time(5)
    assert_all_moved(cluster)
    assert looked_at.keys() == {"latest", "pinned", "array", "pair", "nodes"}
    assert looked_at.total() <= 25


@in_cluster()
async def test_a_change_of_a_definition_costs_the_jobs_without_a_revision(
    cluster: Cluster, looked_at: Counter[str]
) -> None:
    """Half of the others have the revision that they were submitted to, whatever comes after it."""
    furnish(cluster)
    cluster.submit("job", jobDefinition="encode:2")
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert cluster.state() == ("Pending", "RevisionNotFound")
    looked_at.clear()
    cluster.put("JobDefinition", "encode", container=asking_container(image="another"))
    await cluster.pass_time(5)
    assert cluster.state() == STARTED
    assert looked_at["job"] <= 5
    assert {int(name.split("-")[1]) % 4 for name in looked_at.keys() - {"job"}} == {1}, "those without a queue"
    assert cluster.status("bystander-3")["jobDefinition"] == "encode:1"


@in_cluster()
async def test_jobs_see_their_revision_or_their_definition_go(cluster: Cluster, looked_at: Counter[str]) -> None:
    furnish(cluster)
    cluster.define()
    cluster.submit("job", jobQueue="idle")
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert cluster.state()[0] == "Runnable"
    looked_at.clear()
    cluster.store.delete(CONTROLLER_REVISIONS, "transcode-1", NAMESPACE)
    await cluster.pass_time(1)
    assert cluster.state() == ("Pending", "RevisionNotFound")
    cluster.delete("JobDefinition", "transcode")
    await cluster.pass_time(1)
    assert cluster.state() == NOT_FOUND
    cluster.define()
    await cluster.pass_time(1)
    assert cluster.state()[0] == "Runnable"
    assert looked_at.keys() == {"job"}


@pytest.mark.parametrize("when", ["before", "while down", "after"])
@in_cluster()
async def test_jobs_move_whenever_their_definition_comes(cluster: Cluster, when: str) -> None:
    """Before the jobs, while nobody was there to see it, or after an operator has started anew."""
    cluster.add_node(cpu="8")
    cluster.put("ComputeEnvironment", "on-prem")
    cluster.put("JobQueue", "urgent")
    first = await cluster.start_operator()
    if when == "before":
        define_all(cluster)
        await cluster.pass_time(1)
    submit_all_forms(cluster)
    await cluster.pass_time(5)
    await first.stop()
    if when == "while down":
        define_all(cluster)
    await cluster.start_operator()
    await cluster.pass_time(20)
    if when == "after":
        define_all(cluster)
    await cluster.pass_time(5)
    assert_all_moved(cluster)


@in_cluster()
async def test_a_new_queue_costs_the_jobs_that_name_it(cluster: Cluster, looked_at: Counter[str]) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit("job", jobQueue="night", jobDefinition="encode")
    await cluster.pass_time(60)
    assert cluster.state() == ("Pending", "JobQueueNotFound")
    looked_at.clear()
    cluster.put("JobQueue", "night")
    cluster.put("ComputeEnvironment", "spare")
    cluster.store.create(NAMESPACES, {"metadata": {"name": "audio"}})
    await cluster.pass_time(5)
    assert cluster.state() == STARTED
    assert looked_at.keys() == {"job"}


@in_cluster()
async def test_jobs_start_when_the_environment_of_their_queue_changes(cluster: Cluster) -> None:
    """Placement looks at every queue in every pass, whichever jobs are settled."""
    cluster.furnish()
    cluster.put("ComputeEnvironment", "on-prem", state="Disabled")
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(5)
    assert cluster.state()[0] == "Runnable"
    cluster.put("ComputeEnvironment", "on-prem")
    await cluster.pass_time(1)
    assert cluster.state() == STARTED
