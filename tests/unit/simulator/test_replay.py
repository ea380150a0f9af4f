"""What a replay comes to, for workloads small enough to be computed by hand, and over long runs."""

from collections.abc import Iterable, Iterator
from itertools import count, islice

import pytest

from batchyard.core.model.definition import Resolved
from batchyard.simulator.replay import Replay
from batchyard.simulator.results import Results
from batchyard.simulator.submission import Submission, parallel, single
from batchyard.simulator.synthetic import RunSeconds, Stream, Synthetic, generate
from batchyard.simulator.workload import EnvironmentSpec, NodesSpec, QueueSpec

POLICY = {
    "type": "FairShare",
    "fairShare": {
        "shares": [
            {"shareIdentifier": "red", "weightFactor": 1.0},
            {"shareIdentifier": "blue", "weightFactor": 0.5},
            {"shareIdentifier": "green", "weightFactor": 0.25},
        ]
    },
}


def vcpus(amount: int) -> Resolved:
    return single({"cpu": 1000 * amount})


def job(at: int, size: int, seconds: int, queue: str = "work", share: str = "") -> Submission:
    return Submission(at, queue, share, vcpus(size), seconds)


def nodes(name: str = "pool", count: int = 1, cpu: int = 4) -> EnvironmentSpec:
    return EnvironmentSpec(name=name, nodes=(NodesSpec(count=count, resources={"cpu": str(cpu)}),))


def queue(name: str = "work", **fields: object) -> QueueSpec:
    return QueueSpec.model_validate({"name": name, "computeEnvironments": ["pool"], **fields})


def replay(
    *submissions: Submission,
    environments: Iterable[EnvironmentSpec] = (nodes(),),
    queues: Iterable[QueueSpec] = (queue(),),
) -> Results:
    made = Replay([each.pool() for each in environments], [each.record(at) for at, each in enumerate(queues)])
    return made.run(submissions)


def test_three_jobs_computed_by_hand() -> None:
    results = replay(job(0, 4, 100), job(10, 2, 50), job(20, 2, 100))  # 0-100, 100-150, 100-200
    tally = results.queues["work"]
    assert results.makespan == 200
    assert (tally.submitted, tally.waits.max) == (3, 90)
    assert tally.waits.mean == pytest.approx(170 / 3)
    assert [tally.waits.quantile(part) for part in (0.3, 0.5, 0.95)] == [0, 80, 90]
    assert results.environments == {"pool": 400 + 100 + 200}
    assert results.most_waiting == 2
    assert results.timeline.vcpus() == [4.0, (40 * 4 + 20 * 4) / 60, (30 * 4 + 30 * 2) / 60, 2.0]
    assert results.timeline.waiting() == [(10 * 1 + 40 * 2) / 60, 40 * 2 / 60, 0.0, 0.0]


def test_jobs_with_a_timeout_go_before_a_large_one_that_they_do_not_delay() -> None:
    def limited(at: int, size: int, seconds: int, limit: int) -> Submission:
        return Submission(at, "work", "", single({"cpu": 1000 * size}, limit), seconds)

    large = job(10, 4, 100)
    short, long = limited(20, 1, 50, 60), limited(20, 1, 50, 900)  # with a minute to start and half of one to stop
    queues = (queue(queueing={"policy": "Strict"}),)
    unlimited = replay(job(0, 3, 300), large, short, queues=queues)
    filled = replay(limited(0, 3, 300, 300), large, short, queues=queues)
    late = replay(limited(0, 3, 300, 300), large, long, queues=queues)
    assert [results.makespan for results in (unlimited, filled, late)] == [450, 400, 450]
    assert [results.queues["work"].waits.max for results in (unlimited, filled, late)] == [380, 290, 380]


def test_the_clock_starts_with_the_first_job() -> None:
    results = replay(job(1000, 1, 60), job(1030, 1, 60))
    assert (results.began_at, results.ended_at, results.makespan) == (1000, 1090, 90)
    assert results.timeline.vcpus() == [1.5, 1.0]


def test_a_replay_can_be_ended_before_its_jobs_are() -> None:
    made = Replay([nodes().pool()], [queue().record(0)])
    results = made.run([job(100, 2, 60), job(110, 4, 60), job(500, 1, 1)], 50)
    assert (results.makespan, results.environments, results.still_waiting) == (50, {"pool": 100}, 1)
    assert results.timeline.vcpus() == [2.0]


def test_nothing_at_all() -> None:
    results = replay()
    assert (results.makespan, results.passes, results.timeline.vcpus()) == (0, 0, [])


def test_higher_priority_goes_first() -> None:
    queues = [queue("low", priority=1), queue("high", priority=2)]
    work = [job(0, 4, 100, "low"), job(10, 4, 10, "low"), job(20, 4, 10, "high")]
    results = replay(*work, queues=queues)
    assert results.queues["high"].waits.max == 80
    assert results.queues["low"].waits.max == 100


