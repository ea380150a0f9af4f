"""Environments whose nodes are made: from nothing to nodes and back, with Karpenter itself and simulated machines."""

import json
import random
import time
from collections import Counter
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import Json, until
from e2e.harness import Harness, StateRecord
from e2e.madenodes import (
    FAULTY,
    POOLS,
    SHAPES,
    SLOW,
    SPOT,
    STEADY,
    Bound,
    claims_of,
    managed,
    pool_of,
    spot_first,
    start_karpenter,
    wait_at_zero,
    wait_pool,
    watched,
)
from e2e.operatorprocess import OperatorProcess
from e2e.ownnodes import FOREVER
from localcluster import Cluster
from localcluster.faults import Rule, clear, refuse
from localcluster.state import cluster_dir

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def karpenter(cluster: Cluster) -> None:
    """Karpenter, on the cluster that all tests share."""
    start_karpenter(cluster)


def submitted(harness: Harness, count: int, **definition: Any) -> list[str]:
    """Apply a queue for the environment, a definition, and so many jobs; returns their names."""
    wanted = [f"job-{number:03}" for number in range(count)]
    harness.apply(
        harness.queue("queue", "cloud"),
        harness.simulated_definition("work", **definition),
        *(harness.job(name, "work", "queue") for name in wanted),
    )
    return wanted


def test_from_zero_to_nodes_and_back(harness: Harness) -> None:
    """An array of 40 on at most 16 vCPUs: nodes come for it, the ceiling holds at each moment, and all nodes go."""
    harness.apply(
        managed(harness, shapes=SHAPES),
        harness.queue("queue", "cloud"),
        harness.simulated_definition("work", duration="2s"),
    )
    harness.wait_condition("computeenvironments", "cloud", "ScaledToZero")
    with watched(harness) as peak:
        harness.apply(harness.job("many", "work", "queue", array={"size": 40}))
        assert harness.wait_finished(["many"])["many"]["state"] == "Succeeded"
        shown = harness.wait_shown("computeenvironments", "cloud", lambda status: status.get("madeNodes", []) != [])
        assert {each["instanceType"] for each in shown["madeNodes"]} <= {each["instanceType"] for each in SHAPES}
        wait_at_zero(harness)
    assert 8_000 <= peak.vcpus <= 16_000
    assert peak.pods <= 16
    shown = harness.wait_shown("computeenvironments", "cloud", lambda status: bool(status.get("atZeroSince")))
    assert shown["capacity"]["cpu"] == "16"
    assert harness.wait_condition("computeenvironments", "cloud", "ScaledToZero")["status"] == "True"


