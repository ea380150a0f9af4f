"""Which jobs may start before a larger one that waits, since they do not delay it.

Called once per pass after placement and preemption, by the planner and by the simulator. The first job that an
environment is full for holds a reservation there: the moment at which it fits at the latest. What came later, or waits
in a queue of lower priority, may use what is free until then if it has ended by that time, or fits beside it then. This
is EASY backfill (Lifka, "The ANL/IBM SP Scheduling System", 1995) with time limits in the place of users' estimates.
Arrays wait for their turn: an index of theirs that ends is followed by the next one.

Where others make room for somebody (`promises`), he may have it earlier than that; what is on its way out is lent to
nobody, as it may come at any moment.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from batchyard.api.reasons import Reason
from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import fits, subtract
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.fairshare.order import FairShareOrder
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.ledger import Ledger, Pool, places, with_pods
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.placement import Hold, Placement, scheduling_order
from batchyard.core.scheduling.promises import Promise
from batchyard.core.scheduling.reservation import End, Reservation, latest_end, reserve

DEPTH = 100
"""How many waiting jobs of a queue are looked at in one pass."""

_ALL = frozenset({"cpu", "memory", "pods"})
"""What nearly every job takes of: where it is used up, nobody is looked at."""


@dataclass(slots=True, frozen=True)
class Decided:
    """What placement has decided in this pass."""

    placements: Mapping[Key, Placement]
    """With all places of an array in one."""
    holds: Iterable[tuple[Key, Hold]]
    promises: Mapping[str, Promise] = field(default_factory=dict)
    """What others make room for, by environment."""


def backfill(
    *,
    queues: Iterable[Queue],
    pools: Mapping[str, Pool],
    backlog: Backlog,
    resolved: Mapping[Key, Resolved],
    demands: Mapping[Key, ArrayDemand],
    usage: Mapping[str, Usage],
    limits: Limits,
    ledger: Ledger,
    decided: Decided,
    running: Callable[[str], Iterable[End]],
    now: float,
) -> Iterator[Placement]:
    """Place further jobs, and charge the ledger for them. `running` tells the ends of what runs in an environment."""
    queues = scheduling_order(queues)
    by_name = {queue.name: queue for queue in queues}
    fronts = _fronts(by_name, backlog, decided.holds)
    gaps = {
        name for name in fronts if not any(ledger.free(name)[each] <= 0 for each in pools[name].capacity.keys() & _ALL)
    }
    if not gaps:
        return
    reservations = _Reservations(fronts, resolved, ledger, decided, running, now)
    for front in set(fronts.values()):
        limits.reserve(by_name[backlog.queue_of(front)], backlog.share_of(front), resolved[front])
    for queue in queues:
        names = [name for name in queue.environments if name in gaps]
        if not names or not queue.enabled:
            continue
        share_order = FairShareOrder(queue, backlog, resolved, usage.get(queue.name), now)
        for key in behind(share_order, decided.placements):
            job = resolved[key]
            # Where nothing can be promised, nobody goes first: seen once somebody would fit, and not looked at again.
            gaps -= {name for name in names if ledger.fits(name, job.request) and not reservations.made(name)}
            names = [name for name in names if name in gaps]
            if not names:
                break
            for name in names:
                if (
                    key not in demands
                    and ledger.fits(name, job.request)
                    and limits.refusal(queue, share_order.share, job) is None
                    and pools[name].could_hold(job.request, job.gang)
                    and share_order.may_use(name, pools[name].capacity, job.request)
                    and reservations.allow(name, key, job)
                ):
                    ledger.charge(name, job.request)
                    share_order.charge(name, job.request)
                    limits.charge(queue, share_order.share, job)
                    yield Placement(key, name, job.request)
                    break


def _fronts(queues: Mapping[str, Queue], backlog: Backlog, holds: Iterable[tuple[Key, Hold]]) -> dict[str, Key]:
    """The job that waits for room in each environment before all others.

    There is none where what is free is kept back for shares that are not active yet: no end of a run changes that.
    """
    fronts: dict[str, Key] = {}
    kept_back: set[str] = set()
    for key, hold in holds:
        for name in hold.environments:
            fronts.setdefault(name, key)
        if hold.reason == Reason.RESERVED_FOR_OTHER_SHARES:
            kept_back.update(queues[backlog.queue_of(key)].environments)
    return {name: key for name, key in fronts.items() if name not in kept_back}


def behind(share_order: FairShareOrder, placements: Mapping[Key, Placement]) -> Iterator[Key]:
    """The jobs that wait, in the order of their turns: what has been placed counts for its share first."""
    looked_at = 0
    for key in share_order:
        if (placement := placements.get(key)) is not None:
            share_order.charge(placement.environment, places(placement.request, placement.count))
        elif looked_at < DEPTH:
            looked_at += 1
            yield key
        else:
            return


class _Reservations:
    """What is promised to the fronts; made for an environment when somebody could use what is free there."""

    def __init__(
        self,
        fronts: Mapping[str, Key],
        resolved: Mapping[Key, Resolved],
        ledger: Ledger,
        decided: Decided,
        running: Callable[[str], Iterable[End]],
        now: float,
    ) -> None:
        self._fronts = fronts
        self._resolved = resolved
        self._ledger = ledger
        self._placements = decided.placements
        self._promises = decided.promises
        self._running = running
        self._now = now
        self._made: dict[str, Reservation | None] = {}

    def made(self, environment: str) -> Reservation | None:
        """What is promised to the front of an environment; None where that cannot be said."""
        if environment not in self._made:
            self._made[environment] = self._reserve(environment)
        return self._made[environment]

    def allow(self, environment: str, key: Key, job: Resolved) -> bool:
        """Whether the job delays nobody there; what it takes beside the front is noted."""
        reservation, promise = self.made(environment), self._promises.get(environment)
        if reservation is None:
            return False
        if promise is not None and key in promise.to:
            return True
        if latest_end(job, None, self._now) <= reservation.at:
            return True
        amount = with_pods(job.request)
        if not fits(amount, reservation.spare):
            return False
        reservation.spare = subtract(reservation.spare, amount)
        return True

    def _reserve(self, environment: str) -> Reservation | None:
        ends = list(self._running(environment))
        for placement in self._placements.values():
            if placement.environment == environment:
                job = self._resolved[placement.key]
                end = inf if placement.array is not None else latest_end(job, None, self._now)
                ends.append((end, places(placement.request, placement.count)))
        front = with_pods(self._resolved[self._fronts[environment]].request)
        by_ends, promise = reserve(front, self._ledger.free(environment), ends), self._promises.get(environment)
        if promise is None:
            return by_ends
        if by_ends is None or by_ends.at >= promise.at:
            return Reservation(promise.at, promise.spare)
        spare = {name: min(amount, promise.spare.get(name, 0)) for name, amount in by_ends.spare.items()}
        return Reservation(by_ends.at, spare)
