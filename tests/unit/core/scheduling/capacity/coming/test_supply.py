"""What a provisioner may still bring."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import INSTANCE_TYPE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.scheduling.capacity.coming.supply import INITIALIZED, KnownShape, Supply, learned, supply
from unit.samples import make_claim, make_managed, make_node, make_shape

DISRUPTED = ("karpenter.sh/disrupted", "", "NoSchedule")
LARGE = KnownShape("m5.large", {"cpu": 2000}, {"cpu": 1900, "pods": 29})


def supply_of(
    environment: Environment,
    claims: Iterable[NodeClaim] = (),
    nodes: Iterable[Node] = (),
    usable: Collection[str] = (),
    seen: Mapping[str, KnownShape] | None = None,
) -> Supply:
    assert environment.managed is not None
    return supply(
        environment.managed, environment.ceilings, claims, {node.machine: node for node in nodes}, usable, seen or {}
    )


def test_all_nodes_that_were_asked_for_count_under_the_ceilings() -> None:
    claims = [make_claim("here", node="node-1"), make_claim("coming"), make_claim("going", deleting=True)]
    found = supply_of(make_managed(16), claims, [make_node("node-1")], ["node-1"])
    assert found.left == {"cpu": 10_000}
    assert list(found.coming) == ["coming"]


def test_a_claim_that_is_not_launched_has_no_size_yet() -> None:
    found = supply_of(make_managed(16), [make_claim(capacity={}, allocatable={})])
    assert (found.left, dict(found.coming)) == ({"cpu": 16_000}, {})


@pytest.mark.parametrize(
    ("node", "comes"),
    [
        (make_node("node-1", ready=False), True),
        (make_node("node-1", taints=(("karpenter.sh/unregistered", "", "NoExecute"),)), True),
        # These have been there: what runs on them still takes their room.
        (make_node("node-1", ready=False, labels={INITIALIZED: "true"}), False),
        (make_node("node-1", schedulable=False, labels={INITIALIZED: "true"}), False),
        (
            make_node("node-1", taints=(("karpenter.sh/disrupted", "", "NoSchedule"),), labels={INITIALIZED: "true"}),
            False,
        ),
        (make_node("node-1", ready=False, lost=True), False),
    ],
)
def test_a_node_is_on_its_way_until_it_can_take_its_first_pods(node: Node, *, comes: bool) -> None:
    found = supply_of(make_managed(16), [make_claim(node="node-1")], [node])
    assert bool(found.coming) is comes
    assert found.left == {"cpu": 14_000}


def test_a_node_is_found_by_its_machine_before_its_claim_names_it() -> None:
    claim = make_claim(provider_id="kwok://a")
    node = make_node("node-1", provider_id="kwok://a")
    assert list(supply_of(make_managed(16), [claim], [node], ["node-1"]).coming) == []
    assert list(supply_of(make_managed(16), [claim], [make_node("node-2", provider_id="kwok://b")]).coming) == [
        claim.name
    ]


def test_of_a_node_on_its_way_no_more_counts_than_pods_could_have_of_one_like_it() -> None:
    (node,) = supply_of(
        make_managed(16), [make_claim()], seen={"m5.large": replace(LARGE, allocatable={"cpu": 1500})}
    ).coming.values()
    assert node.allocatable["cpu"] == 1500
    assert node.allocatable["pods"] == 110


def test_shapes_are_those_listed_smallest_first_with_what_was_seen_of_them() -> None:
    shapes = [make_shape("m5.xlarge", 4, "16Gi"), make_shape("m5.large", 2)]
    found = supply_of(make_managed(shapes=shapes), seen={"m5.large": LARGE})
    assert [each.instance_type for each in found.shapes] == ["m5.large", "m5.xlarge"]
    assert found.shapes[0] == LARGE
    assert found.shapes[1].allocatable["cpu"] == 3960, "its system takes something, too"


def test_shapes_with_devices_come_last() -> None:
    shapes = [make_shape("g4dn.xlarge", 4, "16Gi", **{"nvidia.com/gpu": 1}), make_shape("m5.4xlarge", 16, "64Gi")]
    found = supply_of(make_managed(shapes=shapes))
    assert [each.instance_type for each in found.shapes] == ["m5.4xlarge", "g4dn.xlarge"]


def test_instance_types_that_were_all_seen_are_known() -> None:
    types = make_managed(requirements=(Requirement(INSTANCE_TYPE, "In", ("m5.large",)),))
    assert supply_of(types).shapes == ()
    assert supply_of(types, seen={"m5.large": LARGE}).shapes == (LARGE,)


def test_while_one_is_unknown_none_counts_as_all() -> None:
    types = make_managed(requirements=(Requirement(INSTANCE_TYPE, "In", ("m5.large", "m5.xlarge")),))
    assert supply_of(types, seen={"m5.large": LARGE}).shapes == ()
    assert supply_of(make_managed(), seen={"m5.large": LARGE}).shapes == ()


def test_what_pods_may_ask_of_labels_goes_by_shapes_and_by_nodes_on_their_way() -> None:
    large = Constraints(selector=((INSTANCE_TYPE, "m5.large"),))
    disk = Constraints(selector=(("disk", "ssd"),))
    found = supply_of(make_managed(shapes=[make_shape("m5.xlarge", 4)]))
    assert not found.admits(large)
    coming = make_claim(labels={"disk": "ssd"})
    assert not found.admits(disk)
    assert supply_of(make_managed(), [coming]).admits(disk)


def test_of_a_shape_that_was_not_seen_only_what_it_states_is_known() -> None:
    (shape,) = supply_of(make_managed(shapes=[make_shape()])).shapes
    assert shape.carries({"cpu": 1900, "ephemeral-storage": 2**40, "vpc.amazonaws.com/efa": 1, "pods": 1})
    assert not shape.carries({"cpu": 2000})
    assert not shape.carries({"nvidia.com/gpu": 1})
    assert not LARGE.carries({"ephemeral-storage": 1})


def test_shapes_that_the_requirements_exclude_do_not_count() -> None:
    shapes = [make_shape("m5.large"), make_shape("m5.xlarge", 4)]
    types = Requirement(INSTANCE_TYPE, "In", ("m5.large", "m5.xlarge"))
    managed = make_managed(shapes=shapes, requirements=(types, Requirement(INSTANCE_TYPE, "NotIn", ("m5.xlarge",))))
    assert [each.instance_type for each in supply_of(managed).shapes] == ["m5.large"]


def test_instance_types_are_learnt_from_the_nodes_that_were_made() -> None:
    """Pods of DaemonSets are not there at once on each node, so the one counts that has least."""
    claims = [
        make_claim("first", node="a"),
        make_claim("second", node="b"),
        make_claim("coming"),
        make_claim("bare", labels={}),
    ]
    machines = {"a": make_node("a", cpu="1800m"), "b": make_node("b", cpu="1800m")}
    found = learned(claims, machines, {"a": {"cpu": 100, "pods": 2}}, {})["m5.large"]
    assert (found.capacity["cpu"], found.allocatable["cpu"], found.allocatable["pods"]) == (2000, 1700, 108)
    assert learned([make_claim("coming")], {}, {}, {"m5.large": found}) == {"m5.large": found}
    assert learned(claims, {"a": make_node("a", ready=False)}, {}, {}) == {}
