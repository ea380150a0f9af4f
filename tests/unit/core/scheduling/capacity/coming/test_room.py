"""Room on nodes that are not there yet."""

from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import INSTANCE_TYPE, ZONE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.pods.zones import in_zone
from batchyard.core.scheduling.capacity.coming.room import ComingRoom, is_coming, is_thought_up, on_nodes
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, supply
from unit.samples import make_claim, make_managed, make_shape

ONE = PodSet(1, {"cpu": 1000})
THREE = PodSet(1, {"cpu": 3000})
SEEN = {
    name: KnownShape(name, {"cpu": 1000 * cpu, "memory": cpu * 4}, {"cpu": 1000 * cpu - 100, "memory": 4, "pods": 50})
    for name, cpu in {"m5.large": 2, "m5.xlarge": 4, "m5.2xlarge": 8}.items()
}
SHAPES = [make_shape(name) for name in SEEN]


def room_of(environment: Environment, *claims: str) -> ComingRoom:
    assert environment.managed is not None
    asked = [make_claim(each) for each in claims]
    return ComingRoom(supply(environment.managed, environment.ceilings, asked, {}, (), SEEN))


def put_all(room: ComingRoom, pods: PodSet, most: int = 100) -> list[str]:
    found: list[str] = []
    while len(found) < most and (node := room.put(pods, further=True)) is not None:
        found.append(node)
    return found


def test_without_known_shapes_the_ceilings_are_all_there_is() -> None:
    room = room_of(make_managed(10))
    assert len(put_all(room, ONE)) == 10
    assert room.left == {"cpu": 0}


def test_nodes_on_their_way_are_filled_first_and_count_under_the_ceilings() -> None:
    room = room_of(make_managed(10), "a", "b")
    assert put_all(room, ONE) == ["+a", "+b", *["+"] * 6]


def test_nodes_grow_with_their_pods_as_the_provisioner_makes_them() -> None:
    """Seven pods make one node of eight vCPUs, and the two that are left a small one: not five small ones."""
    room = room_of(make_managed(10, shapes=SHAPES))
    nodes = put_all(room, ONE)
    assert len(nodes) == 8
    assert [nodes.count(each) for each in dict.fromkeys(nodes)] == [7, 1]
    assert room.left == {"cpu": 0}


def test_the_smallest_shape_counts_that_carries_a_pod() -> None:
    room = room_of(make_managed(10, shapes=SHAPES))
    assert room.put(THREE, further=True) is not None
    assert room.left == {"cpu": 6000}
    assert room.put(THREE, further=True) is not None
    assert room.left == {"cpu": 2000}
    assert room.put(THREE, further=True) is None
    assert room.put(ONE, further=True) is not None


def test_what_no_shape_carries_has_no_room() -> None:
    assert room_of(make_managed(100, shapes=SHAPES)).put(PodSet(1, {"cpu": 8000}), further=True) is None
    assert room_of(make_managed(100)).put(PodSet(1, {"cpu": 8000}), further=True) is not None


def test_pods_that_ask_for_different_nodes_are_not_together() -> None:
    room = room_of(make_managed(10, shapes=SHAPES))
    here, there = (
        PodSet(1, {"cpu": 500}, Constraints(selector=(("topology.kubernetes.io/zone", zone),))) for zone in "ab"
    )
    assert room.put(here, further=True) != room.put(there, further=True)
    assert room.left == {"cpu": 6000}


def test_pods_with_host_ports_have_a_node_each() -> None:
    room = room_of(make_managed(10, shapes=SHAPES), "a")
    ports = PodSet(1, {"cpu": 100}, Constraints(ports=(("TCP", 80, "0.0.0.0"),)))  # noqa: S104
    assert len(set(put_all(room, ports))) == 4


def test_what_is_given_back_is_free_again() -> None:
    room = room_of(make_managed(10, shapes=SHAPES), "a")
    nodes = put_all(room, ONE)
    for node in nodes:
        room.change(node, ONE.takes, 1)
    assert room.left == {"cpu": 8000}
    again = put_all(room, ONE)
    assert len(again) == len(nodes)
    for node in again:
        room.change(node, ONE.takes, 1)
    for node in again:
        room.change(node, ONE.takes, -1)
    assert room.put(ONE, further=True) is None


def test_a_fork_changes_nothing_of_what_it_was_made_from() -> None:
    room = room_of(make_managed(10, shapes=SHAPES), "a")
    put_all(room, ONE, 3)
    left, fork = dict(room.left), room.fork()
    assert put_all(fork, ONE)
    assert room.left == left
    assert len(put_all(room, ONE)) == room_of(make_managed(10, shapes=SHAPES), "a").room(ONE, 100) - 3


def test_it_is_full_once_as_many_pods_wait_for_further_nodes_as_may() -> None:
    room = room_of(make_managed(100, max_pending_pods=3), "a", "b")
    assert not room.full
    nodes = put_all(room, ONE, 5)
    assert room.full
    assert room.room(ONE, 100, further=False) == 0
    assert room.room(ONE, 100) == 93, "in further waves"
    assert room.put(ONE, further=False) is None
    room.change(nodes[0], ONE.takes, 1)
    assert room.full, "that was on a node that is on its way"
    assert room.put(ONE, further=False) == nodes[0]
    room.change(nodes[-1], ONE.takes, 1)
    assert not room.full


