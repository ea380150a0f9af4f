"""When waiting jobs can be expected to start."""

from collections.abc import Hashable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.durations import Durations, revision_of
from batchyard.core.insight.estimates import DEPTH, Observation, estimates
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus, IndexedJob
from batchyard.core.model.definition import Resolved
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Status
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    by_job,
    make_environment,
    make_job,
    make_node,
    make_pod,
    make_queue,
    make_run,
    make_serverless,
    waiting,
)

TOOK = 60.0


def job(name: str, created: float = 0, queue: str = "urgent", **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, queue=queue, uid=name, definition=name, **fields)


class World:
    """An environment of some vCPUs, what runs in it, and what waits. Each job has a definition of its own."""

    def __init__(self, cpu: int = 2, **fields: Any) -> None:
        self.fields: dict[str, Any] = {"nodes": [make_node(cpu=str(cpu), memory="1Ti")], **fields}
        self.durations = Durations()
        self.jobs: dict[Key, BatchJob] = {}
        self.cpus: dict[Key, int] = {}
        self.limits: dict[Key, int] = {}
        self.running: dict[Key, tuple[str, float | None]] = {}
        self.arrays: dict[Key, tuple[int, int, int, float]] = {}
        self.reclaims: set[Key] = set()

    def add(self, each: BatchJob, cpu: int = 1, *, took: float | None = TOOK, limit: int | None = None) -> "World":
        self.jobs[each.key], self.cpus[each.key] = each, cpu
        if took is not None:
            self.durations.note(revision_of(each, 3), took)
        if limit is not None:
            self.limits[each.key] = limit
        return self

    def run(self, name: str, cpu: int = 1, *, since: float | None = 0.0, pool: str = "pool", **known: Any) -> "World":
        """Something that has run for so long; None while it is being started."""
        each = job(name)
        self.running[each.key] = (pool, since)
        return self.add(each, cpu, **known)

    def run_array(self, name: str, size: int, places: int, ended: int, since: float, **known: Any) -> "World":
        each = replace(job(name), array=ArrayShape(size))
        self.arrays[each.key] = (size, places, ended, since)
        return self.add(each, **known)

    def snapshot(self) -> Snapshot:
        active = self.running.keys() | self.arrays.keys()
        lined_up = [each for each in self.jobs.values() if each.key not in self.running]
        lined_up = [each for each in lined_up if each.key not in self.arrays or self._waits(each.key)]
        requests = {key: {"cpu": 1000 * cpu} for key, cpu in self.cpus.items()}
        made = waiting(*lined_up, requests=requests, **self.fields)
        template = next(iter(waiting(job("any")).resolved.values()))
        resolved: dict[Key, Resolved] = {
            key: replace(template, request=requests[key], timeout_seconds=self.limits.get(key)) for key in self.jobs
        }
        runs: list[Run] = []
        charges: dict[Hashable, Charge] = {}
        pods: list[Pod] = []
        arrays: dict[Key, Run] = {}
        demands: dict[Key, ArrayDemand] = {}
        statuses = dict(made.statuses)
        used: dict[str, dict[str, int]] = {}
        for key in active:
            name = key[1]
            pool, since = self.running.get(key, ("pool", None))
            run = make_run(owner=key, owner_uid=name, name=f"{name}-1", environment=pool, request=requests[key])
            amount = dict(with_pods(requests[key]))
            if key in self.arrays:
                size, places, ended, since = self.arrays[key]
                indexed = IndexedJob(size, places, completed=IndexSet.below(ended))
                run = arrays[key] = run._replace(active=places, indexed=indexed)
                amount = {each: number * places for each, number in amount.items()}
                status = ArrayStatus(size, succeeded=IndexSet.below(ended))
                statuses[key] = Status(JobState.RUNNING, environment="pool", started_at=NOW - since, array=status)
                if self._waits(key):
                    demands[key] = ArrayDemand(slots=size - ended - places, environment="pool")
            elif since is not None:
                pods.append(make_pod(run=run.name, owner_uid=name, started_at=NOW - since))
            runs.append(run)
            charges[name] = Charge(pool, amount, key, run)
            used[pool] = {each: used.get(pool, {}).get(each, 0) + number for each, number in amount.items()}
        for key, each in self.jobs.items():
            if each.array is not None and key not in self.arrays:
                demands[key] = ArrayDemand(slots=each.array.at_once)
        made = replace(made, jobs=self.jobs, resolved=resolved, runs=by_job(runs, pods), charges=charges, used=used)
        return replace(made, arrays=arrays, demands=demands, statuses=statuses)

    def _waits(self, key: Key) -> bool:
        size, places, ended, _ = self.arrays[key]
        return size > ended + places

    def starts(self, **waited: float) -> dict[str, float]:
        """Seconds from now, by the name of the job; `waited` says for how long jobs have been at the head."""
        snapshot = self.snapshot()
        statuses = dict(snapshot.statuses)
        for name, seconds in waited.items():
            statuses["media", name] = statuses["media", name]._replace(head_since=NOW - seconds)
        snapshot = replace(snapshot, statuses=statuses)
        placed = place(snapshot, [], NOW)
        assert not placed.placements
        seen = Observation(dict(placed.holds), frozenset(self.reclaims or placed.reclaims), self.durations)
        return {key[1]: at - NOW for key, at in estimates(snapshot, seen, NOW).items()}


