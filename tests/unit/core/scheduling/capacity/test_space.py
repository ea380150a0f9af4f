"""Which node a pod goes to."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, fits
from batchyard.core.scheduling.capacity.space import Space, carries


def space(**free: Resources) -> Space:
    return Space(free, {"pool": (tuple(free), lambda _: None)})


def amounts(cpu: int, memory: int = 100, **others: int) -> dict[str, int]:
    return {"cpu": cpu, "memory": memory, "pods": 10, **others}


def test_the_least_is_left_over() -> None:
    found = space(large=amounts(8), small=amounts(2), middle=amounts(4))
    assert found.find("pool", PodSet(1, {"cpu": 2})) == "small"
    assert found.find("pool", PodSet(1, {"cpu": 3})) == "middle"
    assert found.find("pool", PodSet(1, {"cpu": 9})) is None


def test_what_is_scarcest_decides() -> None:
    """Every node has the vCPU, only two the memory: of those the one with less of it."""
    found = space(a=amounts(4, 10), b=amounts(5, 60), c=amounts(6, 50), d=amounts(7, 10))
    assert found.find("pool", PodSet(1, {"cpu": 4, "memory": 40})) == "c"


def test_equal_nodes_are_filled_one_after_the_other_by_name() -> None:
    found, one = space(b=amounts(2), a=amounts(2)), PodSet(1, {"cpu": 1})
    order = []
    while (node := found.find("pool", one)) is not None:
        found.change(node, one.takes)
        order.append(node)
    assert order == ["a", "a", "b", "b"]


def test_devices_are_left_to_those_that_ask_for_them() -> None:
    found = space(gpu=amounts(4, **{"nvidia.com/gpu": 1}), plain=amounts(8))
    assert found.find("pool", PodSet(1, {"cpu": 4})) == "plain"
    assert found.find("pool", PodSet(1, {"cpu": 1, "nvidia.com/gpu": 1})) == "gpu"
    found.change("plain", {"cpu": 8})
    assert found.find("pool", PodSet(1, {"cpu": 4})) == "gpu"


def test_a_pod_that_asks_for_nothing_takes_a_slot() -> None:
    found = space(full={"cpu": 5, "pods": 0}, free={"cpu": 0, "pods": 1})
    assert found.find("pool", PodSet(1, {})) == "free"


def test_the_sum_follows() -> None:
    found = space(a=amounts(4), b=amounts(2))
    found.change("a", {"cpu": 3, "unknown": 1})
    found.change("elsewhere", {"cpu": 3})
    assert found.total("pool")["cpu"] == 3
    found.change("a", {"cpu": 3}, 1)
    assert found.total("pool") == {"cpu": 6, "memory": 200, "pods": 20}


def test_how_many_a_node_carries() -> None:
    assert carries(amounts(7, 5), {"cpu": 2, "memory": 2, "pods": 1}) == 2
    assert carries({"cpu": -1}, {"cpu": 1}) == 0


small = st.integers(min_value=-2, max_value=6)
nodes = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.fixed_dictionaries({"cpu": small, "memory": small, "pods": small}, optional={"x/gpu": small}),
    min_size=1,
)
steps = st.lists(st.tuples(st.sampled_from(["cpu", "memory", "x/gpu", "none"]), st.integers(1, 4), st.booleans()))


@given(nodes, steps)
def test_a_node_is_found_whenever_there_is_one(
    free: Mapping[str, Resources], steps: list[tuple[str, int, bool]]
) -> None:
    """After any changes, in forks too; what is found fits, and the sums and the originals are right."""
    found = Space(free, {"pool": (tuple(free), lambda _: None)})
    original, known = found, {node: dict(amount) for node, amount in free.items()}
    taken: list[tuple[str, Resources]] = []
    for resource, amount, back in steps:
        if back and taken:
            node, takes = taken.pop()
            found.change(node, takes, 1)
            for name, number in takes.items():
                known[node][name] += number
            continue
        pod = PodSet(1, {resource: amount} if resource != "none" else {})
        able = [node for node, each in known.items() if fits(pod.takes, each)]
        node = found.find("pool", pod) or ""
        assert bool(node) is bool(able)
        if node:
            assert node in able
            found = found.fork()
            found.change(node, pod.takes)
            taken.append((node, pod.takes))
            for name, number in pod.takes.items():
                known[node][name] -= number
    assert {node: found.of("pool", node) for node in known} == known
    for name in ("cpu", "memory", "pods", "x/gpu"):
        assert found.total("pool").get(name, 0) == sum(each.get(name, 0) for each in known.values())
    assert {node: original.of("pool", node) for node in free} == free or original is found