def test_limits_of_queues_and_shares_are_kept() -> None:
    results = replay(job(0, 1, 100), job(0, 1, 100), job(0, 1, 100), queues=[queue(limits={"maxRunningJobs": 1})])
    assert results.makespan == 300
    policy = {"type": "FairShare", "fairShare": {"shares": [{"shareIdentifier": "r*", "maxRunningJobs": 1}]}}
    shared = queue(limits={"maxRunningJobsPerShare": 2}, schedulingPolicy=policy)
    results = replay(*(job(0, 1, 100, share=share) for share in ("red", "blue") for _ in range(2)), queues=[shared])
    assert (results.makespan, results.shares["work", "red"].waits.max) == (200, 100)
    assert results.shares["work", "blue"].waits.max == 0


def test_environments_are_tried_in_order() -> None:
    environments = [nodes("pool"), EnvironmentSpec(name="cloud", max_vcpus=8.0)]
    ordered = [queue(computeEnvironments=["pool", "cloud"])]
    results = replay(job(0, 4, 10), job(0, 4, 20), job(10, 4, 30), environments=environments, queues=ordered)
    assert results.environments == {"pool": 4 * 10 + 4 * 30, "cloud": 4 * 20}


def test_a_job_that_fits_nowhere_is_set_aside() -> None:
    results = replay(job(0, 5, 10), job(0, 4, 10))
    tally = results.queues["work"]
    assert (tally.submitted, tally.rejected, tally.waits.count, results.still_waiting) == (2, 1, 1, 0)
    assert "the job needs 5 vCPU, more than any environment of queue work" in results.rejection


def test_a_parallel_job_takes_several_nodes() -> None:
    wide = Submission(0, "work", "", parallel(10, 4, 0), 60)
    results = replay(wide, job(0, 3, 60), environments=[nodes(count=3)])
    assert results.environments == {"pool": 10 * 60 + 3 * 60}
    assert results.makespan == 120


def test_a_job_without_a_run_time_ends_at_once() -> None:
    results = replay(job(5, 4, 0), job(5, 4, 10))
    assert (results.makespan, results.queues["work"].waits.max) == (10, 0)


def endless(share: str) -> Iterator[Submission]:
    """Far more than there is room for, with run times that differ."""
    for number in count():
        yield job(0, 1, 30 + 7 * (number % 11), share=share)


def test_shares_converge_to_their_weights() -> None:
    shares = ("red", "blue", "green")
    work = [submission for share in shares for submission in islice(endless(share), 3000)]
    made = Replay([nodes(cpu=14).pool()], [queue(scheduling_policy=POLICY).record(0)])
    results = made.run(work, 4 * 3600)
    had = {share: results.shares["work", share].vcpu_seconds for share in shares}
    assert sum(had.values()) == 14 * 4 * 3600
    for share, weight in zip(shares, (1.0, 0.5, 0.25), strict=True):
        assert had[share] / sum(had.values()) == pytest.approx((1 / weight) / 7, rel=0.05)
    assert results.still_waiting > 1000


MIX = Synthetic(
    seed=3,
    jobs=1000,
    streams=(
        Stream(
            queue="work",
            jobs_per_hour=200.0,
            daily_swing=0.5,
            requests={"cpu": "1"},
            run_seconds=RunSeconds(median=60.0, p95=300.0),
        ),
        Stream(queue="work", jobs_per_hour=20.0, requests={"cpu": "3"}, run_seconds=RunSeconds(median=90.0)),
    ),
)


def test_the_same_workload_comes_to_the_same() -> None:
    first, second = (replay(*islice(generate(MIX), 1000)) for _ in range(2))
    assert first.ended_at == second.ended_at
    assert first.environments == second.environments
    assert first.timeline.waiting() == second.timeline.waiting()
    other = replay(*islice(generate(MIX.model_copy(update={"seed": 4})), 1000))
    assert other.ended_at != first.ended_at


def test_streams_come_at_their_rates_and_run_for_their_times() -> None:
    submissions = list(islice(generate(MIX), 5000))
    assert [each.submitted_at for each in submissions] == sorted(each.submitted_at for each in submissions)
    large = [each for each in submissions if each.resolved.request == {"cpu": 3000}]
    assert len(large) / len(submissions) == pytest.approx(1 / 11, rel=0.2)
    assert {each.run_seconds for each in large} == {90}
    seconds = sorted(each.run_seconds for each in submissions if each.resolved.request == {"cpu": 1000})
    assert seconds[len(seconds) // 2] == pytest.approx(60, rel=0.05)
    assert seconds[len(seconds) * 95 // 100] == pytest.approx(300, rel=0.1)


def test_only_jobs_that_wait_or_run_are_remembered() -> None:
    made = Replay([nodes(cpu=8).pool()], [queue().record(0)])
    most = 0

    def watched() -> Iterator[Submission]:
        nonlocal most
        for submission in islice(generate(MIX), 3000):
            most = max(most, len(made._submissions))
            yield submission

    results = made.run(watched())
    assert results.queues["work"].waits.count == 3000
    assert most < 500
    records = made._records
    left = (records.jobs, records.resolved, records.statuses, records.runs, records.running, records.snapshot.charges)
    assert [len(each) for each in (*left, records.backlog, made._ends, made._ends_at)] == [0] * 9
