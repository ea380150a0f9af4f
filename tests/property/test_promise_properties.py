"""Preemption, yielding arrays, backfill and limits together, second by second: what is made room for gets the room.

A small world in virtual time in which the planner decides and everything else is as simple as it can be: what is
displaced takes a few seconds to stop, an index that ends is followed by the next one, time limits are used up.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchyard.core.model.array import ArrayDemand, ArrayShape, IndexedJob
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import QueueLimits
from batchyard.core.model.resources import Resources, add
from batchyard.core.model.run import Pod, Run
from batchyard.core.planner import schedule
from batchyard.core.planner.containment import Stage
from batchyard.core.scheduling.capacity.ledger import Charge, amount_of
from batchyard.core.scheduling.decisions import Placement, Preemption
from batchyard.core.scheduling.limits import Name
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, by_job, make_job, make_node, make_pod, make_queue, make_run, waiting

CAPACITY = 8
GRACE = 3
LONGEST_GRACE = 9
"""Seconds that what is displaced takes to stop: an array's places always the first."""
STOPPING = 30
"""What the planner grants to what has reached its time limit; used up here."""
SECONDS = 700
PRIORITY = {"urgent": 9, "low": 5, "lowest": 1}


@dataclass
class Single:
    """A job of one pod: what it asks for, and what became of it."""

    name: str
    queue: str
    size: int
    limit: int | None
    grace: int = GRACE
    began: float | None = None
    leaves: float | None = None
    first_began: float | None = None
    displaced_by: list[str] = field(default_factory=list)

    @property
    def ends(self) -> float | None:
        if self.leaves is not None:
            return self.leaves
        return None if self.began is None or self.limit is None else self.began + self.limit + STOPPING


@dataclass
class Array:
    """An array whose indexes take so long each; it never comes to its end."""

    name: str
    queue: str
    size: int
    at_once: int
    seconds: int
    ends: list[float] = field(default_factory=list)
    leaving: list[float] = field(default_factory=list)


