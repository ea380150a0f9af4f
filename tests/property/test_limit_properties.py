"""Limits of queues and shares are kept, and hold back nobody whom they are not about, whatever comes and ends."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.limits import Name, needs
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_job, make_node, make_queue, waiting

QUEUES = ("fifo", "fair", "free")
SHARES = ("red", "teamA", "teamB")
ceilings = st.one_of(st.none(), st.integers(1, 4))
limits = st.builds(
    QueueLimits,
    ceilings,
    ceilings,
    st.dictionaries(st.sampled_from(["red", "team*"]), st.integers(1, 3)),
)
submissions = st.lists(st.tuples(st.sampled_from(QUEUES), st.sampled_from(SHARES)), max_size=30)


def jobs_of(drawn: list[tuple[str, str]]) -> list[BatchJob]:
    return [
        replace(
            make_job(f"job-{number:02}"),
            uid=str(number),
            queue=queue,
            share=share if queue == "fair" else "",
            created=NOW + number,
        )
        for number, (queue, share) in enumerate(drawn)
    ]


def held_by(running: list[BatchJob]) -> Counter[Name]:
    held: Counter[Name] = Counter()
    for job in running:
        held.update(needs(job.queue, job.share))
    return held


def snapshot_of(
    jobs: list[BatchJob], running: list[BatchJob], fifo: QueueLimits, fair: QueueLimits, cpu: int
) -> Snapshot:
    queues = [
        make_queue("fifo", priority=3, limits=QueueLimits(fifo.running)),
        make_queue("fair", priority=2, limits=fair, fair_share=FairShare()),
        make_queue("free", priority=1),
    ]
    used = {"pool": {"cpu": 1000 * len(running), "pods": len(running)}}
    node = make_node(cpu=str(cpu))
    return waiting(*jobs, queues=queues, used=used, nodes=[node], limit_usage=held_by(running))


def started(snapshot: Snapshot) -> list[BatchJob]:
    return [snapshot.jobs[placement.key] for placement in place(snapshot, [], NOW).placements]


@settings(deadline=None)  # as many passes as jobs, on a machine that may be busy
@given(submissions, limits, limits, st.integers(1, 20), st.data())
def test_limits_are_kept_and_everybody_comes_to_run(
    drawn: list[tuple[str, str]], fifo: QueueLimits, fair: QueueLimits, cpu: int, data: st.DataObject
) -> None:
    left, running, done = jobs_of(drawn), list[BatchJob](), set[Key]()
    while left or running:
        new = started(snapshot_of(left, running, fifo, fair, cpu))
        running += new
        left = [job for job in left if job not in new]
        held = held_by(running)
        for name, limit in (("fifo", fifo.running), ("fair", fair.running)):
            assert limit is None or held["queue", name] <= limit
        for share in SHARES:
            limit = fair.of_share(share)
            assert limit is None or held["share", "fair", share] <= limit
        assert running, "nothing runs and nothing starts"
        done.add(running.pop(data.draw(st.integers(0, len(running) - 1))).key)
    assert len(done) == len(drawn)


@given(submissions, limits, st.integers(1, 20))
def test_a_queue_at_its_limit_is_as_if_nothing_waited_in_it(
    drawn: list[tuple[str, str]], fair: QueueLimits, cpu: int
) -> None:
    jobs = jobs_of(drawn)
    running = [replace(make_job("other"), queue="fifo")]
    full = started(snapshot_of(jobs, running, QueueLimits(1), fair, cpu))
    without = started(snapshot_of([job for job in jobs if job.queue != "fifo"], running, QueueLimits(1), fair, cpu))
    assert full == without


@given(submissions, limits, limits, st.integers(1, 20))
def test_running_more_than_a_lowered_limit_starts_nothing_and_stops_nothing(
    drawn: list[tuple[str, str]], before: QueueLimits, after: QueueLimits, cpu: int
) -> None:
    jobs = jobs_of(drawn)
    running = started(snapshot_of(jobs, [], before, before, cpu))
    left = [job for job in jobs if job not in running]
    held = held_by(running)
    for job in started(snapshot_of(left, running, after, after, cpu)):
        ceiling = after.running if job.queue != "free" else None
        assert ceiling is None or held["queue", job.queue] < ceiling
