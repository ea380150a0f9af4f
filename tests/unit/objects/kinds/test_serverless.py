"""From a serverless ComputeEnvironment to its record, and what its status says."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.computeenvironment import ComputeEnvironmentStatus
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.serverless.offer import Serverless, Sizes
from batchyard.objects.kinds.computeenvironment import read_environment, render_environment_status
from objects.api import manifest
from objects.serverless import SIZES, TOLERATES_VIRTUAL, VIRTUAL, serverless_fields, virtual_fields
from unit.objects.conftest import Golden
from unit.samples import FARGATE, NOW, make_serverless

GI = 2**30
ALONE = "environment fargate: no ready virtual node has the labels type=virtual-kubelet"


def read(fields: dict[str, Any]) -> Environment:
    obj = manifest("ComputeEnvironment", name="cloud", **fields)
    obj["metadata"] |= {"uid": "uid", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return read_environment(obj)


def offer(fields: dict[str, Any]) -> Serverless:
    found = read(fields)
    assert found.refusal == ""
    assert found.serverless is not None
    return found.serverless


def test_of_fargate_the_sizes_are_known_and_nothing_else_has_to_be_said() -> None:
    assert read(serverless_fields()) == Environment(
        "cloud",
        "uid",
        3,
        NOW,
        enabled=True,
        ceilings={"cpu": 16_000},
        unschedulable_seconds=300,
        count_other_pods=False,
        serverless=FARGATE,
    )


def test_every_field_of_fargate_is_a_part_of_the_record() -> None:
    environment = read(
        serverless_fields(
            labels={"batch": "yes"},
            namespaces=["media", "team-*"],
            leaveAloneSeconds=60,
            endedPodSeconds=30,
            fields={"maxMemory": "64Gi", "maxGpus": 0, "unschedulableSeconds": 120, "state": "Disabled"},
        )
    )
    assert environment.ceilings == {"cpu": 16_000, "memory": 64 * GI, "nvidia.com/gpu": 0}
    assert (environment.unschedulable_seconds, environment.enabled) == (120, False)
    assert environment.serverless == replace(
        FARGATE,
        labels={"batch": "yes"},
        namespaces=("media", "team-*"),
        leave_alone_seconds=60,
        ended_pod_seconds=30,
    )


def test_every_field_of_virtual_nodes_is_a_part_of_the_record() -> None:
    environment = read(
        virtual_fields(
            labels={"batch": "yes"},
            namespaces=["media"],
            leaveAloneSeconds=60,
            endedPodSeconds=0,
            sizes=SIZES,
            fields={"maxGpus": 4},
        )
    )
    assert environment.node_selector == VIRTUAL
    assert environment.tolerations == (Toleration("virtual-kubelet.io/provider", "Exists"),)
    assert environment.serverless == Serverless(
        "virtualNodes",
        (Sizes(1_000, (2 * GI, 4 * GI)), Sizes(2_000, (4 * GI, 8 * GI))),
        gpus=True,
        labels={"batch": "yes"},
        namespaces=("media",),
        leave_alone_seconds=60,
        ended_pod_seconds=0,
    )


def test_pods_that_have_ended_go_sooner_where_they_cost_money_as_long_as_they_are_there() -> None:
    assert (offer(serverless_fields()).ended_pod_seconds, offer(virtual_fields()).ended_pod_seconds) == (60, None)
    assert offer(serverless_fields(endedPodSeconds=0)).ended_pod_seconds == 0


def test_virtual_nodes_have_any_size_where_none_is_stated_and_no_gpus_where_no_ceiling_allows_them() -> None:
    assert offer(virtual_fields()) == Serverless("virtualNodes")
    assert not offer(virtual_fields(fields={"maxGpus": 0})).gpus


def test_sizes_may_be_stated_in_any_order_and_unit() -> None:
    sizes = [{"vcpus": 2.5, "memory": ["8G", "4096Mi"]}, {"vcpus": 0.25, "memory": ["512Mi"]}]
    assert offer(virtual_fields(sizes=sizes)).sizes == (
        Sizes(250, (512 * 2**20,)),
        Sizes(2_500, (4 * GI, 8 * 10**9)),
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (serverless_fields(provisioner="lambda"), "spec.serverless.provisioner must be one of 'fargate' or"),
        (serverless_fields(max_vcpus=None), "need maxVcpus: nothing else keeps them from growing without end"),
        (serverless_fields(fields={"maxGpus": 1}), "Fargate has no GPUs"),
        (serverless_fields(sizes=SIZES), "nodeSelector, tolerations and sizes are for virtualNodes"),
        (serverless_fields(tolerations=TOLERATES_VIRTUAL), "nodeSelector, tolerations and sizes are for virtualNodes"),
        (serverless_fields(namespaces=["team_a"]), "must be a namespace, in which * and ? may stand for anything"),
        (serverless_fields(namespaces=["[a-z]"]), "must be a namespace, in which * and ? may stand for anything"),
        (serverless_fields(leaveAloneSeconds=5), "at least 10, not 5"),
        (serverless_fields(fields={"unmanaged": {}}), "the type Serverless needs serverless, and neither unmanaged"),
        (virtual_fields(nodeSelector={}), "virtualNodes needs nodeSelector"),
        (virtual_fields(sizes=[{"vcpus": 1, "memory": []}]), "spec.serverless.sizes[0].memory"),
        (virtual_fields(sizes=[{"vcpus": 0, "memory": ["1Gi"]}]), "spec.serverless.sizes[0].vcpus must be more than 0"),
        (virtual_fields(sizes=[{"vcpus": 1, "memory": ["1 GB"]}]), '"1 GB" is not a quantity'),
        (virtual_fields(sizes=[SIZES[0], SIZES[0]]), "two entries have the vcpus"),
    ],
)
def test_what_makes_no_sense_is_refused_and_then_nothing_counts(fields: dict[str, Any], words: str) -> None:
    environment = read(fields)
    assert words in environment.refusal
    assert (environment.serverless, environment.grows, environment.ceilings) == (None, False, {})
    assert environment.admits("media")


def status(environment: Environment, *, nodes: int = 0, withheld: str = "", **used: int) -> dict[str, Any]:
    found = render_environment_status(
        environment,
        nodes=nodes,
        view=NodesView({}, withheld=withheld),
        capacity=environment.ceilings,
        used=used,
        free=Free({}, {}),
        previous={},
        now=NOW,
    )
    ComputeEnvironmentStatus.model_validate(found)
    return found


def condition(found: dict[str, Any]) -> tuple[str, str, str]:
    (one,) = found["conditions"]
    return one["status"], one["reason"], one["message"]


def test_the_status_of_a_serverless_environment(golden: Golden) -> None:
    environment = make_serverless(ceilings={"cpu": 16_000, "memory": 64 * GI})
    golden("serverless-environment", status(environment, cpu=2_500, memory=10 * GI, pods=2))


def test_its_ceilings_are_its_capacity_and_what_they_leave_is_free() -> None:
    found = status(make_serverless(8), cpu=2_500, memory=10 * GI, pods=2)
    assert (found["capacity"], found["free"], found["jobs"]) == ({"cpu": "8"}, {"cpu": "5500m"}, 2)
    assert found["used"] == {"cpu": "2500m", "memory": "10Gi", "pods": "2"}
    assert not {"usedByOthers", "largestFree", "madeNodes", "nodesComing"} & found.keys()


def test_nothing_is_free_rather_than_less_while_more_runs_than_a_lowered_ceiling_allows() -> None:
    assert status(make_serverless(2), cpu=2_500)["free"] == {"cpu": "0"}


def test_it_is_ready_as_long_as_pods_run_there() -> None:
    found = status(make_serverless())
    assert condition(found) == ("True", "Serverless", "pods run without nodes of the environment (fargate)")
    virtual = status(make_serverless(offer=Serverless("virtualNodes")), nodes=2)
    assert condition(virtual) == ("True", "Serverless", "pods run without nodes of the environment (virtualNodes)")
    assert virtual["nodes"] == 2


def test_while_none_run_it_says_why() -> None:
    assert condition(status(make_serverless(), withheld=ALONE)) == ("False", "NoNodes", ALONE)


def test_one_that_is_disabled_is_as_it_should_be_whatever_keeps_pods_from_running() -> None:
    assert condition(status(make_serverless(enabled=False), withheld=ALONE))[:2] == ("True", "Disabled")


def test_one_that_is_refused_says_why() -> None:
    found = status(make_serverless().blank("spec.serverless is wrong"))
    assert [each["reason"] for each in found["conditions"]] == ["InvalidSpec", "InvalidSpec"]