def test_a_job_starts_when_enough_of_what_runs_has_ended() -> None:
    world = World().run("a", since=10).run("b", since=40)
    world.add(job("one", 1)).add(job("two", 2, queue="urgent"), 2).add(job("three", 3))
    assert world.starts() == {"one": 20, "two": 80, "three": 140}


def test_what_is_being_started_has_all_of_its_time_before_it() -> None:
    assert World(1).run("a", since=None).add(job("one", 1)).starts() == {"one": 60}


def test_without_a_known_duration_the_timeout_counts_and_without_that_nothing() -> None:
    assert World(1).run("a", since=10, took=None, limit=300).add(job("one", 1)).starts() == {"one": 290}
    assert World(1).run("a", since=10, took=60, limit=50).add(job("one", 1)).starts() == {"one": 40}
    assert World(1).run("a", since=10, took=None).add(job("one", 1)).starts() == {}


def test_nobody_is_told_the_date_of_a_start_in_many_years() -> None:
    year = 31_536_000
    assert World(1).run("a", took=None, limit=9 * year).add(job("one", 1)).starts() == {"one": 9 * year}
    assert World(1).run("a", took=None, limit=11 * year).add(job("one", 1)).starts() == {"one": inf}


def test_a_run_that_takes_longer_than_any_before_is_known_by_its_timeout_only() -> None:
    assert World(1).run("a", since=100, took=60).add(job("one", 1)).starts() == {}
    assert World(1).run("a", since=100, took=60, limit=300).add(job("one", 1)).starts() == {"one": 200}


def test_nobody_behind_a_job_of_unknown_duration_is_told_more_than_is_known() -> None:
    world = World(1).run("a").add(job("endless", 1), took=None).add(job("behind", 2))
    assert world.starts() == {"endless": 60}


def test_queues_of_lower_priority_wait_for_higher_ones_where_they_share_an_environment() -> None:
    queues = [make_queue("high", priority=9), make_queue("low"), make_queue("aside", environments=("spare",))]
    environments = [
        make_environment(node_selector={"p": "a"}),
        make_environment(name="spare", node_selector={"p": "b"}),
    ]
    nodes = [make_node("a", cpu="1", labels={"p": "a"}), make_node("b", cpu="1", labels={"p": "b"})]
    world = World(queues=queues, environments=environments, nodes=nodes)
    world.run("a").run("b", since=30, pool="spare")
    world.add(job("low", 1, "low")).add(job("high", 2, "high")).add(job("aside", 3, "aside"))
    assert world.starts() == {"high": 60, "low": 120, "aside": 30}


def test_without_nodes_jobs_take_what_they_count_for_and_give_it_back() -> None:
    """Three vCPUs count as four."""
    world = World(environments=[make_serverless(8)], nodes=[]).run("a", 8)
    for number, name in enumerate(("one", "two", "three", "four")):
        world.add(job(name, number), 3)
    assert world.starts() == {"one": 60, "two": 60, "three": 120, "four": 120}


@pytest.mark.parametrize(("namespaces", "starts"), [((), 10), (("media",), 10), (("team-*",), 30)])
def test_an_environment_that_takes_no_jobs_of_its_namespace_has_no_room_for_it(
    namespaces: tuple[str, ...], starts: float
) -> None:
    environments = [make_serverless(1, namespaces=namespaces), make_environment(name="spare")]
    world = World(1, queues=[make_queue(environments=("pool", "spare"))], environments=environments)
    world.run("a", since=50).run("b", since=30, pool="spare")
    assert world.add(job("one", 1)).starts() == {"one": starts}


