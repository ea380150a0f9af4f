"""Which arrays are to give slots back, one by one as their indexes end, because somebody else goes first.

The Job controller starts an array's next index as soon as one has ended, so an array would keep its slots for good;
the runtime lowers the parallelism of those named here, never below what runs. Once nobody goes before it any more, an
array asks for slots again as it did at first.

What arrays give back is promised to the one that they make way for. They do so only where that can start by it: while
others keep the rest of what it needs, an array would stop in vain. While that one lets others pass, these would take
what was given back. Then only arrays of queues with a lower priority make way, which may not pass, and those of which
one slot is enough for it.

So do those that are to leave their environment, as no nodes come there (`leaving`).
"""

from collections import defaultdict
from collections.abc import Iterable
from math import inf

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.podset import Assignment, PodSet, PodSets, total_of
from batchyard.core.model.resources import Resources, fits, shortfall, vcpus_of
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.arrays.leaving import leaves
from batchyard.core.scheduling.backlog import Entry, entry_of
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger, with_pods
from batchyard.core.scheduling.capacity.space import Space
from batchyard.core.scheduling.departures import parted
from batchyard.core.scheduling.fairshare.order import turn
from batchyard.core.scheduling.limits import Limits, Name, needs
from batchyard.core.scheduling.promises import CEILINGS, Promise, less, spare_beside
from batchyard.core.scheduling.reservation import reserve, time_limit
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot


def reclaim(this_pass: SchedulingPass) -> None:
    """Decide which arrays give way to what a pass has found to wait, or may not go on at all."""
    if this_pass.snapshot.arrays:
        _Arrays(this_pass).decide()