class World:
    """Moves what runs on, second by second, as the planner decides."""

    def __init__(
        self, singles: Iterable[Single], arrays: Iterable[Array], *, minimum: int | None, limit: int | None
    ) -> None:
        self.now = NOW
        self.singles = {single.name: single for single in singles}
        self.arrays = {array.name: array for array in arrays}
        self.queues = [
            make_queue("urgent", priority=9, preempts_after=minimum),
            make_queue("low", priority=5),
            make_queue("lowest", priority=1, limits=None if limit is None else QueueLimits(running=limit)),
        ]
        self.minimum = minimum
        self.reclaims: set[Key] = set()
        self.overdrawn = 0
        self.told: defaultdict[str, list[float]] = defaultdict(list)
        """When others were told to go for a job."""

    def run(self, seconds: int = SECONDS) -> None:
        until = self.now + seconds
        while self.now < until:
            self._move_on()
            placed = schedule.place(self.snapshot(), [], self.now)
            for placement in placed.placements:
                self._start(placement)
            for displacement in placed.preemptions:
                self._displace(displacement)
            self.reclaims = placed.reclaims
            self.overdrawn = max(self.overdrawn, self.taken() - CAPACITY)
            changed = placed.placements or placed.preemptions
            self.now = self.now + 1 if changed else min(self._next(), until)

    def _next(self) -> float:
        """When anything happens again."""
        times = [each.ends for each in self.singles.values() if each.ends is not None]
        if self.minimum:
            times += [each.began + self.minimum for each in self.singles.values() if each.began is not None]
        for array in self.arrays.values():
            times += array.ends + array.leaving
        return min((at for at in times if at > self.now), default=inf)

    def taken(self) -> int:
        singles = sum(single.size for single in self.singles.values() if single.began is not None)
        return singles + sum(array.size * (len(array.ends) + len(array.leaving)) for array in self.arrays.values())

    def head(self) -> Single | None:
        """The first job of the urgent queue that does not start at once."""
        found = (single for single in self.singles.values() if single.queue == "urgent" and single.began is None)
        return next(found, None)

    def _move_on(self) -> None:
        for single in self.singles.values():
            if single.ends is not None and single.ends <= self.now:
                if single.leaves is not None:
                    single.began = single.leaves = None
                else:
                    single.began, single.limit, single.size = None, 0, 0  # it has ended
        for array in self.arrays.values():
            array.leaving = [at for at in array.leaving if at > self.now]
            ended = [at for at in array.ends if at <= self.now]
            array.ends = [at for at in array.ends if at > self.now]
            if ("media", array.name) not in self.reclaims:
                array.ends += [self.now + array.seconds for _ in ended]

    def _start(self, placement: Placement) -> None:
        name = placement.key[1]
        if placement.array is not None:
            array = self.arrays[name]
            array.ends += [self.now + array.seconds] * placement.array.slots
            return
        single = self.singles[name]
        single.began = self.now
        single.first_began = self.now if single.first_began is None else single.first_began

    def _displace(self, displacement: Preemption) -> None:
        name, by = displacement.run.owner[1], displacement.by[1]
        self.told[by].append(self.now)
        if name in self.arrays:
            array = self.arrays[name]
            array.ends.sort()
            array.leaving += [self.now + GRACE] * displacement.slots
            del array.ends[len(array.ends) - displacement.slots :]
            return
        self.singles[name].leaves = self.now + self.singles[name].grace
        self.singles[name].displaced_by.append(by)

    def snapshot(self) -> Snapshot:
        jobs = {name: self._job(name, at) for at, name in enumerate([*self.singles, *self.arrays])}
        line = [jobs[each.name] for each in self.singles.values() if each.began is None and each.size]
        demands: dict[Key, ArrayDemand] = {}
        for array in self.arrays.values():
            if missing := array.at_once - len(array.ends):
                demands["media", array.name] = ArrayDemand(slots=missing, environment="pool")
                line.append(jobs[array.name])
        sizes: dict[Key, Resources] = {}
        for single in self.singles.values():
            sizes["media", single.name] = {"cpu": 1000 * single.size}
        for array in self.arrays.values():
            sizes["media", array.name] = {"cpu": 1000 * array.size}
        snapshot = waiting(
            *line, requests=sizes, nodes=[make_node(cpu=f"{CAPACITY}")], queues=self.queues, demands=demands
        )
        charges: dict[Hashable, Charge] = {}
        runs: list[Run] = []
        pods: list[Pod] = []
        arrays: dict[Key, Run] = {}
        resolved = dict(snapshot.resolved)
        some = waiting(make_job("some")).resolved["media", "some"]
        for run, count in self._running():
            name, key = run.owner[1], run.owner
            charges[name] = Charge("pool", amount_of(run.request, count), key, run)
            runs.append(run)
            resolved[key] = replace(some, request=run.request)
            if run.indexed is not None:
                arrays[key] = run
                continue
            single = self.singles[name]
            leaving = "EvictionByEvictionAPI" if single.leaves is not None else ""
            pods.append(make_pod(run=run.name, owner_uid=name, started_at=single.began, disruption=leaving))
        for name, single in self.singles.items():
            if ("media", name) in resolved:
                resolved["media", name] = replace(resolved["media", name], timeout_seconds=single.limit)
        used: Resources = {}
        for charge in charges.values():
            used = add(used, charge.amount)
        held: Counter[Name] = Counter(
            ("queue", charge.run.queue) for charge in charges.values() if charge.run is not None
        )
        return replace(
            snapshot,
            jobs={("media", name): job for name, job in jobs.items()},
            resolved=resolved,
            charges=charges,
            runs=by_job(runs, pods),
            arrays=arrays,
            used={"pool": used},
            limit_usage=held,
        )

    def _job(self, name: str, at: int) -> BatchJob:
        array = self.arrays.get(name)
        queue = array.queue if array is not None else self.singles[name].queue
        shape = ArrayShape(1000, max_concurrency=array.at_once) if array is not None else None
        return replace(make_job(name), uid=name, queue=queue, created=NOW + at, array=shape)

    def _running(self) -> Iterator[tuple[Run, int]]:
        for single in self.singles.values():
            if single.began is not None:
                yield self._run(single), 1
        for array in self.arrays.values():
            count = len(array.ends) + len(array.leaving)
            shown = IndexedJob(1000, len(array.ends), terminating=len(array.leaving))
            yield self._run(array)._replace(indexed=shown, active=len(array.ends), started_at=NOW - 1000), count

    def _run(self, each: Single | Array) -> Run:
        return make_run(
            name=f"{each.name}-1",
            uid=f"run-{each.name}",
            owner=("media", each.name),
            owner_uid=each.name,
            queue=each.queue,
            request={"cpu": 1000 * each.size},
        )


limits = st.one_of(st.none(), st.integers(1, 200))
runners = st.lists(
    st.tuples(st.sampled_from(["urgent", "low", "low", "lowest"]), st.integers(1, 4), limits, st.integers(0, 25)),
    min_size=1,
    max_size=4,
)
arrays = st.lists(
    st.tuples(st.sampled_from(["low", "lowest"]), st.integers(1, 2), st.integers(1, 4), st.integers(20, 60)), max_size=2
)
heads = st.lists(st.integers(3, CAPACITY), min_size=1, max_size=2)
lines = st.lists(
    st.tuples(st.sampled_from(["low", "lowest"]), st.integers(1, 2), st.integers(1, 50)), min_size=2, max_size=5
)


