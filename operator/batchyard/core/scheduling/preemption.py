"""Which running work makes room for a job of a queue that may displace lower priorities.

Whoever waits first in such a queue, and those behind it, get room made for them if what runs for queues of lower
priority suffices, else nothing is stopped for them. Arrays shrink first, then what started last ends; nothing that has
run for less than the queue's minimum. What is on its way out counts as room that comes: a pass that sees it asks for no
more. All that room is promised to those it is made for: backfill, which comes after this, gives none of it to others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from batchyard.core.model.job import Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, add, fits, shortfall, subtract, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.arrays.slots import settling
from batchyard.core.scheduling.decisions import Preemption
from batchyard.core.scheduling.departures import is_leaving, leaving, name_of
from batchyard.core.scheduling.ledger import Charge, with_pods
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.promises import Promise, beside
from batchyard.core.scheduling.reservation import reserve
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot

AT_ONCE = 100
"""How many slots one pass takes from others at most."""


def preempt(this_pass: SchedulingPass) -> None:
    """Decide what is to be displaced for those who wait."""
    fronts = _fronts(this_pass)
    if not fronts:
        return
    room = _Room(this_pass)
    for queue in this_pass.queues:
        if queue.name in fronts:
            room.serve(queue, fronts[queue.name])
    room.enter()


def _fronts(this_pass: SchedulingPass) -> dict[str, tuple[str, ...]]:
    """The environments that the first waiting job of a queue which may displace others waits for, by queue."""
    snapshot, found = this_pass.snapshot, dict[str, tuple[str, ...]]()
    for key, hold in this_pass.holds:
        queue = snapshot.queues[snapshot.jobs[key].queue]
        if hold.environments and queue.preempts_after is not None:
            found.setdefault(queue.name, hold.environments)
    return found


@dataclass(slots=True)
class _Victim:
    """Something that may be displaced: a run, or the slots of an Indexed Job."""

    run: Run
    request: Resources
    """Of a run all of it, of an array one slot."""
    slots: int
    priority: int
    started_at: float
    taken: int = 0
    by: Key = ("", "")


class _Room:
    """Room and victims by environment; both change as jobs are served."""

    def __init__(self, this_pass: SchedulingPass) -> None:
        self._pass = this_pass
        self._snapshot = this_pass.snapshot
        self._ledger = this_pass.ledger
        self._now = this_pass.now
        self._room: dict[str, Resources] = {}
        self._victims: dict[str, list[_Victim]] = {}
        self._left = AT_ONCE
        self._unserved: set[Key] = set()
        self._served: dict[str, set[Key]] = {}
        """By the environment in which they have room made for them."""
        self._awaited: dict[str, Promise] = {}

    def serve(self, queue: Queue, environments: tuple[str, ...]) -> None:
        """Make room for the jobs of a queue in their order, up to the first for which there is none to make."""
        snapshot = self._snapshot
        order, limits = self._pass.order(queue), self._limits()
        for key in self._pass.behind(order):
            if not self._able(key, environments):
                continue  # it waits aside, for something that no end of a run brings
            demand = snapshot.demands.get(key)
            bound = (demand.environment,) if demand is not None and demand.environment else environments
            for _ in range(demand.total if demand is not None else 1):
                if limits.violation(queue, order.share, snapshot.resolved[key]) is not None:
                    break
                environment = self._make_room(queue, key, bound) if self._left > 0 else None
                if environment is None:
                    self._unserved.add(key)
                    self._await(queue, key, bound)
                    return
                limits.charge(queue, order.share, snapshot.resolved[key])
                self._served.setdefault(environment, set()).add(key)

    def _limits(self) -> Limits:
        """What may still start, once what was placed in this pass has."""
        limits = self._snapshot.limits()
        for placement in self._pass.placements.values():
            job, resolved = self._snapshot.jobs[placement.key], self._snapshot.resolved[placement.key]
            for _ in range(placement.count):
                limits.charge(self._snapshot.queues[job.queue], job.share, resolved)
        return limits

    def enter(self) -> None:
        """Add to the pass what it came to."""
        this_pass = self._pass
        this_pass.preemptions += [
            Preemption(victim.run, victim.taken, victim.by)
            for victim in chain.from_iterable(self._victims.values())
            if victim.taken
        ]
        this_pass.served.update(*self._served.values())
        this_pass.unserved |= self._unserved
        this_pass.promises |= self._awaited
        this_pass.promises |= {name: Promise(self._now, self._room[name], keys) for name, keys in self._served.items()}

    def _await(self, queue: Queue, key: Key, environments: tuple[str, ...]) -> None:
        """Promise a job the moment from which on what now runs has run for long enough to be displaced for it.

        Else those who go first could be the ones that have not, when it comes to that.
        """
        amount, minimum = with_pods(self._snapshot.resolved[key].request), queue.preempts_after or 0
        for name in self._able(key, environments):
            ends = [
                (max(victim.started_at + minimum, self._now), times(victim.request, victim.slots - victim.taken))
                for victim in self._candidates(name)
                if victim.priority < queue.priority
            ]
            if (reservation := reserve(amount, self._free(name), ends)) is not None:
                self._awaited[name] = Promise(reservation.at, beside(amount, self._free(name)), {key})

    def _make_room(self, queue: Queue, key: Key, environments: tuple[str, ...]) -> str | None:
        """Have room for one slot of a job; returns in which environment."""
        amount = with_pods(self._snapshot.resolved[key].request)
        able = self._able(key, environments)
        for name in able:
            if fits(amount, self._free(name)):
                self._room[name] = subtract(self._room[name], amount)
                return name
        for name in able:
            if chosen := self._choose(queue, amount, name):
                for victim in chosen:
                    victim.taken += 1
                    victim.by = key
                    self._room[name] = add(self._room[name], victim.request)
                self._left -= len(chosen)
                self._room[name] = subtract(self._room[name], amount)
                return name
        return None

    def _able(self, key: Key, environments: tuple[str, ...]) -> list[str]:
        """The environments that could hold the job if nothing else ran there."""
        job, pools = self._snapshot.resolved[key], self._snapshot.pools
        return [name for name in environments if name in pools and pools[name].could_hold(job.request, job.gang)]

    def _choose(self, queue: Queue, amount: Resources, environment: str) -> list[_Victim]:
        """The slots to be taken, so that the amount fits; none if all of them would not be enough."""
        room, chosen = self._free(environment), list[_Victim]()
        for victim in self._candidates(environment):
            if victim.priority >= queue.priority or not self._has_run(victim, queue):
                continue
            for _ in range(victim.slots - victim.taken):
                lacking = shortfall(amount, room)
                if not lacking or not lacking.keys() & {name for name, each in victim.request.items() if each > 0}:
                    break
                chosen.append(victim)
                room = add(room, victim.request)
        if not fits(amount, room):
            return []
        for victim in list(chosen):  # what came first may be of no use beside what came last
            without = subtract(room, victim.request)
            if fits(amount, without):
                chosen.remove(victim)
                room = without
        return chosen

    def _has_run(self, victim: _Victim, queue: Queue) -> bool:
        return self._now - victim.started_at >= (queue.preempts_after or 0)

    def _free(self, environment: str) -> Resources:
        """What is free, or will be once what is on its way out has gone."""
        if environment not in self._room:
            room = self._ledger.free(environment)
            for charge in self._charges(environment):
                room = add(room, leaving(self._snapshot, charge))
            self._room[environment] = room
        return self._room[environment]

    def _candidates(self, environment: str) -> list[_Victim]:
        if environment not in self._victims:
            found = [_victim(self._snapshot, charge, self._now) for charge in self._charges(environment)]
            victims = [victim for victim in found if victim is not None]
            victims.sort(key=lambda it: (it.priority, it.run.indexed is None, -it.started_at, name_of(it.run)))
            self._victims[environment] = victims
        return self._victims[environment]

    def _charges(self, environment: str) -> Iterator[Charge]:
        return (charge for charge in self._snapshot.charges.values() if charge.environment == environment)


def _victim(snapshot: Snapshot, charge: Charge, now: float) -> _Victim | None:
    """What of a charge may be displaced, priority left aside."""
    if charge.run is None:
        return None
    runs = snapshot.runs_of(charge.run.owner_uid)
    run = runs.current(charge.run)
    queue = snapshot.queues.get(run.queue)
    if queue is None or run.deleting or name_of(run) in snapshot.spared:
        return None
    if run.indexed is not None:
        if settling(run, snapshot.raised.get(run.owner), now):
            return None
        slots = run.slots - snapshot.being_preempted.get(name_of(run), 0)
        started_at = now if run.started_at is None else run.started_at
        return _Victim(run, with_pods(run.request), slots, queue.priority, started_at) if slots > 0 else None
    pod = runs.pods.get(run.name)
    if pod is None or not pod.live or is_leaving(snapshot, run):
        return None
    return _Victim(run, charge.amount, 1, queue.priority, now if pod.started_at is None else pod.started_at)
