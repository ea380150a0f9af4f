"""Pods that are not Batchyard's, and nodes that say what makes no sense."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.protocol import ALL, PAGE, Object, Selection
from batchyard.kube.resources import NODES, PODS, Resource
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process


def bind(cluster: Cluster, name: str, cpu: str, node: str = "node-1", **metadata: Any) -> Object:
    """A pod of somebody else's that runs on a node."""
    container = {"name": "main", "resources": {"requests": {"cpu": cpu}}}
    body = {
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": "Running"},
    }
    return cluster.store.seed(PODS, body)


def used_by_others(cluster: Cluster, name: str = "on-prem") -> str:
    return str(cluster.get("ComputeEnvironment", name)["status"]["usedByOthers"]["cpu"])


def free(cluster: Cluster, name: str = "on-prem") -> str:
    return str(cluster.get("ComputeEnvironment", name)["status"]["free"]["cpu"])


@in_cluster()
async def test_an_environment_says_what_others_use_of_its_nodes_until_they_end(cluster: Cluster) -> None:
    cluster.add_node("elsewhere", pool="web")
    cluster.add_node(pool="batch")
    cluster.put("ComputeEnvironment", "on-prem", unmanaged={"nodeSelector": {"pool": "batch"}})
    cluster.put("ComputeEnvironment", "exclusive", unmanaged={}, countOtherPods=False)
    before = bind(cluster, "before", "1")
    await cluster.start_operator()
    bind(cluster, "during", "500m")
    bind(cluster, "not-here", "2", "elsewhere")
    await cluster.pass_time(5)
    assert (used_by_others(cluster), free(cluster)) == ("1500m", "2500m")
    assert "usedByOthers" not in cluster.get("ComputeEnvironment", "exclusive")["status"]
    assert free(cluster, "exclusive") == "8"
    before["status"]["phase"] = "Succeeded"
    cluster.store.update(PODS, before, status=True)
    await cluster.pass_time(5)
    assert (used_by_others(cluster), free(cluster)) == ("500m", "3500m")
    cluster.store.delete(PODS, "during", "default")
    await cluster.pass_time(5)
    assert (used_by_others(cluster), free(cluster)) == ("0", "4")


@in_cluster()
async def test_pods_of_batchyards_own_jobs_are_not_others(cluster: Cluster) -> None:
    await cluster.set_up()
    await cluster.submit_and_start("job")
    await cluster.pass_time(5)
    assert (used_by_others(cluster), free(cluster)) == ("0", "3")
    await cluster.restart_operator(after=60)
    await cluster.pass_time(5)
    assert (used_by_others(cluster), free(cluster)) == ("0", "3")


@pytest.mark.parametrize("relabelled", [True, False])
@in_cluster()
async def test_nobody_hides_a_pod_behind_a_label(cluster: Cluster, relabelled: bool) -> None:
    """With the labels from the beginning, or given to it later: then two watches tell of it, in any order."""
    await cluster.set_up()
    labels = {names.JOB: "job", names.JOB_UID: "made-up", "batch.kubernetes.io/job-name": "job-1"}
    made = bind(cluster, "hidden", "1", labels={} if relabelled else labels)
    await cluster.pass_time(5)
    if relabelled:
        made["metadata"]["labels"] = labels
        cluster.store.update(PODS, made)
        await cluster.pass_time(5)
    assert used_by_others(cluster) == "1"
    cluster.store.delete(PODS, "hidden", "default")
    await cluster.pass_time(5)
    assert used_by_others(cluster) == "0"


@in_cluster()
async def test_nothing_starts_before_all_pods_of_others_are_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.furnish()
    cluster.submit()
    process = Process(cluster.store, "patient", resync_seconds=300)
    through, list_pages = asyncio.Event(), process.api.list_pages

    async def slow(
        resource: Resource, selection: Selection = ALL, *, limit: int = PAGE
    ) -> AsyncGenerator[tuple[list[Object], str], None]:
        if selection.labels == f"!{names.JOB_UID}":
            await through.wait()
        async for page in list_pages(resource, selection, limit=limit):
            yield page

    monkeypatch.setattr(process.api, "list_pages", slow)
    await process.start()
    await cluster.pass_time(60)
    assert process.operator.ready() == "the first LIST is not through yet"
    assert cluster.kube_jobs() == []
    through.set()
    await cluster.pass_time(5)
    assert process.operator.ready() == ""
    assert cluster.kube_jobs() == ["job-1"]
    await process.stop()


@in_cluster()
async def test_an_end_that_was_missed_while_nobody_watched_is_made_up_for(cluster: Cluster) -> None:
    process = await cluster.set_up()
    bind(cluster, "gone", "1")
    await cluster.pass_time(5)
    assert used_by_others(cluster) == "1"
    process.api.disconnect(PODS)
    cluster.store.delete(PODS, "gone", "default")
    cluster.store.compact()
    await cluster.pass_time(60)
    assert used_by_others(cluster) == "0"


@in_cluster()
async def test_what_makes_no_sense_is_named_and_the_rest_goes_on(cluster: Cluster) -> None:
    await cluster.set_up()
    ready = [{"type": "Ready", "status": "True"}, {"status": "True"}]
    odd = {"cpu": "-4", "memory": "1Gi", "pods": "10"}
    cluster.store.seed(NODES, {"metadata": {"name": "odd"}, "status": {"allocatable": odd, "conditions": ready}})
    cluster.store.seed(NODES, {"metadata": {"name": "empty"}, "status": {"conditions": ready[:1]}})
    bind(cluster, "greedy", "all")
    bind(cluster, "odd", "1", "odd")
    await cluster.submit_and_start("job")
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.condition("ComputeEnvironment", "on-prem")[:2] == ("True", "NodesAvailable")
    message = (
        "counts as nothing, as it makes no sense: node empty: status.allocatable is missing, so nothing can run there; "
        'node odd: allocatable cpu "-4" is no amount, 1 of its conditions has no type; '
        "pod default/greedy: the request of container main for cpu is no amount"
    )
    assert cluster.condition("ComputeEnvironment", "on-prem", "Doubtful") == ("True", "NotUnderstood", message)
    assert free(cluster) == "3"
    cluster.store.delete(PODS, "greedy", "default")
    cluster.store.delete(NODES, "odd")
    cluster.store.delete(NODES, "empty")
    await cluster.pass_time(5)
    assert cluster.condition("ComputeEnvironment", "on-prem", "Doubtful") == ("", "", "")


@in_cluster()
async def test_a_node_that_comes_back_under_another_name_wedges_nothing(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1250m")
    bind(cluster, "web", "250m")
    await cluster.submit_and_start("job")
    cluster.submit("next")
    node = cluster.store.get(NODES, "node-1")
    cluster.store.delete(NODES, "node-1")
    cluster.store.seed(NODES, {**node, "metadata": {"name": "renamed"}})
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert used_by_others(cluster) == "0"
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.state("job")[0] == "Succeeded"
    cluster.jobs.start("next-1")
    await cluster.pass_time(5)
    assert cluster.state("next") == ("Running", "ContainerRunning")
