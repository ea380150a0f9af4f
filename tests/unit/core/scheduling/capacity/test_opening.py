"""Pods that have no node yet are expected somewhere, and count there."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.opening import opened
from batchyard.core.scheduling.capacity.pools import pool
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import make_claim, make_job, make_managed, make_node, make_resolved, make_run, make_snapshot

ONE: Resources = {"cpu": 1000, "pods": 1}
KEY = make_job().key


def snapshot(*charges: Charge, **fields: Any) -> Snapshot:
    found: dict[Hashable, Charge] = dict(enumerate(charges))
    return make_snapshot(**{"nodes": [make_node("a"), make_node("b", cpu="8")], "charges": found, **fields})


def test_what_is_bound_is_on_its_node() -> None:
    ledger, expected, *_ = opened(snapshot(Charge("pool", ONE, KEY, bound={"b": ONE})))
    assert expected == {}
    assert (ledger.space.of("pool", "a")["cpu"], ledger.space.of("pool", "b")["cpu"]) == (4000, 7000)


def test_a_pod_without_a_node_is_expected_on_the_one_that_would_be_chosen_for_it() -> None:
    ledger, expected, *_ = opened(snapshot(Charge("pool", ONE, KEY), Charge("pool", {"cpu": 5000, "pods": 1}, KEY)))
    assert expected == {0: (("a", ONE),), 1: (("b", {"cpu": 5000, "pods": 1}),)}
    assert (ledger.space.of("pool", "a")["cpu"], ledger.space.of("pool", "b")["cpu"]) == (3000, 3000)


def test_of_an_array_only_those_are_placed_that_are_neither_bound_nor_expected() -> None:
    run = make_run(indexed=IndexedJob(9, 4), request={"cpu": 1000})
    amount = {"cpu": 4000, "pods": 4}
    _, expected, *_ = opened(snapshot(Charge("pool", amount, KEY, run, bound={"b": ONE}, expected=(("b", ONE),))))
    assert expected == {0: (("a", ONE), ("a", ONE))}


def test_the_pods_of_a_gang_are_expected_as_they_are() -> None:
    groups = (NodeGroup((0,), {}, {"cpu": 6000}), NodeGroup((1, 2), {}, {"cpu": 1000}))
    gang = Gang(0, groups)
    resolved = replace(make_resolved(), gang=gang, request=gang.request)
    _, expected, *_ = opened(snapshot(Charge("pool", gang.request, KEY), resolved={KEY: resolved}))
    assert [node for node, _ in expected[0]] == ["b", "b", "b"]


def test_what_finds_no_room_is_expected_nowhere() -> None:
    ledger, expected, *_ = opened(
        snapshot(Charge("pool", {"cpu": 9000, "pods": 1}, KEY), Charge("elsewhere", ONE, KEY))
    )
    assert expected == {}
    assert ledger.free("pool")["cpu"] == 12000


def test_the_order_in_which_charges_became_known_decides_nothing() -> None:
    first = Charge("pool", {"cpu": 3000, "pods": 1}, ("media", "a"), make_run(1))
    second = Charge("pool", {"cpu": 2000, "pods": 1}, ("media", "b"), make_run(1))
    one, other = opened(snapshot(first, second))[1], opened(snapshot(second, first))[1]
    assert (one[0], one[1]) == (other[1], other[0])


def test_pods_of_others_and_their_ports_count() -> None:
    port = ("TCP", 8080, "0.0.0.0")  # noqa: S104
    wants = replace(make_resolved(), constraints=Constraints(ports=(port,)), request={"cpu": 1000})
    taken = snapshot(
        Charge("pool", ONE, KEY, bound={"a": ONE}),
        resolved={KEY: wants},
        nodes=[make_node("a"), make_node("b"), make_node("c")],
        other_pods={"b": {"cpu": 500, "pods": 1}},
        ports_taken={"b": frozenset({port})},
    )
    ledger, *_ = opened(taken)
    assert ledger.space.of("pool", "b")["cpu"] == 3500
    assert ledger.take("pool", wants.pods) == (("c", ONE),)
    assert ledger.take("pool", wants.pods) is None, "each node has the port once"


A, B = (("media", "a"), "pool"), (("media", "b"), "pool")


def test_pods_are_unmet_for_which_no_node_is_on_its_way() -> None:
    """A node of m5.large that was asked for has room for one of them."""
    charges = [Charge(name, ONE, key) for key, name in (A, B)]
    managed: dict[str, Any] = {"environments": [make_managed()], "nodes": []}
    assert opened(snapshot(*charges, **managed)).unmet == {A: 1, B: 1}
    assert opened(snapshot(*charges, claims=[make_claim()], **managed)).unmet == {B: 1}
    asked = make_claim(capacity={}, allocatable={})
    assert len(opened(snapshot(*charges, claims=[asked], **managed)).unmet) == 2, "nobody knows yet how large it is"
    assert opened(snapshot(*charges, claims=[make_claim(usable_cpu="2")], **managed)).unmet == {}


def test_of_one_job_those_pods_are_unmet_that_are_neither_bound_nor_have_a_node_on_its_way() -> None:
    run = make_run(indexed=IndexedJob(9, 6), request={"cpu": 1000})
    charge = Charge("pool", {"cpu": 6000, "pods": 6}, KEY, run, bound={"here": ONE})
    here = make_node("here", cpu="2", labels=make_managed().node_selector)
    found = opened(snapshot(charge, environments=[make_managed()], nodes=[here], claims=[make_claim()]))
    assert found.unmet == {(KEY, "pool"): 3}, "one is bound, one finds room there, and one on the node that comes"


def test_of_a_gang_the_node_that_does_not_come_is_unmet() -> None:
    gang = Gang(0, (NodeGroup((0, 1), {}, {"cpu": 1500}),))
    resolved = replace(make_resolved(), gang=gang, request=gang.request)
    scene: dict[str, Any] = {"resolved": {KEY: resolved}, "environments": [make_managed()], "nodes": []}
    charge = Charge("pool", gang.request, KEY)
    assert opened(snapshot(charge, **scene)).unmet == {(KEY, "pool"): 2}
    assert opened(snapshot(charge, claims=[make_claim()], **scene)).unmet == {(KEY, "pool"): 1}
    assert opened(snapshot(charge, claims=[make_claim("a"), make_claim("b")], **scene)).unmet == {}


def test_of_one_job_they_are_told_apart_by_environment() -> None:
    """An array that has moved may have indexes in several; nodes that come to one are none for another."""
    both = {name: make_managed(name=name) for name in ("pool", "other")}
    charges = [Charge(name, ONE, KEY, make_run(1, index=i, environment=name)) for i, name in enumerate(["pool", *both])]
    scene: dict[str, Any] = {"environments": both.values(), "nodes": []}
    assert opened(snapshot(*charges, **scene)).unmet == {(KEY, "pool"): 2, (KEY, "other"): 1}
    claim = make_claim(environment="other", labels=both["other"].node_selector)
    pools = {name: pool(each, (), claims=[claim] if name == "other" else ()) for name, each in both.items()}
    found = opened(replace(snapshot(*charges, **scene), pools=pools))
    assert found.unmet == {(KEY, "pool"): 2}


def test_where_nodes_are_not_made_nothing_is_unmet() -> None:
    assert opened(snapshot(Charge("pool", {"cpu": 9000, "pods": 1}, KEY))).unmet == {}
    gone = snapshot(Charge("gone", ONE, KEY), environments=[make_managed()], nodes=[])
    assert opened(gone).unmet == {}


ZONED = [make_node(name, cpu="2", labels={ZONE: name[0]}) for name in ("a1", "a2", "b1", "b2", "b3")]


def in_one_zone(size: int, *charges: Charge, **fields: Any) -> Snapshot:
    """A multi-node job of nodes of two vCPUs that are to be in one zone."""
    groups = (NodeGroup(tuple(range(size)), {}, {"cpu": 2000}, Constraints(one_zone=True)),)
    resolved = replace(make_resolved(), gang=Gang(0, groups), request=Gang(0, groups).request)
    return snapshot(*charges, resolved={KEY: resolved}, **{"nodes": ZONED, **fields})


def charge_of(size: int, zone: str | None = None, **fields: Any) -> Charge:
    run = make_run(request={"cpu": 2000 * size, "pods": size}, zone=zone)
    return Charge("pool", {"cpu": 2000 * size, "pods": size}, KEY, run, **fields)


def expected_of(found: Snapshot) -> list[str]:
    return [node for node, _ in opened(found).expected.get(0, ())]


TWO: Resources = {"cpu": 2000, "pods": 1}


@pytest.mark.parametrize(("zone", "nodes"), [("a", ["a1", "a2"]), ("b", ["b1", "b2", "b3"])])
def test_nodes_of_a_job_are_expected_in_the_zone_that_it_was_granted(zone: str, nodes: list[str]) -> None:
    assert expected_of(in_one_zone(3, charge_of(3, zone))) == nodes
    granted = Placement(KEY, "pool", {}, zone=zone)
    before = Charge("pool", {"cpu": 6000, "pods": 3}, KEY)
    assert expected_of(in_one_zone(3, before, granted={KEY: granted})) == nodes


def test_those_whose_main_node_runs_are_expected_beside_it() -> None:
    """Else the room that they wait for would be given to others, whenever nodes come or go."""
    assert expected_of(in_one_zone(2, charge_of(2, "b", bound={"b2": TWO}))) == ["b1"]
    assert expected_of(in_one_zone(3, charge_of(3, "b", bound={"b2": TWO}, expected=(("b3", TWO),)))) == ["b1"]
    assert expected_of(in_one_zone(3, charge_of(3, "a", bound={"a1": TWO}))) == ["a2"], "there is no more there"


def test_where_the_zone_has_shown_with_the_main_node_it_is_that_one() -> None:
    assert expected_of(in_one_zone(2, charge_of(2, bound={"b2": TWO}))) == ["b1"]
    assert expected_of(in_one_zone(2, charge_of(2, expected=(("b2", TWO),)))) == ["b1"]


def test_nodes_without_the_label_are_a_zone_too() -> None:
    nodes = [make_node("a1", cpu="2", labels={ZONE: "a"}), make_node("x", cpu="2"), make_node("y", cpu="2")]
    assert expected_of(in_one_zone(2, charge_of(2, "", bound={"y": TWO}), nodes=nodes)) == ["x"]
    assert expected_of(in_one_zone(2, charge_of(2, bound={"y": TWO}), nodes=nodes)) == ["x"]


def test_whoever_may_be_in_one_zone_only_goes_before_who_may_be_elsewhere() -> None:
    """The other one would be expected on the last node of that zone."""
    first = Charge("pool", TWO, ("media", "a"), make_run(owner=("media", "a"), request={"cpu": 2000}))
    found = in_one_zone(2, charge_of(2, "a", bound={"a1": TWO}), first)
    assert opened(found).expected == {0: (("a2", TWO),), 1: (("b1", TWO),)}


def test_where_its_environment_is_gone_nobody_asks_for_its_zone() -> None:
    gone = [replace(charge_of(2, zone, bound={"b2": TWO}), environment="gone") for zone in (None, "b")]
    assert opened(in_one_zone(2, *gone)).expected == {}


def test_once_its_zone_is_lost_they_are_expected_nowhere() -> None:
    lost = [replace(each, ready=each.labels[ZONE] != "a") for each in ZONED]
    assert expected_of(in_one_zone(2, charge_of(2, "a"), nodes=lost)) == []
    assert expected_of(in_one_zone(2, charge_of(2, "a", bound={"a1": TWO}), nodes=lost)) == []


def test_of_a_job_that_may_be_anywhere_nodes_are_expected_anywhere() -> None:
    groups = (NodeGroup((0, 1), {}, {"cpu": 2000}),)
    resolved = replace(make_resolved(), gang=Gang(0, groups), request=Gang(0, groups).request)
    anywhere = snapshot(charge_of(2, bound={"b2": TWO}), resolved={KEY: resolved}, nodes=ZONED)
    assert expected_of(anywhere) == ["a1"]


def spreading(count: int, *bound: str, nodes: Any = ZONED) -> Snapshot:
    """An array whose indexes are to be spread; of so many, these nodes have one each."""
    run = make_run(indexed=IndexedJob(9, count), request={"cpu": 2000})
    amount = {"cpu": 2000 * count, "pods": count}
    charge = Charge("pool", amount, KEY, run, bound=dict.fromkeys(bound, TWO))
    return snapshot(charge, resolved={KEY: make_resolved(zonePolicy="Spread")}, jobs=[make_job()], nodes=nodes)


def test_of_an_array_that_is_spread_they_are_expected_where_few_of_it_are() -> None:
    assert expected_of(spreading(4)) == ["a1", "b1", "a2", "b2"]
    assert expected_of(spreading(4, "a1")) == ["b1", "a2", "b2"]
    assert expected_of(spreading(9, "a1", "a2")) == ["b1", "b2", "b3"], "as far as there is room"
    assert expected_of(spreading(2, nodes=[make_node("x"), make_node("y")])) == ["x", "x"]
