"""The second step of a pass: hand free capacity out, and say why the others wait.

Pure, like `settle`, whose results the caller has entered into the snapshot before.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.queueposition import queued_behind, worth_renewing
from batchyard.core.lifecycle import single, timelimits
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.model.array import MAIN_RUN
from batchyard.core.model.job import Key
from batchyard.core.model.status import Status
from batchyard.core.planner.containment import Stage, during, staged
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling import arrayplaces
from batchyard.core.scheduling.arrayreclaim import Yielding, yielding
from batchyard.core.scheduling.backfill import Decided, backfill
from batchyard.core.scheduling.ledger import Ledger
from batchyard.core.scheduling.limits import Allowances
from batchyard.core.scheduling.placement import Hold, Placement, place_all
from batchyard.core.scheduling.preemption import Preempted, displace
from batchyard.core.scheduling.reservation import End, ends_of
from batchyard.core.scheduling.snapshot import Snapshot


def place(snapshot: Snapshot, fresh: Iterable[Key], now: float, resting: Collection[Stage] = ()) -> Placed:
    """Hand free capacity out and say why the others wait.

    `fresh` are the jobs that came into the backlog since the last pass: they are told their place once, here;
    the places of the others are refreshed by `explain`. Stages in `resting` are left out.
    """
    ledger, allowances = Ledger(snapshot.pools, snapshot.used), snapshot.allowances()
    found, held = _in_turn(snapshot, ledger, allowances, now, resting)
    running = ends_of(snapshot, now)
    preempted = Preempted()
    if Stage.PREEMPTION not in resting:
        with during(Stage.PREEMPTION):
            preempted = displace(snapshot, found, held, ledger, now)
    gives_way = Yielding(promises=preempted.promises)
    if Stage.YIELDING not in resting:
        with during(Stage.YIELDING):
            gives_way = yielding(snapshot, held, ledger, allowances, preempted, running, now)
    decided = Decided(found, held, gives_way.promises)
    found = found | _early(snapshot, ledger, allowances, decided, running, now, resting)
    result = Placed()
    result.placements.extend(found.values())
    result.displacements, result.yielding = preempted.displacements, gives_way.arrays
    position = _positions(snapshot, result.placements)
    for key, told in held:
        status = snapshot.statuses[key]
        message = f"{told.message}; work of lower priority makes room for it"
        hold = replace(told, message=message) if key in preempted.served else told
        if key not in found or key in snapshot.wants:
            result.held.append((key, hold))
        if arraystatus.has_started(status):
            status = arraystatus.held(status, hold.message)
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
    snapshot: Snapshot, ledger: Ledger, allowances: Allowances, now: float, resting: Collection[Stage]
) -> tuple[dict[Key, Placement], list[tuple[Key, Hold]]]:
    """Who starts now as it is his turn, and what those are told that were looked at and do not."""
    held: list[tuple[Key, Hold]] = []
    found: dict[Key, Placement] = {}
    decisions = place_all(
        queues=snapshot.queues.values(),
        environments=snapshot.environments,
        pools=snapshot.pools,
        backlog=snapshot.backlog,
        resolved=snapshot.resolved,
        ledger=ledger,
        usage=snapshot.usage,
        allowances=allowances,
        now=now,
        wants=snapshot.wants,
    )
    for key, decision in staged(Stage.PLACEMENT, resting, decisions):
        if not isinstance(decision, Placement):
            held.append((key, decision))
        elif (want := snapshot.wants.get(key)) is not None:
            main = snapshot.runs.get(snapshot.jobs[key].uid, {}).get(MAIN_RUN)
            found[key] = replace(
                decision, array=arrayplaces.granted(want, main, found[key].count if key in found else 0)
            )
        else:
            run, attempt = single.next_run(snapshot.statuses[key])
            found[key] = decision if run == 1 else replace(decision, run=run, attempt=attempt)
    return found, held


def _early(
    snapshot: Snapshot,
    ledger: Ledger,
    allowances: Allowances,
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
        wants=snapshot.wants,
        usage=snapshot.usage,
        allowances=allowances,
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
    """Places in the lines once the jobs that start in this pass have left them."""

    @cache
    def left() -> Mapping[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for placement in placements:  # in the order of each line, so the lists are sorted
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
    return status._replace(
        state=JobState.RUNNABLE,
        reason=hold.reason,
        message=hold.message,
        queue_position=position if moved else status.queue_position,
        stalled=hold.stalled,
        not_before=None,
        held=timelimits.held_since(status, hold.reason, now),
    )
