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
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import make_job, make_node, make_resolved, make_run, make_snapshot

ONE: Resources = {"cpu": 1000, "pods": 1}
KEY = make_job().key


def snapshot(*charges: Charge, **fields: Any) -> Snapshot:
    found: dict[Hashable, Charge] = dict(enumerate(charges))
    return make_snapshot(**{"nodes": [make_node("a"), make_node("b", cpu="8")], "charges": found, **fields})


def test_what_is_bound_is_on_its_node() -> None:
    ledger, expected = opened(snapshot(Charge("pool", ONE, KEY, bound={"b": ONE})))
    assert expected == {}
    assert (ledger.space.of("pool", "a")["cpu"], ledger.space.of("pool", "b")["cpu"]) == (4000, 7000)


def test_a_pod_without_a_node_is_expected_on_the_one_that_would_be_chosen_for_it() -> None:
    ledger, expected = opened(snapshot(Charge("pool", ONE, KEY), Charge("pool", {"cpu": 5000, "pods": 1}, KEY)))
    assert expected == {0: (("a", ONE),), 1: (("b", {"cpu": 5000, "pods": 1}),)}
    assert (ledger.space.of("pool", "a")["cpu"], ledger.space.of("pool", "b")["cpu"]) == (3000, 3000)


def test_of_an_array_only_those_are_placed_that_are_neither_bound_nor_expected() -> None:
    run = make_run(indexed=IndexedJob(9, 4), request={"cpu": 1000})
    amount = {"cpu": 4000, "pods": 4}
    _, expected = opened(snapshot(Charge("pool", amount, KEY, run, bound={"b": ONE}, expected=(("b", ONE),))))
    assert expected == {0: (("a", ONE), ("a", ONE))}


def test_the_pods_of_a_gang_are_expected_as_they_are() -> None:
    groups = (NodeGroup((0,), {}, {"cpu": 6000}), NodeGroup((1, 2), {}, {"cpu": 1000}))
    gang = Gang(0, groups)
    resolved = replace(make_resolved(), gang=gang, request=gang.request)
    _, expected = opened(snapshot(Charge("pool", gang.request, KEY), resolved={KEY: resolved}))
    assert [node for node, _ in expected[0]] == ["b", "b", "b"]


def test_what_finds_no_room_is_expected_nowhere() -> None:
    ledger, expected = opened(snapshot(Charge("pool", {"cpu": 9000, "pods": 1}, KEY), Charge("elsewhere", ONE, KEY)))
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
    ledger, _ = opened(taken)
    assert ledger.space.of("pool", "b")["cpu"] == 3500
    assert ledger.take("pool", wants.pods) == (("c", ONE),)
    assert ledger.take("pool", wants.pods) is None, "each node has the port once"