def test_a_job_takes_the_environment_that_has_room_first() -> None:
    environments = [
        make_environment(node_selector={"p": "a"}),
        make_environment(name="spare", node_selector={"p": "b"}),
    ]
    nodes = [make_node("a", cpu="1", labels={"p": "a"}), make_node("b", cpu="2", labels={"p": "b"})]
    world = World(queues=[make_queue(environments=("pool", "spare"))], environments=environments, nodes=nodes)
    world.run("a").run("b", 2, since=30, pool="spare")
    world.add(job("one", 1)).add(job("large", 2), 2).add(job("other", 3))
    assert world.starts() == {"one": 30, "large": 90, "other": 60}, "the large one can only have the second"


def test_a_job_that_fits_nowhere_has_no_estimate_and_holds_nobody_up() -> None:
    assert World(1).run("a").add(job("huge", 1), 64).add(job("one", 2)).starts() == {"one": 60}


def test_who_waits_for_something_else_than_room_has_no_estimate() -> None:
    limited = [make_queue("limited", limits=QueueLimits(running=1), priority=5), make_queue()]
    world = World(1, queues=limited).run("a").add(job("held", 1, "limited")).add(job("one", 2))
    assert world.starts() == {"one": 120}, "a queue with limits goes first, but how they turn out is not known"
    disabled = World(1, queues=[make_queue("off", enabled=False, priority=5), make_queue()])
    assert disabled.run("a").add(job("held", 1, "off")).add(job("one", 2)).starts() == {"one": 60}


def test_what_is_at_a_limit_takes_nothing_from_others() -> None:
    world = World(1, queues=[make_queue("limited", limits=QueueLimits(running=1), priority=5), make_queue()])
    snapshot = world.run("a").add(job("held", 1, "limited")).add(job("one", 2)).snapshot()
    held = {
        ("media", "held"): Hold("QueueLimitReached", "at its limit", lacks=("queue", "limited"), ends_share_queue=True)
    }
    assert estimates(snapshot, Observation(held, frozenset(), world.durations), NOW) == {("media", "one"): NOW + 60}


def test_who_lacks_a_consumable_resource_is_passed_by_others() -> None:
    world = World(1).run("a").add(job("held", 1)).add(job("one", 2)).add(job("licensed", 3))
    snapshot = world.snapshot()
    licensed = replace(snapshot.resolved["media", "licensed"], consumables={"licence": 1})
    snapshot = replace(snapshot, resolved={**snapshot.resolved, ("media", "licensed"): licensed})
    held = {("media", "held"): Hold("ConsumableResourceUnavailable", "none left", lacks=("consumable", "licence"))}
    assert estimates(snapshot, Observation(held, frozenset(), world.durations), NOW) == {("media", "one"): NOW + 60}


def test_who_may_pass_the_head_is_told_an_earlier_start_than_it() -> None:
    world = World(queues=[make_queue(bypass_seconds=600)]).run("a", since=10).run("b", since=40)
    world.add(job("two", 1), 2).add(job("one", 2))
    assert world.starts() == {"one": 20, "two": 80}
    assert world.starts(two=579) == {"one": 20, "two": 80}
    assert world.starts(two=581) == {"two": 50, "one": 110}, "its time is over when the first room becomes free"


def test_the_head_of_each_share_lets_others_pass_for_a_time_of_its_own() -> None:
    queue = make_queue(bypass_seconds=600, fair_share=FairShare())
    world = World(6, queues=[queue]).run("a", 4, took=700).run("b", 2, took=1000)
    world.add(job("red", 1, share="red"), 4).add(job("blue", 2, share="blue"), 6).add(job("small", 3, share="red"), 2)
    assert world.starts() == {"red": 700, "blue": 1000, "small": 1060}, "blue has been a head since now"


def test_what_is_on_its_way_out_is_gone_for_the_first_who_waits() -> None:
    """Nobody can pass a job for which room is being made; how long its pods take to go is not known."""
    world = World(queues=[make_queue(bypass_seconds=600)]).run("a", since=10)
    snapshot = world.add(job("first", 1), 2).add(job("second", 2)).snapshot()
    runs = {
        uid: replace(each, mains={n: run._replace(deleting=True) for n, run in each.mains.items()})
        for uid, each in snapshot.runs.items()
    }
    snapshot = replace(snapshot, runs=runs)
    found = estimates(snapshot, Observation({}, frozenset(), world.durations), NOW)
    assert found == {("media", "second"): NOW + 60}


def test_what_is_kept_back_for_other_shares_is_not_foreseen() -> None:
    policy = make_queue(fair_share=FairShare(reservation=50))
    world = World(1, queues=[policy], usage={"urgent": Usage(600)})
    snapshot = world.run("a").add(job("held", 1, share="red")).snapshot()
    held = {("media", "held"): Hold("ReservedForOtherShares", "kept back")}
    assert estimates(snapshot, Observation(held, frozenset(), world.durations), NOW) == {}