class _Arrays:
    """One look at all arrays that run."""

    def __init__(self, this_pass: SchedulingPass) -> None:
        self._pass = this_pass
        self._snapshot = this_pass.snapshot
        self._ledger = this_pass.ledger
        self._now = this_pass.now
        self._promises = this_pass.promises
        self._order = {queue.name: position for position, queue in enumerate(this_pass.queues)}
        self._provided = this_pass.served - this_pass.unserved
        self._lacking: list[tuple[Key, Name]] = []
        self._fronts: defaultdict[str, list[Key]] = defaultdict(list)
        """Who waits for an environment, in the order of their turns."""
        self._let_pass = {key for key, hold in this_pass.holds if hold.lets_pass}
        for key, hold in this_pass.holds:
            if hold.lacks is not None:
                self._lacking.append((key, hold.lacks))
            for name in hold.environments:
                self._fronts[name].append(key)
        self._starts: dict[tuple[Key, str], float] = {}
        self._charges: defaultdict[str, list[Charge]] | None = None
        self._placed: dict[tuple[Key, str], list[tuple[Space, PodSets]]] = {}

    def decide(self) -> None:
        """Add to the pass which arrays give way, and what is promised to whom by that."""
        snapshot = self._snapshot
        for key, run in snapshot.arrays.items():
            front = self._front(key, run)
            if (
                (front is not None and self._in_time(key, front, run))
                or _must_stop(snapshot, key)
                or _overdrawn(snapshot, run, self._ledger, self._charges_of(run))
                or _above_limits(snapshot, run, self._pass.limits)
                or self._holds_what_is_lacked(key, run)
                or leaves(snapshot, key, self._now) is not None
            ):
                self._pass.reclaims.add(key)

    def _holds_what_is_lacked(self, key: Key, run: Run) -> bool:
        holds = needs(run.queue, run.share, run.consumables)
        return any(lacks in holds and self._goes_before(front, key) for front, lacks in self._lacking)

    def _front(self, key: Key, run: Run) -> Key | None:
        """The first that waits for what the array has and goes before it, unless room is made for it otherwise."""
        for front in self._fronts.get(run.environment, ()):
            if front != key and self._gives_way(key, front, run) and self._helps(front, run):
                return None if front in self._provided else front
        return None

    def _gives_way(self, key: Key, front: Key, run: Run) -> bool:
        """Whether the front goes before the array, and may not be passed by its next index."""
        if not self._goes_before(front, key):
            return False
        if front not in self._let_pass or self._outranks(front, key):
            return True
        asked = self._ledger.charged(run.environment, self._snapshot.resolved[front].pods)
        return fits(total_of(asked), with_pods(run.request))

    def _outranks(self, front: Key, array: Key) -> bool:
        """Whether the front's queue has the higher priority; an array whose queue is gone has none."""
        snapshot = self._snapshot
        queue = snapshot.queues.get(snapshot.jobs[array].queue)
        return queue is None or snapshot.queues[snapshot.jobs[front].queue].priority > queue.priority

    def _helps(self, front: Key, run: Run) -> bool:
        """Whether the array has, on some node or under the ceilings, of that which the other one lacks there."""
        gives = {name for name, amount in with_pods(run.request).items() if amount > 0}
        pods, ledger = self._snapshot.resolved[front].pods, self._ledger
        total = total_of(ledger.charged(run.environment, pods))
        if shortfall(total, {**total, **ledger.left(run.environment)}).keys() & gives:
            return True
        nodes = {node for charge in self._charges_of(run) for node, _ in charge.assigned}
        return any(
            shortfall(each.takes, space.of(run.environment, node)).keys() & gives
            for space, way in self._partly_placed(front, run.environment)
            for each in way
            for node in nodes.intersection(space.allowed(run.environment, each))
        )

    def _partly_placed(self, front: Key, environment: str) -> list[tuple[Space, PodSets]]:
        """What is free on nodes once as many of the front's pods as find room there have it; for pods that are to be in
        one zone, in each of the zones that there are."""
        found = self._placed.get((front, environment))
        if found is None:
            pods, ledger = self._snapshot.resolved[front].pods, self._ledger
            found = self._placed[front, environment] = [
                (_filled(ledger.space, environment, way), way) for way in ledger.ways(environment, pods)
            ]
        return found

    def _charges_of(self, run: Run) -> list[Charge]:
        if self._charges is None:
            self._charges = defaultdict(list)
            for charge in self._snapshot.charges.values():
                if charge.run is not None and charge.run.indexed is not None:
                    self._charges[charge.run.uid].append(charge)
        return self._charges[run.uid]

    def _in_time(self, key: Key, front: Key, run: Run) -> bool:
        """Whether the front can start with what arrays give back, before an index that starts now has ended."""
        at = self._starts.get((front, run.environment))
        if at is None:
            at = self._starts[front, run.environment] = self._start(front, run.environment)
        resolved = self._snapshot.resolved.get(key)
        limit = time_limit(resolved) if resolved is not None else None
        return at <= self._now + (limit or 0)

    def _start(self, front: Key, environment: str) -> float:
        """When the front can start at the latest, once all arrays that it goes before have given back what they have.

        It may never come to that, while others have the rest of what it needs: no array stops for it in vain then.
        """
        thought, pods = self._ledger.fork(), self._snapshot.resolved[front].pods
        for key, run in self._snapshot.arrays.items():
            if key != front and self._gives_way(key, front, run):
                for charge in self._charges_of(run):
                    thought.give(charge.environment, *parted(self._snapshot, charge)[1])
        nodes = thought.take(environment, pods)
        if nodes is not None:
            self._promise(front, environment, self._now, nodes)
            return self._now
        reservation = reserve(thought, environment, pods, self._pass.ends(environment))
        if reservation is None:
            return inf
        self._promise(front, environment, reservation.at, reservation.nodes)
        return reservation.at

    def _promise(self, front: Key, environment: str, at: float, nodes: Assignment) -> None:
        """Keep all that the front needs until it has it: only what it has more than enough of is left to others.

        Arrays give back no more than that, so what they have beside it is not there for others.
        """
        promise = self._promises.get(environment)
        if promise is not None and front in promise.to and front not in self._snapshot.demands:
            spare = promise.spare
        else:
            coming = self._ledger.fork()
            for end in self._pass.ends(environment):
                if end.at <= at:
                    coming.give(environment, end.assigned, end.amount)
            spare = less(spare_beside(coming, environment, nodes), nodes)
            if CEILINGS in spare:
                asked = self._ledger.charged(environment, self._snapshot.resolved[front].pods)
                spare |= less(spare, ((CEILINGS, total_of(asked)),))
            if promise is not None:
                spare |= less(promise.spare, nodes)
        at, to = (at, {front}) if promise is None else (min(promise.at, at), promise.to | {front})
        self._promises[environment] = Promise(at, spare, to)

    def _goes_before(self, front: Key, array: Key) -> bool:
        snapshot, order = self._snapshot, self._order
        one, other = snapshot.jobs[front], snapshot.jobs[array]
        if one.queue != other.queue:
            return order.get(one.queue, len(order)) < order.get(other.queue, len(order))
        if one.share != other.share:
            return _has_had_less(snapshot, one, other, self._now)
        return _entry(snapshot, one) < _entry(snapshot, other)