def test_jobs_say_that_they_get_a_node_and_nothing_else(harness: Harness) -> None:
    """A machine takes a while here. Until it is there, each shows one reason, with one message."""
    record = StateRecord(harness)
    harness.apply(managed(harness, node_class=SLOW))
    (name,) = submitted(harness, 1, duration="1s")
    harness.apply(harness.job("many", "work", "queue", array={"size": 3}))
    told = harness.wait_reason(name, "ScalingUp")["message"]
    environment = harness.named("cloud")
    assert told.startswith(
        f"environment {environment} is getting a node for a pod (1 vCPU, 32 MiB memory), asked for since"
    )
    harness.wait_status("many", lambda status: f"{environment} is getting a node" in status.get("message", ""))
    assert harness.statuses()[name]["message"] == told
    ended = harness.wait_finished()
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    assert len(ended[name]["attempts"]) == 1
    assert [each for each in record.reasons(name) if each in ("ScalingUp", "Unschedulable")] == ["ScalingUp"]
    pod = harness.pods_of(name)[0]
    assert pod["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"


def test_two_hundred_jobs_behind_a_ceiling_of_ten(harness: Harness) -> None:
    """Karpenter never sees more than ten pods, and makes no more than ten vCPUs for them."""
    harness.apply(managed(harness, maxVcpus=10))
    with watched(harness) as peak:
        wanted = submitted(harness, 200, duration="1s")
        ended = harness.wait_finished(wanted, 240)
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    assert {len(status["attempts"]) for status in ended.values()} == {1}
    assert peak.pods <= 10
    assert 0 < peak.vcpus <= 10_000


def test_what_could_never_come_is_told_and_delays_nobody(harness: Harness) -> None:
    harness.apply(
        managed(harness, shapes=SHAPES),
        harness.queue("queue", "cloud"),
        harness.simulated_definition("wide", cpu="9"),
        harness.simulated_definition("small", cpu="1"),
        harness.job("a-wide", "wide", "queue"),
        harness.job("b-small", "small", "queue"),
    )
    told = harness.wait_reason("a-wide", "ExceedsCapacity")["message"]
    assert "largest instance type m5.2xlarge with " in told
    assert "at most 16 vCPU in all" in told
    harness.wait_state("b-small", "Succeeded")


def test_a_change_of_the_spec_reaches_new_nodes_and_leaves_running_jobs_alone(harness: Harness) -> None:
    harness.apply(managed(harness, instanceTypes=["m5.large"]))
    (name,) = submitted(harness, 1, annotations=FOREVER)
    harness.wait_state(name, "Running")
    before = harness.pods_of(name)[0]
    harness.apply(managed(harness, instanceTypes=["m5.xlarge"], maxVcpus=8))

    def changed(pool: Json | None) -> bool:
        return pool is not None and pool["spec"]["limits"] == {"cpu": "8"} and "m5.xlarge" in json.dumps(pool["spec"])

    wait_pool(harness, changed)
    harness.apply(harness.simulated_definition("next", cpu="2", duration="1s"), harness.job("next", "next", "queue"))
    harness.wait_state("next", "Succeeded")
    kinds = {each["metadata"]["labels"]["node.kubernetes.io/instance-type"] for each in claims_of(harness)}
    assert kinds == {"m5.large", "m5.xlarge"}
    time.sleep(5)  # longer than an idle node stays
    after = harness.pods_of(name)[0]
    assert (after["metadata"]["uid"], after["status"]["phase"]) == (before["metadata"]["uid"], "Running")


@pytest.mark.parametrize("policy", ["Wait", "Drain"])
def test_an_environment_that_is_deleted_takes_its_nodes_along(harness: Harness, policy: str) -> None:
    """After what runs there has ended, or at once."""
    harness.apply(managed(harness, deletionPolicy=policy))
    (name,) = submitted(harness, 1, annotations=FOREVER)
    harness.wait_state(name, "Running")
    harness.kubectl("delete", "computeenvironment", harness.named("cloud"))
    if policy == "Wait":
        wait_pool(harness, lambda pool: pool is not None and pool["spec"]["limits"]["cpu"] == "0")
        time.sleep(5)
        assert len(harness.running_pods_of(name)) == 1
        stop = {"spec": {"stop": {"mode": "Terminate", "reason": "enough"}}}
        harness.kubectl("patch", "bj", name, "--type=merge", "-p", json.dumps(stop))
        harness.wait_state(name, "Failed")
    wait_pool(harness, lambda pool: pool is None)
    wait_at_zero(harness)


def test_a_node_pool_of_somebody_else_is_never_touched(harness: Harness, cluster: Cluster) -> None:
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "e2e"}
    theirs = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": harness.named("cloud")},
        "spec": {"limits": {"cpu": "0"}, "template": {"spec": {"nodeClassRef": reference, "requirements": []}}},
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(theirs))
    generation = (pool_of(harness) or {})["metadata"]["generation"]
    harness.apply(managed(harness))
    told = harness.wait_condition("computeenvironments", "cloud", "NodePoolNotOurs")
    assert (told["status"], harness.named("cloud") in told["message"]) == ("False", True)
    harness.kubectl("delete", "computeenvironment", harness.named("cloud"))
    time.sleep(5)
    pool = pool_of(harness)
    assert pool is not None
    assert pool["metadata"]["generation"] == generation
    harness.api.delete(f"{POOLS}/{harness.named('cloud')}")


def test_a_node_class_that_is_missing_is_told_in_karpenters_words(harness: Harness) -> None:
    harness.apply(managed(harness, node_class="no-such-class"))
    told = harness.wait_condition("computeenvironments", "cloud", "ProvisionerNotReady")
    assert told["status"] == "False"
    assert "NodeClass" in told["message"]
    harness.apply(managed(harness))
    harness.wait_condition("computeenvironments", "cloud", "ScaledToZero")


