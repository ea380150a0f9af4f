"""What is free on each node stays what it would be, were it worked out anew."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.resources import Resources, add, subtract, times
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.runtime.state.noderoom import NodeRoom
from unit.samples import make_node, make_pool

ONE: Resources = {"cpu": 1000, "pods": 1}


def pools(*names: str, **environment: object) -> dict[str, Pool]:
    return {"pool": make_pool(*map(make_node, names), **environment)}


def free(room: NodeRoom, found: Mapping[str, Pool], node: str) -> Resources:
    return room.space(found).of("pool", node)


def test_what_is_taken_is_not_free_until_it_is_given_back() -> None:
    room, found = NodeRoom({}), pools("a", "b")
    room.take({"a": times(ONE, 2), "gone": ONE})
    assert (free(room, found, "a")["cpu"], free(room, found, "b")["cpu"]) == (2000, 4000)
    room.take({"a": times(ONE, -1)})
    assert free(room, found, "a") == subtract(make_node().allocatable, ONE)
    assert room.space(found).total("pool")["cpu"] == 7000


def test_nodes_that_come_know_what_was_taken_of_them_before() -> None:
    room = NodeRoom({})
    room.take({"b": ONE})
    assert free(room, pools("a"), "b") == {}
    assert free(room, pools("a", "b"), "b")["cpu"] == 3000


def test_pods_of_others_count_as_they_come_and_go() -> None:
    others: dict[str, dict[str, int]] = {"a": {"cpu": 500, "pods": 1}}
    room, found = NodeRoom(others), pools("a", "b")
    assert free(room, found, "a")["cpu"] == 3500
    others["a"]["cpu"] = 700
    room.others_changed("a")
    assert free(room, found, "a")["cpu"] == 3300
    others["b"] = others.pop("a")
    room.others_changed("a")
    room.others_changed("b")
    room.others_changed("elsewhere")
    assert (free(room, found, "a")["cpu"], free(room, found, "b")["cpu"]) == (4000, 3300)


def test_where_they_do_not_count_only_jobs_do() -> None:
    room, found = NodeRoom({"a": {"cpu": 500, "pods": 1}}), pools("a", count_other_pods=False)
    room.take({"a": ONE})
    assert free(room, found, "a")["cpu"] == 3000
    room.others_changed("a")
    assert free(room, found, "a")["cpu"] == 3000


def test_what_runs_take_of_a_node_is_known_whether_anything_asks_for_room_or_not() -> None:
    room = NodeRoom({"a": {"cpu": 7}})
    room.take({"a": times(ONE, 2)})
    assert room.taken("a") == times(ONE, 2)
    room.take({"a": times(ONE, -2)})
    assert (room.taken("a"), room.taken("b")) == ({}, {})


def test_whoever_expects_pods_is_told_before_all_is_made_anew() -> None:
    told: list[str] = []
    room, found = NodeRoom({}), pools("a")
    room.on_renewal = lambda: told.append("anew")
    assert room.space(found) is room.space(found)
    assert told == ["anew"]
    room.space(pools("a"))
    assert told == ["anew", "anew"]


changes = st.lists(
    st.tuples(st.sampled_from(["run", "end", "other", "nodes"]), st.sampled_from("abc"), st.integers(0, 5))
)


@given(changes, st.booleans())
def test_it_is_what_it_would_be_from_nothing(steps: list[tuple[str, str, int]], count: bool) -> None:
    others: dict[str, dict[str, int]] = {}
    room, found = NodeRoom(others), pools("a", "b", count_other_pods=count)
    taken: dict[str, int] = {}
    room.space(found)
    for what, node, amount in steps:
        match what:
            case "run":
                taken = add(taken, {node: amount})
                room.take({node: times(ONE, amount)})
            case "end":
                ends = min(amount, taken.get(node, 0))
                taken = subtract(taken, {node: ends})
                room.take({node: times(ONE, -ends)})
            case "other":
                others[node] = {"cpu": amount, "pods": 1}
                room.others_changed(node)
            case "nodes":
                found = pools(*"abc"[: 1 + amount % 3], count_other_pods=count)
        again = NodeRoom(others)
        again.take({node: times(ONE, pods) for node, pods in taken.items()})
        assert [free(room, found, each) for each in "abc"] == [free(again, found, each) for each in "abc"]
        assert room.space(found).total("pool") == again.space(found).total("pool")
