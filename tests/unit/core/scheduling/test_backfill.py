"""Who may go before a larger job that waits."""

from dataclasses import replace
from typing import Any

from batchyard.core.model.array import ArrayDemand, ArrayShape
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.schedulingpass import DEPTH
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_environment, make_job, make_node, make_pod, make_queue, make_run, waiting


def job(name: str, created: float = 0, queue: str = "urgent", **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, queue=queue, uid=name, **fields)


def world(
    *jobs: BatchJob, cpus: dict[str, int], limits: dict[str, int], ends_in: int | None = 1000, **fields: Any
) -> Snapshot:
    """Nodes with 8 vCPUs, of which a run that ends in so many seconds takes 6; the jobs wait."""
    runner = job("runner")
    run = make_run(owner=runner.key, owner_uid="runner", name="runner-1")
    limit = None if ends_in is None else ends_in
    snapshot = waiting(
        *jobs,
        requests={("media", name): {"cpu": amount * 1000} for name, amount in cpus.items()},
        **{
            "nodes": [make_node(cpu="8")],
            "used": {"pool": {"cpu": 6000, "pods": 1}},
            "charges": {"run": Charge("pool", {"cpu": 6000, "pods": 1}, runner.key, run)},
            "runs": [run],
            "pods": [make_pod(run="runner-1", owner_uid="runner", started_at=NOW - 30)],
            **fields,
        },
    )
    resolved = {key: replace(each, timeout_seconds=limits.get(key[1])) for key, each in snapshot.resolved.items()}
    runs = replace(next(iter(resolved.values())), timeout_seconds=limit)
    return replace(snapshot, jobs={**snapshot.jobs, runner.key: runner}, resolved={**resolved, runner.key: runs})


def started(snapshot: Snapshot) -> list[str]:
    return [placement.key[1] for placement in place(snapshot, [], NOW).placements]


LARGE, SMALL = job("large"), job("small", 1)


def test_who_has_ended_before_the_large_one_can_start_goes_first() -> None:
    # 60 s to be placed, 910 s of its own and 30 s to stop: the end of what runs, to the second.
    assert started(world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={"small": 910})) == ["small"]
    assert started(world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={"small": 911})) == []


def test_without_a_time_limit_of_its_own_it_waits() -> None:
    assert started(world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={})) == []


def test_what_fits_beside_the_large_one_goes_first_whatever_its_time() -> None:
    assert started(world(LARGE, SMALL, cpus={"large": 6, "small": 2}, limits={})) == ["small"]


def test_what_is_left_beside_the_large_one_is_given_once() -> None:
    others = [job(f"small-{number}", number) for number in range(1, 4)]
    cpus = {"large": 7, **{each.key[1]: 1 for each in others}}
    assert started(world(LARGE, *others, cpus=cpus, limits={})) == ["small-1"]
    assert started(world(LARGE, *others, cpus=cpus, limits={"small-2": 60})) == ["small-1", "small-2"]


def test_nobody_goes_first_while_nobody_knows_how_long_it_lasts() -> None:
    assert started(world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={"small": 1}, ends_in=None)) == []


def test_the_large_one_holds_its_place_in_the_queue_and_what_it_says() -> None:
    snapshot = world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={"small": 60})
    status = place(snapshot, [], NOW).statuses[LARGE.key]
    assert (status.reason, status.queue_position) == ("InsufficientCapacity", 1)


def test_queues_of_lower_priority_may_use_what_is_free() -> None:
    queues = [make_queue("high", priority=9), make_queue("low", priority=1)]
    first, second = job("large", queue="high"), job("small", queue="low")
    cpus = {"large": 8, "small": 2}
    snapshot = world(first, second, cpus=cpus, limits={"small": 60}, queues=queues)
    assert started(snapshot) == ["small"]
    assert second.key not in place(snapshot, [], NOW).statuses
    queues[1] = replace(queues[1], enabled=False)
    assert started(world(first, second, cpus=cpus, limits={"small": 60}, queues=queues)) == []


def test_arrays_wait_for_their_turn() -> None:
    array = replace(SMALL, array=ArrayShape(5))
    snapshot = world(
        LARGE, array, cpus={"large": 8, "small": 1}, limits={"small": 1}, demands={SMALL.key: ArrayDemand(slots=5)}
    )
    assert started(snapshot) == []


