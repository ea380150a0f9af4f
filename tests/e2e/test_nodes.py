"""Room is counted node by node: no pod waits for a node, and no node idles that could take the head of a queue."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import PODS, Json, until
from e2e.harness import Harness
from e2e.ownnodes import (
    FOREVER,
    environment,
    nodes_of,
    other_pod,
    own_nodes,
    put_daemon_set,
    put_others,
    running,
    template,
)

pytestmark = pytest.mark.e2e


@pytest.fixture
def nodes(harness: Harness) -> Iterator[list[str]]:
    """Three simulated nodes of four vCPUs, for this test alone."""
    with own_nodes(harness, (3, {"cpu": "4", "memory": "8Gi"})) as found:
        yield found


def wait_for_figures(harness: Harness, **wanted: Any) -> None:
    """Wait until the environment's status says so of vCPUs, and of its nodes: it is written now and then."""

    def shown(status: Json) -> bool:
        figures = {name: each.get("cpu") if isinstance(each, dict) else each for name, each in status.items()}
        return all(figures.get(name) == figure for name, figure in wanted.items())

    harness.wait_shown("computeenvironments", "own", shown)


def test_other_pods_take_their_room_and_give_it_back(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
    """A DaemonSet makes every node too small for four vCPUs, another pod one of them too small for three."""
    put_others(harness, other_pod(harness, "web", "1", nodes[0]))
    put_daemon_set(harness, "500m")
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
    assert unschedulable == {}


def test_what_is_free_in_pieces_is_not_given_to_a_large_job(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
    """Nine small ones leave a vCPU on each node: three in all, and none for a job of two."""
    put_others(harness, *(other_pod(harness, f"piece-{number}", "3", node) for number, node in enumerate(nodes)))
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
    assert unschedulable == {}


def test_work_on_cordoned_nodes_takes_nothing_from_the_others(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
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
    assert unschedulable == {}


def test_nodes_of_two_environments_count_once(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
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
        lambda: Counter(status.get("state") for status in harness.statuses().values()) == {"Running": 6, "Runnable": 2},
        60,
        lambda: f"six run and two wait: {harness.kubectl('get', 'bj')}",
    )
    assert unschedulable == {}


def test_a_gang_of_mixed_nodes_starts_when_all_of_its_pods_have_room(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
    """Twelve vCPUs are there, seven of them free: one node of four, and two of two; the gang needs 4, 2 and 2."""
    put_others(harness, *(other_pod(harness, f"fill-{number}", "2", node) for number, node in enumerate(nodes)))
    ranges = [
        {"targetNodes": "0", "template": template(harness, cpu="4")},
        {"targetNodes": "1:2", "template": template(harness, cpu="2")},
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
    assert unschedulable == {}


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


def test_default_requests_of_a_namespace_count_before_the_grant(
    harness: Harness, nodes: list[str], unschedulable: dict[str, str]
) -> None:
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
    assert unschedulable == {}
