"""The second step of a pass: hand free capacity out, and say why the others wait.

Pure, like `settle`, whose results the caller has entered into the snapshot before.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from batchyard.core.insight.queueposition import queued_behind, worth_renewing
from batchyard.core.insight.shortage import kept
from batchyard.core.lifecycle import single, timelimits
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.transitions import to_runnable
from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources
from batchyard.core.model.status import Status
from batchyard.core.planner.containment import During, Stage, staged
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling.arrays.reclaim import reclaim
from batchyard.core.scheduling.arrays.slots import granted
from batchyard.core.scheduling.backfill import backfill
from batchyard.core.scheduling.capacity.coming.room import on_nodes
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.placement import place_all
from batchyard.core.scheduling.preemption import preempt
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot


def place(snapshot: Snapshot, fresh: Iterable[Key], now: float, resting: Collection[Stage] = ()) -> Placed:
    """Hand free capacity out and say why the others wait.

    `fresh` are the jobs that came into the backlog since the last pass: they are told their position once, here;
    the positions of the others are renewed now and then (`insight.queueposition`). Stages in `resting` are left out.
    """
    if not (len(snapshot.backlog) or snapshot.arrays or snapshot.homeless) and snapshot.space is not None:
        return Placed(unmet={})  # so it is in most passes of a cluster that has room
    this_pass = SchedulingPass(snapshot, now)
    # 1. Whose turn it is starts, 2. others make room for those who may displace them, 3. arrays for those who go first,
    # 4. what delays nobody starts early, 5. the others are told why they wait.
    _place_in_turn(this_pass, resting)
    for stage, decide in ((Stage.PREEMPTION, preempt), (Stage.ARRAY_RECLAIM, reclaim)):
        if stage not in resting:
            with During(stage):
                decide(this_pass)
    _place_early(this_pass, resting)
    return _explained(this_pass, fresh)


def _place_in_turn(this_pass: SchedulingPass, resting: Collection[Stage]) -> None:
    """Who starts now as it is his turn, and what those are told that were looked at and do not."""
    snapshot, placements = this_pass.snapshot, this_pass.placements
    nodes: defaultdict[Key, list[tuple[str, Resources]]] = defaultdict(list)
    """Where the slots of arrays are expected."""
    for key, decision in staged(Stage.PLACEMENT, resting, place_all(this_pass)):
        if not isinstance(decision, Placement):
            this_pass.holds.append((key, decision))
        elif (demand := snapshot.demands.get(key)) is not None:
            main = snapshot.runs_of(snapshot.jobs[key].uid).indexed
            known = placements.get(key)
            finds_out = decision.finds_out or (known is not None and known.finds_out)
            grant = granted(demand, main, known.slots if known is not None else 0)
            placements[key] = decision._replace(array=grant, finds_out=finds_out)
            nodes[key] += decision.nodes
        else:
            placements[key] = _numbered(decision, snapshot.statuses[key])
    for key, expected in nodes.items():
        placements[key] = placements[key]._replace(nodes=tuple(expected))


def _place_early(this_pass: SchedulingPass, resting: Collection[Stage]) -> None:
    """Who starts before his turn, as that delays nobody."""
    early = {
        placement.key: _numbered(placement, this_pass.snapshot.statuses[placement.key])
        for placement in staged(Stage.BACKFILL, resting, backfill(this_pass))
    }
    this_pass.placements |= early  # not before: backfill goes by what was placed in turn


def _numbered(placement: Placement, status: Status) -> Placement:
    run, attempt = single.next_run(status)
    return placement if run == 1 else placement._replace(run=run, attempt=attempt)


def _explained(this_pass: SchedulingPass, fresh: Iterable[Key]) -> Placed:
    """What was decided, with the statuses of those who wait."""
    snapshot, found, now = this_pass.snapshot, this_pass.placements, this_pass.now
    result = Placed(
        placements=_on_nodes(this_pass),
        preemptions=this_pass.preemptions,
        reclaims=this_pass.reclaims,
        unmet=this_pass.unmet,
        expected={item: nodes for item, each in this_pass.expected.items() if (nodes := on_nodes(each))},
    )
    positions = _Positions(snapshot, result.placements)
    for key, found_hold in this_pass.holds:
        status = snapshot.statuses[key]
        hold = _with_room_to_come(found_hold) if key in this_pass.served else found_hold
        if key not in found or key in snapshot.demands:
            result.holds.append((key, hold))
        if arraystatus.has_started(status):
            status = _array_held(status, hold)
        elif key not in found:
            status = _held(status, hold, positions.of(key), now)
            status = timelimits.limited(snapshot.queues[snapshot.jobs[key].queue], status, now)
        if status != snapshot.statuses[key]:
            result.statuses[key] = status
    for key in fresh:
        if key in snapshot.backlog and key not in found and key not in result.statuses:
            status = snapshot.statuses[key]
            if status.queue_position is None and not arraystatus.has_started(status):
                result.statuses[key] = queued_behind(snapshot.jobs[key], status, positions.of(key), now)
    return result


def _on_nodes(this_pass: SchedulingPass) -> list[Placement]:
    """Who starts, with those nodes only that are there: others were thought up for this pass."""
    found = this_pass.placements.values()
    if not this_pass.ledger.waits:
        return list(found)
    return [each._replace(nodes=on_nodes(each.nodes)) for each in found]


def _with_room_to_come(hold: Hold) -> Hold:
    return replace(hold, message=f"{hold.message}; work of lower priority makes room for it")


class _Positions:
    """Positions in the share queues without the jobs that start in this pass; worked out when one is asked for."""

    def __init__(self, snapshot: Snapshot, placements: Iterable[Placement]) -> None:
        self._snapshot = snapshot
        self._placements = placements
        self._left: dict[tuple[str, str], list[int]] | None = None

    def of(self, key: Key) -> int:
        """Return the position of a job that goes on waiting."""
        if self._left is None:
            self._left = self._leaving()
        job, before = self._snapshot.jobs[key], self._snapshot.backlog.position(key)
        return before - bisect_left(self._left.get((job.queue, job.share), ()), before)

    def _leaving(self) -> dict[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for placement in self._placements:  # in the order of each share queue, so the lists are sorted
            job = self._snapshot.jobs[placement.key]
            found.setdefault((job.queue, job.share), []).append(self._snapshot.backlog.position(placement.key))
        return found


def _held(status: Status, hold: Hold, position: int, now: float) -> Status:
    """The status of a job that was looked at in vain. One that has hardly moved is not written anew."""
    moved = status.reason != hold.reason or worth_renewing(status.queue_position, position)
    message = kept(status.message, hold.message)
    same = status.message == message and status.stalled == hold.stalled and status.waiting_since is not None
    if not moved and same and status.head_since == _head_since(status, hold):
        return status  # most are told the same as the last time
    queue_position = position if moved else status.queue_position
    return to_runnable(
        status,
        hold.reason,
        message,
        queue_position=queue_position,
        stalled=hold.stalled,
        estimated_start=status.estimated_start,
        waiting_since=timelimits.waiting_since(status, hold.reason, now),
    )._replace(head_since=_head_since(status, hold))


def _array_held(status: Status, hold: Hold) -> Status:
    """The same of an array that has started, and gets no further slot now."""
    shown = status.array.hold if status.array is not None else ""
    return arraystatus.on_hold(status, kept(shown, hold.message))._replace(head_since=_head_since(status, hold))


def _head_since(status: Status, hold: Hold) -> float | None:
    """Since when a job has been at the head; what else it is told in between does not change that."""
    return status.head_since if hold.head_since is None else hold.head_since
