"""From what an environment says of the nodes that are made for it to the record of that."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.managed import ManagedNodes, NodeClass, Shape
from batchyard.core.model.pods.constraints import Requirement
from batchyard.objects.kinds.computeenvironment import read_environment
from objects.managed import managed_environment

ON_DEMAND = Requirement("karpenter.sh/capacity-type", "In", ("on-demand",))
AMD64 = Requirement("kubernetes.io/arch", "In", ("amd64",))
LINUX = Requirement("kubernetes.io/os", "In", ("linux",))


def read(**fields: Any) -> Environment:
    return read_environment(managed_environment("burst", **{"shapes": {}, **fields}))


def made(**fields: Any) -> ManagedNodes:
    managed = read(**fields).managed
    assert managed is not None
    return managed


def test_one_that_says_little_has_the_defaults() -> None:
    assert made() == ManagedNodes(
        NodeClass("karpenter.kwok.sh", "KWOKNodeClass", "default"),
        (ON_DEMAND, AMD64, LINUX),
        {names.NODE_ENVIRONMENT: "burst"},
        max_pending_pods=200,
        idle_seconds=60,
    )


def test_its_nodes_are_those_with_its_label_and_its_pods_tolerate_its_taint() -> None:
    environment = read(max_vcpus=8)
    assert environment.node_selector == {names.NODE_ENVIRONMENT: "burst"}
    assert environment.tolerations == (Toleration(names.NODE_ENVIRONMENT, "Equal", "burst", "NoSchedule"),)
    assert environment.ceilings == {"cpu": 8000}


def test_every_field_is_a_part_of_the_record() -> None:
    nodes = made(
        nodeClassRef={"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "batch"},
        capacityTypes=["Spot", "OnDemand"],
        architectures=["arm64"],
        zones=["a", "b"],
        instanceTypes=["m7g.large"],
        instanceFamilies=["m7g"],
        instanceSizes=["large"],
        gpuNames=["t4"],
        minGeneration=5,
        requirements=[{"key": "example.com/rack", "operator": "Exists"}],
        maxPendingPods=7,
        idleSeconds=0,
        deletionPolicy="Drain",
    )
    assert nodes.requirements == (
        Requirement("karpenter.sh/capacity-type", "In", ("spot", "on-demand")),
        Requirement("kubernetes.io/arch", "In", ("arm64",)),
        LINUX,
        Requirement("topology.kubernetes.io/zone", "In", ("a", "b")),
        Requirement("node.kubernetes.io/instance-type", "In", ("m7g.large",)),
        Requirement("karpenter.k8s.aws/instance-family", "In", ("m7g",)),
        Requirement("karpenter.k8s.aws/instance-size", "In", ("large",)),
        Requirement("karpenter.k8s.aws/instance-gpu-name", "In", ("t4",)),
        Requirement("karpenter.k8s.aws/instance-generation", "Gt", ("4",)),
        Requirement("example.com/rack", "Exists"),
    )
    assert (nodes.max_pending_pods, nodes.idle_seconds, nodes.drains) == (7, 0, True)


def test_another_operating_system_takes_the_place_of_linux() -> None:
    windows = {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}
    assert made(requirements=[windows]).requirements == (ON_DEMAND, AMD64, Requirement(LINUX.key, "In", ("windows",)))


def test_a_further_requirement_on_a_label_stands_beside_the_first() -> None:
    other = {"key": "karpenter.sh/capacity-type", "operator": "NotIn", "values": ["spot"]}
    assert made(requirements=[other]).requirements[-1] == Requirement(ON_DEMAND.key, "NotIn", ("spot",))


@pytest.mark.parametrize(("types", "wanted"), [([], ("a", "b")), (["b", "a"], ("b", "a"))])
def test_shapes_name_the_instance_types_where_nothing_else_does(types: list[str], wanted: tuple[str, ...]) -> None:
    nodes = made(shapes={"a": (2, "4Gi"), "b": (0.5, "1Gi", 1)}, instanceTypes=types)
    assert Requirement("node.kubernetes.io/instance-type", "In", wanted) in nodes.requirements
    assert nodes.shapes == (
        Shape("a", {"cpu": 2000, "memory": 4 * 2**30}),
        Shape("b", {"cpu": 500, "memory": 2**30, "nvidia.com/gpu": 1}),
    )


ANY_TYPE: dict[str, Any] = {}
ONE_TYPE: dict[str, Any] = {"instanceTypes": ["m5.large"]}
ONE_SHAPE: dict[str, Any] = {"shapes": {"m5.large": (2, "8Gi")}}


@pytest.mark.parametrize(
    ("strategy", "capacity_types", "types"),
    [
        ("BEST_FIT", ["OnDemand"], ONE_TYPE),
        ("BEST_FIT", ["Spot"], ONE_SHAPE),
        ("BEST_FIT", ["OnDemand", "Spot"], ONE_TYPE | ONE_SHAPE),
        ("BEST_FIT_PROGRESSIVE", ["OnDemand"], ANY_TYPE),
        ("BEST_FIT_PROGRESSIVE", ["Spot"], ONE_TYPE),
        ("SPOT_CAPACITY_OPTIMIZED", ["Spot"], ANY_TYPE),
        ("SPOT_CAPACITY_OPTIMIZED", ["OnDemand", "Spot"], ONE_TYPE),
        ("SPOT_PRICE_CAPACITY_OPTIMIZED", ["Spot", "OnDemand"], ANY_TYPE),
    ],
)
def test_an_allocation_strategy_that_can_hold_is_taken_and_changes_nothing(
    strategy: str, capacity_types: list[str], types: dict[str, Any]
) -> None:
    """Karpenter chooses in its own way."""
    fields = {"capacityTypes": capacity_types, **types}
    assert made(allocationStrategy=strategy, **fields) == made(**fields)


@pytest.mark.parametrize(
    ("strategy", "fields", "said"),
    [
        ("BEST_FIT", {}, "name just one in instanceTypes or shapes, or choose BEST_FIT_PROGRESSIVE"),
        ("BEST_FIT", {"instanceTypes": ["m5.large", "m5.xlarge"]}, "name just one in instanceTypes or shapes"),
        ("BEST_FIT", {"instanceFamilies": ["m5"], "instanceSizes": ["large"]}, "name just one in instanceTypes"),
        ("SPOT_CAPACITY_OPTIMIZED", {}, "add Spot to capacityTypes, or choose BEST_FIT_PROGRESSIVE"),
        ("SPOT_PRICE_CAPACITY_OPTIMIZED", {"capacityTypes": ["OnDemand"]}, "add Spot to capacityTypes"),
    ],
)
def test_one_that_cannot_hold_is_refused_with_what_to_do(strategy: str, fields: dict[str, Any], said: str) -> None:
    refusal = read(allocationStrategy=strategy, **fields).refusal
    assert refusal.startswith("spec.managed.allocationStrategy: ")
    assert said in refusal


def test_of_a_refused_one_nothing_counts() -> None:
    environment = read(minVcpus=1)
    assert "spec.managed.minVcpus" in environment.refusal
    assert (environment.managed, environment.node_selector, environment.tolerations) == (None, {}, ())


def test_conditions_that_no_node_can_meet_are_refused_with_the_label() -> None:
    """Such as another architecture beside the one that is the default."""
    arm = {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}
    environment = read(requirements=[arm])
    assert environment.refusal == (
        "spec.managed allows no node at all: what it says of the label kubernetes.io/arch contradicts itself, or what"
        " another of its fields says (unless they are given, capacityTypes is OnDemand and architectures amd64)"
    )
    assert environment.managed is None
    assert read(requirements=[arm], architectures=["arm64"]).refusal == ""
