"""Pods that Fargate does not run, and what is said of them."""

from typing import Any

import pytest

from localcluster.nodes.fargate.profiles import PROFILE_LABEL
from localcluster.nodes.fargate.refusals import meets, refusal
from unit.localcluster.nodes.fargate.pods import PROFILES, container, pod

NODES = [{"kubernetes.io/arch": "amd64", "zone": zone} for zone in ("a", "b")]


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"hostNetwork": True}, "fields not supported: HostNetwork"),
        ({"hostPID": True, "hostIPC": True}, "fields not supported: HostPID, HostIPC"),
        (
            {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "disk", "hostPath": {"path": "/"}}]},
            "volumes not supported: disk is of type hostPath",
        ),
        (
            {"initContainers": [container("first", securityContext={"privileged": True})]},
            "security contexts not supported: Privileged",
        ),
    ],
)
def test_what_a_pod_may_not_have_is_named(spec: dict[str, Any], words: str) -> None:
    assert refusal(pod(**spec), PROFILES, NODES) == f"Pod not supported on Fargate: {words}"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"securityContext": {"privileged": True}}, "security contexts not supported: Privileged"),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, "ports not supported: those with HostIP or HostPort"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "resources not supported: nvidia.com/gpu"),
    ],
)
def test_neither_may_its_containers(own: dict[str, Any], words: str) -> None:
    assert refusal(pod("p", container(**own)), PROFILES, NODES) == f"Pod not supported on Fargate: {words}"


def test_all_of_it_is_named_at_once() -> None:
    odd = pod("p", container(securityContext={"privileged": True}), hostNetwork=True)
    said = refusal(odd, PROFILES, NODES)
    assert said == (
        "Pod not supported on Fargate: fields not supported: HostNetwork, security contexts not supported: Privileged"
    )


def test_an_ordinary_pod_is_not_refused() -> None:
    ordinary = container(ports=[{"containerPort": 80}], securityContext={"privileged": False})
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "projected": {}}, {"name": "c", "nfs": {}}]
    assert refusal(pod("p", ordinary, volumes=volumes, nodeSelector={"zone": "b"}), PROFILES, NODES) is None


def test_a_pod_is_refused_that_no_node_or_size_is_for() -> None:
    assert "MatchNodeSelector failed" in str(refusal(pod(nodeSelector={"zone": "c"}), PROFILES, NODES))
    assert "the largest size has, 16vCPU 120GB" in str(refusal(pod("p", container(cpu="17")), PROFILES, NODES))


def test_a_pod_whose_profile_is_gone_is_refused() -> None:
    orphan = pod()
    orphan["metadata"]["labels"][PROFILE_LABEL] = "old"
    assert refusal(orphan, PROFILES, NODES) == "Pod not supported on Fargate: no Fargate profile 'old' selects it"


@pytest.mark.parametrize(
    ("spec", "met"),
    [
        ({}, True),
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "a", "kubernetes.io/arch": "arm64"}}, False),
        ({"affinity": {"podAntiAffinity": {}}}, True),
        ({"affinity": required(expression("In", "zone", "a", "b"))}, True),
        ({"affinity": required(expression("In", "zone", "b"))}, False),
        ({"affinity": required(expression("In", "zone", "b"), expression("Exists", "zone"))}, True),
        ({"affinity": required(expression("NotIn", "zone", "a"))}, False),
        ({"affinity": required(expression("NotIn", "none", "a"))}, True),
        ({"affinity": required(expression("DoesNotExist", "zone"))}, False),
        ({"affinity": required(expression("Gt", "zone", "1"))}, False),
        ({"affinity": required({})}, False),
        ({"affinity": required({"matchFields": [expression("In", "metadata.name", "x")]})}, False),
    ],
)
def test_selector_and_required_affinity_are_met_by_labels(spec: dict[str, Any], met: bool) -> None:
    assert meets(spec, NODES[0]) is met
