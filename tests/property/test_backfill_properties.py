"""Backfill never delays the job that waits for room before all others, whatever runs and whoever waits behind."""

from collections.abc import Hashable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources, add, fits
from batchyard.core.model.run import Pod, Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.reservation import End, Reservation, latest_end, reserve
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, by_job, decisions_of, make_job, make_node, make_pod, make_run, waiting

CAPACITY = 8

sizes = st.integers(1, CAPACITY)
limits = st.one_of(st.none(), st.integers(1, 500))
runs = st.lists(st.tuples(st.integers(1, 4), limits, st.one_of(st.none(), st.integers(-400, 0))), max_size=6)
queued = st.lists(st.tuples(sizes, limits), min_size=1, max_size=8)


def make(running: list[tuple[int, int | None, int | None]], line: list[tuple[int, int | None]]) -> Snapshot:
    """Runs with size, time limit and start; jobs that wait with size and time limit."""
    jobs = [replace(make_job(f"job-{at}"), uid=f"{at}", created=NOW + at) for at in range(len(line))]
    snapshot = waiting(
        *jobs,
        requests={job.key: {"cpu": 1000 * size} for job, (size, _) in zip(jobs, line, strict=True)},
        nodes=[make_node(cpu=f"{CAPACITY}")],
    )
    resolved = {
        job.key: replace(snapshot.resolved[job.key], timeout_seconds=limit)
        for job, (_, limit) in zip(jobs, line, strict=True)
    }
    everybody = dict(snapshot.jobs)
    charges: dict[Hashable, Charge] = {}
    mains: list[Run] = []
    pods: list[Pod] = []
    used: Resources = {}
    for at, (size, limit, start) in enumerate(running):
        if used.get("cpu", 0) + 1000 * size > 1000 * CAPACITY:
            break
        job = replace(make_job(f"run-{at}"), uid=f"run-{at}")
        run = make_run(owner=job.key, owner_uid=job.uid, name=f"run-{at}-1", request={"cpu": 1000 * size})
        charges[at] = Charge("pool", with_pods(run.request), job.key, run)
        used = add(used, charges[at].amount)
        everybody[job.key] = job
        mains.append(run)
        resolved[job.key] = replace(snapshot.resolved[jobs[0].key], timeout_seconds=limit, request=run.request)
        if start is not None:
            pods.append(make_pod(run=run.name, owner_uid=job.uid, started_at=NOW + start))
    return replace(
        snapshot, jobs=everybody, resolved=resolved, charges=charges, runs=by_job(mains, pods), used={"pool": used}
    )


snapshots = st.builds(make, runs, queued)


def promised(snapshot: Snapshot, front: Key, placements: list[Placement]) -> Reservation | None:
    """What the front can count on once these jobs have started."""
    this_pass = SchedulingPass(snapshot, NOW)
    ends, ledger = list(this_pass.ends("pool")), this_pass.ledger
    for placement in placements:
        amount = with_pods(placement.request)
        ledger.charge("pool", placement.nodes, amount)
        ends.append(End(latest_end(snapshot.resolved[placement.key], None, NOW), placement.nodes, amount))
    return reserve(ledger, "pool", snapshot.resolved[front].pods, ends)


@given(snapshots)
def test_the_first_that_waits_starts_no_later_for_those_that_go_before_it(snapshot: Snapshot) -> None:
    strict = list(decisions_of(snapshot))
    in_turn = [decision for _, decision in strict if isinstance(decision, Placement)]
    front = next((key for key, decision in strict if isinstance(decision, Hold)), None)
    everybody = place(snapshot, [], NOW).placements
    assert everybody[: len(in_turn)] == in_turn
    early = everybody[len(in_turn) :]
    if front is None:
        assert not early
        return
    assert front not in {placement.key for placement in early}
    before, after = promised(snapshot, front, in_turn), promised(snapshot, front, everybody)
    assert before is not None or not early
    if before is not None:
        assert after is not None
        assert after.at <= before.at


@given(snapshots)
def test_no_more_is_given_than_there_is(snapshot: Snapshot) -> None:
    ledger = SchedulingPass(snapshot, NOW).ledger
    for placement in place(snapshot, [], NOW).placements:
        for node, amount in placement.nodes:
            assert fits(amount, ledger.space.of("pool", node))
        ledger.charge("pool", placement.nodes, with_pods(placement.request))


def test_the_checks_above_can_fail() -> None:
    """There are cases in which somebody goes first, and some of them would delay the front."""
    snapshot = make([(6, 100, 0)], [(8, None), (2, 10), (1, 500)])
    assert [placement.key[1] for placement in place(snapshot, [], NOW).placements] == ["job-1"]
    one: Resources = {"cpu": 1000, "pods": 1}
    late = Placement(("media", "job-2"), "pool", {"cpu": 1000}, nodes=(("node-1", one),))
    before, after = (promised(snapshot, ("media", "job-0"), placements) for placements in ([], [late]))
    assert before is not None
    assert after is not None
    assert after.at > before.at