def make(
    running: list[tuple[str, int, int | None, int]],
    indexed: list[tuple[str, int, int, int]],
    urgent: list[int],
    line: list[tuple[str, int, int | None]],
    minimum: int | None,
    limit: int | None,
    graces: tuple[int, int],
) -> World:
    """What runs, as far as there is room; then jobs of the urgent queue, then others. `graces` alternate."""
    left, found, singles = CAPACITY, list[Array](), list[Single]()
    for at, (queue, size, limit_of, since) in enumerate(running):
        if size <= left:
            left -= size
            singles.append(Single(f"runner-{at}", queue, size, limit_of, began=NOW - since, first_began=NOW - since))
    for at, (queue, size, count, seconds) in enumerate(indexed):
        fitting = min(count, left // size)
        if fitting:
            left -= fitting * size
            ends = [NOW + 1 + (seconds * place) // fitting for place in range(fitting)]
            found.append(Array(f"array-{at}", queue, size, fitting, seconds, ends))
    singles += [Single(f"head-{at}", "urgent", size, 50) for at, size in enumerate(urgent)]
    singles += [Single(f"job-{at}", queue, size, limit_of) for at, (queue, size, limit_of) in enumerate(line)]
    for at, single in enumerate(singles):
        single.grace = graces[at % 2]
    return World(singles, found, minimum=minimum, limit=limit)


minimums = st.sampled_from([None, 0, 20])
ceilings = st.sampled_from([None, 1, 3])
alike, unlike = st.just((GRACE, GRACE)), st.sampled_from([(1, LONGEST_GRACE), (LONGEST_GRACE, 1)])
drawn = st.tuples(runners, arrays, heads, lines, minimums, ceilings, unlike)
alike_drawn = st.tuples(runners, arrays, heads, lines, minimums, ceilings, alike)
"""What stops sooner or later is not chosen for that, so who is chosen decides."""

without_arrays: Any = ([("urgent", 2, None, 0), ("low", 1, 61, 0)], [], [6], [("low", 1, 1)], 0, None, (GRACE, GRACE))
"""The last job has ended when the one that is displaced would have, which is long after that has gone."""


@settings(max_examples=30, deadline=None)
@given(drawn)
def test_no_job_is_displaced_twice_for_the_same_one_and_that_one_starts(plan: Any) -> None:
    world = make(*plan)
    world.run()
    assert world.overdrawn <= 0
    for single in world.singles.values():
        assert max(Counter(single.displaced_by).values(), default=0) <= 1
        for by in single.displaced_by:
            assert world.singles[by].first_began is not None


@settings(max_examples=30, deadline=None)
@example(without_arrays)
@given(alike_drawn)
def test_the_head_starts_no_later_than_without_backfill(plan: Any) -> None:
    world, strict = make(*plan), make(*plan)
    head, same = world.head(), strict.head()
    assert head is not None
    assert same is not None
    with patch.object(schedule, "backfill", lambda _: iter(())):
        strict.run()
    world.run()
    if same.first_began is not None:
        assert head.first_began is not None
        assert head.first_began <= same.first_began


@settings(max_examples=30, deadline=None)
@example(without_arrays)
@given(drawn)
def test_whoever_goes_for_somebody_goes_at_once_and_he_starts_then(plan: Any) -> None:
    world = make(*plan)
    world.run()
    for by, times in world.told.items():
        began = world.singles[by].first_began
        assert began is not None
        assert min(times) == max(times), "room that was made for him went to somebody else"
        assert began <= max(times) + LONGEST_GRACE


def test_room_is_kept_while_arrays_are_not_looked_at() -> None:
    placed = schedule.place(make(*without_arrays).snapshot(), [], NOW, {Stage.ARRAY_RECLAIM})
    assert [displacement.by for displacement in placed.preemptions] == [("media", "head-0")]
    assert not placed.placements


def test_the_checks_above_can_fail() -> None:
    """There are jobs that could take the room of another."""
    plan: Any = ([("low", 4, 100, 5), ("low", 4, 100, 9)], [], [8], [("lowest", 1, 10)], 0, None, (1, 9))
    world = make(*plan)
    world.run(20)
    assert [single.displaced_by for single in world.singles.values()] == [["head-0"], ["head-0"], [], []]
    assert world.singles["head-0"].first_began == NOW + LONGEST_GRACE
    array = make([("low", 4, None, 5)], [("low", 1, 4, 60)], [4], [("lowest", 1, 10)], None, None, (1, 9))
    array.run(70)
    assert array.singles["head-0"].first_began == NOW + 46
