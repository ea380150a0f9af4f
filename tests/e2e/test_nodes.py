"""Room is counted node by node: no pod waits for a node, and no node idles that could take the head of a queue."""

from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import PODS, Json, until
from e2e.harness import Harness
from localcluster.images import SHELL
from localcluster.nodes.simulated import TAINT

pytestmark = pytest.mark.e2e

LABEL = "batchyard.dev/e2e-nodes"
FOREVER = {"sim.batchyard.dev/never-finish": "true"}


@pytest.fixture
def nodes(harness: Harness) -> Iterator[list[str]]:
    """Three simulated nodes of four vCPUs, for this test alone."""
    if harness.cluster.backend != "local":
        pytest.skip("only a local cluster has simulated nodes")
    found = harness.cluster.add_nodes(3, cpu="4", memory="8Gi", labels={LABEL: harness.namespace})
    yield found
    harness.cluster.kubectl("delete", "node", *found, "--wait=false")


def environment(harness: Harness, name: str = "own", **spec: Any) -> Json:
    unmanaged = {
        "nodeSelector": {LABEL: harness.namespace},
        "tolerations": [{"key": TAINT, "operator": "Exists"}],
    }
    return harness.object(names.COMPUTE_ENVIRONMENT, name, {"unmanaged": unmanaged, **spec})


def other_pod(harness: Harness, name: str, cpu: str, node: str) -> Json:
    """A pod that is not Batchyard's."""
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": FOREVER},
        "spec": {
            "containers": [container],
            "nodeSelector": {"kubernetes.io/hostname": node},
            "tolerations": [{"key": TAINT, "operator": "Exists"}],
        },
    }


def daemon_set(harness: Harness, cpu: str) -> Json:
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu}}}
    labels = {"app": "agent"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": FOREVER},
                "spec": {
                    "containers": [container],
                    "nodeSelector": {LABEL: harness.namespace},
                    "tolerations": [{"key": TAINT, "operator": "Exists"}],
                },
            },
        },
    }


def nodes_of(harness: Harness) -> dict[str, str]:
    """Where each pod of a BatchJob runs, by the name of its BatchJob."""
    pods = harness.api.list(PODS, harness.namespace, labelSelector=names.JOB)
    return {pod["metadata"]["labels"][names.JOB]: pod["spec"].get("nodeName", "") for pod in pods}


def assert_none_was_unschedulable(harness: Harness) -> None:
    """Of the pods of jobs; what the test has put there itself may have been faster than the nodes were ready."""
    about = "jsonpath={range .items[*]}{.involvedObject.name}{' '}{end}"
    pods = harness.kubectl("get", "events", "--field-selector", "reason=FailedScheduling", "-o", about).split()
    ours = tuple(f"{name}-" for name in harness.batchjobs())
    assert [pod for pod in pods if pod.startswith(ours)] == []


def wait_for_figures(harness: Harness, **wanted: Any) -> None:
    """Wait until the environment's status says so of vCPUs, and of its nodes: it is written now and then."""

    def shown(status: Json) -> bool:
        figures = {name: each.get("cpu") if isinstance(each, dict) else each for name, each in status.items()}
        return all(figures.get(name) == figure for name, figure in wanted.items())

    harness.wait_shown("computeenvironments", "own", shown)


def running(harness: Harness, *jobs: str) -> None:
    for job in jobs:
        harness.wait_state(job, "Running")


def test_other_pods_take_their_room_and_give_it_back(harness: Harness, nodes: list[str]) -> None:
    """A DaemonSet makes every node too small for four vCPUs, another pod one of them too small for three."""
    harness.apply(daemon_set(harness, "500m"), other_pod(harness, "web", "1", nodes[0]))
    harness.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    harness.kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.simulated_definition("whole", cpu="4", annotations=FOREVER),
        harness.simulated_definition("most", cpu="3", annotations=FOREVER),
        harness.simulated_definition("little", cpu="500m", annotations=FOREVER),
        harness.job("a-whole", "whole", "queue"),
        harness.job("b-most", "most", "queue"),
        harness.job("c-most", "most", "queue"),
    )
    assert "largest node 3.5 vCPU" in harness.wait_reason("a-whole", "ExceedsCapacity")["message"]
    running(harness, "b-most", "c-most")
    harness.apply(harness.job("d-most", "most", "queue"))
    harness.wait_reason("d-most", "InsufficientCapacity")
    wait_for_figures(harness, capacity="12", used="6", usedByOthers="2500m", free="3500m")
    harness.kubectl("delete", "pod", "web", "--wait=false")
    running(harness, "d-most")
    assert set(nodes_of(harness).values()) == set(nodes)
    assert_none_was_unschedulable(harness)


def test_what_is_free_in_pieces_is_not_given_to_a_large_job(harness: Harness, nodes: list[str]) -> None:
    """Nine small ones leave a vCPU on each node: three in all, and none for a job of two."""
    spread = [other_pod(harness, f"piece-{number}", "3", node) for number, node in enumerate(nodes)]
    harness.apply(*spread)
    harness.kubectl("wait", "--for=condition=Ready", *(f"pod/piece-{number}" for number in range(3)), "--timeout=60s")
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", priority=5),
        harness.simulated_definition("two", cpu="2", annotations=FOREVER),
        harness.job("large", "two", "queue"),
    )
    harness.wait_reason("large", "InsufficientCapacity")
    harness.kubectl("delete", "pod", "piece-1", "--wait=false")
    running(harness, "large")
    assert nodes_of(harness)["large"] == nodes[1]
    assert_none_was_unschedulable(harness)


