"""Who has to make room for whom."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from batchyard.core.model.array import ArrayDemand, ArrayShape, IndexedJob
from batchyard.core.model.queue import Queue, QueueLimits
from batchyard.core.model.resources import Resources, add
from batchyard.core.model.run import Pod, Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.preemption import AT_ONCE
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, by_job, make_environment, make_job, make_node, make_pod, make_queue, make_run, waiting

HIGH = make_queue("high", priority=9, preempts_after=0)
LOW = make_queue("low", priority=1)
LOWEST = make_queue("lowest", priority=0)


@dataclass
class Work:
    """Something that runs since so many seconds; with places, an array."""

    name: str
    cpu: int
    queue: str = "low"
    since: float | None = 100
    places: int | None = None
    parallelism: int | None = None
    environment: str = "pool"
    disruption: str = ""


def run_of(work: Work) -> Run:
    indexed = None
    if work.places is not None:
        indexed = IndexedJob(1000, work.places if work.parallelism is None else work.parallelism)
    return make_run(
        name=f"{work.name}-1",
        uid=f"run-{work.name}",
        owner=("media", work.name),
        owner_uid=work.name,
        queue=work.queue,
        environment=work.environment,
        request={"cpu": 1000 * work.cpu},
        indexed=indexed,
        active=work.places or 1,
        started_at=NOW - (work.since or 0),
    )


def world(works: Iterable[Work], line: dict[str, int], *, cpu: int = 8, **fields: Any) -> Snapshot:
    """One node; `line` are the vCPUs of jobs that wait in the queue high."""
    jobs = [replace(make_job(name), uid=name, queue="high", created=NOW + at) for at, name in enumerate(line)]
    snapshot = waiting(
        *jobs,
        requests={("media", name): {"cpu": 1000 * size} for name, size in line.items()},
        **{"nodes": [make_node(cpu=f"{cpu}")], "queues": [HIGH, LOW, LOWEST], **fields},
    )
    charges: dict[Hashable, Charge] = {}
    runs: list[Run] = []
    pods: list[Pod] = []
    used: dict[str, Resources] = {}
    everybody = dict(snapshot.jobs)
    for work in works:
        run = run_of(work)
        amount = {name: each * (work.places or 1) for name, each in with_pods(run.request).items()}
        charges[run.name] = Charge(work.environment, amount, run.owner, run)
        used[work.environment] = add(used.get(work.environment, {}), amount)
        runs.append(run)
        everybody[run.owner] = replace(make_job(work.name), uid=work.name, queue=work.queue)
        if work.places is None:
            started = None if work.since is None else NOW - work.since
            pod = make_pod(run=run.name, owner_uid=work.name, started_at=started, disruption=work.disruption)
            pods.append(pod)
    return replace(snapshot, jobs=everybody, charges=charges, runs=by_job(runs, pods), used=used)


def displaced(snapshot: Snapshot) -> dict[str, int]:
    """Places by the name of the job that loses them."""
    return {each.run.owner[1]: each.slots for each in place(snapshot, [], NOW).preemptions}


def with_queue(queue: Queue) -> dict[str, Any]:
    return {"queues": [queue, LOW, LOWEST]}


def test_what_started_last_makes_room() -> None:
    works = [Work("old", 4, since=300), Work("new", 4, since=100)]
    assert displaced(world(works, {"urgent": 2})) == {"new": 1}


def test_it_says_who_takes_the_place_and_what_it_waits_for() -> None:
    snapshot = world([Work("new", 8)], {"urgent": 2})
    placed = place(snapshot, [], NOW)
    assert [each.by for each in placed.preemptions] == [("media", "urgent")]
    message = placed.statuses["media", "urgent"].message
    assert message.endswith("on one node of environment pool; work of lower priority makes room for it")


def test_the_lowest_priority_goes_first_then_arrays() -> None:
    works = [Work("single", 2, since=1), Work("array", 1, places=4), Work("old", 2, queue="lowest", since=900)]
    assert displaced(world(works, {"urgent": 2})) == {"old": 1}
    assert displaced(world(works, {"urgent": 5})) == {"old": 1, "array": 3}
    assert displaced(world(works, {"urgent": 8})) == {"old": 1, "array": 4, "single": 1}


def test_nothing_is_stopped_in_vain() -> None:
    works = [Work("low", 4), Work("same", 4, queue="high")]
    assert displaced(world(works, {"urgent": 6})) == {}


def test_no_more_is_stopped_than_is_needed() -> None:
    """The small one that comes first in the order is of no use once the large one has gone."""
    works = [Work("large", 6, since=300), Work("small", 2, since=100)]
    assert displaced(world(works, {"urgent": 6})) == {"large": 1}


@pytest.mark.parametrize("priority", [9, 10])
def test_only_lower_priorities_make_room(priority: int) -> None:
    queues = [HIGH, make_queue("low", priority=priority)]
    assert displaced(world([Work("other", 8)], {"urgent": 2}, queues=queues)) == {}


def test_only_for_queues_that_ask_for_it() -> None:
    assert displaced(world([Work("low", 8)], {"urgent": 2}, **with_queue(replace(HIGH, preempts_after=None)))) == {}


def test_a_minimum_of_time_protects() -> None:
    works = [Work("young", 4, since=59), Work("old", 4, since=60)]
    protecting = with_queue(replace(HIGH, preempts_after=60))
    assert displaced(world(works, {"urgent": 2}, **protecting)) == {"old": 1}
    assert displaced(world(works, {"urgent": 8}, **protecting)) == {}
    assert displaced(world([Work("starting", 8, since=None)], {"urgent": 2}, **protecting)) == {}
    assert displaced(world([Work("starting", 8, since=None)], {"urgent": 2})) == {"starting": 1}


def test_what_is_on_its_way_out_is_waited_for() -> None:
    works = [Work("leaving", 4, disruption="EvictionByEvictionAPI"), Work("staying", 4)]
    assert displaced(world(works, {"urgent": 4})) == {}
    assert displaced(world(works, {"urgent": 8})) == {"staying": 1}
    shrinking = [Work("array", 1, places=8, parallelism=5)]
    assert displaced(world(shrinking, {"urgent": 3})) == {}
    assert displaced(world(shrinking, {"urgent": 4})) == {"array": 1}


def test_what_was_just_told_to_go_counts_as_leaving() -> None:
    works = [Work("told", 4), Work("array", 1, places=4)]
    told = world(works, {"urgent": 6}, being_preempted={("media", "told-1"): 1, ("media", "array-1"): 2})
    assert displaced(told) == {}
    assert "makes room" in place(told, [], NOW).statuses["media", "urgent"].message
    assert displaced(replace(told, being_preempted={("media", "told-1"): 1})) == {"array": 2}


def test_what_turned_out_to_be_protected_is_left_alone() -> None:
    works = [Work("guarded", 4), Work("array", 1, places=4)]
    spared = {("media", "guarded-1")}
    assert displaced(world(works, {"urgent": 4}, spared=spared)) == {"array": 4}
    assert displaced(world(works, {"urgent": 5}, spared=spared)) == {}


def test_those_behind_get_room_too_in_their_order() -> None:
    works = [Work(f"low-{number}", 2, since=number) for number in range(4)]
    assert displaced(world(works, {"one": 2, "two": 3, "three": 2})) == {f"low-{number}": 1 for number in range(4)}
    assert displaced(world(works, {"one": 2, "never": 9, "three": 2})) == {"low-0": 1, "low-1": 1}
    assert displaced(world(works, {"one": 2, "large": 8, "three": 2})) == {"low-0": 1}


def test_an_array_gets_as_many_places_as_there_are_to_take() -> None:
    snapshot = world([Work("low", 1, places=8)], {"urgent": 2})
    key = ("media", "urgent")
    jobs = {**snapshot.jobs, key: replace(snapshot.jobs[key], array=ArrayShape(10))}
    snapshot = replace(snapshot, jobs=jobs, demands={key: ArrayDemand(slots=3)})
    assert displaced(snapshot) == {"low": 6}
    assert displaced(replace(snapshot, demands={key: ArrayDemand(slots=10)})) == {"low": 8}


def test_a_limit_of_the_queue_holds_for_those_behind_too() -> None:
    works = [Work(f"low-{number}", 2, since=number) for number in range(4)]
    limited = with_queue(replace(HIGH, limits=QueueLimits(running=3)))
    line = {"one": 2, "two": 2, "three": 2}
    assert len(displaced(world(works, line, **limited, limit_usage={("queue", "high"): 1}))) == 2
    assert displaced(world(works, line, **limited, limit_usage={("queue", "high"): 3})) == {}


def test_one_pass_takes_so_much_at_most() -> None:
    works, pairs = [Work("low", 1, places=AT_ONCE + 4)], {f"urgent-{number}": 2 for number in range(AT_ONCE)}
    assert displaced(world(works, {"urgent": AT_ONCE - 1}, cpu=AT_ONCE + 4)) == {"low": AT_ONCE - 1}
    assert displaced(world(works, pairs, cpu=AT_ONCE + 4)) == {"low": AT_ONCE}


def test_environments_are_tried_in_the_order_of_the_queue() -> None:
    two = [make_environment(name="first"), make_environment(name="second")]
    high = replace(HIGH, environments=("first", "second"))
    two = [replace(each, node_selector={"pool": each.name}) for each in two]
    nodes = [make_node(name, cpu="8", labels={"pool": name}) for name in ("first", "second")]
    works = [Work("kept", 8, queue="high", environment="first"), Work("low", 8, environment="second")]
    fields = {"environments": two, "nodes": nodes, **with_queue(high)}
    assert displaced(world(works, {"urgent": 2}, **fields)) == {"low": 1}
    works[0].queue = "low"
    assert displaced(world(works, {"urgent": 2}, **fields)) == {"kept": 1}


def test_a_multi_node_job_goes_as_a_whole() -> None:
    snapshot = world([Work("gang", 8)], {"urgent": 2})
    (charge,) = snapshot.charges.values()
    assert charge.run is not None
    child = charge.run._replace(name="gang-1-n1", node=1, main_uid=charge.run.uid)
    snapshot = replace(snapshot, charges={"gang": replace(charge, run=child)})
    (displacement,) = place(snapshot, [], NOW).preemptions
    assert displacement.run.name == "gang-1"


def test_what_an_array_leaves_in_pods_goes_by_itself_and_is_not_asked_to() -> None:
    snapshot = world([Work("array", 1, places=4), Work("single", 4)], {"urgent": 8})
    charge = snapshot.charges["array-1"]
    assert charge.run is not None
    gone = replace(charge, run=charge.run._replace(condition="Gone"))
    runs = {uid: each for uid, each in snapshot.runs.items() if uid != "array"}
    assert displaced(replace(snapshot, charges={**snapshot.charges, "array-1": gone}, runs=runs)) == {"single": 1}
