"""From a NodeClaim to its record; the samples are those of a real Karpenter with its kwok provider."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.cluster.nodeclaim import Mishap, NodeClaim
from batchyard.objects.kubernetes.karpenter.nodeclaim import read_nodeclaim

CREATED = 1_796_035_430.0
ASKED = [
    {"key": names.NODE_ENVIRONMENT, "operator": "In", "values": ["burst"]},
    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand", "spot"]},
    {"key": "karpenter.kwok.sh/instance-generation", "operator": "Gt", "values": ["4"]},
]
OF_TEMPLATE = {names.NODE_ENVIRONMENT: "burst", "karpenter.sh/nodepool": "burst"}
OF_MACHINE = {"karpenter.sh/capacity-type": "spot", "node.kubernetes.io/instance-type": "c5.large"}


def claim(status: Any = None, labels: Any = None, requirements: Any = ASKED, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "burst-g9npk",
            "uid": "uid",
            "creationTimestamp": "2026-11-30T10:43:50Z",
            "labels": OF_TEMPLATE if labels is None else labels,
            **metadata,
        },
        "spec": {"requirements": requirements},
        **({} if status is None else {"status": status}),
    }


def test_a_claim_that_was_just_made_has_no_machine_and_the_labels_that_are_certain() -> None:
    read = read_nodeclaim(claim())
    assert read == NodeClaim("burst-g9npk", "burst", CREATED, {**OF_TEMPLATE, "kubernetes.io/arch": "amd64"})
    assert not read.launched


def test_a_launched_claim_says_what_its_machine_is() -> None:
    status = {
        "allocatable": {"cpu": "1900m", "ephemeral-storage": "100Gi", "memory": "4086Mi", "pods": "110"},
        "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
        "nodeName": "vigorous-chebyshev-2121772347",
    }
    read = read_nodeclaim(claim(status, {**OF_TEMPLATE, **OF_MACHINE}))
    assert read.labels == {**OF_TEMPLATE, **OF_MACHINE, "kubernetes.io/arch": "amd64"}
    assert read.capacity == {"cpu": 2000, "memory": 4 * 2**30, "pods": 110}
    assert read.allocatable["cpu"] == 1900
    assert (read.launched, read.node, read.deleting) == (True, "vigorous-chebyshev-2121772347", False)


def test_what_the_machine_has_goes_before_what_was_asked() -> None:
    read = read_nodeclaim(claim(labels={**OF_TEMPLATE, "kubernetes.io/arch": "arm64"}))
    assert read.labels["kubernetes.io/arch"] == "arm64"


def test_one_that_is_to_go_says_so() -> None:
    assert read_nodeclaim(claim(deletionTimestamp="2026-11-30T10:44:37Z")).deleting


def test_one_of_somebody_else_is_of_no_environment() -> None:
    assert read_nodeclaim(claim(labels={"karpenter.sh/nodepool": "other"})).environment == ""


@pytest.mark.parametrize("odd", ["-4", "much", "", None, [], "1e30", "9007199254740992k"])
def test_an_amount_that_makes_no_sense_counts_as_none_of_that_resource(odd: Any) -> None:
    read = read_nodeclaim(claim({"capacity": {"cpu": "2", "memory": odd}, "allocatable": {"cpu": odd}}))
    assert (read.capacity, read.allocatable) == ({"cpu": 2000}, {})


@pytest.mark.parametrize("odd", [None, [], "x", 7, {"capacity": "x", "allocatable": [1], "nodeName": None}])
def test_whatever_is_odd_in_a_claim_it_is_read(odd: Any) -> None:
    read = read_nodeclaim({**claim(odd), "spec": odd})
    assert (read.capacity, read.allocatable, read.node) == ({}, {}, "")


@pytest.mark.parametrize("odd", [None, [], "x", 7, {"a": 7}, {"a": None}])
def test_labels_that_are_no_text_are_none(odd: Any) -> None:
    assert read_nodeclaim(claim(labels={}, requirements=odd)).labels == {}
    assert read_nodeclaim(claim(labels={"a": 7}, requirements=[odd, {"key": "a", "values": odd}])).labels == {}
    found = claim(requirements=[])
    found["metadata"]["labels"] = odd
    assert read_nodeclaim(found).labels == {}


def with_condition(status: str, reason: str, **fields: Any) -> NodeClaim:
    said = {"type": "Launched", "status": status, "reason": reason, "lastTransitionTime": "2026-11-30T10:44:00Z"}
    return read_nodeclaim(claim({"conditions": [{"type": "Ready", "status": "Unknown"}, {**said, **fields}]}))


def test_since_when_it_is_launched_is_told_by_its_condition() -> None:
    assert with_condition("True", "Launched").launched_at == CREATED + 10
    assert read_nodeclaim(claim({"capacity": {"cpu": "2"}})).launched_at is None


def test_why_the_provider_makes_no_machine_is_told_by_its_condition() -> None:
    """Karpenter leaves it Unknown, and goes on trying: so it has not turned since the claim was made."""
    read = with_condition("Unknown", "VcpuLimitExceeded", message="more than the quota", lastTransitionTime=None)
    assert (read.launched_at, read.mishap) == (None, Mishap("VcpuLimitExceeded", "more than the quota", CREATED))
    assert with_condition("False", "LaunchFailed").mishap == Mishap("LaunchFailed", "LaunchFailed", CREATED + 10)


def test_before_karpenter_has_tried_nothing_is_wrong() -> None:
    assert with_condition("Unknown", "AwaitingReconciliation", message="object is awaiting").mishap is None


@pytest.mark.parametrize("odd", [7, "x", "", [], "2026-99-99T00:00:00Z"])
def test_a_time_that_makes_no_sense_is_that_of_its_creation(odd: Any) -> None:
    assert with_condition("True", "Launched", lastTransitionTime=odd).launched_at == CREATED
