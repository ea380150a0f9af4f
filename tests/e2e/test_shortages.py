"""A cloud that has no machines of a kind for now: jobs go on in the next environment of their queue, at no cost."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import Json, until
from e2e.harness import Harness
from e2e.madenodes import FAULTY, SPOT, STEADY, Bound, spot_first, start_karpenter
from e2e.ownnodes import FOREVER
from localcluster import Cluster
from localcluster.faults import Rule, clear, refuse, warn
from localcluster.images import SHELL
from localcluster.state import cluster_dir

pytestmark = pytest.mark.e2e

GRACE, ALONE = 6, 10
SLACK = 20.0
"""What Karpenter and a node take on a machine that is busy, of which an idle one needs a quarter."""
WORDS = "no spot machines are left in any zone"
NO_SPOT = Rule("insufficientCapacity", capacity_types=["spot"], node_classes=[FAULTY], message=WORDS)
NO_XLARGE = Rule("insufficientCapacity", ["spot"], [], ["m5.xlarge"], [FAULTY], message=WORDS)
NO_NODE_CAME = "InsufficientInstanceCapacity"


class Cloud:
    """Where machines are refused."""

    def __init__(self, cluster: Cluster) -> None:
        self._folder = cluster_dir(cluster.name)

    def refuse(self, *rules: Rule) -> None:
        refuse(self._folder, [NO_XLARGE, *rules])

    def has_all(self) -> None:
        clear(self._folder)


@pytest.fixture(scope="module", autouse=True)
def karpenter(cluster: Cluster) -> None:
    start_karpenter(cluster)


@pytest.fixture(scope="module")
def cloud(cluster: Cluster, karpenter: None) -> Iterator[Cloud]:
    """One that has no spot machine of one type, which only the gang asks for."""
    cloud = Cloud(cluster)
    cloud.refuse()
    yield cloud
    cloud.has_all()


@pytest.fixture(scope="module", autouse=True)
def parts(shared: Harness, cloud: Cloud) -> Bound:
    """The pods of a gang of three that gets two nodes on spot, while other tests run."""
    bound = Bound(shared)
    other = pod("3", nodeSelector={"node.kubernetes.io/instance-type": "m5.xlarge"})
    shared.apply(
        *spot_first(shared, GRACE, 60),
        gang(shared, "three", pod("3"), pod("3"), other),
        shared.job("gang", "three", "queue"),
    )
    until(lambda: sum(map(len, bound.of("gang").values())) == 2, 60, lambda: shared.kubectl("get", "pods"))
    return bound


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def gang(harness: Harness, name: str, *nodes: Json) -> Json:
    """Return a definition of a multi-node job of these pods, of which the first ends after a while."""
    brief = {"sim.batchyard.dev/duration": f"{GRACE + 5}s"}
    ranges = [
        {
            "targetNodes": str(number),
            "template": {"metadata": {"annotations": FOREVER if number else brief}, "spec": spec},
        }
        for number, spec in enumerate(nodes)
    ]
    return harness.object(names.JOB_DEFINITION, name, {"multiNode": {"numNodes": len(nodes), "nodeRanges": ranges}})


def pod(cpu: str, **spec: Any) -> Json:
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": cpu, "memory": "32Mi"}}}
    return {"containers": [container], **spec}


def degraded(status: Json) -> Json | None:
    return next((each for each in status.get("conditions", []) if each["type"] == "Degraded"), None)


def story(harness: Harness, status: Json) -> list[tuple[str, int, str]]:
    """Environment, attempt and end of each run."""
    return [
        (each["computeEnvironment"].removeprefix(harness.named("")), each["attempt"], each["reason"])
        for each in status["attempts"]
    ]


def test_what_is_left_of_an_array_that_has_begun_goes_on_on_demand(harness: Harness, cloud: Cloud) -> None:
    """Three indexes run when spot runs out, and lose their nodes, too. A ceiling keeps the others back until then."""
    bound = Bound(harness)
    types = {"instanceTypes": ["c5.large"]}
    harness.apply(
        *spot_first(harness, GRACE, 60, **types, maxVcpus=6),
        harness.queue("queue", SPOT),
        harness.simulated_definition("work", duration="8s", cpu="1500m"),
        harness.job("many", "work", "queue", array={"size": 12}),
    )
    until(lambda: len(harness.running_pods_of("many")) == 3, 60, lambda: harness.kubectl("get", "pods"))
    nodes = [each["spec"]["nodeName"] for each in harness.running_pods_of("many")]
    cloud.refuse(NO_SPOT)
    harness.kubectl("cordon", *nodes)  # they are warned of one after the other: none is to take what another one loses
    warn(harness.cluster, nodes)
    harness.apply(*spot_first(harness, GRACE, 60, **types))
    began = time.time()
    ended = harness.wait_finished(["many"])["many"]
    print(f"ended {time.time() - began:.1f} s after spot ran out, interrupted {ended.get('interruptions')}")
    array = ended["array"]
    assert (ended["state"], array["succeeded"], array["retries"], array["moved"]) == ("Succeeded", 12, 0, True)
    assert bound.succeeded("many") == {str(index): 1 for index in range(12)}
    assert sum(map(len, bound.of("many").values())) == 12 + ended["interruptions"]
    assert ended["interruptions"] <= 3
    assert bound.environments("many") == {SPOT: 3, STEADY: 9 + ended["interruptions"]}
    cloud.refuse()


def test_without_spot_all_runs_on_demand_until_there_is_some_again(harness: Harness, cloud: Cloud) -> None:
    bound = Bound(harness)
    cloud.refuse(NO_SPOT)
    singles = [f"job-{number}" for number in range(10)]
    began = time.time()
    harness.apply(
        *spot_first(harness, GRACE, ALONE),
        harness.simulated_definition("work", duration="1s"),
        gang(harness, "pair", pod("1"), pod("1")),
        *(harness.job(name, "work", "queue") for name in singles),
        harness.job("many", "work", "queue", array={"size": 20}),
        harness.job("gang", "pair", "queue"),
    )
    told = degraded(harness.wait_shown("computeenvironments", SPOT, lambda status: degraded(status) is not None))
    assert told is not None
    assert (told["reason"], WORDS in told["message"]) == ("InsufficientCapacityError", True)
    ended = harness.wait_finished([*singles, "many", "gang"])
    took = max(moment(status["startedAt"]) for status in ended.values()) - began
    print(f"grace {GRACE} s; the last began to run {took:.1f} s after all were submitted")
    assert took < GRACE + SLACK
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    assert not any(status.get("interruptions") for status in ended.values())
    for name in [*singles, "gang"]:
        assert story(harness, ended[name]) == [(SPOT, 1, NO_NODE_CAME), (STEADY, 1, "Completed")]
        assert WORDS in ended[name]["attempts"][0]["message"]
        assert moment(ended[name]["attempts"][0]["stoppedAt"]) < began + GRACE + SLACK
    array = ended["many"]["array"]
    assert (array["succeeded"], array["retries"], array.get("moved")) == (20, 0, None)
    assert ended["many"]["computeEnvironment"] == harness.named(STEADY)
    for name in [*singles, "many", "gang"]:
        assert bound.environments(name) == {STEADY: len(bound.of(name))}
        assert set(map(len, bound.of(name).values())) == {1}

    cloud.refuse()
    assert degraded(harness.wait_shown("computeenvironments", SPOT, bool)) is not None, "nobody has tried since"
    time.sleep(ALONE)
    harness.apply(harness.job("later", "work", "queue"))
    assert story(harness, harness.wait_state("later", "Succeeded")) == [(SPOT, 1, "Completed")]
    harness.wait_shown("computeenvironments", SPOT, lambda status: degraded(status) is None)


def test_a_gang_of_which_one_node_does_not_come_ends_on_demand(shared: Harness, parts: Bound) -> None:
    ended = shared.wait_finished(["gang"])["gang"]
    assert ended["state"] == "Succeeded"
    assert story(shared, ended) == [(SPOT, 1, NO_NODE_CAME), (STEADY, 1, "Completed")]
    assert WORDS in ended["attempts"][0]["message"]
    assert not ended.get("interruptions")
    assert {index: len(pods) for index, pods in parts.of("gang").items()} == {"0": 2, "1": 2, "2": 1}
    until(lambda: not parts.alive, 30, lambda: shared.kubectl("get", "pods"))