def test_a_gang_that_gets_a_part_of_its_nodes_gives_them_back(harness: Harness) -> None:
    """Two nodes of more than half of the largest machine that the ceiling allows: for the second none is left.

    What a machine has for pods is not known before, as no instance types are listed.
    """
    container = {"name": "main", "image": "x", "resources": {"requests": {"cpu": "1960m", "memory": "32Mi"}}}
    template = {"metadata": {"annotations": FOREVER}, "spec": {"containers": [container]}}
    ranges = [{"targetNodes": "0:", "template": template}]
    harness.apply(
        managed(harness, maxVcpus=4, instanceFamilies=["r5"], unschedulableSeconds=10),
        harness.queue("queue", "cloud"),
        harness.object(names.JOB_DEFINITION, "pair", {"multiNode": {"numNodes": 2, "nodeRanges": ranges}}),
        harness.job("gang", "pair", "queue"),
    )
    taken_back = harness.wait_status("gang", lambda status: status.get("reason") == "InsufficientInstanceCapacity")
    assert taken_back["state"] == "Runnable"
    assert f"environment {harness.named('cloud')} got no node for a pod (" in taken_back["message"]
    until(lambda: not harness.pods_of("gang"), 60, lambda: harness.kubectl("get", "pods"))
    assert [each["attempt"] for each in harness.statuses()["gang"]["attempts"]] == [1]
    harness.kubectl("delete", "bj", "gang")
    wait_at_zero(harness)


def test_an_operator_that_is_killed_while_nodes_come_loses_and_doubles_nothing(
    harness: Harness, operator: OperatorProcess, cluster: Cluster
) -> None:
    """Ten times at random, while there is spot now and then: 50 jobs and an array of 10 run once each."""
    rng, bound, folder = random.Random(5), Bound(harness), cluster_dir(cluster.name)  # noqa: S311 - always the same
    no_spot = Rule("insufficientCapacity", capacity_types=["spot"], node_classes=[FAULTY])
    wanted = [f"job-{number:02}" for number in range(50)]
    harness.apply(
        *spot_first(harness, 3, 10, maxVcpus=16),
        harness.simulated_definition("work", duration="6s"),
        *(harness.job(name, "work", "queue") for name in wanted),
        harness.job("many", "work", "queue", array={"size": 10}),
    )
    try:
        for number in range(10):
            refuse(folder, [no_spot] if number % 2 else [])
            time.sleep(rng.uniform(0.1, 2))
            operator.replace()
    finally:
        clear(folder)
    ended = harness.wait_finished([*wanted, "many"], 180)
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    assert {each["attempt"] for name in wanted for each in ended[name]["attempts"]} == {1}
    assert [name for name in wanted if list(map(len, bound.of(name).values())) != [1]] == []
    assert {index: len(pods) for index, pods in bound.of("many").items()} == {str(index): 1 for index in range(10)}
    assert not any(status.get("interruptions") for status in ended.values())
    print("ran in", dict(sum((bound.environments(name) for name in ended), Counter[str]())))
    wait_at_zero(harness, SPOT)
    wait_at_zero(harness, STEADY)
    until(lambda: not bound.alive, 30, lambda: harness.kubectl("get", "pods"))


def test_bad_environments_are_refused_in_words(harness: Harness) -> None:
    wide = managed(harness, shapes=SHAPES, instanceTypes=["m5.large"])
    assert "shapes and instanceTypes name different instance types" in harness.refused(wide)
    endless = managed(harness)
    del endless["spec"]["maxVcpus"]
    assert "the types Managed and Serverless need maxVcpus" in harness.refused(endless)
    foreign = managed(harness)
    foreign["spec"]["managed"] |= {"instanceFamilies": ["D"]}
    foreign["spec"]["managed"]["nodeClassRef"] |= {"group": "karpenter.azure.com", "kind": "AKSNodeClass"}
    assert "name the labels of your provider in requirements" in harness.refused(foreign)
