"""When waiting jobs can be expected to start, where it is known how long what goes before them takes.

The first jobs of each queue are placed in thought, node by node, in the order of their turns, as what runs comes to its
expected end: what runs of the same revision took lately, else their timeout. Where neither is known, or a job is held
back by something else than room, there is no estimate for it, nor for those behind it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil, inf

from batchyard.api.reasons import Reason
from batchyard.core.insight.durations import Durations, revision_of
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.podset import Assignment, PodSets, total_of
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, times
from batchyard.core.model.run import Pod, Run
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger, with_pods
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.departures import split
from batchyard.core.scheduling.reservation import time_limit
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot

DEPTH = 100
"""How many jobs of each queue are looked at."""

FURTHEST_SECONDS = 10 * 365 * 86_400.0
"""No date is told of a start later than that: a hundred thousand indexes with timeouts of a year come to none."""

RESOLUTION_SECONDS = 1.0
"""Ends within this time are taken together."""

_MAX_STEPS = 100
"""In how many steps an array that gives way is thought to give its slots back."""

_FOR_ROOM = frozenset({Reason.INSUFFICIENT_CAPACITY, Reason.WAITING_FOR_HIGHER_PRIORITY})


@dataclass(slots=True)
class _Waiting:
    """A job that waits for room; without a key, all that is not looked at of a queue."""

    environments: tuple[str, ...]
    """Those that could hold it."""
    key: Key | None = None
    pods: PodSets = ()
    seconds: float = inf
    """How long it runs; of an array each index."""
    indexes: int = 0
    """Of an array: how many have yet to end."""
    slots: int = 1
    """How many slots it asks for."""
    reported: bool = True
    """Whether its start is reported, or only taken into account."""
    until: float | None = None
    """Of an array that has begun: when none of its indexes waits any more."""


@dataclass(slots=True, frozen=True)
class Observation:
    """What is known beyond the snapshot."""

    holds: Mapping[Key, Hold]
    """What the last pass has told the jobs that it has looked at."""
    reclaims: frozenset[Key]
    """The arrays that give way."""
    durations: Durations


def estimates(snapshot: Snapshot, seen: Observation, now: float) -> dict[Key, float]:
    """Return the time at which each of the first jobs is expected to start, as far as that is known.

    Infinity stands for a start so late that no date is told.
    """
    this_pass = SchedulingPass(snapshot, now)
    waiting = [one for queue in this_pass.queues for one in _line(this_pass, seen, queue)]
    if not waiting:
        return {}
    course = _Course(waiting, this_pass.ledger, list(_ends(this_pass.snapshot, seen, now)))
    course.run(now)
    # Whatever would start at once, going by what is free, is held back by what is not looked at here.
    return {
        key: start if start <= now + FURTHEST_SECONDS else inf for key, start in course.found.items() if now < start
    }


@dataclass(slots=True, order=True)
class _Event:
    """When, where, and what is free again then; nothing, where it is only time to look again."""

    at: float
    environment: str
    nodes: Assignment = field(default=(), compare=False)
    amount: Resources = field(default_factory=dict, compare=False)


class _Course:
    """What happens from now on, in thought."""

    def __init__(self, waiting: list[_Waiting], ledger: Ledger, events: list[_Event]) -> None:
        self.found: dict[Key, float] = {}
        self._waiting = waiting
        self._environments = _names(waiting)
        self._ledger = ledger
        self._events = [event for event in events if event.at < inf and event.environment in self._environments]
        heapify(self._events)

    def run(self, at: float) -> None:
        """Go on until nobody waits any more, or nothing more is known to end."""
        self._serve(at)
        while self._waiting and self._events:
            together = self._events[0].at + RESOLUTION_SECONDS
            while self._events and self._events[0].at <= together:
                event = heappop(self._events)
                at = event.at
                if event.amount:
                    self._ledger.give(event.environment, event.nodes, event.amount)
            self._serve(at)

    def _serve(self, at: float) -> None:
        """Place all that fits at a moment, in order. The first that does not fit closes its environments."""
        closed: set[str] = set()
        gone: set[int] = set()
        for number, each in enumerate(self._waiting):
            if len(closed) == len(self._environments):
                break
            if each.until is not None and each.until <= at:
                gone.add(number)
            elif (name := self._room(each, closed)) is None:
                closed.update(each.environments)
            elif self._starts(each, name, at):
                gone.add(number)
            else:
                closed.add(name)
        if gone:
            self._waiting = [each for number, each in enumerate(self._waiting) if number not in gone]
            self._environments = _names(self._waiting)

    def _room(self, each: _Waiting, closed: set[str]) -> str | None:
        if each.key is None or each.until is not None:
            return None
        return next((n for n in each.environments if n not in closed and self._ledger.fits(n, each.pods)), None)

    def _starts(self, each: _Waiting, name: str, at: float) -> bool:
        """Start a job; returns whether it has got all that it asks for."""
        slots = 1 if each.slots == 1 else max(self._ledger.room(name, each.pods[0], each.slots), 1)
        pods = each.pods if slots == 1 else (each.pods[0].of(slots),)
        nodes, amount = self._ledger.take(name, pods) or (), total_of(pods)
        if each.reported and each.key is not None:
            self.found[each.key] = at
        rounds = ceil(each.indexes / slots) if each.indexes else 1
        self._happens(_Event(at + rounds * each.seconds, name, nodes, amount))
        if slots == each.slots:
            return True
        each.environments, each.until = (name,), at + (rounds - 1) * each.seconds
        self._happens(_Event(each.until, name))
        return False

    def _happens(self, event: _Event) -> None:
        if event.at < inf:
            heappush(self._events, event)


def _names(waiting: Iterable[_Waiting]) -> set[str]:
    return {name for each in waiting for name in each.environments}


def _line(this_pass: SchedulingPass, seen: Observation, queue: Queue) -> Iterator[_Waiting]:
    """The first jobs of a queue that wait for room, in the order of their turns."""
    snapshot = this_pass.snapshot
    known = (name for name in queue.environments if name in snapshot.pools)
    enabled = [name for name in known if not (it := snapshot.environments[name]).refusal and it.enabled]
    if not queue.enabled or not enabled:
        return
    order = this_pass.order(queue)
    count = 0
    for key in order:
        hold = seen.holds.get(key)
        if hold is not None and hold.reason == Reason.RESERVED_FOR_OTHER_SHARES:
            yield _Waiting(tuple(enabled))
            return
        if hold is not None and hold.reason not in _FOR_ROOM:
            if hold.ends_share_queue:
                order.leave()
            continue
        if count == DEPTH:
            yield _Waiting(tuple(enabled))
            return
        resolved = snapshot.resolved[key]
        candidates = [name for name in enabled if snapshot.pools[name].could_hold(resolved.pods)]
        if candidates:
            order.charge(candidates[0], resolved.request)
            yield _waiting(snapshot, seen, queue, key, candidates, this_pass.now)
            count += 1


def _waiting(
    snapshot: Snapshot, seen: Observation, queue: Queue, key: Key, candidates: list[str], now: float
) -> _Waiting:
    job, resolved = snapshot.jobs[key], snapshot.resolved[key]
    # How limits and consumable resources turn out is not looked at.
    reported = queue.limits is None and not resolved.consumables
    seconds = _seconds(seen.durations, job, resolved)
    if job.array is None:
        return _Waiting(tuple(candidates), key, resolved.pods, seconds, reported=reported)
    demand, run = snapshot.demands[key], snapshot.arrays.get(key)
    if run is not None:
        left, rate = run.indexed.unfinished if run.indexed else 0, _rate(snapshot, seen, job, run, now)
        until = now + max(left - run.slots_taken, 0) / rate if rate else inf
        return _Waiting((run.environment,), until=until)
    return _Waiting(
        tuple(candidates),
        key,
        resolved.pods,
        seconds,
        indexes=job.array.size,
        slots=demand.total,
        reported=reported and not arraystatus.has_started(snapshot.statuses[key]),
    )


def _ends(snapshot: Snapshot, seen: Observation, now: float) -> Iterator[_Event]:
    """When what runs, or is being started, is expected to end."""
    for charge in snapshot.charges.values():
        job, resolved, run = snapshot.jobs.get(charge.key), snapshot.resolved.get(charge.key), charge.run
        if job is None or resolved is None:
            continue
        if run is not None and run.indexed is not None:
            yield from _ends_of_array(snapshot, seen, job, charge, run, now)
            continue
        pod: Pod | None = None
        if run is not None:  # a multi-node job goes by its main node
            runs = snapshot.runs_of(run.owner_uid)
            pod = runs.pods.get(runs.current(run).name)
        elapsed = now - pod.started_at if pod is not None and pod.started_at is not None else 0.0
        remaining = _seconds(seen.durations, job, resolved, elapsed) - elapsed
        yield _Event(now + max(remaining, 0.0), charge.environment, charge.assigned, charge.amount)


def _ends_of_array(
    snapshot: Snapshot, seen: Observation, job: BatchJob, charge: Charge, run: Run, now: float
) -> Iterator[_Event]:
    taken, rate = run.slots_taken, _rate(snapshot, seen, job, run, now)
    if run.indexed is None or not taken or not rate:
        return
    if job.key not in seen.reclaims:
        waiting = max(run.indexed.unfinished - taken, 0)
        yield _Event(now + waiting / rate, charge.environment)
        yield _Event(now + (waiting + taken) / rate, charge.environment, charge.assigned, charge.amount)
        return
    steps, one = min(taken, _MAX_STEPS), with_pods(run.request)
    nodes, _ = split(charge, charge.amount["pods"])
    for step in range(1, steps + 1):
        first, last = taken * (step - 1) // steps, taken * step // steps
        at = now + step * taken / steps / rate
        yield _Event(at, charge.environment, nodes[first:last], times(one, last - first))


def _rate(snapshot: Snapshot, seen: Observation, job: BatchJob, run: Run, now: float) -> float:
    """How many indexes of an array end per second: as many as so far, once some have; 0 where that is not known."""
    status, taken = snapshot.statuses[job.key], run.slots_taken
    if run.indexed is None or not taken:
        return 0.0
    ended = run.indexed.size - run.indexed.unfinished
    if status.started_at is not None and now > status.started_at and ended >= taken:
        return ended / (now - status.started_at)
    resolved = snapshot.resolved.get(job.key)
    seconds = _seconds(seen.durations, job, resolved) if resolved is not None else inf
    return taken / max(seconds, 1.0) if seconds < inf else 0.0


def _seconds(durations: Durations, job: BatchJob, resolved: Resolved, elapsed: float = 0.0) -> float:
    """How long a run takes in all that has gone on for some time; infinity where nothing tells."""
    limit = time_limit(resolved) or inf
    expected = durations.expected(revision_of(job, resolved.revision), elapsed)
    return limit if expected is None else min(expected, limit)
