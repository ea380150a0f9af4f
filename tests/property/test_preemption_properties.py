"""Whatever runs and waits: what is displaced may be, makes room indeed, and not more of it than is needed."""

from collections.abc import Hashable
from dataclasses import dataclass, replace

from hypothesis import example, given
from hypothesis import strategies as st

from batchyard.core.model.resources import Resources, add
from batchyard.core.model.run import Pod, Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, by_job, make_job, make_node, make_pod, make_queue, make_run, waiting

CAPACITY = 8
MINIMUM = 60
QUEUES = {"high": 5, "same": 5, "low": 2, "lowest": 1}

works = st.lists(
    st.tuples(st.sampled_from(["high", "same", "low", "lowest"]), st.integers(1, 4), st.integers(0, 2 * MINIMUM)),
    max_size=8,
)
lines = st.lists(st.integers(1, CAPACITY), min_size=1, max_size=4)


@dataclass
class World:
    """What runs, by the name of its Job, and the sizes of the jobs that wait in queue high."""

    running: dict[str, tuple[str, int, int]]
    line: dict[str, int]

    def snapshot(self) -> Snapshot:
        jobs = [replace(make_job(name), uid=name, queue="high", created=NOW + at) for at, name in enumerate(self.line)]
        snapshot = waiting(
            *jobs,
            requests={("media", name): {"cpu": 1000 * size} for name, size in self.line.items()},
            nodes=[make_node(cpu=f"{CAPACITY}")],
            queues=[
                make_queue(name, priority=priority, preempts_after=MINIMUM if name == "high" else None)
                for name, priority in QUEUES.items()
            ],
        )
        charges: dict[Hashable, Charge] = {}
        runs: list[Run] = []
        pods: list[Pod] = []
        used: Resources = {}
        everybody = dict(snapshot.jobs)
        for name, (queue, size, since) in self.running.items():
            job = replace(make_job(name), uid=name, queue=queue)
            run = make_run(name=f"{name}-1", owner=job.key, owner_uid=name, queue=queue, request={"cpu": 1000 * size})
            charges[name] = Charge("pool", with_pods(run.request), job.key, run)
            used = add(used, charges[name].amount)
            runs.append(run)
            everybody[job.key] = job
            pods.append(make_pod(run=run.name, owner_uid=name, started_at=NOW - since))
        return replace(snapshot, jobs=everybody, charges=charges, runs=by_job(runs, pods), used={"pool": used})

    def displaced(self) -> list[str]:
        return [each.run.owner[1] for each in place(self.snapshot(), [], NOW).preemptions]

    def without(self, names: list[str]) -> "World":
        left = {name: each for name, each in self.running.items() if name not in names}
        return World(left, self.line)

    def started(self, names: set[str]) -> "World":
        running = {**self.running, **{name: ("high", self.line[name], 0) for name in names}}
        return World(running, {name: size for name, size in self.line.items() if name not in names})


def make(drawn: list[tuple[str, int, int]], sizes: list[int]) -> World:
    running: dict[str, tuple[str, int, int]] = {}
    for at, work in enumerate(drawn):
        if sum(size for _, size, _ in running.values()) + work[1] <= CAPACITY:
            running[f"work-{at}"] = work
    return World(running, {f"job-{at}": size for at, size in enumerate(sizes)})


worlds = st.builds(make, works, lines)


@given(worlds)
def test_only_work_of_lower_priority_that_has_run_for_long_enough_goes(world: World) -> None:
    for name in world.displaced():
        queue, _, since = world.running[name]
        assert QUEUES[queue] < QUEUES["high"]
        assert since >= MINIMUM


@given(worlds)
@example(make([("high", 1, 0), ("low", 2, 60)], [6, 2, 1]))  # the last one starts at once, beside the room that is made
@example(make([("low", 1, 60), ("low", 1, 60)], [7, 1]))  # as does one that had room made for it
def test_who_has_room_made_for_him_gets_it(world: World) -> None:
    placed = place(world.snapshot(), [], NOW)
    gone = [each.run.owner[1] for each in placed.preemptions]
    served = {each.by for each in placed.preemptions}
    at_once = {placement.key for placement in placed.placements}
    after = place(world.started({name for _, name in at_once}).without(gone).snapshot(), [], NOW)
    assert served <= at_once | {placement.key for placement in after.placements}


@given(worlds)
def test_for_one_job_nothing_goes_in_vain(world: World) -> None:
    alone = World(world.running, {"job-0": world.line["job-0"]})
    gone = alone.displaced()
    for name in gone:
        others = [each for each in gone if each != name]
        assert not place(alone.without(others).snapshot(), [], NOW).placements


@given(worlds)
def test_where_enough_could_go_the_first_job_does_not_wait_in_vain(world: World) -> None:
    snapshot = world.snapshot()
    if place(snapshot, [], NOW).placements:
        return
    able = [name for name, (queue, _, since) in world.running.items() if QUEUES[queue] < 5 and since >= MINIMUM]
    helped = place(world.without(able).snapshot(), [], NOW).placements
    assert bool(world.displaced()) == any(placement.key[1] == "job-0" for placement in helped)


def test_the_checks_above_can_fail() -> None:
    """There are cases with and without displacement."""
    world = make([("low", 4, 100), ("low", 2, 10), ("same", 2, 500)], [4])
    assert world.displaced() == ["work-0"]
    assert make([("low", 8, 10)], [4]).displaced() == []
