"""What must hold of every placement, whatever the cluster and the queues look like."""

from dataclasses import replace
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.podset import POD_SLOT
from batchyard.core.model.queue import Queue, scheduling_order
from batchyard.core.model.resources import Resources, add, fits, subtract
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.decisions import Placement
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


def left(snapshot: Snapshot, placements: dict[Key, Placement]) -> tuple[dict[str, Resources], dict[str, Resources]]:
    """What is free after the pass on each node, and under the ceilings of each environment."""
    nodes: dict[str, Resources] = {
        name: amount for pool in snapshot.pools.values() for name, amount in pool.members.items()
    }
    taken = [charge.assigned for charge in snapshot.charges.values()] + [each.nodes for each in placements.values()]
    for node, amount in chain.from_iterable(taken):
        nodes[node] = subtract(nodes[node], amount)
    sums: dict[str, Resources] = {name: snapshot.used.get(name, {}) for name in snapshot.pools}
    for placement in placements.values():
        sums[placement.environment] = add(sums[placement.environment], placement.request)
    ceilings: dict[str, Resources] = {
        name: {each: number - sums[name].get(each, 0) for each, number in pool.environment.ceilings.items()}
        for name, pool in snapshot.pools.items()
    }
    return nodes, ceilings


def room(snapshot: Snapshot, placements: dict[Key, Placement], name: str, request: Resources) -> bool:
    """Whether any node of an environment would take the request after the pass, by its ceilings, too."""
    nodes, ceilings = left(snapshot, placements)
    takes = {**request, **POD_SLOT}
    under = all(request.get(each, 0) <= max(number, 0) for each, number in ceilings[name].items())
    return under and any(fits(takes, nodes[node]) for node in snapshot.pools[name].members)


def candidates(snapshot: Snapshot, job: BatchJob) -> set[str]:
    """The environments that the job could ever start in."""
    queue = snapshot.queues.get(job.queue)
    if queue is None or not queue.enabled:
        return set()
    pods = snapshot.resolved[job.key].pods
    return {name for name in queue.environments if name in snapshot.pools and snapshot.pools[name].could_hold(pods)}


def rank(queue: Queue, snapshot: Snapshot) -> int:
    return [each.name for each in scheduling_order(snapshot.queues.values())].index(queue.name)


@given(snapshots)
def test_no_more_is_granted_than_there_is(snapshot: Snapshot) -> None:
    """Neither of a node nor under the ceilings, wherever anything is granted at all."""
    placements = placed(snapshot)
    nodes, ceilings = left(snapshot, placements)
    for placement in placements.values():
        (node, amount) = placement.nodes[0]
        assert len(placement.nodes) == 1
        assert {name: each for name, each in amount.items() if name != "pods"} == {
            name: each for name, each in placement.request.items() if each
        }
        assert all(nodes[node].get(name, 0) >= 0 for name in amount)
        assert all(ceilings[placement.environment].get(name, 0) >= 0 for name in amount)


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
    order = [each.name for each in scheduling_order(snapshot.queues.values())]
    claimed: set[str] = set()
    for queue in order:
        for key in snapshot.backlog.queue(queue):
            usable = candidates(snapshot, snapshot.jobs[key])
            if key in placements or not usable:
                continue
            request = snapshot.resolved[key].request
            assert not any(room(snapshot, placements, name, request) for name in usable - claimed)
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
    used, charges = dict(snapshot.used), dict(snapshot.charges)
    for each in first.placements:
        amount = with_pods(each.request)
        used[each.environment] = add(used.get(each.environment, {}), amount)
        charges[each.key] = Charge(each.environment, amount, each.key, expected=each.nodes)
    now = replace(snapshot, used=used, charges=charges, statuses={**snapshot.statuses, **first.statuses})
    assert place(now, [], NOW + 1).placements == []


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
    assert list(placed(snapshot)) == [fitting.key]
