"""Bypass: nothing idles that a waiting job fits into while the head is young; from then on the order is strict."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.job import Key
from batchyard.core.model.queue import FairShare, Queue
from batchyard.core.model.resources import fits
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import with_pods
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, decisions_of, make_environment, make_job, make_node, make_queue, waiting

SECONDS = 600
CAPACITY = {"a": 4, "b": 8}

Waiting = tuple[int, str, str, float | None]
"""Size, share, queue, and for how long it has been at the head."""

young = st.none() | st.floats(0, SECONDS - 1)
ages = young | st.floats(SECONDS, 5000)


def lines(of: st.SearchStrategy[float | None]) -> st.SearchStrategy[list[Waiting]]:
    one = st.tuples(st.integers(1, 8), st.sampled_from(["red", "blue"]), st.sampled_from(["high", "low"]), of)
    return st.lists(one, min_size=1, max_size=10)


taken = st.fixed_dictionaries({name: st.integers(0, cpus) for name, cpus in CAPACITY.items()})


def make(
    jobs: list[Waiting],
    taken: Mapping[str, int],
    *,
    seconds: int = SECONDS,
    fair: bool = False,
    both: bool = True,
    equal: bool = False,
) -> Snapshot:
    """Queues that both use two environments, of `equal` priority or not; one is strict unless `both` have Bypass."""
    sharing = FairShare() if fair else None
    names = ("a", "b")
    queues = [
        make_queue("high", priority=5, environments=names, fair_share=sharing, bypass_seconds=seconds),
        make_queue("low", priority=5 if equal else 1, environments=names, bypass_seconds=seconds if both else 0),
    ]
    records = [
        replace(
            make_job(f"job-{at:02}"),
            uid=f"{at}",
            created=NOW + at,
            queue=queue,
            share=share if fair and queue == "high" else "",
        )
        for at, (_, share, queue, _) in enumerate(jobs)
    ]
    snapshot = waiting(
        *records,
        requests={job.key: {"cpu": 1000 * size} for job, (size, *_) in zip(records, jobs, strict=True)},
        queues=queues,
        environments=[make_environment(name=name, node_selector={"in": name}) for name in names],
        nodes=[make_node(name, cpu=f"{cpus}", labels={"in": name}) for name, cpus in CAPACITY.items()],
        used={name: {"cpu": 1000 * amount} for name, amount in taken.items()},
    )
    statuses = {
        job.key: snapshot.statuses[job.key]._replace(head_since=None if age is None else NOW - age)
        for job, (*_, age) in zip(records, jobs, strict=True)
    }
    return replace(snapshot, statuses=statuses)


def left_idle(snapshot: Snapshot, started: list[Placement]) -> list[tuple[Key, str]]:
    """The jobs that wait although they fit, and where."""
    ledger = SchedulingPass(snapshot, NOW).ledger
    for placement in started:
        for node, amount in placement.nodes:
            assert fits(amount, ledger.space.of(placement.environment, node))
        ledger.charge(placement.environment, placement.nodes, with_pods(placement.request))
    waits = snapshot.jobs.keys() - {placement.key for placement in started}
    return [
        (key, name)
        for key in waits
        for name, pool in snapshot.pools.items()
        if ledger.fits(name, snapshot.resolved[key].pods) and pool.could_hold(snapshot.resolved[key].pods)
    ]


@given(lines(young), taken, st.booleans())
def test_nothing_idles_that_anybody_fits_into_while_no_head_has_waited_for_too_long(
    jobs: list[Waiting], taken: dict[str, int], fair: bool
) -> None:
    snapshot = make(jobs, taken, fair=fair, equal=True)
    assert left_idle(snapshot, place(snapshot, [], NOW).placements) == []


@given(lines(young), taken, st.booleans())
def test_a_queue_of_lower_priority_takes_nothing_that_somebody_of_a_higher_one_waits_for(
    jobs: list[Waiting], taken: dict[str, int], fair: bool
) -> None:
    snapshot = make(jobs, taken, fair=fair)
    started = place(snapshot, [], NOW).placements
    assert all(snapshot.jobs[key].queue == "low" for key, _ in left_idle(snapshot, started))
    high = snapshot.jobs.keys() - {placement.key for placement in started}
    several = [snapshot.resolved[key].pods for key in high if snapshot.jobs[key].queue == "high"]
    for placement in started:
        if snapshot.jobs[placement.key].queue == "low":
            assert not any(snapshot.pools[placement.environment].could_hold(pods) for pods in several)


@given(lines(ages), taken, st.booleans(), st.booleans())
def test_who_has_waited_for_too_long_is_passed_by_nobody(
    jobs: list[Waiting], taken: dict[str, int], fair: bool, both: bool
) -> None:
    """Whoever is decided on later, and starts, starts where it could not have."""
    snapshot = make(jobs, taken, fair=fair, both=both)
    closed: set[str] = set()
    for key, decision in decisions_of(snapshot):
        if isinstance(decision, Placement):
            assert decision.environment not in closed
        elif _is_over(snapshot, key, decision):
            pods = snapshot.resolved[key].pods
            closed |= {name for name, pool in snapshot.pools.items() if pool.could_hold(pods)}


def _is_over(snapshot: Snapshot, key: Key, hold: Hold) -> bool:
    since, queue = snapshot.statuses[key].head_since, snapshot.queues[snapshot.jobs[key].queue]
    waits = hold.reason in ("InsufficientCapacity", "WaitingForHigherPriority")
    return waits and (not queue.bypass_seconds or (since is not None and NOW - since >= SECONDS))


@given(lines(ages), taken, st.booleans())
def test_with_no_time_to_pass_it_is_a_strict_queue(jobs: list[Waiting], taken: dict[str, int], fair: bool) -> None:
    strict = make(jobs, taken, seconds=0, fair=fair)
    over = make([(size, share, queue, SECONDS) for size, share, queue, _ in jobs], taken, fair=fair)
    assert place(over, [], NOW).placements == place(strict, [], NOW).placements


@given(lines(ages), taken, st.booleans())
def test_whoever_starts_in_a_strict_order_starts_with_bypass_too_unless_others_go_before(
    jobs: list[Waiting], taken: dict[str, int], fair: bool
) -> None:
    """What is decided first is the same, up to the first that waits."""
    bypass, strict = (list(decisions_of(make(jobs, taken, seconds=seconds, fair=fair))) for seconds in (SECONDS, 0))
    for one, other in zip(bypass, strict, strict=False):
        assert one[0] == other[0]
        if isinstance(one[1], Hold):
            break
        assert one[1] == other[1]


def test_the_checks_above_can_fail() -> None:
    """A strict queue leaves room idle, and so does one whose head has waited for too long."""
    jobs: list[Waiting] = [(8, "red", "high", 0.0), (1, "red", "high", None)]
    room = {"a": 4, "b": 7}

    def idle(snapshot: Snapshot) -> list[tuple[Key, str]]:
        return left_idle(snapshot, place(snapshot, [], NOW).placements)

    def queue(snapshot: Snapshot) -> Queue:
        return snapshot.queues["high"]

    assert idle(make(jobs, room)) == []
    assert idle(make(jobs, room, seconds=0)) == [(("media", "job-01"), "b")]
    late = make([(8, "red", "high", 700.0), jobs[1]], room)
    assert (queue(late).bypass_seconds, idle(late)) == (SECONDS, [(("media", "job-01"), "b")])
