"""What is free during a pass: on nodes, and under the ceilings of environments."""

from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.coming.room import MARK
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger
from batchyard.core.scheduling.capacity.pools import Pool, pool, space_of
from unit.samples import VIRTUAL, make_node, make_pool, make_serverless


def ledger_of(*pools: Pool, used: dict[str, Resources] | None = None) -> Ledger:
    by_name = {each.environment.name: each for each in pools}
    return Ledger(by_name, used or {}, space_of(by_name))


def pods(count: int = 1, **request: int) -> PodSets:
    return (PodSet(count, request),)


def test_charges_add_up() -> None:
    ledger = ledger_of(make_pool())
    assert ledger.take("pool", pods(cpu=1000)) == (("node-1", {"cpu": 1000, "pods": 1}),)
    assert ledger.fits("pool", pods(cpu=3000))
    ledger.charge("pool", [("node-1", {"cpu": 2000, "pods": 1})], {"cpu": 2000, "pods": 1})
    assert ledger.fits("pool", pods(cpu=1000))
    assert not ledger.fits("pool", pods(cpu=1001))
    assert ledger.free("pool")["pods"] == 108
    ledger.give("pool", [("node-1", {"cpu": 2000, "pods": 1})], {"cpu": 2000, "pods": 1})
    assert ledger.free("pool")["cpu"] == 3000


def test_a_pod_needs_its_room_on_one_node() -> None:
    ledger = ledger_of(make_pool(make_node("a"), make_node("b")))
    assert ledger.take("pool", pods(cpu=1000)) is not None
    assert ledger.free("pool")["cpu"] == 7000
    assert ledger.take("pool", pods(cpu=4000)) == (("b", {"cpu": 4000, "pods": 1}),)
    assert not ledger.fits("pool", pods(cpu=4000))


def test_pods_are_a_resource_even_to_a_job_that_asks_for_nothing() -> None:
    ledger = ledger_of(make_pool())
    ledger.charge("pool", [("node-1", {"pods": 109})], {"pods": 109})
    assert ledger.take("pool", pods()) is not None
    assert not ledger.fits("pool", pods())


def test_a_node_of_which_more_is_taken_than_it_has_fits_nothing_of_that() -> None:
    ledger = ledger_of(make_pool())
    ledger.charge("pool", [("node-1", {"cpu": 9000})], {"cpu": 9000})
    assert ledger.free("pool")["cpu"] == -5000
    assert not ledger.fits("pool", pods(cpu=1))
    assert ledger.fits("pool", pods(memory=1))


def test_ceilings_hold_for_all_that_runs_in_the_environment() -> None:
    pool = make_pool(make_node("a"), make_node("b"), ceilings={"cpu": 5000, "memory": 2**50})
    ledger = ledger_of(pool, used={"pool": {"cpu": 2000, "pods": 1}})
    assert ledger.free("pool")["cpu"] == 3000
    assert not ledger.fits("pool", pods(2, cpu=2000))
    assert ledger.room("pool", pods(cpu=1000)[0], 10) == 3
    assert ledger.take("pool", pods(cpu=3000)) is not None
    assert ledger.left("pool")["cpu"] == 0
    assert not ledger.fits("pool", pods(cpu=1))
    assert ledger.fits("pool", pods(memory=1))


def test_room_is_what_the_nodes_carry() -> None:
    ledger = ledger_of(make_pool(make_node("a"), make_node("b")))
    assert ledger.room("pool", pods(cpu=3000)[0], 10) == 2
    assert ledger.room("pool", pods(cpu=1000)[0], 10) == 8
    assert ledger.room("pool", pods(cpu=1000)[0], 5) == 5


def test_all_pods_of_a_gang_find_room_or_none() -> None:
    ledger = ledger_of(make_pool(make_node("a"), make_node("b", cpu="2")))
    mixed = (PodSet(1, {"cpu": 3000}), PodSet(2, {"cpu": 1000}))
    assert ledger.take("pool", (PodSet(2, {"cpu": 3000}),)) is None
    assert ledger.free("pool")["cpu"] == 6000
    nodes = ledger.take("pool", mixed)
    assert nodes is not None
    assert [node for node, _ in nodes] == ["a", "a", "b"]
    assert ledger.free("pool")["cpu"] == 1000


def test_a_node_of_two_environments_is_there_once() -> None:
    node = make_node()
    ledger = ledger_of(make_pool(node, name="one"), make_pool(node, name="other"))
    assert ledger.take("one", pods(cpu=3000)) is not None
    assert not ledger.fits("other", pods(cpu=3000))
    assert ledger.free("other")["cpu"] == 1000


