"""Pods that are to be in one zone find room there together, or nowhere."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import ANY_ADDRESS, Constraints, Requirement
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.pods.zones import in_zone
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.coming.room import is_thought_up
from batchyard.core.scheduling.capacity.ledger import Ledger
from batchyard.core.scheduling.capacity.pools import Pool, pool, space_of
from unit.samples import make_claim, make_environment, make_managed, make_node, make_pool, make_serverless, make_shape

PORT = ("TCP", 8080, ANY_ADDRESS)


def ledger_of(*pools: Pool, used: dict[str, Resources] | None = None) -> Ledger:
    by_name = {each.environment.name: each for each in pools}
    space = space_of(by_name)
    space.with_ports(dict)
    return Ledger(by_name, used or {}, space)


def together(count: int, cpu: int = 1000, **constraints: Any) -> PodSets:
    return (PodSet(count, {"cpu": cpu}, Constraints(one_zone=True, **constraints)),)


def zoned(**sizes: str) -> list[Node]:
    """Nodes of so many vCPUs by zone: `b="2 2"` are two, and `none` have no label."""
    return [
        make_node(f"{zone}{number}", cpu=cpu, labels={} if zone == "none" else {ZONE: zone})
        for zone, several in sizes.items()
        for number, cpu in enumerate(several.split(), start=1)
    ]


def own(node: Node) -> Node:
    """The same as a node that was made."""
    return replace(node, labels={**make_managed().node_selector, **node.labels})


def claim(name: str, zone: str, **fields: Any) -> Any:
    plain = make_claim(name, **fields)
    return replace(plain, labels={**plain.labels, ZONE: zone})


def nodes_of(ledger: Ledger, pods: PodSets, **options: Any) -> list[str] | None:
    assigned = ledger.take("pool", pods, **options)
    return None if assigned is None else [node for node, _ in assigned]


# What a pool says of zones.


def test_zones_are_those_of_usable_nodes_and_of_nodes_on_their_way() -> None:
    assert make_pool(*zoned(b="4", a="4 4")).zones == ("a", "b")
    assert make_pool(*zoned(a="4", none="4")).zones == ("", "a")
    assert make_pool(make_node()).zones == ("",)
    assert make_pool(*zoned(a="4"), make_node("lost", ready=False, labels={ZONE: "b"})).zones == ("a",)
    made = pool(make_managed(), map(own, zoned(a="4")), claims=[claim("x", "b"), claim("y", "c", deleting=True)])
    assert made.zones == ("a", "b")
    assert pool(make_managed(), []).zones == ()


def test_the_zone_of_a_node_is_known_once_it_is_there_or_on_its_way() -> None:
    found = pool(make_managed(), map(own, zoned(a="4", none="4")), claims=[claim("x", "b")])
    assert [found.zone_of(name) for name in ("a1", "none1", "+x")] == ["a", "", "b"]
    assert [found.zone_of(name) for name in ("gone", "+gone", "+", "++0")] == [None] * 4
    assert make_pool(*zoned(a="4")).zone_of("+x") is None


def test_room_is_looked_for_in_each_zone_by_those_alone_that_are_to_be_in_one() -> None:
    found, anywhere = make_pool(*zoned(a="4", none="4")), (PodSet(2, {"cpu": 1000}),)
    spread = (PodSet(1, {"cpu": 1000}, Constraints(spread=True)),)
    assert found.ways(together(2)) == [in_zone(together(2), ""), in_zone(together(2), "a")]
    assert (found.ways(anywhere), found.ways(spread)) == ([anywhere], [spread])
    assert pool(make_managed(), []).ways(together(2)) == [together(2)], "as all may be where the first comes to be"


@pytest.mark.parametrize(
    ("sizes", "could"),
    [
        ({"a": "2 2"}, True),
        ({"a": "2", "b": "2"}, False),
        ({"a": "2", "b": "1 2", "c": "1"}, False),
        ({"a": "1", "b": "2 1 2"}, True),
        ({"none": "2 2"}, True),
        ({"none": "2", "a": "2"}, False),
    ],
)
def test_a_pool_could_hold_what_one_zone_could(sizes: dict[str, str], *, could: bool) -> None:
    found = make_pool(*zoned(**sizes))
    assert found.could_hold(together(2, 2000)) is could
    assert found.could_hold((PodSet(2, {"cpu": 2000}),))


def test_what_pods_ask_of_nodes_holds_beside() -> None:
    found = make_pool(*(make_node(f"{z}{d}", labels={ZONE: z, "disk": d}) for z, d in ("ax", "ay", "bx")))
    assert not found.could_hold(together(2, 4000, selector=(("disk", "x"),)))
    assert found.could_hold(together(2, 2000, selector=(("disk", "x"),)))
    assert found.could_hold(together(1, 4000, selector=(("disk", "x"), (ZONE, "b"))))
    assert not found.could_hold(together(2, 4000, selector=((ZONE, "b"),)))


def test_nodes_that_could_be_made_could_all_be_in_one_zone() -> None:
    nodes = map(own, zoned(a="2", b="2"))
    assert pool(make_managed(8), nodes).could_hold(together(2, 2000))
    assert not pool(make_managed(3), nodes).could_hold(together(2, 2000))


def test_where_there_are_no_nodes_there_is_no_zone_to_be_in() -> None:
    assert not pool(make_serverless(), []).could_hold(together(2))
    assert pool(make_serverless(), []).could_hold((PodSet(2, {"cpu": 1000}),))


# What a pass takes.


def test_they_are_put_in_a_zone_that_has_room_for_all() -> None:
    ledger = ledger_of(make_pool(*zoned(a="3", b="2 2", c="3")))
    assert nodes_of(ledger, together(4)) == ["b1", "b1", "b2", "b2"]
    assert nodes_of(ledger, together(4)) is None, "six vCPUs are left in two zones"
    assert nodes_of(ledger, together(3)) == ["a1"] * 3
    assert nodes_of(ledger, (PodSet(3, {"cpu": 1000}),)) == ["c1"] * 3
    assert ledger.free("pool")["cpu"] == 0


def test_where_there_is_no_room_nothing_is_taken() -> None:
    ledger = ledger_of(make_pool(*zoned(a="3", b="3"), ceilings={"cpu": 5000}))
    before = dict(ledger.free("pool")), dict(ledger.left("pool"))
    assert ledger.take("pool", together(4)) is None
    assert not ledger.fits("pool", together(4))
    assert ledger.fits("pool", together(3))
    assert (ledger.free("pool"), ledger.left("pool")) == before


def test_mixed_nodes_of_a_job_are_in_one_zone() -> None:
    mixed = (*together(1, 3000), *together(2, 2000))
    ledger = ledger_of(make_pool(*zoned(a="3 2", b="3 4")))
    assert nodes_of(ledger, mixed) == ["b1", "b2", "b2"]


def test_nodes_without_the_label_are_one_zone() -> None:
    assert nodes_of(ledger_of(make_pool(*zoned(none="2 2"))), together(4)) == ["none1", "none1", "none2", "none2"]
    assert nodes_of(ledger_of(make_pool(*zoned(none="2 1", a="2"))), together(4)) is None


def test_undone_it_is_free_again_in_its_zone() -> None:
    ledger = ledger_of(make_pool(*zoned(a="2", b="4"), ceilings={"cpu": 4000}))
    assigned = ledger.take("pool", together(4))
    assert assigned is not None
    assert ledger.left("pool") == {"cpu": 0}
    ledger.undo("pool", assigned, together(4))
    assert (ledger.left("pool"), ledger.space.of("pool", "b1")["cpu"]) == ({"cpu": 4000}, 4000)
    assert ledger.take("pool", together(4)) == assigned


def test_a_fork_takes_in_another_zone_and_changes_nothing() -> None:
    ledger = ledger_of(make_pool(*zoned(a="2", b="2")))
    thought = ledger.fork()
    assert nodes_of(thought, together(2)) == ["a1", "a1"]
    assert nodes_of(thought, together(2)) == ["b1", "b1"]
    assert nodes_of(ledger, together(2)) == ["a1", "a1"]


def test_ceilings_hold_in_whichever_zone() -> None:
    ledger = ledger_of(make_pool(*zoned(a="4", b="8"), ceilings={"cpu": 6000}), used={"pool": {"cpu": 1000}})
    assert nodes_of(ledger, together(6)) is None
    assert nodes_of(ledger, together(5)) == ["b1"] * 5
    assert nodes_of(ledger, together(1)) is None


def test_ports_are_taken_once_on_each_node_of_the_zone() -> None:
    ledger = ledger_of(make_pool(*zoned(a="4", b="4 4", c="4")))
    wanted = together(2, ports=(PORT,))
    assert nodes_of(ledger, (PodSet(1, {}, Constraints(ports=(PORT,), selector=((ZONE, "c"),))),)) == ["c1"]
    thought = ledger.fork()
    assert ledger.fits("pool", wanted)
    assert nodes_of(ledger, wanted) == ["b1", "b2"]
    assert nodes_of(ledger, wanted) is None
    assert nodes_of(ledger, together(1, ports=(PORT,))) == ["a1"], "what was tried there in vain has no port"
    assert nodes_of(thought, wanted) == ["b1", "b2"]


def test_what_another_environment_takes_of_common_nodes_counts() -> None:
    nodes = zoned(a="4", b="4")
    both = [make_pool(*nodes), make_pool(*nodes, name="other")]
    ledger = ledger_of(*both)
    assert ledger.take("other", (PodSet(1, {"cpu": 1000}, Constraints(selector=((ZONE, "a"),))),)) is not None
    assert nodes_of(ledger, together(4)) == ["b1"] * 4
    assert ledger.take("other", together(4)) is None


def test_nodes_that_are_kept_for_others_are_left_out() -> None:
    ledger = ledger_of(make_pool(*zoned(a="2 2", b="2 2")))
    assert nodes_of(ledger, together(4), without={"a2"}) == ["b1", "b1", "b2", "b2"]
    assert nodes_of(ledger, together(4), without={"a2"}) is None
    assert nodes_of(ledger, together(2), without={"a2"}) == ["a1", "a1"]


def test_an_environment_of_one_zone_looks_there() -> None:
    environment = make_environment(node_selector={ZONE: "b"})
    ledger = ledger_of(pool(environment, zoned(a="8", b="2 2")))
    assert nodes_of(ledger, together(4)) == ["b1", "b1", "b2", "b2"]


def test_the_zone_of_what_was_taken_is_told() -> None:
    ledger = ledger_of(make_pool(*zoned(b="4", none="8")))
    small, large = ledger.take("pool", together(8)), ledger.take("pool", together(4))
    assert small is not None
    assert large is not None
    assert [ledger.zone_of("pool", each) for each in (small, large, (), (("gone", {}),))] == ["", "b", None, None]


# Where nodes are made.


def managed_ledger(*claims: Any, here: list[Node] | None = None, max_vcpus: int = 16, **fields: Any) -> Ledger:
    environment = make_managed(max_vcpus, max_pending_pods=fields.pop("pending", 100), **fields)
    return ledger_of(pool(environment, map(own, here or []), claims=claims))


def test_with_no_node_there_all_of_them_are_asked_for() -> None:
    ledger = managed_ledger()
    assigned = ledger.take("pool", together(3))
    assert assigned is not None
    assert all(is_thought_up(node) for node, _ in assigned)
    assert ledger.zone_of("pool", assigned) is None
    assert managed_ledger().take("pool", together(3), further=False) is None


def test_a_zone_that_needs_no_further_nodes_goes_before_one_that_does() -> None:
    ledger = managed_ledger(here=zoned(a="2", b="3"))
    assert nodes_of(ledger, together(3)) == ["b1"] * 3
    assert ledger.left("pool") == {"cpu": 13000}


def test_nodes_on_their_way_are_as_good() -> None:
    ledger = managed_ledger(claim("x", "a"), claim("y", "b"), claim("z", "b"))
    assigned = ledger.take("pool", together(2))
    assert assigned is not None
    assert [node for node, _ in assigned] == ["+y", "+z"]
    assert ledger.zone_of("pool", assigned) == "b"
    assert nodes_of(ledger, together(2), further=False) is None


def test_else_the_rest_is_asked_for_in_the_zone_of_those_that_are_there() -> None:
    ledger = managed_ledger(here=zoned(b="2"))
    assigned = ledger.take("pool", together(4))
    assert assigned is not None
    assert [node for node, _ in assigned][:2] == ["b1", "b1"]
    assert all(is_thought_up(node) for node, _ in assigned[2:])
    assert ledger.zone_of("pool", assigned) == "b"


def test_in_a_zone_in_which_no_further_nodes_may_be_none_is_asked_for() -> None:
    only_b = Requirement(ZONE, "In", ("b",))
    ledger = managed_ledger(here=zoned(a="2", b="1"), requirements=(only_b,))
    assigned = ledger.take("pool", together(3))
    assert assigned is not None
    assert ledger.zone_of("pool", assigned) == "b"


def test_as_few_wait_for_further_nodes_as_may() -> None:
    ledger = managed_ledger(here=zoned(a="2"), pending=2)
    assert nodes_of(ledger, together(6)) == ["a1", "a1", "+", "+", "+", "+"], "those that start together may be more"
    assert nodes_of(ledger, together(1)) is None


def test_what_was_taken_of_further_nodes_is_given_back() -> None:
    ledger = managed_ledger(claim("x", "a"), here=zoned(a="1"), max_vcpus=6, shapes=[make_shape()])
    coming = ledger.coming("pool")
    assert coming is not None
    before = dict(ledger.left("pool")), dict(coming.left)
    assert ledger.take("pool", together(9)) is None
    assigned = ledger.take("pool", together(4))
    assert assigned is not None
    assert dict(coming.left) != before[1]
    ledger.undo("pool", assigned, together(4))
    assert (ledger.left("pool"), coming.left) == before
    assert ledger.take("pool", together(4)) == assigned
