"""Environments that bring no nodes for one kind of pods, now or ever: others take over, and one job at a time finds
out whether that has changed."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import NO_NODE_CAME, Status
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.runs import Runs
from batchyard.runtime.state.transitions.nodewaits import NodeWaits
from unit.samples import (
    NOW,
    job_runs,
    make_attempt,
    make_job,
    make_managed,
    make_queue,
    make_resolved,
    make_run,
    waiting,
)

GRACE = 60.0
CLOUDS = ("cheap", "dear")
KINDS: dict[str, Resolved] = {
    "plain": replace(make_resolved(), request={"cpu": 1000}),
    "gpu": replace(make_resolved(), request={"cpu": 1000, "nvidia.com/gpu": 1}),
}
BEGUN = Status(JobState.STARTING, attempts=(make_attempt(1),))


@dataclass
class Granted:
    """A job that waits for its node."""

    environment: str
    since: float
    finds_out: bool
    """Whether it was granted after others had been given up there."""


@dataclass
class World:
    """Jobs of two kinds, two environments, and a provider that has nodes for plain ones at any time."""

    leave_alone: int
    scarce: set[str]
    """The environments that have no nodes with GPUs."""
    now: float = NOW
    jobs: dict[Key, BatchJob] = field(default_factory=dict)
    resolved: dict[Key, Resolved] = field(default_factory=dict)
    waiting: set[Key] = field(default_factory=set)
    granted: dict[Key, Granted] = field(default_factory=dict)
    placed: dict[Key, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environments = {
            name: make_managed(None, name=name, leave_alone_seconds=self.leave_alone) for name in CLOUDS
        }
        self.runs = Runs(Marks(), lambda *_: True, lambda *_: None, lambda _: None)
        self.waits = NodeWaits(self.jobs, self.resolved, self.environments, self.runs, (), lambda: self.now)

    def submit(self, kind: str, count: int) -> None:
        for _ in range(count):
            job = replace(make_job(f"{kind}-{len(self.jobs):03}"), created=self.now, uid=f"uid-{len(self.jobs)}")
            self.jobs[job.key], self.resolved[job.key] = job, KINDS[kind]
            self.waiting.add(job.key)

    def submit_plain(self, number: int) -> None:
        self.submit("plain", number)

    def submit_gpu(self, number: int) -> None:
        self.submit("gpu", number)

    def turn(self, number: int) -> None:
        """An environment has no nodes with GPUs any more, or has some again."""
        self.scarce ^= {CLOUDS[number % 2]}

    def run_pass(self, number: int = 0) -> None:
        """Time goes by, nodes come or do not, and a pass places who waits."""
        self.now += 10 * number
        self.provide()
        self.waits.take(self.unmet())
        jobs = [self.jobs[key] for key in sorted(self.waiting)]
        snapshot = waiting(
            *jobs,
            environments=self.environments.values(),
            nodes=[],
            queues=[make_queue(environments=CLOUDS)],
            left_alone=self.waits.left_alone,
            charges={key: self.charge(key, each.environment) for key, each in self.granted.items()},
        )
        begins = False
        for each in place(replace(snapshot, resolved=self.resolved), [], self.now).placements:
            self.waiting.remove(each.key)
            self.granted[each.key] = Granted(each.environment, self.now, each.finds_out)
            self.runs.by_job[self.jobs[each.key].uid] = job_runs([self.run(each.key, each.environment)])
            self.waits.granted(each)
            begins |= each.finds_out
        self.waits.take(self.unmet())
        self.check()
        if not begins:  # else they may have to wait for the next pass
            assert not any(key[1].startswith("plain") for key in self.waiting), "they stand behind nobody"

    def unmet(self) -> dict[tuple[Key, str], int]:
        return {(key, each.environment): 1 for key, each in self.granted.items()}

    def run(self, key: Key, environment: str) -> Run:
        return make_run(owner=key, owner_uid=self.jobs[key].uid, environment=environment)

    def charge(self, key: Key, environment: str) -> Charge:
        return Charge(environment, {**self.resolved[key].request, "pods": 1}, key, self.run(key, environment))

    def provide(self) -> None:
        for key, each in list(self.granted.items()):
            attempt = make_attempt(1, environment=each.environment)
            if "nvidia.com/gpu" not in self.resolved[key].request or each.environment not in self.scarce:
                attempt, self.placed[key] = attempt._replace(node_name="node"), each.environment
            elif self.now - each.since >= GRACE:
                attempt = attempt._replace(stopped_at=self.now, reason=NO_NODE_CAME, message="there is none")
                self.waiting.add(key)
                del self.runs.by_job[self.jobs[key].uid]
            else:
                continue
            del self.granted[key]
            self.waits.observe_transition(self.jobs[key], BEGUN, BEGUN._replace(attempts=(attempt,)))

    def check(self) -> None:
        """One at a time finds out; who wait beside it have waited since before that environment was left alone."""
        for name in CLOUDS:
            gpus = {key: each for key, each in self.granted.items() if self.resolved[key] is KINDS["gpu"]}
            there = [each for each in gpus.values() if each.environment == name]
            finding_out = [each for each in there if each.finds_out]
            assert len(finding_out) <= 1
            for each in finding_out:
                assert not any(other.since >= each.since for other in there if other is not each)


STEPS = st.lists(
    st.tuples(st.sampled_from(["submit_plain", "submit_gpu", "turn", "run_pass", "run_pass"]), st.integers(1, 9)),
    max_size=40,
)


def played(world: World, steps: list[tuple[str, int]]) -> None:
    for step, number in [("submit_gpu", 3), ("run_pass", 1), *steps, ("run_pass", 1)]:
        getattr(world, step)(number)


@given(steps=STEPS, leave_alone=st.integers(int(GRACE), 300), scarce=st.sets(st.sampled_from(CLOUDS)))
@settings(max_examples=200, deadline=None)
def test_everything_is_placed_once_one_environment_has_nodes(
    steps: list[tuple[str, int]], leave_alone: int, scarce: set[str]
) -> None:
    world = World(leave_alone, set(scarce))
    played(world, steps)
    world.scarce = {"cheap"}
    for _ in range(60):
        world.run_pass(3)
    assert (world.waiting, world.granted) == (set(), {})
    assert len(world.placed) == len(world.jobs)


@given(STEPS, st.integers(int(GRACE), 300))
@settings(max_examples=100, deadline=None)
def test_while_another_environment_has_nodes_nobody_waits_for_long(
    steps: list[tuple[str, int]], leave_alone: int
) -> None:
    """Each pass starts all that wait, and whoever got no node gets one in the other environment."""
    world = World(leave_alone, {"cheap"})
    for step, number in [("submit_gpu", 3), *steps]:
        if step != "turn":
            getattr(world, step)(number)
        if step == "run_pass":
            assert not world.waiting
    world.run_pass()
    world.run_pass(6)
    world.run_pass(1)
    assert (world.waiting, world.granted) == (set(), {})


@given(st.integers(1, 20), st.integers(int(GRACE), 300))
@settings(max_examples=30, deadline=None)
def test_once_nodes_come_again_all_start_there(count: int, leave_alone: int) -> None:
    world = World(leave_alone, set(CLOUDS))
    world.submit_gpu(count)
    world.run_pass()
    for _ in range(20):
        world.run_pass(3)
    assert len(world.waiting) + len(world.granted) == count
    world.scarce = {"dear"}
    for _ in range(2 * leave_alone // 10 + 20):
        world.run_pass(1)
    assert set(world.placed.values()) == {"cheap"}
    assert len(world.placed) == count
