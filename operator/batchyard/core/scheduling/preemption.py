"""Which running work makes room for a job of a queue that may displace lower priorities.

Whoever waits first in such a queue, and those behind it, get room made for them if what runs for queues of lower
priority suffices, else nothing is stopped for them. Arrays shrink first, then what started last ends; nothing that has
run for less than the queue's minimum. What is on its way out counts as room that comes: a pass that sees it asks for no
more. All that room is promised to those it is made for: backfill, which comes after this, gives none of it to others.
"""

from collections.abc import Sequence

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.departures import with_departures
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.promises import Promise, spare_beside
from batchyard.core.scheduling.reservation import End, reserve
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.victims import Chosen, Victim, Victims, choose

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


class _Room:
    """What is free, or will be once what is on its way out has gone, and who may be displaced; as jobs are served."""

    def __init__(self, this_pass: SchedulingPass) -> None:
        self._pass = this_pass
        self._snapshot = this_pass.snapshot
        self._now = this_pass.now
        self._ledger = with_departures(this_pass.snapshot, this_pass.ledger)
        self._victims = Victims(this_pass.snapshot, this_pass.now)
        self._left = AT_ONCE
        self._unserved: set[Key] = set()
        self._served: dict[str, set[Key]] = {}
        """By the environment in which they have room made for them."""
        self._nodes: dict[str, list[tuple[str, Resources]]] = {}
        """And where there."""
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
            for _ in range(placement.slots):
                limits.charge(self._snapshot.queues[job.queue], job.share, resolved)
        return limits

    def enter(self) -> None:
        """Add to the pass what it came to."""
        this_pass = self._pass
        this_pass.preemptions += self._victims.preemptions()
        this_pass.served.update(*self._served.values())
        this_pass.unserved |= self._unserved
        this_pass.promises |= self._awaited
        for name, keys in self._served.items():
            spare = spare_beside(self._ledger, name, tuple(self._nodes[name]))
            this_pass.promises[name] = Promise(self._now, spare, keys)

    def _await(self, queue: Queue, key: Key, environments: tuple[str, ...]) -> None:
        """Promise a job the moment from which on what now runs has run for long enough to be displaced for it.

        Else those who go first could be the ones that have not, when it comes to that.
        """
        minimum, pods = queue.preempts_after or 0, self._snapshot.resolved[key].pods
        for name in self._able(key, environments):
            ends = [
                End(max(victim.started_at + minimum, self._now), *victim.staying)
                for victim in self._victims.below(queue.priority)
            ]
            if (reservation := reserve(self._ledger, name, pods, ends)) is not None:
                self._awaited[name] = Promise(reservation.at, reservation.spare, {key})

    def _make_room(self, queue: Queue, key: Key, environments: tuple[str, ...]) -> str | None:
        """Have room for one slot of a job; returns in which environment."""
        able, pods = self._able(key, environments), self._snapshot.resolved[key].pods
        for name in able:
            if (nodes := self._ledger.take(name, pods)) is not None:
                self._nodes.setdefault(name, []).extend(nodes)
                return name
        victims = [each for each in self._victims.below(queue.priority) if self._has_run(each, queue)]
        for name, way in [(each, way) for each in able for way in self._ways(each, pods, victims)]:
            chosen = choose(self._ledger, name, way, victims)
            if chosen is not None and (nodes := self._ledger.take(name, way)) is not None:
                for victim, slots in chosen:
                    victim.take(slots, key)
                    self._left -= slots
                self._nodes.setdefault(name, []).extend(nodes)
                return name
        return None

    def _ways(self, environment: str, pods: PodSets, victims: Sequence[Victim]) -> list[PodSets]:
        """The pods as room is made for them: of several zones that they may be in, those first where the least goes."""
        ways = self._ledger.ways(environment, pods)
        if len(ways) < 2:
            return ways
        found = [(way, choose(self._ledger.fork(), environment, way, victims)) for way in ways]
        able = [(way, chosen) for way, chosen in found if chosen is not None]
        return [way for way, _ in sorted(able, key=lambda it: _cost(it[1]))]

    def _able(self, key: Key, environments: tuple[str, ...]) -> list[str]:
        """The environments that could hold the job if nothing else ran there."""
        pods, pools = self._snapshot.resolved[key].pods, self._snapshot.pools
        known = (name for name in environments if name in pools and pools[name].environment.admits(key[0]))
        return [name for name in known if pools[name].could_hold(pods)]

    def _has_run(self, victim: Victim, queue: Queue) -> bool:
        return self._now - victim.started_at >= (queue.preempts_after or 0)


def _cost(chosen: Chosen) -> tuple[int, int]:
    """How bad it is that these go."""
    return max((victim.priority for victim, _ in chosen), default=0), sum(slots for _, slots in chosen)
