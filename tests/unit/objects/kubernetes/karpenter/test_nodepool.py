"""The NodePool of an environment, what is read of one, and whether one that is there will do."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.cluster.nodeclaim import NodePool
from batchyard.core.model.environment import Environment
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kubernetes.karpenter.nodepool import closed, covers, merged, read_nodepool, render_nodepool
from fakes.copying import copied
from objects.managed import managed_environment
from unit.objects.conftest import Golden
from unit.samples import make_environment

CREATED = 1_796_035_580.0
BUDGETS = [{"nodes": "100%", "reasons": ["Empty"]}, {"nodes": "0", "reasons": ["Underutilized", "Drifted"]}]
DEFAULTS = {"nodeClassObservedGeneration": 1, "nodes": 0, "resources": {"cpu": "0"}}


def environment(**fields: Any) -> Environment:
    return read_environment(managed_environment("burst", **fields))


def wanted(**fields: Any) -> dict[str, Any]:
    return render_nodepool(environment(**fields))


def stored(pool: dict[str, Any] | None = None, *conditions: dict[str, str]) -> dict[str, Any]:
    """A NodePool as an API server holds it, with what Karpenter adds."""
    found: dict[str, Any] = copied(pool or wanted())
    found["metadata"] |= {
        "uid": "uid",
        "resourceVersion": "640",
        "generation": 1,
        "creationTimestamp": "2026-11-30T10:46:20Z",
        "managedFields": [{"manager": "karpenter"}],
    }
    found["metadata"]["annotations"] |= {"karpenter.sh/nodepool-hash": "8390658542455178535"}
    return {**found, "status": {**DEFAULTS, "conditions": list(conditions)}}


def condition(kind: str, status: str, message: str = "", reason: str = "Because") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def test_the_nodepool_of_an_environment(golden: Golden) -> None:
    pool = wanted(
        max_vcpus=256,
        capacityTypes=["Spot", "OnDemand"],
        instanceFamilies=["c"],
        minGeneration=5,
        requirements=[{"key": "example.com/rack", "operator": "Exists"}],
        idleSeconds=30,
        deletionPolicy="Drain",
        fields={"maxMemory": "1Ti", "maxGpus": 8},
    )
    golden("nodepool", pool)


def test_that_of_a_disabled_environment_is_the_same() -> None:
    assert wanted(fields={"state": "Disabled"}) == wanted()


def test_an_environment_whose_nodes_are_not_made_has_none() -> None:
    with pytest.raises(ValueError, match="the nodes of pool are not made"):
        render_nodepool(make_environment())


# What is read.


def test_one_of_ours_is_read_as_such() -> None:
    pool = stored(wanted(deletionPolicy="Drain"), condition("Ready", "True"))
    assert read_nodepool(pool) == NodePool("burst", "uid", "burst", CREATED, drains=True)
    pool["metadata"]["deletionTimestamp"] = "2026-11-30T10:46:20Z"
    assert read_nodepool(pool).deleting


@pytest.mark.parametrize("labels", [None, {}, {names.NODE_ENVIRONMENT: "other"}, {names.MANAGED_BY: "batchyard"}])
def test_one_without_the_label_of_its_own_name_is_of_somebody_else(labels: Any) -> None:
    pool = stored()
    pool["metadata"]["labels"] = labels
    assert read_nodepool(pool).environment == ""


def test_what_keeps_karpenter_from_making_nodes_is_told_in_its_words() -> None:
    """As it says so itself where the node class is missing."""
    said = (
        condition("NodeClassReady", "False", "NodeClass not found on cluster", "NodeClassNotFound"),
        condition("ValidationSucceeded", "True"),
        condition("Ready", "False", "NodeClassReady=False", "UnhealthyDependents"),
    )
    assert read_nodepool(stored(None, *said)).trouble == "NodeClassReady is False: NodeClass not found on cluster"


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (condition("ValidationSucceeded", "False", "invalid value"), "ValidationSucceeded is False: invalid value"),
        (condition("Ready", "False"), "Ready is False: Because"),
        (condition("NodeClassReady", "Unknown", "object is awaiting reconciliation"), ""),
        (condition("NodeRegistrationHealthy", "False", "one node did not come"), ""),
        (condition("Ready", "True"), ""),
    ],
)
def test_only_what_is_false_and_needed_is_trouble(said: dict[str, str], trouble: str) -> None:
    read = read_nodepool(stored(None, said))
    assert (read.trouble, read.noticed) == (trouble, True)


@pytest.mark.parametrize(
    ("kind", "reason", "fault"),
    [
        ("NodeClassReady", "NodeClassNotFound", "NodeClassNotFound"),
        ("ValidationSucceeded", "NodePoolValidationFailed", "NodePoolValidationFailed"),
        ("NodeClassReady", "SubnetsNotFound", ""),
        ("NodeClassReady", "NodeClassTerminating", ""),
    ],
)
def test_what_is_wrong_with_what_it_says_is_told_apart(kind: str, reason: str, fault: str) -> None:
    assert read_nodepool(stored(None, condition(kind, "False", "words", reason))).fault == fault
    assert read_nodepool(stored(None, condition(kind, "True", "words", reason))).fault == ""


@pytest.mark.parametrize("status", [None, {}, [], "x", {"conditions": None}, {"conditions": [7, "x"]}])
def test_one_of_which_nothing_is_said_was_not_noticed_yet(status: Any) -> None:
    read = read_nodepool({**stored(), "status": status})
    assert (read.trouble, read.noticed) == ("", False)


# Whether one that is there will do.


def test_what_karpenter_and_defaults_add_makes_no_difference() -> None:
    found = stored(None, condition("Ready", "True"))
    found["spec"]["weight"] = 7
    found["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    assert covers(found, wanted())


@pytest.mark.parametrize(
    ("cpu", "same"), [("256", True), (256, True), ("256000m", True), ("0.256k", True), ("257", False), ("many", False)]
)
def test_limits_are_compared_as_amounts(cpu: Any, same: bool) -> None:
    found = stored(wanted(max_vcpus=256))
    found["spec"]["limits"]["cpu"] = cpu
    assert covers(found, wanted(max_vcpus=256)) is same


def set_at(obj: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split("/")
    for key in above:
        obj = obj[key]
    obj[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/labels", {}),
        ("metadata/annotations", {names.DELETION_POLICY: "Drain"}),
        ("spec/limits", {"cpu": "16", "nodes": "3"}),
        ("spec/limits", None),
        ("spec", None),
        ("spec/template/spec/requirements", []),
        ("spec/template/spec/taints", [{"key": "other", "effect": "NoSchedule"}]),
        ("spec/template/spec/expireAfter", "720h"),
        ("spec/template/spec/nodeClassRef/name", "other"),
        ("spec/template/metadata/labels", {"a": "b"}),
        ("spec/template/metadata", "x"),
        ("spec/disruption/budgets", [{"nodes": "10%"}]),
        ("spec/disruption/budgets", [*BUDGETS, {"nodes": "10%"}]),
        ("spec/disruption/budgets", BUDGETS[::-1]),
        ("spec/disruption/budgets", "x"),
        ("spec/disruption/consolidateAfter", "61s"),
    ],
)
def test_whatever_is_not_as_wanted_is_found_and_put_right(path: str, value: Any) -> None:
    found = stored()
    set_at(found, path, value)
    assert not covers(found, wanted())
    assert covers(merged(found, wanted()), wanted())


def test_written_anew_it_keeps_what_others_have_said_and_the_version_that_was_looked_at() -> None:
    found = stored(wanted(fields={"maxMemory": "1Ti"}), condition("Ready", "True"))
    found["spec"]["weight"] = 7
    found["metadata"]["finalizers"] = ["example.com/audit"]
    body = merged(found, wanted(max_vcpus=8))
    assert body["spec"]["limits"] == {"cpu": "8"}
    assert body["spec"]["weight"] == 7
    assert "status" not in body
    kept = {"name", "uid", "resourceVersion", "labels", "annotations", "finalizers"}
    assert body["metadata"].keys() == kept
    assert body["metadata"]["annotations"]["karpenter.sh/nodepool-hash"] == "8390658542455178535"


def test_a_closed_one_has_no_room_for_a_further_node() -> None:
    found = stored(wanted(fields={"maxGpus": 8}))
    shut = merged(found, closed(found))
    assert shut["spec"]["limits"] == {"cpu": "0", "memory": "0", "nvidia.com/gpu": "0"}
    assert shut["spec"]["template"] == found["spec"]["template"]
    assert not covers(found, closed(found))
    assert covers(shut, closed(shut))
    assert not covers(shut, wanted(fields={"maxGpus": 8}))


def test_limits_go_with_the_environments_ceilings() -> None:
    unlimited = replace(environment(), ceilings={})
    assert render_nodepool(unlimited)["spec"]["limits"] == {}
