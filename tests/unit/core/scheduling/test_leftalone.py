"""Where jobs start whose environments are left alone, as no node came for pods like theirs."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus, IndexRun
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.queue import FairShare
from batchyard.core.model.status import Status
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.pools import pool, space_of
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    decisions_of,
    make_claim,
    make_job,
    make_managed,
    make_node,
    make_pod,
    make_queue,
    make_run,
    waiting,
)

SMALL: PodSets = (PodSet(1, {"cpu": 1000}),)
LARGE: PodSets = (PodSet(1, {"cpu": 2000}),)
NO_NODE = LeftAlone(NOW - 20, NOW + 160, "environment spot got no node: there is none")
OVER = replace(NO_NODE, until=NOW)
BOTH = ("spot", "dear")
CLOUDS = [make_managed(name=name) for name in BOTH]


def job(name: str, created: float = 0, **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, uid=name, **fields)


def jobs(*names: str) -> list[BatchJob]:
    return [job(name, number) for number, name in enumerate(names)]


def cpus(**sizes: int) -> dict[tuple[str, str], dict[str, int]]:
    return {("media", name): {"cpu": size * 1000} for name, size in sizes.items()}


def scene(*waiting_jobs: BatchJob, left_alone: dict[tuple[str, PodSets], LeftAlone], **fields: Any) -> Snapshot:
    """Two environments whose nodes are made; the queue names the cheaper one first."""
    defaults: dict[str, Any] = {"environments": CLOUDS, "queues": [make_queue(environments=BOTH)], "nodes": ()}
    return waiting(*waiting_jobs, left_alone=left_alone, **{**defaults, **fields})


def decided(snapshot: Snapshot) -> dict[str, Placement | Hold]:
    return {key[1]: decision for key, decision in decisions_of(snapshot)}


def where(snapshot: Snapshot) -> dict[str, str]:
    """The environment that each job starts in, or the reason why it does not."""
    return {
        name: each.environment if isinstance(each, Placement) else str(each.reason)
        for name, each in decided(snapshot).items()
    }


def test_the_next_environment_is_taken_and_the_run_says_why() -> None:
    found = decided(scene(job("a"), left_alone={("spot", SMALL): NO_NODE}))["a"]
    assert isinstance(found, Placement)
    assert found.environment == "dear"
    assert "there is none" in found.instead


def test_who_starts_where_it_always_would_says_nothing() -> None:
    for left_alone in ({("dear", SMALL): NO_NODE}, {("spot", LARGE): NO_NODE}, {("spot", SMALL): OVER}):
        found = decided(scene(job("a"), left_alone=left_alone))["a"]
        assert isinstance(found, Placement)
        assert (found.environment, found.instead) == ("spot", "")


ALONE: dict[tuple[str, PodSets], LeftAlone] = {
    ("spot", SMALL): NO_NODE,
    ("dear", SMALL): replace(NO_NODE, until=NOW + 60, message="environment dear got no node: it is full"),
}


def test_whose_environments_are_all_left_alone_waits_aside_and_closes_nothing() -> None:
    """Pods of another kind start there in the same pass, of the same queue and of one of lower priority."""
    snapshot = scene(
        *jobs("small", "large"),
        job("low", 2, queue="low"),
        left_alone=ALONE,
        requests=cpus(small=1, large=2, low=2),
        queues=[make_queue(environments=BOTH, priority=2), make_queue("low", environments=BOTH)],
    )
    assert where(snapshot) == {"small": "InsufficientInstanceCapacity", "large": "spot", "low": "spot"}
    hold = decided(snapshot)["small"]
    assert isinstance(hold, Hold)
    assert (hold.stalled, hold.environments) == (False, ())
    for words in ("there is none", "00:02:40Z", "it is full", "00:01:00Z"):
        assert words in hold.message


def test_one_of_each_kind_and_share_is_told() -> None:
    shared = [job(f"{share}-{number}", number, share=share) for share in ("red", "blue") for number in range(3)]
    kinds = {**ALONE, ("spot", LARGE): NO_NODE, ("dear", LARGE): NO_NODE}
    snapshot = scene(
        *shared,
        left_alone=kinds,
        requests={each.key: {"cpu": 2000 if each.key[1] == "red-2" else 1000} for each in shared},
        queues=[make_queue(environments=BOTH, fair_share=FairShare())],
    )
    assert where(snapshot) == dict.fromkeys(("red-0", "red-2", "blue-0"), "InsufficientInstanceCapacity")


def finding_out(snapshot: Snapshot) -> list[str]:
    """Those who wait for a node where none came."""
    return [each.key[1] for each in place(snapshot, [], NOW).placements if each.finds_out]


def test_once_the_while_is_over_one_finds_out_and_the_others_go_elsewhere() -> None:
    snapshot = scene(*jobs("a", "b", "c"), left_alone={("spot", SMALL): OVER})
    assert where(snapshot) == {"a": "spot", "b": "dear", "c": "dear"}
    assert finding_out(snapshot) == ["a"]
    others = decided(snapshot)["b"]
    assert isinstance(others, Placement)
    assert others.instead == OVER.message, "they are not where they would be if nodes came"


def test_of_each_kind_one_finds_out() -> None:
    sizes = cpus(a=1, b=2, c=1, d=2)
    kinds = {("spot", SMALL): OVER, ("spot", LARGE): OVER}
    snapshot = scene(*jobs("a", "b", "c", "d"), left_alone=kinds, requests=sizes)
    assert finding_out(snapshot) == ["a", "b"]
    assert where(snapshot) == {"a": "spot", "b": "spot", "c": "dear", "d": "dear"}


def test_of_each_environment_one_finds_out() -> None:
    snapshot = scene(*jobs("a", "b", "c"), left_alone={(name, SMALL): OVER for name in BOTH})
    assert where(snapshot) == {"a": "spot", "b": "dear", "c": "InsufficientInstanceCapacity"}
    assert finding_out(snapshot) == ["a", "b"]


def test_who_is_not_told_of_it_finds_nothing_out() -> None:
    assert finding_out(scene(*jobs("a", "b"), left_alone={})) == []
    assert finding_out(scene(*jobs("a", "b"), left_alone={("dear", SMALL): OVER, ("spot", LARGE): OVER})) == []


def test_where_there_is_nowhere_else_the_others_wait_for_that_one() -> None:
    snapshot = scene(*jobs("a", "b", "c"), left_alone={("spot", SMALL): OVER, ("dear", SMALL): NO_NODE})
    assert where(snapshot) == {"a": "spot", "b": "InsufficientInstanceCapacity"}
    hold = decided(snapshot)["b"]
    assert isinstance(hold, Hold)
    assert "a job with such pods finds out whether environment spot gets nodes again" in hold.message


def on_claims(claims: int, **fields: Any) -> Snapshot:
    """Nodes of m5.large are on their way to the first environment, each with room for one of these."""
    names = [f"claim-{number}" for number in range(claims)]
    asked = [make_claim(each, environment="spot", labels=CLOUDS[0].node_selector) for each in names]
    pools = {each.name: pool(each, (), claims=asked if each.name == "spot" else ()) for each in CLOUDS}
    return replace(scene(*jobs("a", "b", "c"), **fields), pools=pools)


def test_nodes_that_are_there_or_on_their_way_are_used_all_the_same() -> None:
    """What is left alone is the asking for others."""
    assert where(on_claims(2, left_alone={("spot", SMALL): NO_NODE})) == {"a": "spot", "b": "spot", "c": "dear"}
    node = make_node("here", cpu="1", labels=CLOUDS[0].node_selector)
    snapshot = scene(*jobs("a", "b"), left_alone=ALONE, nodes=[node])
    assert where(snapshot) == {"a": "spot", "b": "InsufficientInstanceCapacity"}


def test_who_takes_one_of_these_finds_nothing_out() -> None:
    snapshot = on_claims(1, left_alone={("spot", SMALL): OVER})
    assert where(snapshot) == {"a": "spot", "b": "spot", "c": "dear"}
    assert finding_out(snapshot) == ["b"]
    node = make_node("here", cpu="1", labels=CLOUDS[0].node_selector)
    there = scene(*jobs("a", "b", "c"), left_alone={("spot", SMALL): OVER}, nodes=[node])
    assert finding_out(there) == ["b"]


def test_who_waits_for_that_one_closes_nothing() -> None:
    """Pods of another kind start there in the same pass."""
    snapshot = scene(
        *jobs("a", "b", "large"),
        left_alone={("spot", SMALL): OVER, ("dear", SMALL): NO_NODE},
        requests=cpus(a=1, b=1, large=2),
    )
    found = where(snapshot)
    assert (found["a"], found["large"]) == ("spot", "spot")


def test_one_queue_finds_out_for_all() -> None:
    snapshot = scene(
        *jobs("a"),
        job("b", queue="other"),
        left_alone={("spot", SMALL): OVER},
        queues=[make_queue(environments=("spot",), priority=2), make_queue("other", environments=("spot",))],
    )
    assert [name for name, place in where(snapshot).items() if place == "spot"] == ["a"]


def test_an_array_finds_out_with_one_index() -> None:
    array = replace(job("array"), array=ArrayShape(10))
    snapshot = scene(
        array,
        left_alone={("spot", SMALL): OVER},
        demands={array.key: ArrayDemand(slots=10, environment="spot")},
    )
    (placement,) = place(snapshot, [], NOW).placements
    assert (placement.environment, placement.slots, placement.finds_out) == ("spot", 1, True)


def test_one_that_begins_with_nodes_that_are_there_finds_out_with_the_next_index() -> None:
    array = replace(job("array"), array=ArrayShape(10))
    nodes = [make_node("here", cpu="2", labels=CLOUDS[0].node_selector)]
    for slots, granted, finds_out in ((2, 2, False), (10, 3, True)):
        snapshot = scene(
            array,
            left_alone={("spot", SMALL): OVER},
            demands={array.key: ArrayDemand(slots=slots, environment="spot")},
            nodes=nodes,
        )
        (placement,) = place(snapshot, [], NOW).placements
        assert (placement.slots, placement.finds_out) == (granted, finds_out)


def test_of_several_runs_of_single_indexes_one_finds_out() -> None:
    array = replace(job("array"), array=ArrayShape(10))
    retries = tuple(IndexRun(index, 2, 2) for index in (3, 4))
    demands = {array.key: ArrayDemand(retries=retries, environment="spot")}
    (placement,) = place(scene(array, left_alone={("spot", SMALL): OVER}, demands=demands), [], NOW).placements
    assert placement.array is not None
    assert (placement.array.retries, placement.finds_out) == (retries[:1], True)


def test_an_array_begins_where_it_is_not_left_alone() -> None:
    array = replace(job("array"), array=ArrayShape(10))
    demands = {array.key: ArrayDemand(slots=10)}
    (placement,) = place(scene(array, left_alone={("spot", SMALL): NO_NODE}, demands=demands), [], NOW).placements
    assert (placement.environment, placement.slots) == ("dear", 10)
    assert "there is none" in placement.instead
    node = make_node("here", cpu="1", labels=CLOUDS[0].node_selector)
    little = scene(array, left_alone={("spot", SMALL): NO_NODE}, demands=demands, nodes=[node])
    (placement,) = place(little, [], NOW).placements
    assert (placement.environment, placement.slots) == ("dear", 10), "there, one would be all that it gets"


def test_one_that_is_bound_waits_there_and_says_why() -> None:
    array = replace(job("array"), array=ArrayShape(10))
    snapshot = scene(
        array,
        job("next", 1),
        left_alone={("spot", SMALL): NO_NODE},
        demands={array.key: ArrayDemand(slots=4, environment="spot")},
    )
    begun = Status(JobState.RUNNING, environment="spot", started_at=NOW, array=ArrayStatus(10, running=2))
    snapshot = replace(snapshot, statuses={**snapshot.statuses, array.key: begun})
    placed = place(snapshot, [], NOW)
    assert [(each.key[1], each.environment) for each in placed.placements] == [("next", "dear")]
    assert "there is none" in placed.statuses[array.key].message
    assert placed.statuses[array.key].environment == "spot"


def test_what_is_told_stays_the_same_until_something_changes() -> None:
    snapshot = scene(*jobs("a"), left_alone=ALONE)
    told = place(snapshot, [], NOW).statuses["media", "a"]
    assert (told.reason, told.state) == ("InsufficientInstanceCapacity", JobState.RUNNABLE)
    assert place(replace(snapshot, statuses={("media", "a"): told}), [], NOW + 5).statuses == {}


@pytest.mark.parametrize(("left_alone", "early"), [({}, ["small"]), ({("pool", SMALL): OVER}, [])])
def test_who_goes_first_does_not_find_out(left_alone: dict[tuple[str, PodSets], LeftAlone], early: list[str]) -> None:
    """A reservation counts on what runs there now."""
    runner = job("runner")
    run = make_run(owner=runner.key, owner_uid="runner", name="runner-1")
    charges: dict[Hashable, Charge] = {"run": Charge("pool", {"cpu": 6000, "pods": 1}, runner.key, run)}
    snapshot = waiting(
        *jobs("large", "small"),
        requests=cpus(large=8, small=1),
        left_alone=left_alone,
        environments=[make_managed(8)],
        nodes=[make_node("here", cpu="8", labels=make_managed().node_selector)],
        charges=charges,
        used={"pool": {"cpu": 6000, "pods": 1}},
        runs=[run],
        pods=[make_pod(run="runner-1", owner_uid="runner", started_at=NOW - 30)],
    )
    limited = {key: replace(each, timeout_seconds=60) for key, each in snapshot.resolved.items()}
    runs = replace(next(iter(limited.values())), timeout_seconds=1000)
    snapshot = replace(snapshot, jobs={**snapshot.jobs, runner.key: runner}, resolved={**limited, runner.key: runs})
    assert [each.key[1] for each in place(snapshot, [], NOW).placements] == early


def test_a_pass_tells_of_the_pods_without_a_node_that_began_before_it() -> None:
    """And one that had nothing to look at that there are none."""
    run = make_run(1, owner=("media", "old"), environment="spot")
    charges: dict[Hashable, Charge] = {"old": Charge("spot", {"cpu": 1000, "pods": 1}, run.owner, run)}
    snapshot = scene(*jobs("a"), left_alone={}, charges=charges)
    assert place(snapshot, [], NOW).unmet == {(run.owner, "spot"): 1}
    assert place(scene(*jobs("a"), left_alone={}), [], NOW).unmet == {}
    assert place(replace(scene(left_alone={}), space=space_of({}, {})), [], NOW).unmet == {}
    assert Placed().unmet is None, "that of a pass that did not come to its end"


def wave(*waiting_jobs: BatchJob, first: Any, **fields: Any) -> Snapshot:
    """One pod waits in the first environment for a node that was not asked for yet."""
    run = make_run(1, owner=("media", "old"), environment="spot")
    charges: dict[Hashable, Charge] = {"old": Charge("spot", {"cpu": 1000, "pods": 1}, run.owner, run)}
    return scene(
        *waiting_jobs,
        left_alone={},
        environments=[first, make_managed(name="dear")],
        charges=charges,
        used={"spot": {"cpu": 1000, "pods": 1}},
        **fields,
    )


def test_while_a_wave_is_full_a_job_waits_for_the_next_one_rather_than_go_on() -> None:
    snapshot = wave(*jobs("a", "b"), first=make_managed(16, name="spot", max_pending_pods=1))
    assert where(snapshot)["a"] == "InsufficientCapacity"
    assert not any(isinstance(each, Placement) for each in decided(snapshot).values())
    hold = decided(snapshot)["a"]
    assert isinstance(hold, Hold)
    assert "spec.managed.maxPendingPods of environment spot" in hold.message


def test_it_keeps_nobody_from_the_other_environments() -> None:
    snapshot = wave(
        *jobs("a"),
        job("b", queue="other"),
        first=make_managed(16, name="spot", max_pending_pods=1),
        queues=[make_queue(environments=BOTH, priority=2), make_queue("other", environments=("dear",))],
    )
    assert where(snapshot) == {"a": "InsufficientCapacity", "b": "dear"}


@pytest.mark.parametrize("max_vcpus", [1, 2])
def test_where_the_ceiling_is_what_is_in_the_way_it_goes_on(max_vcpus: int) -> None:
    snapshot = wave(
        job("a"), first=make_managed(max_vcpus, name="spot", max_pending_pods=1), request={"cpu": 1000 * max_vcpus}
    )
    assert where(snapshot) == {"a": "dear"}