def _filled(space: Space, environment: str, pods: PodSets) -> Space:
    """What is free once pods have it that find room, though not all of them do; one alone finds none."""
    if sum(each.count for each in pods) == 1:
        return space
    thought = space.fork()
    for each in pods:
        for _ in range(each.count):
            if thought.put(environment, each) is None:
                break
    return thought


def _must_stop(snapshot: Snapshot, key: Key) -> bool:
    """Whether nothing new of the array may start: it is held, or its queue or environment is disabled."""
    job, run = snapshot.jobs[key], snapshot.arrays[key]
    queue, environment = snapshot.queues.get(job.queue), snapshot.environments.get(run.environment)
    disabled = (queue is not None and not queue.enabled) or (environment is not None and not environment.enabled)
    return disabled or job.start_blocked


def _overdrawn(snapshot: Snapshot, run: Run, ledger: Ledger, charges: Iterable[Charge]) -> bool:
    """Whether the environment has shrunk below what runs in it.

    Either its ceilings have, or nodes have, or have left it: their indexes go on there, but those that follow find no
    room.
    """
    if run.environment not in snapshot.pools:
        return False
    left, members, takes = ledger.left(run.environment), snapshot.pools[run.environment].members, with_pods(run.request)
    if any(left.get(name, 0) < 0 for name, amount in takes.items() if amount):
        return True
    if snapshot.pools[run.environment].serverless is not None:
        return False  # its pods are on no node that counts
    outside = 0
    for charge in charges:
        for node, amount in charge.bound.items():
            pods = amount.get("pods", 0)
            outside += min(_excess(ledger.space.of(run.environment, node), takes), pods) if node in members else pods
    return outside > 0 and ledger.room(run.environment, PodSet(1, run.request), outside) < outside


def _excess(free: Resources, takes: Resources) -> int:
    """How many pods too many are on a node."""
    return max(-(min(free.get(name, 0) // amount for name, amount in takes.items() if amount > 0)), 0)


def _above_limits(snapshot: Snapshot, run: Run, limits: Limits) -> bool:
    """Whether a limit was lowered below what runs."""
    queue = snapshot.queues.get(run.queue)
    return queue is not None and limits.overdrawn(queue, run.share, run.consumables)


def _entry(snapshot: Snapshot, job: BatchJob) -> Entry:
    resolved = snapshot.resolved.get(job.key)
    since = snapshot.statuses.get(job.key, Status()).queued_since
    return entry_of(job, resolved.priority if resolved is not None else 0, since)


def _has_had_less(snapshot: Snapshot, one: BatchJob, other: BatchJob, now: float) -> bool:
    """Whether the share of one would get the slot that the other's got last, were it given out again."""
    queue, usage = snapshot.queues.get(one.queue), snapshot.usage.get(one.queue)
    if queue is None or queue.fair_share is None or usage is None:
        return False
    asks = vcpus_of(snapshot.resolved[one.key].request)
    gives = vcpus_of(snapshot.arrays[other.key].request)
    wants = turn(queue.fair_share, usage, one.share, usage.in_use(one.share), asks, now)
    has = turn(queue.fair_share, usage, other.share, usage.in_use(other.share) - gives, gives, now)
    return wants < has
