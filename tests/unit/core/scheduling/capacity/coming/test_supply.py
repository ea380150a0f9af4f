"""What a provisioner may still bring."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import INSTANCE_TYPE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, Supply, learned, supply
from unit.samples import make_claim, make_managed, make_node, make_shape

LARGE = KnownShape("m5.large", {"cpu": 2000}, {"cpu": 1900, "pods": 29})


def supply_of(
    environment: Environment,
    claims: Iterable[NodeClaim] = (),
    usable: Iterable[str] = (),
    seen: Mapping[str, KnownShape] | None = None,
) -> Supply:
    assert environment.managed is not None
    return supply(environment.managed, environment.ceilings, claims, usable, seen or {})


def test_all_nodes_that_were_asked_for_count_under_the_ceilings() -> None:
    claims = [make_claim("here", node="node-1"), make_claim("coming"), make_claim("going", deleting=True)]
    found = supply_of(make_managed(16), claims, ["node-1"])
    assert found.left == {"cpu": 10_000}
    assert list(found.coming) == ["coming"]


def test_a_claim_that_is_not_launched_has_no_size_yet() -> None:
    found = supply_of(make_managed(16), [make_claim(capacity={}, allocatable={})])
    assert (found.left, dict(found.coming)) == ({"cpu": 16_000}, {})


def test_a_node_that_is_there_and_cannot_take_pods_yet_is_on_its_way() -> None:
    found = supply_of(make_managed(16), [make_claim(node="node-1")])
    assert [node.name for node in found.coming.values()] == ["node-1"]


def test_shapes_are_those_listed_smallest_first_with_what_was_seen_of_them() -> None:
    shapes = [make_shape("m5.xlarge", 4, "16Gi"), make_shape("m5.large", 2)]
    found = supply_of(make_managed(shapes=shapes), seen={"m5.large": LARGE})
    assert [each.instance_type for each in found.shapes] == ["m5.large", "m5.xlarge"]
    assert found.shapes[0] == LARGE
    assert found.shapes[1].allocatable["cpu"] == 4000


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


def test_instance_types_are_learnt_from_claims_and_better_from_their_nodes() -> None:
    claims = [make_claim("first", node="node-1"), make_claim("second"), make_claim("bare", labels={})]
    node = make_node("node-1", cpu="1800m")
    found = learned(claims, {"node-1": node}, {"node-1": {"cpu": 100, "pods": 2}})["m5.large"]
    assert (found.capacity["cpu"], found.allocatable["cpu"], found.allocatable["pods"]) == (2000, 1700, 108)
    starting = learned(claims, {"node-1": replace(node, ready=False)}, {})
    assert starting["m5.large"].allocatable["cpu"] == 1900
    assert learned([make_claim(capacity={})], {}, {}) == {}
