"""When waiting jobs can be expected to start, where it is known how long what goes before them takes.

The first jobs of each queue are placed in thought, node by node, in the order of their turns, as what runs comes to its
expected end: what runs of the same revision took lately, else their timeout. Where neither is known, or a job is held
back by something else than room, there is no estimate for it, nor for those behind it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from batchyard.api.reasons import Reason
from batchyard.core.insight.course import Course, Event, Waiting
from batchyard.core.insight.durations import Durations, revision_of
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import times
from batchyard.core.model.run import Pod, Run
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.departures import is_leaving, split
from batchyard.core.scheduling.reservation import time_limit
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot

DEPTH = 100
"""How many jobs of each queue are looked at."""

FURTHEST_SECONDS = 10 * 365 * 86_400.0
"""No date is told of a start later than that: a hundred thousand indexes with timeouts of a year come to none."""

_MAX_STEPS = 100
"""In how many steps an array that gives way is thought to give its slots back."""

_FOR_ROOM = frozenset({Reason.INSUFFICIENT_CAPACITY, Reason.WAITING_FOR_HIGHER_PRIORITY})


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
    course = Course(waiting, this_pass.ledger, list(_ends(this_pass.snapshot, seen, now)))
    course.run(now)
    # Whatever would start at once, going by what is free, is held back by what is not looked at here.
    return {
        key: start if start <= now + FURTHEST_SECONDS else inf for key, start in course.found.items() if now < start
    }


def _line(this_pass: SchedulingPass, seen: Observation, queue: Queue) -> Iterator[Waiting]:
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
            yield Waiting(queue, tuple(enabled))
            return
        if hold is not None and hold.reason not in _FOR_ROOM:
            if hold.ends_share_queue:
                order.leave()
            continue
        if count == DEPTH:
            yield Waiting(queue, tuple(enabled))
            return
        resolved = snapshot.resolved[key]
        open_to = (name for name in enabled if snapshot.environments[name].admits(key[0]))
        candidates = [name for name in open_to if snapshot.pools[name].could_hold(resolved.pods)]
        if candidates:
            order.charge(candidates[0], resolved.request)
            yield _waiting(this_pass, seen, queue, order.share, key, candidates)
            count += 1


def _waiting(
    this_pass: SchedulingPass, seen: Observation, queue: Queue, share: str, key: Key, candidates: list[str]
) -> Waiting:
    snapshot = this_pass.snapshot
    job, resolved, status = snapshot.jobs[key], snapshot.resolved[key], snapshot.statuses[key]
    found = Waiting(
        queue,
        tuple(candidates),
        share,
        key,
        resolved.pods,
        _seconds(seen.durations, job, resolved),
        # How limits and consumable resources turn out is not looked at.
        reported=queue.limits is None and not resolved.consumables,
        head_since=status.head_since,
    )
    if job.array is None:
        return found
    demand, run = snapshot.demands[key], snapshot.arrays.get(key)
    if run is not None:
        left, rate = run.indexed.unfinished if run.indexed else 0, _rate(snapshot, seen, job, run, this_pass.now)
        until = this_pass.now + max(left - run.slots_taken, 0) / rate if rate else inf
        return replace(found, environments=(run.environment,), until=until, reported=False)
    reported = found.reported and not arraystatus.has_started(status)
    return replace(found, indexes=job.array.size, slots=demand.total, reported=reported)


def _ends(snapshot: Snapshot, seen: Observation, now: float) -> Iterator[Event]:
    """When what runs, or is being started, is expected to end."""
    for charge in snapshot.charges.values():
        job, resolved, run = snapshot.jobs.get(charge.key), snapshot.resolved.get(charge.key), charge.run
        if job is None or resolved is None:
            continue
        if run is not None and run.indexed is not None:
            yield from _ends_of_array(snapshot, seen, job, charge, run, now)
            continue
        pod: Pod | None = None
        leaves = False
        if run is not None:  # a multi-node job goes by its main node
            runs = snapshot.runs_of(run.owner_uid)
            current = runs.current(run)
            pod, leaves = runs.pods.get(current.name), is_leaving(snapshot, runs, current)
        elapsed = now - pod.started_at if pod is not None and pod.started_at is not None else 0.0
        remaining = 0.0 if leaves else _seconds(seen.durations, job, resolved, elapsed) - elapsed
        yield Event(now + max(remaining, 0.0), charge.environment, charge.assigned, charge.amount)


def _ends_of_array(
    snapshot: Snapshot, seen: Observation, job: BatchJob, charge: Charge, run: Run, now: float
) -> Iterator[Event]:
    taken, rate = run.slots_taken, _rate(snapshot, seen, job, run, now)
    if run.indexed is None or not taken or not rate:
        return
    if job.key not in seen.reclaims:
        waiting = max(run.indexed.unfinished - taken, 0)
        yield Event(now + waiting / rate, charge.environment)
        yield Event(now + (waiting + taken) / rate, charge.environment, charge.assigned, charge.amount)
        return
    steps, one = min(taken, _MAX_STEPS), with_pods(run.request)
    nodes, _ = split(charge, charge.amount["pods"])
    for step in range(1, steps + 1):
        first, last = taken * (step - 1) // steps, taken * step // steps
        at = now + step * taken / steps / rate
        yield Event(at, charge.environment, nodes[first:last], times(one, last - first))


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
