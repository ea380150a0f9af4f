"""What fair share promises over a long time, shown by replaying workloads through the planner.

A `Replay` is a queue whose jobs run for given times on one environment. Its clock jumps from the end of one run to the
next. A restart in between builds the usage anew, from the last count written and the runs that still exist.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import FairShare
from batchyard.core.model.resources import vcpus_of
from batchyard.core.model.status import Status
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.objects.kinds.sharecounts import read_count, render_count
from unit.samples import NOW, make_job, make_node, make_queue, make_resolved, make_snapshot

RESOLVED = make_resolved()
WAITING = Status(JobState.RUNNABLE, revision=3)


@dataclass
class Submission:
    share: str
    vcpus: int = 1
    seconds: int = 60
    at: int = 0
    priority: int = 0


@dataclass
class Replay:
    policy: FairShare
    vcpus: int
    count_seconds: int = 30
    now: float = NOW
    started: list[str] = field(default_factory=list)
    started_at: dict[str, float] = field(default_factory=dict)
    had: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """vCPU seconds per share, not faded."""

    def __post_init__(self) -> None:
        self.usage = Usage(self.policy.decay_seconds)
        self.backlog = Backlog()
        self.jobs: dict[Key, BatchJob] = {}
        self.resolved: dict[Key, Resolved] = {}
        self.running: dict[str, tuple[Submission, float]] = {}
        self.ended: dict[str, tuple[Submission, float, float]] = {}
        self.work: dict[str, Submission] = {}
        self.arrivals: list[tuple[float, int, Submission]] = []
        self.ends: list[tuple[float, str]] = []
        self.status: dict[str, Any] = {}
        self.number = 0
        self.statuses: dict[Key, Status] = {}
        self.snapshot = replace(
            make_snapshot(queues=[make_queue(fair_share=self.policy)], nodes=[make_node(cpu=str(self.vcpus))]),
            jobs=self.jobs,
            statuses=self.statuses,
            resolved=self.resolved,
            backlog=self.backlog,
        )

    def submit(self, submission: Submission) -> None:
        self.number += 1
        name = f"{submission.share}-{self.number:05}"
        job = replace(make_job(name), uid=name, created=self.now, share=submission.share)
        self.jobs[job.key], self.work[name] = job, submission
        self.statuses[job.key] = WAITING
        self.resolved[job.key] = replace(RESOLVED, request={"cpu": submission.vcpus * 1000})
        self.backlog.add(job, submission.priority)

    def later(self, submissions: Iterable[Submission]) -> None:
        for number, each in enumerate(submissions):
            heapq.heappush(self.arrivals, (NOW + each.at, number, each))

    def run_pass(self) -> list[str]:
        held = sum(1000 * submission.vcpus for submission, _ in self.running.values())
        used = {"pool": {"cpu": held, "pods": len(self.running)}}
        charges: dict[Hashable, Charge] = {
            "all": Charge("pool", used["pool"], ("media", "all"), bound={"node-1": used["pool"]})
        }
        snapshot = replace(self.snapshot, used=used, charges=charges, usage={"urgent": self.usage})
        names = []
        for placement in place(snapshot, [], self.now).placements:
            name, submission = placement.key[1], self.work[placement.key[1]]
            names.append(name)
            self.backlog.remove(placement.key)
            del self.jobs[placement.key], self.resolved[placement.key], self.statuses[placement.key]
            self.usage.start(name, submission.share, "pool", vcpus_of(placement.request), self.now)
            self.running[name] = (submission, self.now)
            self.started_at[name] = self.now
            heapq.heappush(self.ends, (self.now + submission.seconds, name))
        self.started += names
        return names

    def step(self) -> bool:
        """Go to the next end or arrival; False when there is none."""
        if not self.ends and not self.arrivals:
            return False
        before = self.now
        self.now = min(queue[0][0] for queue in (self.ends, self.arrivals) if queue)
        for submission, _ in self.running.values():
            self.had[submission.share] += submission.vcpus * (self.now - before)
        while self.arrivals and self.arrivals[0][0] <= self.now:
            self.submit(heapq.heappop(self.arrivals)[2])
        while self.ends and self.ends[0][0] <= self.now:
            _, name = heapq.heappop(self.ends)
            self.usage.stop(name, self.now)
            submission, start = self.running.pop(name)
            self.ended[name] = (submission, start, self.now)
        self.write_count()
        return True

    def write_count(self) -> None:
        _, counted_at = read_count(self.status)
        if self.now >= counted_at + self.count_seconds and self.usage.has_news(self.now):
            self.status = {"fairShare": render_count(self.usage.count(self.now), {}, self.now)}
            self.ended.clear()  # as when finished jobs are deleted

    def restart(self) -> None:
        self.usage = Usage(self.policy.decay_seconds, *read_count(self.status))
        for name, (submission, start) in reversed(self.running.items()):
            self.usage.start(name, submission.share, "pool", submission.vcpus * 1000, start)
        for name, (submission, start, end) in reversed(self.ended.items()):
            self.usage.start(name, submission.share, "pool", submission.vcpus * 1000, start)
            self.usage.stop(name, end)


def lasting(low: int, high: int) -> Callable[[random.Random], int]:
    return lambda chance: chance.randint(low, high)


@pytest.mark.parametrize(
    ("weights", "vcpus", "duration"),
    [
        ((1, 0.5, 0.25), 7, lasting(10, 120)),
        ((1, 0.5, 0.25), 14, lasting(10, 120)),
        ((1, 0.5, 0.25), 10, lasting(30, 30)),
        ((1, 1), 8, lasting(1, 300)),
        ((1, 2, 3), 11, lasting(10, 60)),
        ((0.1, 1, 1, 1), 20, lasting(10, 120)),
        ((1, 0.5, 0.25, 2, 1), 24, lasting(10, 120)),
    ],
)
def test_shares_get_what_their_weights_say(
    weights: tuple[float, ...], vcpus: int, duration: Callable[[random.Random], int]
) -> None:
    """Within 5 percent over six hours in which every share has always more to do."""
    chance = random.Random(1)  # noqa: S311 - the same in every run
    shares = {f"share{number}": float(weight) for number, weight in enumerate(weights)}
    replay = Replay(FairShare(decay_seconds=3600, weights=shares), vcpus)
    while replay.now < NOW + 21_600:
        for share in shares:
            while len(replay.backlog.share_queues("urgent").get(share, ())) < vcpus:
                replay.submit(Submission(share, seconds=duration(chance)))
        replay.run_pass()
        assert sum(submission.vcpus for submission, _ in replay.running.values()) == vcpus
        replay.step()
    everything, parts = sum(replay.had.values()), sum(1 / weight for weight in weights)
    for share, weight in shares.items():
        assert replay.had[share] / everything == pytest.approx(1 / weight / parts, rel=0.05), (share, dict(replay.had))


def test_a_share_that_comes_late_gets_its_part_and_no_more() -> None:
    """It does not lock the others out until it has caught up with what they used before it came."""
    replay = Replay(FairShare(decay_seconds=600), 8)
    for _ in range(3000):
        replay.submit(Submission("early", seconds=30))
    replay.later(Submission("late", seconds=30, at=7200) for _ in range(3000))
    while replay.now < NOW + 7200:
        replay.run_pass()
        replay.step()
    replay.had.clear()
    while replay.now < NOW + 7200 + 3600:
        replay.run_pass()
        replay.step()
    assert 0.40 < replay.had["early"] / sum(replay.had.values()) < 0.55


submissions = st.lists(
    st.builds(
        Submission,
        share=st.sampled_from(["red", "blue", "green"]),
        vcpus=st.integers(1, 4),
        seconds=st.integers(1, 400),
        at=st.integers(0, 600),
        priority=st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)
policies = st.builds(
    FairShare,
    decay_seconds=st.sampled_from([0, 60, 600]),
    reservation=st.sampled_from([0, 0, 10, 50, 99]),
    weights=st.dictionaries(
        st.sampled_from(["red", "blue", "g*"]), st.floats(0.0001, 999, allow_nan=False), max_size=3
    ),
)


def replayed(
    policy: FairShare, work: list[Submission], *, restarts: Iterable[int] = (), count_seconds: int = 30
) -> Replay:
    replay, at = Replay(policy, 4, count_seconds), set(restarts)
    replay.later(work)
    steps = 0
    while replay.step():
        if steps in at:
            replay.restart()
        replay.run_pass()
        steps += 1
    return replay


@given(policies, submissions)
def test_everybody_starts_in_the_end(policy: FairShare, work: list[Submission]) -> None:
    assert len(replayed(policy, work).started) == len(work)


@given(policies, submissions)
def test_jobs_of_a_share_start_by_priority_then_age(policy: FairShare, work: list[Submission]) -> None:
    replay = Replay(policy, 4)
    for each in work:
        replay.submit(each)
    replay.run_pass()
    while replay.step():
        replay.run_pass()
    for share in ("red", "blue", "green"):
        names = [name for name in replay.started if replay.work[name].share == share]
        assert names == sorted(names, key=lambda name: (-replay.work[name].priority, name))


@settings(deadline=None)  # two replays, on a machine that may be busy
@given(policies, submissions, st.sets(st.integers(0, 60), max_size=5), st.sampled_from([1, 30, 100_000]))
def test_restarts_change_nothing(
    policy: FairShare, work: list[Submission], restarts: set[int], count_seconds: int
) -> None:
    """Whether the count is fresh, or was never written and everything follows from the runs."""
    undisturbed = replayed(policy, work, count_seconds=count_seconds)
    restarted = replayed(policy, work, restarts=restarts, count_seconds=count_seconds)
    assert restarted.started_at == undisturbed.started_at
    assert restarted.started == undisturbed.started


@settings(deadline=None, max_examples=25)
@given(st.integers(40, 120), st.floats(0.0001, 999, allow_nan=False))
def test_a_stream_of_newcomers_does_not_starve_a_large_job(seconds: int, weighs: float) -> None:
    """Every small job belongs to a share that has never had anything; the large one's share has had a lot."""
    policy = FairShare(decay_seconds=600, weights={"large": weighs})
    replay = Replay(policy, 4)
    replay.submit(Submission("large", vcpus=4, seconds=300))
    replay.submit(Submission("large", vcpus=4, seconds=10))
    replay.run_pass()
    replay.later(Submission(f"small{at}", seconds=seconds, at=at) for at in range(0, 1500, seconds // 4))
    while len([name for name in replay.started if name.startswith("large")]) < 2:
        assert replay.step()
        replay.run_pass()
    assert replay.now <= NOW + 300 + 600 + seconds
