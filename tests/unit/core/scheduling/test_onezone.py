"""Multi-node jobs whose nodes are to be in one zone: who starts where, who waits, and what makes room for them."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.insight.shortage import shortage
from batchyard.core.model.array import ArrayShape, IndexedJob
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.pods.podset import On
from batchyard.core.model.resources import Resources, add
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    by_job,
    decisions_of,
    make_claim,
    make_environment,
    make_job,
    make_managed,
    make_node,
    make_pod,
    make_queue,
    make_run,
    make_serverless,
    waiting,
)

TOGETHER = Constraints(one_zone=True)


def job(name: str, created: float = 0, queue: str = "urgent", **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, queue=queue, uid=name, **fields)


def gang(size: int, cpu: int = 1, constraints: Constraints = TOGETHER) -> Gang:
    return Gang(0, (NodeGroup(tuple(range(size)), {"spec": {}}, {"cpu": 1000 * cpu}, constraints),))


def zoned(**sizes: str) -> list[Node]:
    """Nodes of so many vCPUs by zone: `b="2 2"` are two, and `none` have no label."""
    return [
        make_node(f"{zone}{number}", cpu=cpu, labels={} if zone == "none" else {ZONE: zone})
        for zone, several in sizes.items()
        for number, cpu in enumerate(several.split(), start=1)
    ]


def scene(*waiting_jobs: BatchJob, gangs: dict[str, Gang], charges: Any = (), **fields: Any) -> Snapshot:
    """Jobs that wait: of one vCPU, unless they are one of the gangs; and what runs."""
    found: dict[Hashable, Charge] = dict(enumerate(charges))
    used: dict[str, Resources] = {}
    for each in found.values():
        used[each.environment] = add(used.get(each.environment, {}), each.amount)
    snapshot = waiting(*waiting_jobs, **{"charges": found, "used": used, **fields})
    resolved = {key: with_gang(each, gangs.get(key[1])) for key, each in snapshot.resolved.items()}
    return replace(snapshot, resolved=resolved)


def with_gang(resolved: Resolved, found: Gang | None) -> Resolved:
    return resolved if found is None else replace(resolved, gang=found, request=found.request)


def decisions(snapshot: Snapshot) -> dict[str, Placement | Hold]:
    return {key[1]: found for key, found in decisions_of(snapshot)}


def where(snapshot: Snapshot, name: str = "gang") -> tuple[str | None, list[str]]:
    """The zone of a gang that starts, and its nodes."""
    found = decisions(snapshot)[name]
    assert isinstance(found, Placement)
    return found.zone, [node for node, _ in found.nodes]


def why(snapshot: Snapshot, name: str = "gang") -> str:
    found = decisions(snapshot)[name]
    assert isinstance(found, Hold)
    return found.message


def bound(name: str, on: On, queue: str = "urgent", **run: Any) -> Charge:
    """What something that runs takes of nodes."""
    total: Resources = {}
    for amount in on.values():
        total = add(total, amount)
    made = make_run(name=f"{name}-1", uid=f"run-{name}", owner=("media", name), owner_uid=name, queue=queue, **run)
    return Charge("pool", total, made.owner, made, bound=on)


def cpus(**nodes: int) -> dict[str, Resources]:
    return {node: {"cpu": 1000 * cpu, "pods": 1} for node, cpu in nodes.items()}


def test_it_starts_in_a_zone_that_has_room_for_all_of_it() -> None:
    snapshot = scene(job("gang"), gangs={"gang": gang(4)}, nodes=zoned(a="3", b="2 2", c="3"))
    assert where(snapshot) == ("b", ["b1", "b1", "b2", "b2"])


def test_one_that_may_be_anywhere_has_no_zone() -> None:
    snapshot = scene(job("gang"), gangs={"gang": gang(4, constraints=Constraints())}, nodes=zoned(a="2", b="3"))
    assert where(snapshot) == (None, ["a1", "a1", "b1", "b1"])


def test_without_zones_all_nodes_are_in_one() -> None:
    assert where(scene(job("gang"), gangs={"gang": gang(4)}, nodes=zoned(none="2 2"))) == (
        "",
        ["none1", "none1", "none2", "none2"],
    )


def test_several_take_a_zone_each() -> None:
    jobs = [job(f"gang-{number}", number) for number in range(3)]
    snapshot = scene(*jobs, gangs={each.key[1]: gang(3) for each in jobs}, nodes=zoned(a="4", b="3", c="3"))
    assert [where(snapshot, each.key[1])[0] for each in jobs] == ["a", "b", "c"]


def test_in_the_first_environment_that_has_a_zone_for_it() -> None:
    both = [make_environment(name=name, node_selector={"pool": name}) for name in ("first", "second")]
    nodes = [
        make_node(f"{pool}-{zone}", cpu="2", labels={ZONE: zone, "pool": pool})
        for pool, zone in (("first", "a"), ("first", "b"), ("second", "b"))
    ]
    nodes.append(make_node("second-more", cpu="2", labels={ZONE: "b", "pool": "second"}))
    queues = [make_queue(environments=("first", "second"))]
    snapshot = scene(job("gang"), gangs={"gang": gang(4)}, environments=both, nodes=nodes, queues=queues)
    found = decisions(snapshot)["gang"]
    assert isinstance(found, Placement)
    assert (found.environment, found.zone) == ("second", "b")


def test_where_no_zone_has_room_it_waits_though_all_together_have() -> None:
    charges = [bound("other", cpus(a1=1, b1=1))]
    snapshot = scene(job("gang"), job("next", 1), gangs={"gang": gang(4)}, charges=charges, nodes=zoned(a="4", b="4"))
    assert why(snapshot) == (
        "next in queue urgent; needs 4 nodes at once in one zone (1 vCPU each, 4 vCPU in all) of environment pool"
    )
    assert list(decisions(snapshot)) == ["gang"], "it keeps the environment from those behind it"


def test_of_what_is_free_it_is_told_in_which_zone_the_most_of_it_finds_room() -> None:
    charges = [bound("other", cpus(a1=3, b1=2, c1=4))]
    snapshot = scene(job("gang"), gangs={"gang": gang(4)}, charges=charges, nodes=zoned(a="4", b="4 1", c="4"))
    told = shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, ["pool"], snapshot.resolved["media", "gang"].pods)
    assert told == (
        "all of its nodes are to be in one zone; in zone b, which has the most room, there is room for 3 of its 4"
        " nodes, and for the next (1 vCPU) of 4 nodes, node affinity on topology.kubernetes.io/zone in (b) excludes 2;"
        " of the other 2, none has vCPU free; free in all: no vCPU"
    )


def test_of_nodes_without_a_zone_too() -> None:
    charges = [bound("other", cpus(a1=3, none1=1))]
    snapshot = scene(job("gang"), gangs={"gang": gang(3)}, charges=charges, nodes=zoned(a="4", none="3"))
    told = shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, ["pool"], snapshot.resolved["media", "gang"].pods)
    assert told.startswith(
        "all of its nodes are to be in one zone; on nodes without a zone, which have the most room, there is room for"
        " 2 of its 3 nodes, and for the next (1 vCPU) of 2 nodes,"
    )


def test_where_there_is_one_zone_there_is_nothing_to_say_of_it() -> None:
    charges = [bound("other", cpus(a1=1))]
    snapshot = scene(job("gang"), gangs={"gang": gang(4)}, charges=charges, nodes=zoned(a="4"))
    told = shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, ["pool"], snapshot.resolved["media", "gang"].pods)
    assert told == "there is room for 3 of its 4 nodes, and for the next (1 vCPU) of 1 node, none has vCPU free"


def test_where_no_further_nodes_may_come_to_the_zone_that_is_what_it_lacks() -> None:
    environment = make_managed(requirements=(Requirement(ZONE, "In", ("b",)),))
    here = make_node("a1", cpu="2", labels={**environment.node_selector, ZONE: "a"})
    snapshot = scene(job("gang"), gangs={"gang": gang(3)}, environments=[environment], nodes=[here])
    told = shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, ["pool"], snapshot.resolved["media", "gang"].pods)
    assert told == (
        "all of its nodes are to be in one zone; in zone a, which has the most room, there is room for 2 of its 3"
        " nodes, and for the next (1 vCPU) of 1 node, none has vCPU free; no further node that is made there can be one"
        " for it"
    )


def test_room_that_is_there_in_a_zone_is_kept_for_others() -> None:
    snapshot = scene(job("gang"), gangs={"gang": gang(4)}, nodes=zoned(a="1", b="4"))
    told = shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, ["pool"], snapshot.resolved["media", "gang"].pods)
    assert told == "there is room, which is kept for others that go first"


def test_what_no_zone_could_ever_hold_says_so_and_delays_nobody() -> None:
    snapshot = scene(job("gang"), job("next", 1), gangs={"gang": gang(5)}, nodes=zoned(a="4", b="2 2", c="1"))
    assert why(snapshot) == (
        "the job needs 5 nodes at once in one zone (1 vCPU each, 5 vCPU, 5 pods in all), more than any environment of"
        " queue urgent could ever give (pool: 4 nodes in 3 zones, of which the largest, b, has 2 nodes, 4 vCPU, 32 GiB"
        " memory, 220 pods in all, largest node 4 vCPU, 16 GiB memory); lower its requests or its number of nodes, or"
        " add nodes; environment pool could hold it in several zones (zonePolicy Any)"
    )
    held = decisions(snapshot)["gang"]
    assert isinstance(held, Hold)
    assert (held.reason, held.stalled) == ("ExceedsCapacity", True)
    assert isinstance(decisions(snapshot)["next"], Placement)


def test_what_all_zones_together_could_not_hold_is_not_told_to_try_that() -> None:
    message = why(scene(job("gang"), gangs={"gang": gang(9)}, nodes=zoned(a="4", b="4")))
    assert "in one zone" in message
    assert message.endswith("or add nodes")
    alone = why(scene(job("gang"), gangs={"gang": gang(9)}, nodes=zoned(none="4 4")))
    assert "(pool: 2 nodes, 8 vCPU, 32 GiB memory, 220 pods in all, largest node 4 vCPU, 16 GiB memory)" in alone


def test_where_the_largest_zone_is_the_one_without_a_name() -> None:
    message = why(scene(job("gang"), gangs={"gang": gang(7)}, nodes=zoned(a="2", none="3 3")))
    assert "(pool: 3 nodes in 2 zones, of which that without a name has 2 nodes, 6 vCPU, " in message


def test_where_no_nodes_are_there_is_no_zone() -> None:
    snapshot = scene(job("gang"), gangs={"gang": gang(2)}, environments=[make_serverless()], nodes=[])
    assert "its nodes are to be in one zone (zonePolicy)" in why(snapshot)


def claims(*zones: str) -> list[Any]:
    return [make_claim(name, labels={**make_claim().labels, ZONE: name[0]}) for name in zones]


def test_where_nodes_are_made_the_zone_is_that_of_those_on_their_way() -> None:
    snapshot = scene(
        job("gang"), gangs={"gang": gang(2)}, environments=[make_managed()], nodes=[], claims=claims("a", "b1", "b2")
    )
    assert where(snapshot) == ("b", ["+b1", "+b2"])


def test_with_no_node_there_it_shows_with_the_first() -> None:
    snapshot = scene(job("gang"), gangs={"gang": gang(2)}, environments=[make_managed()], nodes=[])
    assert where(snapshot)[0] is None
    (placed,) = place(snapshot, [], NOW).placements
    assert (placed.zone, placed.nodes) == (None, ())


# Who goes first, and what makes room.


def test_one_that_has_ended_in_time_or_goes_to_another_zone_may_go_first() -> None:
    """The gang is promised zone a, from the end of what runs there on."""
    runner = job("runner")
    runs = bound("runner", {"a1": {"cpu": 3000, "pods": 1}, "b1": {"cpu": 3000, "pods": 1}})
    large, quick, slow, other = job("gang"), job("quick", 1), job("slow", 2), job("slow-too", 3)
    snapshot = scene(large, quick, slow, other, gangs={"gang": gang(4)}, charges=[runs], nodes=zoned(a="4", b="4"))
    jobs = {**snapshot.jobs, runner.key: runner}
    resolved = {**snapshot.resolved, runner.key: snapshot.resolved[quick.key]}
    limits = {"runner": 1000, "quick": 60}
    resolved = {key: replace(each, timeout_seconds=limits.get(key[1])) for key, each in resolved.items()}
    assert runs.run is not None
    pod = make_pod(run=runs.run.name, owner_uid="runner", started_at=NOW - 30)
    found = place(replace(snapshot, jobs=jobs, resolved=resolved, runs=by_job([runs.run], [pod])), [], NOW)
    assert [(each.key[1], each.nodes[0][0]) for each in found.placements] == [("quick", "a1"), ("slow", "b1")]


def test_it_goes_first_itself_in_a_zone_where_that_delays_nobody() -> None:
    """Zone a is kept for the large job, from the end of what runs there on."""
    runner, large = job("runner"), job("large")
    runs = bound("runner", cpus(a1=1, b1=3))
    snapshot = scene(
        large,
        job("gang", 1),
        gangs={"gang": gang(2)},
        requests={large.key: {"cpu": 4000}, ("media", "gang"): {}},
        charges=[runs],
        nodes=zoned(a="4", b="3", c="3"),
    )
    resolved = {**snapshot.resolved, runner.key: snapshot.resolved[large.key]}
    limits = {"runner": 1000, "large": 1000}
    resolved = {key: replace(each, timeout_seconds=limits.get(key[1])) for key, each in resolved.items()}
    assert runs.run is not None
    pod = make_pod(run=runs.run.name, owner_uid="runner", started_at=NOW - 30)
    jobs = {**snapshot.jobs, runner.key: runner}
    (found,) = place(
        replace(snapshot, jobs=jobs, resolved=resolved, runs=by_job([runs.run], [pod])), [], NOW
    ).placements
    assert (found.key[1], found.zone, [node for node, _ in found.nodes]) == ("gang", "c", ["c1", "c1"])


HIGH = make_queue("high", priority=9, preempts_after=0)
LOW = make_queue("low", priority=1)
LOWEST = make_queue("lowest", priority=0)


def preempting(*charges: Charge, size: int, arrays: Any = (), nodes: Any = None, **fields: Any) -> Placed:
    """A gang of a queue that may displace lower priorities, and what runs."""
    snapshot = scene(
        job("gang", queue="high"),
        gangs={"gang": gang(size)},
        charges=charges,
        nodes=nodes or zoned(a="4", b="4"),
        queues=[HIGH, LOW, LOWEST],
        **fields,
    )
    runs = [each.run for each in charges if each.run is not None]
    pods = [
        make_pod(run=run.name, owner_uid=run.owner_uid, started_at=NOW - 100) for run in runs if run.indexed is None
    ]
    others = {run.owner: replace(make_job(run.owner[1]), uid=run.owner_uid, queue=run.queue) for run in runs}
    others = {key: replace(each, array=ArrayShape(100)) if key[1] in arrays else each for key, each in others.items()}
    return place(replace(snapshot, jobs={**snapshot.jobs, **others}, runs=by_job(runs, pods)), [], NOW)


def displaced(found: Placed) -> dict[str, int]:
    return {each.run.owner[1]: each.slots for each in found.preemptions}


def test_room_is_made_in_one_zone() -> None:
    works = [bound("one", cpus(a1=2), "low"), bound("two", cpus(b1=2), "low")]
    assert displaced(preempting(*works, size=4)) in ({"one": 1}, {"two": 1})


def test_of_two_zones_in_the_one_where_the_least_goes() -> None:
    """Three are in zone a, and two in zone b that need more room together."""
    works = [bound(f"a-{number}", cpus(a1=1), "low") for number in range(3)]
    works += [bound(f"b-{number}", cpus(b1=2), "low") for number in range(2)]
    assert displaced(preempting(*works, size=4)) == {"b-0": 1, "b-1": 1}
    lower = [bound(f"a-{number}", cpus(a1=1), "lowest") for number in range(3)]
    assert displaced(preempting(*lower, *works[3:], size=4)) == {"a-0": 1, "a-1": 1, "a-2": 1}, "of lower priority"


def test_nothing_is_stopped_where_no_zone_would_have_room() -> None:
    works = [bound("low", cpus(a1=2, b1=2), "low"), bound("kept", cpus(a1=1, b1=1), "high")]
    assert displaced(preempting(*works, size=4)) == {}
    assert displaced(preempting(*works, size=3)) == {"low": 1}


def test_what_is_on_its_way_out_of_one_zone_is_waited_for() -> None:
    works = [bound("leaving", cpus(b1=4), "low"), bound("staying", cpus(a1=4), "low")]
    found = preempting(*works, size=4, being_preempted={("media", "leaving-1"): 1})
    assert displaced(found) == {}
    assert found.statuses["media", "gang"].message.endswith("work of lower priority makes room for it")


def test_a_multi_node_job_of_two_zones_goes_as_a_whole() -> None:
    works = [bound("wide", cpus(a1=2, b1=2), "low"), bound("narrow", cpus(b1=1), "low")]
    assert displaced(preempting(*works, size=3)) == {"wide": 1}


def test_an_array_shrinks_by_the_slots_that_are_in_the_zone() -> None:
    on = {"a1": {"cpu": 4000, "pods": 4}, "b1": {"cpu": 2000, "pods": 2}}
    array = bound("array", on, "low", request={"cpu": 1000}, indexed=IndexedJob(100, 6), active=6)
    found = displaced(preempting(array, size=4, arrays={"array"}))
    assert found["array"] >= 2, "the Job controller chooses which, and may choose others"


def test_under_ceilings_what_waits_for_nodes_makes_room_before_any_is_there() -> None:
    run = make_run(
        name="low-1",
        uid="run-low",
        owner=("media", "low"),
        owner_uid="low",
        queue="low",
        request={"cpu": 12000},
    )
    waits = Charge("pool", {"cpu": 12000, "pods": 1}, run.owner, run)
    snapshot = scene(
        job("gang", queue="high"),
        gangs={"gang": gang(8)},
        charges=[waits],
        environments=[make_managed(16)],
        nodes=[],
        queues=[HIGH, LOW],
    )
    others = {run.owner: replace(make_job("low"), uid="low", queue="low")}
    pod = make_pod(run="low-1", owner_uid="low")
    found = place(replace(snapshot, jobs={**snapshot.jobs, **others}, runs=by_job([run], [pod])), [], NOW)
    assert displaced(found) == {"low": 1}


@pytest.mark.parametrize("on_b", [1, 2, 3, 4])
def test_an_array_gives_way_where_a_zone_has_room_then(on_b: int) -> None:
    """Also where each of its nodes has room for some of the nodes of the job, though not for all."""
    assert reclaims({"a1": {"cpu": 2000, "pods": 2}, "b1": {"cpu": 1000 * on_b, "pods": on_b}}, kept={})


def test_no_array_gives_way_in_vain() -> None:
    """Others keep a part of each zone, for nobody knows how long."""
    on: On = {"a1": {"cpu": 2000, "pods": 2}, "b1": {"cpu": 2000, "pods": 2}}
    assert not reclaims(on, kept=cpus(a1=1, b1=1))
    assert reclaims(on, kept=cpus(b1=1))


def test_it_gives_way_to_one_that_may_be_anywhere_as_well() -> None:
    on: On = {"a1": {"cpu": 2000, "pods": 2}, "b1": {"cpu": 2000, "pods": 2}}
    assert reclaims(on, kept={}, waits=gang(5, constraints=Constraints()))
    assert not reclaims(on, kept={}, waits=gang(4, constraints=Constraints())), "there is room"


def test_it_keeps_what_it_has_where_the_job_may_not_be() -> None:
    """Zone b is too small for it, and zone a taken by others."""
    assert not reclaims({"b1": {"cpu": 3000, "pods": 3}}, kept=cpus(a1=4), nodes=zoned(a="4", b="3"))
    picky = gang(4, constraints=Constraints(selector=((ZONE, "a"),), one_zone=True))
    assert not reclaims({"b1": {"cpu": 4000, "pods": 4}}, kept=cpus(a1=4), waits=picky)


def reclaims(on: On, kept: On, waits: Gang | None = None, nodes: Any = None) -> set[Any]:
    """The arrays that give way to a multi-node job before them, of four nodes unless said."""
    count = sum(each["pods"] for each in on.values())
    array = bound("array", on, "low", request={"cpu": 1000}, indexed=IndexedJob(100, count), active=count)
    others = [bound("kept", kept)] if kept else []
    snapshot = scene(
        job("gang", queue="high"),
        gangs={"gang": waits or gang(4)},
        charges=[array, *others],
        nodes=nodes or zoned(a="4", b="4"),
        queues=[replace(HIGH, preempts_after=None), LOW],
    )
    mine = replace(make_job("array"), array=ArrayShape(100), queue="low")
    assert array.run is not None
    snapshot = replace(snapshot, jobs={**snapshot.jobs, array.key: mine}, arrays={array.key: array.run})
    return place(snapshot, [], NOW).reclaims
