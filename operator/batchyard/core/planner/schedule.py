"""The second step of a pass: hand free capacity out, and say why the others wait.

Pure, like `settle`, whose results the caller has entered into the snapshot before.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache

from batchyard.core.insight.queueposition import queued_behind, worth_renewing
from batchyard.core.lifecycle import single, timelimits
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.transitions import to_runnable
from batchyard.core.model.array import MAIN_RUN
from batchyard.core.model.job import Key
from batchyard.core.model.status import Status
from batchyard.core.planner.containment import Stage, during, staged
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling import arrayslots
from batchyard.core.scheduling.arrayreclaim import ArrayReclaim, reclaim
from batchyard.core.scheduling.backfill import Decided, backfill
from batchyard.core.scheduling.ledger import Ledger
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.placement import Hold, Placement, place_all
from batchyard.core.scheduling.preemption import Preemptions, preempt
from batchyard.core.scheduling.reservation import End, ends_of
from batchyard.core.scheduling.snapshot import Snapshot


def place(snapshot: Snapshot, fresh: Iterable[Key], now: float, resting: Collection[Stage] = ()) -> Placed:
    """Hand free capacity out and say why the others wait.

    `fresh` are the jobs that came into the backlog since the last pass: they are told their place once, here;
    the places of the others are refreshed by `explain`. Stages in `resting` are left out.
    """
    ledger, limits = Ledger(snapshot.pools, snapshot.used), snapshot.limits()
    found, holds = _in_turn(snapshot, ledger, limits, now, resting)
    running = ends_of(snapshot, now)
    preempted = Preemptions()
    if Stage.PREEMPTION not in resting:
        with during(Stage.PREEMPTION):
            preempted = preempt(snapshot, found, holds, ledger, now)
    gives_way = ArrayReclaim(promises=preempted.promises)
    if Stage.ARRAY_RECLAIM not in resting:
        with during(Stage.ARRAY_RECLAIM):
            gives_way = reclaim(snapshot, holds, ledger, limits, preempted, running, now)
    decided = Decided(found, holds, gives_way.promises)
    found = found | _early(snapshot, ledger, limits, decided, running, now, resting)
    result = Placed()
    result.placements.extend(found.values())
    result.preemptions, result.reclaims = preempted.preemptions, gives_way.arrays
    position = _positions(snapshot, result.placements)
    for key, told in holds:
        status = snapshot.statuses[key]
        message = f"{told.message}; work of lower priority makes room for it"
        hold = replace(told, message=message) if key in preempted.served else told
        if key not in found or key in snapshot.demands:
            result.holds.append((key, hold))
        if arraystatus.has_started(status):
            status = arraystatus.on_hold(status, hold.message)
        elif key not in found:
            status = _held(status, hold, position(key), now)
            status = timelimits.limited(snapshot.queues[snapshot.jobs[key].queue], status, now)
        if status != snapshot.statuses[key]:
            result.statuses[key] = status
    for key in fresh:
        if key in snapshot.backlog and key not in found and key not in result.statuses:
            status = snapshot.statuses[key]
            if status.queue_position is None and not arraystatus.has_started(status):
                result.statuses[key] = queued_behind(snapshot.jobs[key], status, position(key), now)
    return result


def _in_turn(
    snapshot: Snapshot, ledger: Ledger, limits: Limits, now: float, resting: Collection[Stage]
) -> tuple[dict[Key, Placement], list[tuple[Key, Hold]]]:
    """Who starts now as it is his turn, and what those are told that were looked at and do not."""
    holds: list[tuple[Key, Hold]] = []
    found: dict[Key, Placement] = {}
    decisions = place_all(
        queues=snapshot.queues.values(),
        environments=snapshot.environments,
        pools=snapshot.pools,
        backlog=snapshot.backlog,
        resolved=snapshot.resolved,
        ledger=ledger,
        usage=snapshot.usage,
        limits=limits,
        now=now,
        demands=snapshot.demands,
    )
    for key, decision in staged(Stage.PLACEMENT, resting, decisions):
        if not isinstance(decision, Placement):
            holds.append((key, decision))
        elif (demand := snapshot.demands.get(key)) is not None:
            main = snapshot.runs.get(snapshot.jobs[key].uid, {}).get(MAIN_RUN)
            found[key] = replace(
                decision, array=arrayslots.granted(demand, main, found[key].count if key in found else 0)
            )
        else:
            run, attempt = single.next_run(snapshot.statuses[key])
            found[key] = decision if run == 1 else replace(decision, run=run, attempt=attempt)
    return found, holds


def _early(
    snapshot: Snapshot,
    ledger: Ledger,
    limits: Limits,
    decided: Decided,
    running: Callable[[str], list[End]],
    now: float,
    resting: Collection[Stage],
) -> dict[Key, Placement]:
    """Who starts before his turn, as that delays nobody."""
    early: dict[Key, Placement] = {}
    others = backfill(
        queues=snapshot.queues.values(),
        pools=snapshot.pools,
        backlog=snapshot.backlog,
        resolved=snapshot.resolved,
        demands=snapshot.demands,
        usage=snapshot.usage,
        limits=limits,
        ledger=ledger,
        decided=decided,
        running=running,
        now=now,
    )
    for placement in staged(Stage.BACKFILL, resting, others):
        run, attempt = single.next_run(snapshot.statuses[placement.key])
        early[placement.key] = replace(placement, run=run, attempt=attempt)
    return early


def _positions(snapshot: Snapshot, placements: Iterable[Placement]) -> Callable[[Key], int]:
    """Places in the share queues once the jobs that start in this pass have left them."""

    @cache
    def left() -> Mapping[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for placement in placements:  # in the order of each share queue, so the lists are sorted
            job = snapshot.jobs[placement.key]
            found.setdefault((job.queue, job.share), []).append(snapshot.backlog.position(placement.key))
        return found

    def position(key: Key) -> int:
        job, before = snapshot.jobs[key], snapshot.backlog.position(key)
        return before - bisect_left(left().get((job.queue, job.share), ()), before)

    return position


def _held(status: Status, hold: Hold, position: int, now: float) -> Status:
    """The status of a job that was looked at in vain. A place that has hardly changed is no reason to write it anew."""
    moved = status.reason != hold.reason or worth_renewing(status.queue_position, position)
    queue_position = position if moved else status.queue_position
    since = timelimits.waiting_since(status, hold.reason, now)
    status = to_runnable(status, hold.reason, hold.message, queue_position=queue_position, stalled=hold.stalled)
    return status._replace(waiting_since=since)
