"""What environments hold, and the ledger of one pass."""

import pytest

from batchyard.core.model.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.scheduling.ledger import Ledger
from unit.samples import make_node, make_pool


def test_a_pool_is_the_sum_of_its_usable_nodes() -> None:
    pool = make_pool(make_node("a"), make_node("b", cpu="8"), make_node("c", ready=False))
    assert pool.nodes == 2
    assert pool.capacity == parse_resources({"cpu": "12", "memory": "32Gi", "pods": "220"})
    assert len(pool.shapes) == 2


def test_equal_nodes_are_one_shape() -> None:
    assert len(make_pool(make_node("a"), make_node("b"), make_node("c")).shapes) == 1


def test_ceilings_cut_what_the_nodes_have_and_give_nothing_they_do_not() -> None:
    pool = make_pool(make_node("a"), make_node("b"), ceilings={"cpu": 3000, "memory": 2**50, "nvidia.com/gpu": 8})
    assert pool.capacity["cpu"] == 3000
    assert pool.capacity["memory"] == 2 * 16 * 2**30
    assert pool.capacity["nvidia.com/gpu"] == 0


@pytest.mark.parametrize(
    ("request_", "could"),
    [
        ({}, True),
        ({"cpu": 4000}, True),
        ({"cpu": 4001}, False),  # there are 8 vCPU, on two nodes
        ({"cpu": 4000, "memory": 17 * 2**30}, False),
        ({"nvidia.com/gpu": 1}, False),
        ({"nvidia.com/gpu": 0}, True),
    ],
)
def test_a_pod_must_fit_on_one_node(request_: Resources, could: bool) -> None:
    assert make_pool(make_node("a"), make_node("b")).could_hold(request_) is could


def test_a_pod_must_fit_under_the_ceilings_too() -> None:
    assert not make_pool(ceilings={"cpu": 2000}).could_hold({"cpu": 3000})


def test_no_nodes_hold_nothing_at_all() -> None:
    assert not make_pool(make_node(ready=False)).could_hold({})


def test_charges_add_up() -> None:
    ledger = Ledger({"pool": make_pool()}, {"pool": {"cpu": 1000, "pods": 1}})
    assert ledger.fits("pool", {"cpu": 3000})
    ledger.charge("pool", {"cpu": 2000})
    assert ledger.fits("pool", {"cpu": 1000})
    assert not ledger.fits("pool", {"cpu": 1001})
    assert ledger.free("pool")["pods"] == 108


def test_pods_are_a_resource_even_to_a_job_that_asks_for_nothing() -> None:
    ledger = Ledger({"pool": make_pool()}, {"pool": {"pods": 109}})
    assert ledger.fits("pool", {})
    ledger.charge("pool", {})
    assert not ledger.fits("pool", {})


def test_capacity_that_shrank_below_what_runs_is_negative_and_fits_nothing() -> None:
    ledger = Ledger({"pool": make_pool()}, {"pool": {"cpu": 9000}})
    assert ledger.free("pool")["cpu"] == -5000
    assert not ledger.fits("pool", {"cpu": 1})
    assert ledger.fits("pool", {"memory": 1})


def test_a_ledger_changes_neither_pools_nor_use() -> None:
    pool, used = make_pool(), {"pool": {"cpu": 1000}}
    Ledger({"pool": pool}, used).charge("pool", {"cpu": 500})
    Ledger.empty({"pool": pool}).charge("pool", {"cpu": 500})
    assert pool.capacity["cpu"] == 4000
    assert used == {"pool": {"cpu": 1000}}


def test_all_pods_of_a_gang_must_fit_at_once() -> None:
    pool = make_pool(make_node("a"), make_node("b"), make_node("c", cpu="9"))

    def could_hold(count: int, cpu: int) -> bool:
        gang = Gang(0, (NodeGroup(tuple(range(count)), {}, {"cpu": cpu}),))
        return pool.could_hold({"cpu": count * cpu, "pods": count}, gang)

    assert could_hold(17, 1000)
    assert not could_hold(18, 1000)
    assert could_hold(5, 3000)  # one, one and three
    assert not could_hold(6, 2700)  # 16.2 of 17 vCPU, but again room for five only
    assert not could_hold(331, 0)  # pods are a resource, too


def test_a_gang_is_charged_as_a_whole() -> None:
    ledger = Ledger({"pool": make_pool()}, {"pool": {"pods": 107}})
    assert not ledger.fits("pool", {"cpu": 4000, "pods": 4})
    assert ledger.fits("pool", {"cpu": 4000, "pods": 3})
    ledger.charge("pool", {"cpu": 4000, "pods": 3})
    assert (ledger.free("pool")["cpu"], ledger.free("pool")["pods"]) == (0, 0)
