"""Single jobs and arrays that are spread go where the fewest pods of their definition are."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.array import ArrayDemand, ArrayShape
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.resources import Resources
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.core.scheduling.zonespread import ZoneSpread
from unit.samples import (
    NOW,
    decisions_of,
    make_claim,
    make_environment,
    make_job,
    make_managed,
    make_node,
    make_queue,
    make_run,
    make_serverless,
    make_shape,
    waiting,
)

ONE: Resources = {"cpu": 1000, "pods": 1}
SPREAD = Constraints(spread=True)


def job(name: str, **fields: Any) -> BatchJob:
    return replace(make_job(name), uid=name, **fields)


def jobs(count: int, **fields: Any) -> list[BatchJob]:
    return [job(f"job-{number:02}", created=NOW + number, **fields) for number in range(count)]


def nodes(**sizes: int) -> list[Node]:
    """A node of so many vCPUs in each zone."""
    return [make_node(zone, cpu=str(cpu), labels={ZONE: zone}) for zone, cpu in sizes.items()]


def scene(*waiting_jobs: BatchJob, constraints: Constraints = SPREAD, charges: Any = (), **fields: Any) -> Snapshot:
    """Jobs that wait, of one vCPU each, and what runs."""
    found: dict[Hashable, Charge] = dict(enumerate(charges))
    there: dict[str, Any] = {"nodes": nodes(a=8, b=8, c=8), "charges": found, **fields}
    snapshot = waiting(*waiting_jobs, **there)
    resolved = {key: replace(each, constraints=constraints) for key, each in snapshot.resolved.items()}
    return replace(snapshot, resolved=resolved)


def running(snapshot: Snapshot, *others: BatchJob, constraints: Constraints = SPREAD) -> Snapshot:
    """The same, in which these jobs run what is charged to them."""
    jobs = {**snapshot.jobs, **{each.key: each for each in others}}
    resolved = {each.key: replace(_resolved(), constraints=constraints) for each in others}
    return replace(snapshot, jobs=jobs, resolved={**snapshot.resolved, **resolved})


def _resolved() -> Resolved:
    return next(iter(waiting(job("any")).resolved.values()))


def charge(of: BatchJob, node: str, count: int = 1, *, expected: bool = False, environment: str = "pool") -> Charge:
    amount = {name: each * count for name, each in ONE.items()}
    where: dict[str, Any] = {"expected": ((node, ONE),) * count} if expected else {"bound": {node: amount}}
    return Charge(environment, amount, of.key, make_run(owner=of.key, environment=environment), **where)


def zones(snapshot: Snapshot) -> list[str]:
    """Where those that start are expected, in their order."""
    found = [found for _, found in decisions_of(snapshot) if isinstance(found, Placement)]
    return [node for each in found for node, _ in each.nodes]


def expected(snapshot: Snapshot) -> list[str]:
    """The same once a whole pass is over."""
    return [node for each in place(snapshot, [], NOW).placements for node, _ in each.nodes]


def test_each_goes_where_the_fewest_are() -> None:
    assert zones(scene(*jobs(7))) == ["a", "b", "c", "a", "b", "c", "a"]


def test_others_are_packed() -> None:
    assert zones(scene(*jobs(7), constraints=Constraints())) == ["a"] * 7


def test_what_runs_or_is_expected_counts() -> None:
    before = job("before")
    snapshot = scene(*jobs(4), charges=[charge(before, "a", 3), charge(before, "b", 2, expected=True)])
    assert zones(running(snapshot, before)) == ["c", "c", "b", "c"]


def test_jobs_of_other_definitions_and_of_other_namespaces_do_not_count() -> None:
    others = [job("other", definition="another"), replace(job("before"), key=("sales", "before"))]
    snapshot = scene(*jobs(1), charges=[charge(each, "a") for each in others])
    assert zones(running(snapshot, *others)) == ["a"]


def test_nor_do_those_that_were_not_to_be_spread() -> None:
    """As a revision before had it."""
    before = job("before")
    snapshot = scene(*jobs(1), charges=[charge(before, "a")])
    assert zones(running(snapshot, before, constraints=Constraints())) == ["a"]


def test_several_definitions_are_divided_apart() -> None:
    mixed = [each for pair in zip(jobs(3), jobs(3), strict=True) for each in pair]
    mixed = [
        replace(each, key=("media", f"{number:02}"), uid=f"{number}", definition="ab"[number % 2])
        for number, each in enumerate(mixed)
    ]
    assert zones(scene(*mixed)) == ["a", "a", "b", "b", "c", "c"]


def test_where_a_zone_is_full_the_rest_goes_elsewhere() -> None:
    assert Counter(zones(scene(*jobs(9), nodes=nodes(a=1, b=8, c=2)))) == {"a": 1, "b": 6, "c": 2}
    assert len(zones(scene(*jobs(9), nodes=nodes(a=1, b=1, c=2)))) == 4


def test_one_zone_or_none_is_no_choice() -> None:
    assert zones(scene(*jobs(2), nodes=[make_node("x"), make_node("y")])) == ["x", "x"]
    assert zones(scene(*jobs(2), nodes=nodes(a=8))) == ["a", "a"]


def test_nodes_that_name_no_zone_are_in_one() -> None:
    there = [*nodes(a=8), make_node("x", cpu="2"), make_node("y", cpu="2")]
    assert Counter(zones(scene(*jobs(6), nodes=there))) == {"x": 2, "y": 1, "a": 3}


def test_an_array_is_divided_slot_by_slot() -> None:
    array = job("array", array=ArrayShape(30))
    snapshot = scene(array, demands={array.key: ArrayDemand(slots=30)}, nodes=nodes(a=16, b=16, c=16))
    assert Counter(expected(snapshot)) == {"a": 10, "b": 10, "c": 10}


def test_with_what_a_pod_asks_of_nodes_the_zones_that_have_such() -> None:
    there = [make_node(f"{zone}-{disk}", labels={ZONE: zone, "disk": disk}) for zone, disk in ("a1", "b2", "c2")]
    picky = Constraints(selector=(("disk", "2"),), spread=True)
    assert zones(scene(*jobs(4), nodes=there, constraints=picky)) == ["b-2", "c-2", "b-2", "c-2"]


def test_in_the_first_environment_that_has_room_and_what_is_elsewhere_counts() -> None:
    """The zones of another environment are the same ones."""
    both = [make_environment(name=name, node_selector={"pool": name}) for name in ("first", "second")]
    there = [
        make_node(f"{name}-{zone}", cpu=cpu, labels={ZONE: zone, "pool": name})
        for name, sizes in (("first", {"a": "1"}), ("second", {"a": "8", "b": "8"}))
        for zone, cpu in sizes.items()
    ]
    queues = [make_queue(environments=("first", "second"))]
    snapshot = scene(*jobs(4), environments=both, nodes=there, queues=queues)
    assert zones(snapshot) == ["first-a", "second-b", "second-a", "second-b"]
    before = job("before")
    snapshot = scene(
        *jobs(1),
        environments=both,
        nodes=there[1:],
        queues=queues,
        charges=[charge(before, "second-a", environment="second")],
    )
    assert zones(running(snapshot, before)) == ["second-b"]


def test_nodes_on_their_way_are_as_good_as_those_that_are_there() -> None:
    claims = [make_claim(name, labels={**make_claim().labels, ZONE: name}) for name in ("b", "c")]
    here = make_node("a", labels={**make_managed().node_selector, ZONE: "a"})
    snapshot = scene(*jobs(4), environments=[make_managed(100)], nodes=[here], claims=claims)
    assert zones(snapshot) == ["a", "+b", "+c", "a"]


def test_where_none_has_room_further_nodes_come_one_for_each_zone() -> None:
    environment = make_managed(100, shapes=[make_shape("m5.2xlarge", 8)])
    found = zones(scene(*jobs(6), environments=[environment], nodes=[]))
    assert found == ["++0", "++1", "++2", "++0", "++1", "++2"]
    packed = zones(scene(*jobs(6), environments=[environment], nodes=[], constraints=Constraints()))
    assert packed == ["++0"] * 6


def test_where_there_are_no_nodes_nothing_is_spread() -> None:
    assert zones(scene(*jobs(2), environments=[make_serverless()], nodes=[])) == ["+", "+"]


@pytest.mark.parametrize(
    ("limit", "found"), [(600, ["a", "b", "c", "a"]), (601, ["b", "c", "b", "c"])], ids=["in time", "for longer"]
)
def test_who_goes_first_as_that_delays_nobody_is_spread_as_well(limit: int, found: list[str]) -> None:
    """The large one waits for zone a, until what runs has ended after 600 seconds."""
    large, small, runner = job("large", created=NOW - 1), jobs(4), job("runner", definition="another")
    snapshot = scene(
        large,
        *small,
        nodes=nodes(a=4, b=4, c=4),
        charges=[charge(runner, zone) for zone in "abc"],
        requests={large.key: {"cpu": 4000}, **{each.key: {"cpu": 1000} for each in small}},
    )
    snapshot = running(snapshot, runner, constraints=Constraints())
    limits = {**dict.fromkeys((large.key, runner.key), 600), **{each.key: limit for each in small}}
    resolved = {key: replace(each, timeout_seconds=limits[key]) for key, each in snapshot.resolved.items()}
    assert expected(replace(snapshot, resolved=resolved)) == found


def test_what_was_placed_before_anybody_asked_counts() -> None:
    """The first environment has one zone, so nobody asks there."""
    one, two = make_environment(name="one", node_selector={"pool": "one"}), make_environment(name="two")
    there = [make_node("x", labels={ZONE: "a", "pool": "one"}), *nodes(a=4, b=4)]
    snapshot = scene(*jobs(1), environments=[one, two], nodes=there)
    spread, resolved = ZoneSpread(snapshot), next(iter(snapshot.resolved.values()))
    key = next(iter(snapshot.jobs))
    placed: Assignment = (("x", ONE), ("x", ONE))
    assert spread.order("one", key, resolved) == []
    spread.charge("one", key, resolved, placed)
    assert spread.order("two", key, resolved) == ["b", "a"]
    assert spread.order("two", key, replace(resolved, constraints=Constraints())) == []
    spread.charge("two", key, resolved, (("b", ONE), ("b", ONE), ("b", ONE), ("gone", ONE), ("++0", ONE)))
    assert spread.order("two", key, resolved) == ["a", "b"]
