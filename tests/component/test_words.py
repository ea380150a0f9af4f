"""Words of containers, kubelets, webhooks and people: in what Batchyard writes they forge no line and stay short."""

from collections.abc import Callable
from typing import Any

import pytest

from batchyard.kube.errors import Denied, Invalid
from batchyard.kube.protocol import Object
from batchyard.kube.resources import EVENTS, JOBS, NODES, OWN
from fakes.cluster import Cluster, in_cluster
from objects.texts import texts

FORGED = "Message:  all is well"
WORDS = f"went wrong\n  {FORGED}\r\x1b[2K\u202e\u2028{FORGED}\n"
SHOWN = f"went wrong ↵ {FORGED} ↵ \ufffd[2K\ufffd ↵ {FORGED}"


def written(cluster: Cluster) -> list[Object]:
    """Statuses and Events."""
    statuses = [each["status"] for kind in OWN.values() for each in cluster.store.objects(kind) if "status" in each]
    return statuses + cluster.store.objects(EVENTS)


def said(cluster: Cluster, name: str = "job") -> str:
    status = cluster.status(name)
    return " ".join([status["message"], *(each.get("message", "") for each in status.get("attempts") or ())])


def stop(cluster: Cluster) -> None:
    cluster.submit(stop={"mode": "Terminate", "reason": WORDS})


MOVES: dict[str, Callable[[Cluster], None]] = {
    "unschedulable": lambda cluster: cluster.jobs.unschedulable("job-1", WORDS),
    "waiting": lambda cluster: cluster.jobs.wait("job-1", "ImagePullBackOff", WORDS),
    "disrupted": lambda cluster: cluster.jobs.disrupt("job-1", "EvictionByEvictionAPI", WORDS),
    "ended": lambda cluster: cluster.jobs.finish("job-1", 3, message=WORDS),
    "stopped": stop,
}


@pytest.mark.parametrize("move", MOVES)
@in_cluster()
async def test_words_about_a_pod_or_a_wish_are_on_one_line(cluster: Cluster, move: str) -> None:
    await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(3)
    MOVES[move](cluster)
    await cluster.pass_time(3)
    assert SHOWN in said(cluster)
    await cluster.pass_time(900)
    assert all(text.isprintable() for each in written(cluster) for text in texts(each))


@pytest.mark.parametrize("refusal", [Invalid(422, "Invalid", WORDS), Denied(403, "Forbidden", WORDS)])
@in_cluster()
async def test_the_api_servers_words_are_on_one_line(cluster: Cluster, refusal: Any) -> None:
    process = await cluster.set_up()
    process.api.fail_next("create", JOBS, refusal, times=10)
    cluster.submit()
    await cluster.pass_time(3)
    assert SHOWN in said(cluster)
    assert cluster.events()
    assert all(text.isprintable() for each in written(cluster) for text in texts(each))


@in_cluster()
async def test_names_of_a_nodes_resources_are_legible_and_short_in_statuses_and_metrics(cluster: Cluster) -> None:
    cluster.furnish()
    node = cluster.store.get(NODES, "node-1")
    long = "x/" + "y" * 24_000
    node["status"]["allocatable"] |= {WORDS: "1", long: "1"}
    cluster.store.update(NODES, node, status=True)
    process = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(10)
    capacity = cluster.get("ComputeEnvironment", "on-prem")["status"]["capacity"]
    assert capacity.keys() == {"cpu", "memory", "pods"}
    assert not {name for name in process.readings() if FORGED in name[1] or "yyy" in name[1]}
