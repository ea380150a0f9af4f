"""Pods that have no node yet are expected somewhere, and count there."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.opening import opened
from batchyard.core.scheduling.capacity.pools import pool
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
