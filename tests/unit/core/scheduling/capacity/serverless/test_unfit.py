"""What a job is told whose pods need nodes."""

from collections.abc import Mapping

from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.scheduling.capacity.pools import pool
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessSupply
from batchyard.core.scheduling.capacity.serverless.unfit import not_without_nodes
from unit.samples import VIRTUAL, make_node, make_serverless

ELSEWHERE = Constraints(selector=(("disk", "nvme"),))
ON_VIRTUAL_NODES = make_serverless(offer=VIRTUAL, name="virtual", node_selector={"type": "virtual-kubelet"})


def supplies(*environments: Environment) -> Mapping[str, ServerlessSupply]:
    nodes = [make_node("virtual", labels={"type": "virtual-kubelet"})]
    pools = {each.name: pool(each, nodes) for each in environments}
    return {name: each.serverless for name, each in pools.items() if each.serverless is not None}


def told(pods: PodSets, *environments: Environment) -> str:
    return not_without_nodes("urgent", pods, supplies(*environments))


def test_the_environment_its_provisioner_and_what_is_asked_for_are_named() -> None:
    assert told((PodSet(1, {"nvidia.com/gpu": 1}),), make_serverless()) == (
        "environment pool of queue urgent is serverless (fargate) and cannot run the pod: it asks for nvidia.com/gpu"
    )


def test_labels_that_its_node_would_not_have_are_told_by_those_that_it_has() -> None:
    assert told((PodSet(1, {}, ELSEWHERE),), make_serverless()) == (
        "environment pool of queue urgent is serverless (fargate) and cannot run the pod: its node selector or node"
        " affinity asks for labels other than eks.amazonaws.com/compute-type=fargate, kubernetes.io/arch=amd64,"
        " kubernetes.io/os=linux, and there are no others"
    )


def test_of_virtual_nodes_it_is_said_that_none_has_them() -> None:
    assert told((PodSet(1, {}, ELSEWHERE),), ON_VIRTUAL_NODES) == (
        "environment virtual of queue urgent is serverless (virtualNodes) and cannot run the pod: its node selector or"
        " node affinity asks for labels that no virtual node has"
    )


def test_each_environment_has_a_sentence_of_its_own() -> None:
    pods = (PodSet(1, {}, Constraints(unequal="container main requests 1 vCPU and may use 2 vCPU")),)
    assert told(pods, ON_VIRTUAL_NODES) == ""
    found = told((PodSet(1, {"example.com/fpga": 1}),), make_serverless(), ON_VIRTUAL_NODES)
    assert found == (
        "environment pool of queue urgent is serverless (fargate) and cannot run the pod: it asks for example.com/fpga;"
        " environment virtual of queue urgent is serverless (virtualNodes) and cannot run the pod: it asks for"
        " example.com/fpga"
    )


def test_of_several_pods_the_first_that_cannot_run_there_is_told() -> None:
    pods = (PodSet(1, {"cpu": 1}), PodSet(2, {"cpu": 1}, Constraints(node_name="node-7")))
    assert told(pods, make_serverless()).endswith("it names node node-7")


def test_amounts_are_no_matter_of_it() -> None:
    assert told((PodSet(1, {"cpu": 17_000}),), make_serverless()) == ""