def test_nothing_is_promised_on_the_places_of_an_array() -> None:
    snapshot = world(LARGE, SMALL, cpus={"large": 8, "small": 2}, limits={"small": 60})
    jobs = {**snapshot.jobs, ("media", "runner"): job("runner", array=ArrayShape(6))}
    assert started(replace(snapshot, jobs=jobs)) == []


def test_what_starts_in_the_same_pass_is_waited_for_as_well() -> None:
    """The first takes what is free, so the second waits for it too: until then nobody fits."""
    jobs = [job("first"), job("large", 1), job("small", 2)]
    cpus = {"first": 1, "large": 8, "small": 1}
    snapshot = world(*jobs, cpus=cpus, limits={"first": 5000, "small": 2000})
    assert started(snapshot) == ["first", "small"]  # what runs ends sooner than the first
    assert started(world(*jobs, cpus=cpus, limits={"small": 1})) == ["first"]


def test_only_so_many_are_looked_at() -> None:
    others = [job(f"other-{number:03}", 1 + number) for number in range(DEPTH - 1)]
    cpus = {"large": 8, "small": 2, **{each.key[1]: 3 for each in others}}
    last = job("small", DEPTH + 1)
    assert started(world(LARGE, *others[1:], last, cpus=cpus, limits={"small": 60})) == ["small"]
    assert started(world(LARGE, *others, last, cpus=cpus, limits={"small": 60})) == []


def test_who_fits_no_node_does_not_go_first_either() -> None:
    nodes = [make_node(name, cpu="4") for name in ("one", "two")]
    snapshot = world(LARGE, SMALL, cpus={"large": 4, "small": 1}, limits={"small": 60}, nodes=nodes)
    spread = {"one": {"cpu": 4000, "pods": 1}, "two": {"cpu": 2000}}
    snapshot = replace(snapshot, charges={"run": replace(snapshot.charges["run"], bound=spread)})
    assert started(snapshot) == ["small"]
    giant = replace(snapshot.resolved[SMALL.key], request={"cpu": 1000, "memory": 20 * 2**30})
    assert started(replace(snapshot, resolved={**snapshot.resolved, SMALL.key: giant})) == []


def fair(reservation: int) -> dict[str, Any]:
    return {"queues": [make_queue(fair_share=FairShare(reservation=reservation))]}


def test_within_fair_shares_too_but_not_what_is_kept_back_for_others() -> None:
    first, second = job("large", share="red"), job("small", 1, share="blue")
    cpus, limits = {"large": 8, "small": 2}, {"small": 60}
    assert started(world(first, second, cpus=cpus, limits=limits, **fair(0))) == ["small"]
    usage = Usage(600)
    usage.start("runner", "red", "pool", 6000, NOW)
    kept = world(first, second, cpus={**cpus, "large": 2}, limits=limits, usage={"urgent": usage}, **fair(90))
    assert started(kept) == []


def test_environments_are_reserved_one_by_one() -> None:
    """The large one could run in either; who goes first may delay it in neither."""
    two = [make_environment(name="pool"), make_environment(name="other", ceilings={"cpu": 4000})]
    snapshot = world(
        job("large"),
        job("small", 1),
        cpus={"large": 4, "small": 1},
        limits={"small": 60},
        environments=two,
        queues=[make_queue(environments=("other", "pool"))],
        used={"pool": {"cpu": 6000, "pods": 1}, "other": {"cpu": 3000, "pods": 1}},
    )
    keys: list[tuple[Key, str]] = [
        (placement.key, placement.environment) for placement in place(snapshot, [], NOW).placements
    ]
    assert keys == [(SMALL.key, "pool")]  # in the other one, nobody knows when what runs there ends


def test_the_large_one_keeps_its_place_under_the_limit_of_its_queue() -> None:
    others = [job("small-1", 1), job("small-2", 2)]
    cpus = {"large": 8, "small-1": 1, "small-2": 1}
    limits = {"small-1": 60, "small-2": 60}
    held = {("queue", "urgent"): 1}
    for running, expected in ((1, []), (2, []), (3, ["small-1"]), (4, ["small-1", "small-2"])):
        queue = make_queue(limits=QueueLimits(running=running))
        assert started(world(LARGE, *others, cpus=cpus, limits=limits, queues=[queue], limit_usage=held)) == expected