def test_work_on_cordoned_nodes_takes_nothing_from_the_others(harness: Harness, nodes: list[str]) -> None:
    first, second, third = nodes
    harness.kubectl("cordon", third)
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.simulated_definition("four", cpu="4", annotations=FOREVER),
        harness.job("a", "four", "queue"),
        harness.job("b", "four", "queue"),
    )
    running(harness, "a", "b")
    harness.kubectl("cordon", first)
    harness.kubectl("cordon", second)
    harness.kubectl("uncordon", third)
    harness.apply(harness.job("c", "four", "queue"))
    running(harness, "c")
    assert nodes_of(harness)["c"] == third
    wait_for_figures(harness, nodes=1, capacity="4", free="0")
    assert_none_was_unschedulable(harness)


def test_nodes_of_two_environments_count_once(harness: Harness, nodes: list[str]) -> None:
    harness.apply(
        environment(harness, "one"),
        environment(harness, "other"),
        harness.queue("first", "one", priority=9),
        harness.queue("second", "other", priority=1),
        harness.simulated_definition("half", cpu="2", annotations=FOREVER),
        *(harness.job(f"a-{number}", "half", "first") for number in range(4)),
        *(harness.job(f"b-{number}", "half", "second") for number in range(4)),
    )
    running(harness, *(f"a-{number}" for number in range(4)))
    until(
        lambda: sum(status.get("state") == "Running" for status in harness.statuses().values()) == 6,
        60,
        lambda: f"six run: {harness.kubectl('get', 'bj')}",
    )
    assert (
        sorted(str(status.get("state")) for status in harness.statuses().values()) == ["Runnable"] * 2 + ["Running"] * 6
    )
    assert_none_was_unschedulable(harness)


def test_a_gang_of_mixed_nodes_starts_when_all_of_its_pods_have_room(harness: Harness, nodes: list[str]) -> None:
    """Twelve vCPUs are there, seven of them free: one node of four, and two of two; the gang needs 4, 2 and 2."""
    fill = [other_pod(harness, f"fill-{number}", "2", node) for number, node in enumerate(nodes)]
    harness.apply(*fill)
    harness.kubectl("wait", "--for=condition=Ready", *(f"pod/fill-{number}" for number in range(3)), "--timeout=60s")

    def member(cpu: str) -> Json:
        resources = {"requests": {"cpu": cpu, "memory": "32Mi"}}
        template: Json = harness.simulated_definition("any", cpu=cpu, annotations=FOREVER)["spec"]["template"]
        template["spec"]["containers"][0]["resources"] = resources
        return template

    ranges = [
        {"targetNodes": "0", "template": member("4")},
        {"targetNodes": "1:2", "template": member("2")},
    ]
    harness.apply(
        environment(harness),
        harness.queue("queue", "own"),
        harness.object(
            names.JOB_DEFINITION, "mixed", {"multiNode": {"numNodes": 3, "mainNode": 0, "nodeRanges": ranges}}
        ),
        harness.job("gang", "mixed", "queue"),
    )
    harness.wait_reason("gang", "InsufficientCapacity")
    harness.kubectl("delete", "pod", "fill-0", "--wait=false")
    harness.wait_pods("gang", 3)
    until(
        lambda: len(harness.running_pods_of("gang")) == 3,
        60,
        lambda: f"three pods run: {harness.kubectl('get', 'pods', '-o', 'wide')}",
    )
    assert_none_was_unschedulable(harness)


def test_a_licence_is_free_when_the_pod_is_gone_not_when_the_job_is(harness: Harness) -> None:
    """The first job is deleted while its program takes ten seconds to stop."""
    script = 'trap "sleep 10; exit 0" TERM; while :; do sleep 1; done'
    container = {"command": ["sh", "-c", script]}
    licence = harness.object(names.CONSUMABLE_RESOURCE, "licence", {"type": "Replenishable", "total": 1})
    harness.apply(
        licence,
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("licensed", container=container, consumableResources=[{"name": harness.named("licence")}]),
        harness.job("first", "licensed", "queue"),
    )
    running(harness, "first")
    harness.apply(harness.job("second", "licensed", "queue"))
    harness.wait_reason("second", "ConsumableResourceUnavailable")
    harness.kubectl("delete", "bj", "first", "--wait=false")
    most = 0

    def second_runs() -> bool:
        nonlocal most
        pods = harness.api.list(PODS, harness.namespace)
        live = [pod for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]
        most = max(most, len(live))
        return harness.statuses()["second"].get("state") == "Running"

    until(second_runs, 60, lambda: f"second runs: {harness.kubectl('get', 'bj,pods')}")
    assert most == 1, "two pods had the one licence"


def test_default_requests_of_a_namespace_count_before_the_grant(harness: Harness, nodes: list[str]) -> None:
    """Six indexes without requests get four vCPUs each by the LimitRange: as many run as there are nodes."""
    limits = [{"type": "Container", "defaultRequest": {"cpu": "4", "memory": "64Mi"}}]
    definition = harness.simulated_definition("bare", annotations=FOREVER)
    del definition["spec"]["template"]["spec"]["containers"][0]["resources"]
    harness.apply(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults"}, "spec": {"limits": limits}},
        environment(harness),
        harness.queue("queue", "own"),
        definition,
        harness.job("many", "bare", "queue", array={"size": 6}),
    )
    harness.wait_pods("many", 3)
    wait_for_figures(harness, used="12", free="0")
    assert len(harness.pods_of("many")) == 3
    assert_none_was_unschedulable(harness)
