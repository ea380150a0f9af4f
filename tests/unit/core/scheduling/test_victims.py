"""Which of what runs goes, so that room comes together on nodes."""

from dataclasses import replace

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, times
from batchyard.core.scheduling.capacity.ledger import Ledger
from batchyard.core.scheduling.capacity.pools import space_of
from batchyard.core.scheduling.victims import Victim, choose
from unit.samples import NOW, make_node, make_pool, make_run


def victim(name: str, cpu: int, *nodes: str, priority: int = 1, since: float = 100, array: bool = False) -> Victim:
    one: Resources = {"cpu": 1000 * cpu, "pods": 1}
    run = make_run(name=name, owner=("media", name), indexed=IndexedJob(99, len(nodes)) if array else None)
    request = one if array else times(one, len(nodes))
    assigned = tuple((node, one) for node in nodes)
    return Victim(run, "pool", len(nodes) if array else 1, request, assigned, priority, NOW - since)


def chosen(pods: PodSet, *victims: Victim, nodes: int = 3, **environment: dict[str, int]) -> dict[str, int] | None:
    """Slots by the name of who loses them; the nodes a, b, c have four vCPUs each and nothing else runs there."""
    pools = {"pool": make_pool(*(make_node(name) for name in "abc"[:nodes]), **environment)}
    used: dict[str, int] = {}
    for each in victims:
        for name, amount in times(each.request, each.slots).items():
            used[name] = used.get(name, 0) + amount
    ledger = Ledger(pools, {"pool": used}, space_of(pools))
    for each in victims:
        for node, takes in each.nodes:
            ledger.space.change(node, takes)
    before = [dict(ledger.space.of("pool", name)) for name in "abc"[:nodes]]
    found = choose(ledger, "pool", (pods,), victims)
    if found is None:
        assert [ledger.space.of("pool", name) for name in "abc"[:nodes]] == before, "nothing is free that stays"
        return None
    assert ledger.fits("pool", (pods,))
    return {each.run.name: slots for each, slots in found}


def test_the_fewest_go() -> None:
    pieces = [victim(f"small-{number}", 1, "a") for number in range(4)]
    assert chosen(PodSet(1, {"cpu": 4000}), *pieces, victim("whole", 4, "b"), victim("other", 4, "c")) == {"whole": 1}


def test_room_on_several_nodes_is_of_no_use() -> None:
    assert chosen(PodSet(1, {"cpu": 3000}), *(victim(f"on-{node}", 2, node, node) for node in "abc")) == {"on-a": 1}
    two_each = [victim(f"{node}{number}", 2, node) for node in "abc" for number in (1, 2)]
    found = chosen(PodSet(1, {"cpu": 3000}), *two_each)
    assert found is not None
    assert len({name[0] for name in found}) == 1
    assert len(found) == 2


def test_the_lowest_priority_goes_first_then_the_youngest() -> None:
    low, high = victim("low", 4, "a", priority=0, since=900), victim("high", 4, "b", since=1)
    assert chosen(PodSet(1, {"cpu": 4000}), low, high, victim("c", 4, "c")) == {"low": 1}
    old, young = victim("old", 4, "a", since=900), victim("young", 4, "b", since=1)
    assert chosen(PodSet(1, {"cpu": 4000}), old, young, victim("c", 4, "c", since=500)) == {"young": 1}


def test_nothing_goes_in_vain() -> None:
    assert chosen(PodSet(1, {"cpu": 5000}), *(victim(node, 4, node) for node in "abc")) is None
    assert chosen(PodSet(4, {"cpu": 4000}), *(victim(node, 4, node) for node in "abc")) is None


def test_a_gang_gets_as_many_nodes_as_it_needs() -> None:
    found = chosen(PodSet(2, {"cpu": 4000}), *(victim(node, 4, node, since=ord(node)) for node in "abc"))
    assert found == {"a": 1, "b": 1}


def test_a_multi_node_job_goes_as_a_whole_and_frees_all_of_its_nodes() -> None:
    assert chosen(PodSet(3, {"cpu": 2000}), victim("gang", 4, "a", "b", "c")) == {"gang": 1}


def test_an_array_loses_slots_up_to_those_on_the_node() -> None:
    """It loses them in an order that is not ours to choose."""
    array = victim("array", 2, "b", "a", "a", "b", array=True)
    full = victim("full", 4, "c", priority=5)
    assert chosen(PodSet(1, {"cpu": 2000}), array, full) == {"array": 1}
    assert chosen(PodSet(1, {"cpu": 4000}), array, full) == {"array": 3}
    assert chosen(PodSet(1, {"cpu": 4000}), replace(array, taken=1), full) == {"array": 2}


def test_ceilings_are_made_room_under_by_anything_of_the_environment() -> None:
    found = chosen(PodSet(1, {"cpu": 2000}), victim("here", 2, "a"), ceilings={"cpu": 2000})
    assert found == {"here": 1}
