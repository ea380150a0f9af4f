"""Which arrays are to give places back, one by one as their indexes end, because somebody else goes first.

Called by the planner at the end of a pass. The Job controller starts an array's next index as soon as one has ended, so
an array would keep its places for good; the runtime lowers the parallelism of those named here, never below what runs.
Once nobody goes before it any more, an array asks for places again as it did at first.
"""

from collections.abc import Iterable

from batchyard.core import fairshare, stopping
from batchyard.core.allowances import Allowances, needs
from batchyard.core.backlog import Entry, entry_of
from batchyard.core.capacity import Ledger, with_pods
from batchyard.core.placement import Hold, scheduling_order
from batchyard.core.records import BatchJob, Key, Run
from batchyard.core.resources import shortfall
from batchyard.core.snapshot import Snapshot
from batchyard.core.usage import vcpus_of


def yielding(
    snapshot: Snapshot, held: Iterable[tuple[Key, Hold]], ledger: Ledger, allowances: Allowances, now: float
) -> set[Key]:
    """Return the arrays that give way to what a pass has found to wait, or that may not go on at all."""
    if not snapshot.arrays:
        return set()
    fronts = [(key, hold) for key, hold in held if hold.environments or hold.lacks]
    order = {queue.name: place for place, queue in enumerate(scheduling_order(snapshot.queues.values()))}
    return {
        key
        for key, run in snapshot.arrays.items()
        if _must_stop(snapshot, key)
        or _overdrawn(snapshot, run, ledger)
        or _above_limits(snapshot, run, allowances)
        or any(
            _helps(snapshot, front, hold, run, ledger) and _goes_before(snapshot, order, front, key, now)
            for front, hold in fronts
            if front != key
        )
    }


def _must_stop(snapshot: Snapshot, key: Key) -> bool:
    """Whether nothing new of the array may start: it is held, or its queue or environment is disabled."""
    job, run = snapshot.jobs[key], snapshot.arrays[key]
    queue, environment = snapshot.queues.get(job.queue), snapshot.environments.get(run.environment)
    disabled = (queue is not None and not queue.enabled) or (environment is not None and not environment.enabled)
    return disabled or stopping.withheld(job)


def _overdrawn(snapshot: Snapshot, run: Run, ledger: Ledger) -> bool:
    """Whether the environment has shrunk below what runs in it."""
    if run.environment not in snapshot.pools:
        return False
    free = ledger.free(run.environment)
    return any(free.get(name, 0) < 0 for name, amount in with_pods(run.request).items() if amount)


def _above_limits(snapshot: Snapshot, run: Run, allowances: Allowances) -> bool:
    """Whether a limit was lowered below what runs."""
    queue = snapshot.queues.get(run.queue)
    return queue is not None and allowances.overdrawn(queue, run.share, run.consumables)


def _helps(snapshot: Snapshot, front: Key, hold: Hold, run: Run, ledger: Ledger) -> bool:
    """Whether what the array gives back is what the other one lacks."""
    if hold.lacks is not None:
        return hold.lacks in needs(run.queue, run.share, run.consumables)
    if run.environment not in hold.environments:
        return False
    lacking = shortfall(with_pods(snapshot.resolved[front].request), ledger.free(run.environment))
    return any(with_pods(run.request).get(name, 0) > 0 for name in lacking)


def _goes_before(snapshot: Snapshot, order: dict[str, int], front: Key, array: Key, now: float) -> bool:
    one, other = snapshot.jobs[front], snapshot.jobs[array]
    if one.queue != other.queue:
        return order.get(one.queue, len(order)) < order.get(other.queue, len(order))
    if one.share != other.share:
        return _has_had_less(snapshot, one, other, now)
    return _entry(snapshot, one) < _entry(snapshot, other)


def _entry(snapshot: Snapshot, job: BatchJob) -> Entry:
    resolved = snapshot.resolved.get(job.key)
    return entry_of(job, resolved.priority if resolved is not None else 0)


def _has_had_less(snapshot: Snapshot, one: BatchJob, other: BatchJob, now: float) -> bool:
    """Whether the share of one would get the place that the other's got last, were it given out again."""
    queue, usage = snapshot.queues.get(one.queue), snapshot.usage.get(one.queue)
    if queue is None or queue.fair_share is None or usage is None:
        return False
    asks = vcpus_of(snapshot.resolved[one.key].request)
    gives = vcpus_of(snapshot.arrays[other.key].request)
    wants = fairshare.turn(queue.fair_share, usage, one.share, usage.in_use(one.share), asks, now)
    has = fairshare.turn(queue.fair_share, usage, other.share, usage.in_use(other.share) - gives, gives, now)
    return wants < has