def test_a_fork_is_changed_apart() -> None:
    ledger = ledger_of(make_pool(ceilings={"cpu": 4000}))
    thought = ledger.fork()
    assert thought.take("pool", pods(cpu=4000)) is not None
    assert ledger.take("pool", pods(cpu=1000)) is not None
    assert (thought.free("pool")["cpu"], ledger.free("pool")["cpu"]) == (0, 3000)
    assert (thought.left("pool")["cpu"], ledger.left("pool")["cpu"]) == (0, 3000)


def test_which_pods_of_a_charge_have_no_node() -> None:
    one: Resources = {"cpu": 1000, "pods": 1}
    charge = Charge("pool", {"cpu": 5000, "pods": 5}, ("media", "videos"), bound={"a": {"cpu": 2000, "pods": 2}})
    assert charge.homeless == 3
    charge = Charge("pool", {"cpu": 2000, "pods": 2}, ("media", "videos"), expected=(("a", one), ("b", one)))
    assert charge.homeless == 0
    assert charge.assigned == (("a", one), ("b", one))


SMALL = pods(cpu=300, memory=600 * 2**20)
"""Of which each counts as 0.5 vCPU and 1 GiB on Fargate."""


def test_where_pods_can_only_have_certain_sizes_these_are_what_the_ceilings_lose() -> None:
    ledger = ledger_of(pool(make_serverless(ceilings={"cpu": 2000, "memory": 8 * 2**30}), ()))
    assert ledger.charged("pool", SMALL) == pods(cpu=500, memory=2**30)
    assert ledger.take("pool", SMALL) == ((MARK, {"cpu": 300, "memory": 600 * 2**20, "pods": 1}),)
    assert ledger.left("pool") == ledger.free("pool") == {"cpu": 1500, "memory": 7 * 2**30}
    assert [ledger.take("pool", SMALL) is None for _ in range(4)] == [False, False, False, True]
    assert ledger.left("pool") == {"cpu": 0, "memory": 4 * 2**30}


def test_what_is_undone_is_free_again_to_the_last_byte() -> None:
    ledger = ledger_of(pool(make_serverless(ceilings={"cpu": 2000, "memory": 8 * 2**30}), ()), make_pool(name="nodes"))
    before = ledger.left("pool"), ledger.free("nodes")
    for name in ("pool", "nodes"):
        for asked in (SMALL, pods(3, cpu=300)):
            taken = ledger.take(name, asked)
            assert taken is not None
            ledger.undo(name, taken, asked)
            assert ledger.fits(name, asked)
    assert (ledger.left("pool"), ledger.free("nodes")) == before


def test_all_pods_of_a_gang_are_charged_by_their_size() -> None:
    ledger = ledger_of(pool(make_serverless(2), ()))
    assert not ledger.fits("pool", pods(5, cpu=300))
    taken = ledger.take("pool", (PodSet(1, {"cpu": 1000}), PodSet(2, {"cpu": 300})))
    assert taken is not None
    assert [node for node, _ in taken] == [MARK] * 3
    assert ledger.left("pool") == {"cpu": 0}


def test_room_is_for_as_many_sizes_as_the_ceilings_leave() -> None:
    ledger = ledger_of(pool(make_serverless(2), ()))
    assert ledger.room("pool", SMALL[0], 10) == 4
    assert ledger.room("pool", SMALL[0], 3) == 3
    assert ledger.room("pool", SMALL[0], 10, further=False) == 0
    assert ledger.room("pool", pods(cpu=17_000)[0], 10) == 0
    ledger.take("pool", pods(cpu=1800))
    assert ledger.room("pool", SMALL[0], 10) == 0


def test_what_runs_is_charged_as_it_was_granted_whatever_size_that_was() -> None:
    used: dict[str, Resources] = {"pool": {"cpu": 1500, "memory": 9 * 2**30, "pods": 3}}
    ledger = ledger_of(pool(make_serverless(2), ()), used=used)
    assert ledger.left("pool") == {"cpu": 500}
    assert ledger.fits("pool", SMALL)
    assert not ledger.fits("pool", pods(cpu=501))


def test_a_fork_of_it_is_changed_apart() -> None:
    ledger = ledger_of(pool(make_serverless(2), ()))
    thought = ledger.fork()
    assert thought.take("pool", pods(cpu=2000)) is not None
    assert (thought.left("pool"), ledger.left("pool")) == ({"cpu": 0}, {"cpu": 2000})
    assert thought.charged("pool", SMALL) == ledger.charged("pool", SMALL)


def test_where_no_pod_runs_now_nothing_fits() -> None:
    ledger = ledger_of(pool(make_serverless(offer=VIRTUAL, node_selector={"type": "virtual-kubelet"}), ()))
    assert not ledger.fits("pool", pods(cpu=1))
    assert ledger.room("pool", pods(cpu=1)[0], 5) == 0
    assert ledger.put("pool", pods(cpu=1)[0], further=True) == MARK, "who was granted it waits for that"