def test_looking_for_room_costs_no_more_where_many_nodes_are_full() -> None:
    """Each pod begins where the last that was alike found room, and what is given back is found again."""
    room = room_of(make_managed(1000), *(f"claim-{number:03}" for number in range(50)))
    nodes = put_all(room, ONE, 60)
    assert nodes[:50] == [f"+claim-{number:03}" for number in range(50)]
    room.change("+claim-007", ONE.takes, 1)
    room.change("+claim-033", ONE.takes, 1)
    assert put_all(room, ONE, 3) == ["+claim-007", "+claim-033", "+"]


def test_where_a_node_to_come_is_kept_all_are() -> None:
    room = room_of(make_managed(100))
    assert room.put(ONE, ["+"], further=True) is None
    assert room.put(ONE, ["node-1"], further=True) == "+"


def test_names_tell_which_nodes_are_not_there_yet() -> None:
    assert on_nodes((("node-1", {}), ("+a", {}), ("++0", {}))) == (("node-1", {}),)
    assert [is_coming(each) for each in ("+", "++0", "+claim", "node-1")] == [True, True, True, False]
    assert [is_thought_up(each) for each in ("+", "++0", "+claim", "node-1")] == [True, True, False, False]


SPREAD = PodSet(1, {"cpu": 1000}, Constraints(spread=True))


def zones(*names: str) -> dict[str, tuple[Requirement, ...]]:
    """What leaves these zones, and all of the shapes."""
    types = Requirement(INSTANCE_TYPE, "In", tuple(SEEN))
    return {"requirements": (types, Requirement(ZONE, "In", names))}


def test_pods_that_are_to_be_spread_take_a_node_in_each_zone_before_one_takes_a_second() -> None:
    room = room_of(make_managed(100, shapes=SHAPES))
    nodes = put_all(room, SPREAD, 9)
    assert nodes[:3] == ["++0", "++1", "++2"]
    assert [nodes.count(each) for each in dict.fromkeys(nodes)] == [3, 3, 3]
    assert room.left == {"cpu": 88000}, "three nodes of four vCPUs"


def test_so_many_zones_as_there_may_be() -> None:
    for names, counts in (("a", [7]), ("ab", [4, 3]), ("abcd", [2, 2, 2, 1])):
        nodes = put_all(room_of(make_managed(100, shapes=SHAPES, **zones(*names))), SPREAD, 7)
        assert sorted((nodes.count(each) for each in dict.fromkeys(nodes)), reverse=True) == counts


def test_once_the_nodes_of_all_zones_are_full_further_ones_come() -> None:
    nodes = put_all(room_of(make_managed(100, shapes=SHAPES, **zones("a", "b"))), SPREAD)
    assert nodes[14:16] == ["++2", "++2"], "there is no telling in which zone that is"
    assert [nodes.count(each) for each in dict.fromkeys(nodes)] == [7] * 12 + [3]


def test_where_the_ceilings_leave_too_few_nodes_they_share_them() -> None:
    room = room_of(make_managed(4, shapes=SHAPES))
    assert put_all(room, SPREAD) == ["++0", "++1"]
    room = room_of(make_managed(8, shapes=[make_shape("m5.xlarge")]))
    assert put_all(room, SPREAD) == ["++0", "++1", "++0", "++1", "++0", "++1"]
    assert room.left == {"cpu": 0}


def test_nodes_on_their_way_are_filled_first_and_none_is_shared_with_others() -> None:
    room = room_of(make_managed(100, shapes=SHAPES), "a", "b")
    assert put_all(room, SPREAD, 3) == ["+a", "+b", "++0"]
    assert room.put(ONE, further=True) == "++1"
    assert put_all(room, SPREAD, 3) == ["++2", "++3", "++0"]


def test_without_further_nodes_they_are_put_on_those_on_their_way() -> None:
    room = room_of(make_managed(100, shapes=SHAPES), "a", "b")
    assert [room.put(SPREAD, further=False) for _ in range(3)] == ["+a", "+b", None]
    assert room.left == {"cpu": 96000}


def test_without_known_shapes_nothing_is_known_of_nodes() -> None:
    room = room_of(make_managed(4))
    assert put_all(room, SPREAD) == ["+"] * 4


def test_what_was_thought_up_for_them_in_vain_is_used_again() -> None:
    room = room_of(make_managed(100, shapes=SHAPES))
    for _ in range(5):
        nodes = put_all(room, SPREAD, 3)
        assert len(set(nodes)) == 3
        for node in nodes:
            room.change(node, SPREAD.takes, 1)
    assert room.left == {"cpu": 100000}
    assert len(set(put_all(room, SPREAD, 3))) == 3
    assert room.left == {"cpu": 94000}


def test_as_many_find_room_as_are_then_put() -> None:
    for ceiling in (1, 2, 5, 14, 33):
        room = room_of(make_managed(ceiling, shapes=SHAPES, max_pending_pods=1000))
        found = room.room(SPREAD, 1000)
        assert found == len(put_all(room, SPREAD, 1000))


def test_in_one_zone_they_are_packed() -> None:
    (pinned,) = in_zone((SPREAD,), "a")
    assert put_all(room_of(make_managed(100, shapes=SHAPES)), pinned, 4) == ["++0"] * 4
    assert put_all(room_of(make_managed(100, shapes=SHAPES, **zones("b"))), pinned) == []
