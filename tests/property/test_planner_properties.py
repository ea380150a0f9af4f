"""What must hold of every placement, whatever the cluster and the queues look like."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import Queue, scheduling_order
from batchyard.core.model.resources import Resources, add, fits, subtract
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.ledger import POD_SLOT, Ledger, Pool
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_environment, make_job, make_node, make_queue, waiting

ENVIRONMENTS = ("east", "west", "north")
QUEUES = ("urgent", "normal", "slow")

nodes = st.lists(
    st.builds(
        lambda name, cpu, memory, where: make_node(name, cpu=str(cpu), memory=f"{memory}Gi", labels={"where": where}),
        st.uuids().map(str),
        st.integers(1, 8),
        st.integers(1, 8),
        st.sampled_from(ENVIRONMENTS),
    ),
    max_size=5,
)
environments = st.fixed_dictionaries({}, optional=dict.fromkeys(ENVIRONMENTS, st.integers(1, 12))).map(
    lambda ceilings: [
        make_environment(name=name, node_selector={"where": name}, ceilings={"cpu": ceiling * 1000})
        for name, ceiling in ceilings.items()
    ]
)
queues = st.lists(
    st.builds(
        lambda name, priority, enabled, where: make_queue(
            name, priority=priority, enabled=enabled, environments=tuple(where)
        ),
        st.sampled_from(QUEUES),
        st.integers(0, 2),
        st.sampled_from([True, True, True, False]),
        st.lists(st.sampled_from(ENVIRONMENTS), min_size=1, max_size=3, unique=True),
    ),
    max_size=3,
    unique_by=lambda queue: queue.name,
)
requests = st.fixed_dictionaries({}, optional={"cpu": st.integers(0, 9000), "memory": st.integers(0, 9 * 2**30)})
jobs = st.lists(st.tuples(st.sampled_from(QUEUES), st.integers(0, 3), requests), max_size=12)
used = st.dictionaries(st.sampled_from(ENVIRONMENTS), st.fixed_dictionaries({"cpu": st.integers(0, 9000)}), max_size=3)


def make(drawn: list[tuple[str, int, Resources]], **fields: Any) -> Snapshot:
    submitted = [
        replace(make_job(f"job-{number:02}"), uid=str(number), queue=queue, created=NOW + created)
        for number, (queue, created, _) in enumerate(drawn)
    ]
    sizes = {job.key: request for job, (_, _, request) in zip(submitted, drawn, strict=True)}
    return waiting(*submitted, requests=sizes, **fields)


snapshots = st.builds(make, jobs, nodes=nodes, environments=environments, queues=queues, used=used)


def placed(snapshot: Snapshot) -> dict[Key, Placement]:
    return {placement.key: placement for placement in place(snapshot, [], NOW).placements}


def total(snapshot: Snapshot, placements: dict[Key, Placement]) -> dict[str, dict[str, int]]:
    sums: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for placement in placements.values():
        sums[placement.environment] = add(add(sums[placement.environment], placement.request), POD_SLOT)
    return sums


def left(snapshot: Snapshot, placements: dict[Key, Placement]) -> dict[str, dict[str, int]]:
    """What is free in each environment after the pass."""
    sums = total(snapshot, placements)
    return {
        name: subtract(subtract(pool.capacity, snapshot.used.get(name, {})), sums[name])
        for name, pool in snapshot.pools.items()
    }


def candidates(snapshot: Snapshot, job: BatchJob) -> set[str]:
    """The environments that the job could ever start in."""
    queue = snapshot.queues.get(job.queue)
    if queue is None or not queue.enabled:
        return set()
    request = snapshot.resolved[job.key].request
    return {name for name in queue.environments if name in snapshot.pools and snapshot.pools[name].could_hold(request)}


def rank(queue: Queue, snapshot: Snapshot) -> int:
    return [each.name for each in scheduling_order(snapshot.queues.values())].index(queue.name)


@given(snapshots)
def test_no_more_is_granted_than_there_is(snapshot: Snapshot) -> None:
    placements = placed(snapshot)
    free_before = left(snapshot, {})
    for name, amount in total(snapshot, placements).items():
        assert fits(amount, free_before[name])


@given(snapshots)
def test_jobs_start_where_their_queue_says_and_a_node_can_hold_them(snapshot: Snapshot) -> None:
    for key, placement in placed(snapshot).items():
        assert placement.environment in candidates(snapshot, snapshot.jobs[key])
        assert placement.request == snapshot.resolved[key].request


@given(snapshots)
def test_nobody_is_overtaken_in_an_environment_that_could_be_theirs(snapshot: Snapshot) -> None:
    """Neither by a later job of the same queue nor by any job of a queue that goes after."""
    placements = placed(snapshot)
    for key, job in snapshot.jobs.items():
        if key in placements or not candidates(snapshot, job):
            continue
        for other, placement in placements.items():
            winner = snapshot.jobs[other]
            if winner.queue == job.queue:
                goes_after = (winner.created, *other) > (job.created, *key)
            else:
                queue, winning = snapshot.queues[job.queue], snapshot.queues[winner.queue]
                goes_after = rank(winning, snapshot) > rank(queue, snapshot)
            assert not (goes_after and placement.environment in candidates(snapshot, job))


@given(snapshots)
def test_nothing_that_could_start_is_left_waiting(snapshot: Snapshot) -> None:
    """Whoever waits for room he could use there is none, or somebody who goes before him waits for it."""
    placements = placed(snapshot)
    free = left(snapshot, placements)
    order = [each.name for each in scheduling_order(snapshot.queues.values())]
    claimed: set[str] = set()
    for queue in order:
        for key in snapshot.backlog.queue(queue):
            usable = candidates(snapshot, snapshot.jobs[key])
            if key in placements or not usable:
                continue
            request = add(snapshot.resolved[key].request, POD_SLOT)
            assert not any(fits(request, free[name]) for name in usable - claimed)
            claimed |= usable


@given(snapshots)
def test_misfits_delay_nobody(snapshot: Snapshot) -> None:
    misfits = {key for key, job in snapshot.jobs.items() if not candidates(snapshot, job)}
    backlog = Backlog()
    for key, job in snapshot.jobs.items():
        if key not in misfits:
            backlog.add(job)
    assert placed(replace(snapshot, backlog=backlog)) == placed(snapshot)


@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_in_which_things_became_known_decides_nothing(snapshot: Snapshot, random: Any) -> None:
    def shuffled(mapping: Any) -> Any:
        items = list(mapping.items())
        random.shuffle(items)
        return dict(items)

    backlog = Backlog()
    for job in shuffled(snapshot.jobs).values():
        backlog.add(job)
    other = replace(
        snapshot,
        backlog=backlog,
        **{name: shuffled(getattr(snapshot, name)) for name in ("jobs", "queues", "environments", "pools", "resolved")},
    )
    fresh = list(snapshot.jobs)
    assert _said(place(other, fresh, NOW)) == _said(place(snapshot, fresh, NOW))


def _said(result: Placed) -> Any:
    return {placement.key: placement for placement in result.placements}, result.statuses


@given(snapshots)
def test_everybody_who_waits_is_told_why(snapshot: Snapshot) -> None:
    result = place(snapshot, list(snapshot.jobs), NOW)
    started = {placement.key for placement in result.placements}
    for key in started:
        snapshot.backlog.remove(key)
    for key in snapshot.jobs:
        assert (key in started) != (key in result.statuses)
        if key in result.statuses:
            status = result.statuses[key]
            assert status.reason
            assert status.message
            assert status.queue_position == snapshot.backlog.position(key)


@given(snapshots)
def test_saying_it_twice_says_nothing_new(snapshot: Snapshot) -> None:
    first = place(snapshot, list(snapshot.jobs), NOW)
    for placement in first.placements:
        snapshot.backlog.remove(placement.key)
    free = Ledger(snapshot.pools, snapshot.used)
    for placement in first.placements:
        free.charge(placement.environment, placement.request)
    now_used = {name: subtract(pool.capacity, free.free(name)) for name, pool in snapshot.pools.items()}
    again = place(replace(snapshot, used=now_used, statuses={**snapshot.statuses, **first.statuses}), [], NOW + 1)
    assert again.placements == []


@settings(deadline=None)  # up to as many passes as jobs, on a machine that may be busy
@given(st.lists(st.integers(1, 3), min_size=1, max_size=40), st.integers(1, 4), st.data())
def test_a_stream_of_small_jobs_never_starves_a_large_one(sizes: list[int], large: int, data: st.DataObject) -> None:
    """While the large job waits, every job that ends brings it nearer; it starts before any that came after it."""
    capacity = 4
    running: dict[Key, int] = {}
    started: list[Key] = []
    submitted = [(f"small-{number:02}", size) for number, size in enumerate(sizes)]
    position = data.draw(st.integers(0, len(submitted)))
    submitted.insert(position, ("large", large))
    remaining = dict(enumerate(submitted))
    while remaining or running:
        drawn = [replace(make_job(name), uid=name, created=NOW + number) for number, (name, _) in remaining.items()]
        snapshot = waiting(
            *drawn,
            requests={("media", name): {"cpu": size * 1000} for _, (name, size) in remaining.items()},
            nodes=[make_node(cpu=str(capacity))],
            used={"pool": {"cpu": 1000 * sum(running.values()), "pods": len(running)}},
        )
        for key, placement in placed(snapshot).items():
            running[key] = placement.request["cpu"] // 1000
            started.append(key)
            remaining = {number: entry for number, entry in remaining.items() if entry[0] != key[1]}
        assert sum(running.values()) <= capacity
        assert running, "nothing runs and nothing starts"
        del running[data.draw(st.sampled_from(sorted(running)))]
    assert [name for _, name in started] == [name for name, _ in submitted]


def test_the_checks_above_can_fail() -> None:
    """The helper that says where a job could run does tell good from bad."""
    snapshot = make([("urgent", 0, {"cpu": 2000}), ("urgent", 1, {"cpu": 64_000})])
    fitting, misfit = snapshot.jobs.values()
    assert candidates(snapshot, fitting) == {"pool"}
    assert candidates(snapshot, misfit) == set()
    assert isinstance(snapshot.pools["pool"], Pool)
    assert list(placed(snapshot)) == [fitting.key]