def test_shares_take_turns() -> None:
    world = World(1, queues=[make_queue(fair_share=FairShare())], usage={"urgent": Usage(600)}).run("a")
    for number in range(2):
        world.add(job(f"red-{number}", number, share="red"))
        world.add(job(f"blue-{number}", 10 + number, share="blue"))
    starts = world.starts()
    assert sorted(starts, key=lambda name: starts[name]) == ["red-0", "blue-0", "red-1", "blue-1"]


def test_no_more_than_the_first_are_looked_at_and_what_is_behind_them_waits() -> None:
    world = World(1, queues=[make_queue(priority=2), make_queue("low")]).run("a")
    for number in range(DEPTH + 5):
        world.add(job(f"job-{number:03}", number))
    world.add(job("low", 0, "low"))
    starts = world.starts()
    assert len(starts) == DEPTH
    assert starts[f"job-{DEPTH - 1:03}"] == DEPTH * TOOK
    assert "low" not in starts


def test_what_would_start_at_once_by_the_sums_is_held_back_by_something_unknown() -> None:
    snapshot = World(2).run("a").add(job("one", 1)).snapshot()
    held = {("media", "one"): Hold("InsufficientCapacity", "no node has room")}
    assert estimates(snapshot, Observation(held, frozenset(), Durations()), NOW) == {}


def test_a_multi_node_job_waits_for_all_of_its_nodes() -> None:
    world = World(3).run("a", since=0).run("b", since=20).run("c", since=40).add(job("gang", 1), 3)
    snapshot = world.snapshot()
    key = ("media", "gang")
    resolved = snapshot.resolved[key]
    gang = Gang(0, (NodeGroup((0, 1, 2), resolved.template, {"cpu": 1000}),))
    together = replace(resolved, gang=gang, request=gang.request)
    snapshot = replace(snapshot, resolved={**snapshot.resolved, key: together})
    held = dict(place(snapshot, [], NOW).holds)
    assert estimates(snapshot, Observation(held, frozenset(), world.durations), NOW) == {key: NOW + 60}


class TestArrays:
    """An array that waits, or goes before others, or gives way to them."""

    def test_one_starts_with_its_first_place(self) -> None:
        world = World(2).run("a", since=20).run("b", since=0)
        world.add(replace(job("array", 1), array=ArrayShape(2))).add(job("behind", 2))
        # One place at 40 s, in which both indexes run one after the other.
        assert world.starts() == {"array": 40, "behind": 100}

    def test_one_with_a_ceiling_lets_others_have_the_rest(self) -> None:
        world = World(2).run("a").run("b")
        world.add(replace(job("array", 1), array=ArrayShape(10, max_concurrency=1))).add(job("behind", 2))
        assert world.starts() == {"array": 60, "behind": 60}

    @pytest.mark.parametrize(("ended", "since", "start"), [(10, 50, 50), (0, 50, 600), (1, 50, 570)])
    def test_jobs_behind_one_wait_until_its_last_indexes_end(self, ended: int, since: float, start: float) -> None:
        # Once as many have ended as run at once, by how fast they did; before that, by what an index takes.
        world = World(2).run_array("array", 20, 2, ended, since).add(job("behind", 1))
        assert world.starts() == {"behind": start}

    def test_one_of_unknown_speed_holds_back_whoever_waits_behind_it(self) -> None:
        world = World(2).run_array("array", 20, 2, 0, 50, took=None).add(job("behind", 1))
        assert world.starts() == {}

    def test_one_that_gives_way_does_so_place_by_place(self) -> None:
        world = World(2, queues=[make_queue("high", priority=9), make_queue()])
        world.run_array("array", 20, 2, 10, 50).add(job("one", 1, "high")).add(job("two", 2, "high"), 2)
        # An index ends every 5 s.
        assert world.starts() == {"one": 5, "two": 65}

    def test_one_that_runs_takes_each_slot_that_others_might_have_had_by_passing_it(self) -> None:
        world = World(3, queues=[make_queue(bypass_seconds=600)]).run("a", since=20)
        world.run_array("array", 20, 2, 10, 50).add(job("behind", 1))
        assert world.starts() == {"behind": 40}, "the eight that wait have begun then"

    def test_one_that_waits_for_nothing_more_ends_with_its_indexes(self) -> None:
        world = World(2).run_array("array", 12, 2, 10, 50).add(job("one", 1))
        assert world.starts() == {"one": 10}
