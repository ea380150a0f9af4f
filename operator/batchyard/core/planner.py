"""The two pure steps of a pass: settle what happened, then place what waits.

Called by the runtime's loop (and by anything that replays a workload): `settle` for the jobs that something
happened to, whose results the caller enters into its cache, then `place` for the queues. Neither changes the
snapshot, neither knows a clock, and both give the same answer for the same arguments.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from batchyard.api.batchjob import JobState
from batchyard.core import (
    arrays,
    gang,
    indexgate,
    lifecycle,
    memory,
    queuedat,
    retries,
    stopping,
    timelimits,
)
from batchyard.core.admission import Admitted, admitted
from batchyard.core.allowances import Allowances
from batchyard.core.arrayprogress import observe as observe_array
from batchyard.core.arrayrecords import MAIN_RUN, ArrayPods, ArrayShape
from batchyard.core.backfill import Decided, backfill
from batchyard.core.capacity import Ledger
from batchyard.core.containment import Stage, during, staged
from batchyard.core.explain import queued_behind, unestimated, worth_renewing
from batchyard.core.indexruns import Seen
from batchyard.core.placement import Hold, Placement, place_all
from batchyard.core.preemption import Preempted, displace
from batchyard.core.records import (
    TERMINAL,
    BatchJob,
    Key,
    Resolved,
    Run,
    Status,
)
from batchyard.core.reservation import End, ends_of
from batchyard.core.retention import SHOWN_SECONDS, expires_at
from batchyard.core.runterms import judged_by
from batchyard.core.snapshot import Placed, Settled, Snapshot
from batchyard.core.yielding import Yielding, yielding

_ASKING = frozenset({JobState.RUNNABLE, JobState.STARTING, JobState.RUNNING})
"""States in which an array may ask for places."""
_NO_CIRCLES: Mapping[Key, str] = MappingProxyType({})


def never() -> bool:
    """Settle all jobs, however long that takes."""
    return False


def settle(
    snapshot: Snapshot,
    keys: Iterable[Key],
    now: float,
    circles: Mapping[Key, str] = _NO_CIRCLES,
    enough: Callable[[], bool] = never,
) -> Settled:
    """Bring the named jobs up to date with their runs, pods, references, dependencies and timers.

    `circles` says of those that were found to depend on each other in a circle what to tell them. When dependencies of
    other jobs end by this, the caller settles those after it has entered the results. Once it is `enough`, the other
    jobs are left.
    """
    result = Settled()
    for key in keys:
        if enough():
            result.left.add(key)
            continue
        job = snapshot.jobs.get(key)
        if job is not None and not job.deleting:
            _settle_one(snapshot, job, circles.get(key, ""), now, result)
    return result


def _settle_one(snapshot: Snapshot, job: BatchJob, circle: str, now: float, result: Settled) -> None:
    key = job.key
    before = snapshot.statuses.get(key, Status())

    # 1. References come first: a job's retry policy decides how its runs are read.
    admission = admitted(snapshot, job, before, circle, now)

    # 2. Runs and pods move it on.
    if job.array is not None:
        admission, wake_at = _array_moved_on(snapshot, job, job.array, admission, now, result)
    else:
        admission, wake_at = _moved_on(snapshot, job, admission, now, result)
    status, resolved = admission.status, admission.resolved
    if resolved is not None and status.state not in TERMINAL:
        resolved = memory.grown(resolved, status.attempts)
        if resolved is not snapshot.resolved.get(key):
            result.resolved[key] = resolved

    # 3. It is held or ended where that is asked for, though not between its grant and its start.
    granted, idle = key in snapshot.granted, _is_idle(snapshot, job)
    if not granted:
        status = _obedient(job, status, idle=idle, now=now)

    # 4. It waits for capacity only while nothing of it runs, can still run, or is being created; an array while it
    # asks for more.
    if job.array is not None:
        waits = status.state in _ASKING and result.wants[key].total > 0
    else:
        waits = status.state is JobState.RUNNABLE and idle
    waits = waits and not granted and not job.start_blocked and key not in snapshot.faults
    if waits and (rests_until := _rests_until(snapshot, job, status, resolved, now)):
        waits, wake_at = False, rests_until
    waits = waits and resolved is not None and admission.lack is None
    (result.queued if waits else result.unqueued).append(key)

    status = queuedat.released(job, before, unestimated(status, waits=waits or granted), now)

    # 5. A finished job expires, once its end could be seen.
    expires = expires_at(job, status)
    if expires is not None:
        wake_at = expires if before.state in TERMINAL else max(expires, now + SHOWN_SECONDS)
    if expires is not None and wake_at is not None and wake_at <= now:
        result.expired.append(key)
        wake_at = None

    if status != before:
        result.statuses[key] = status
    if wake_at is not None:
        result.wake[key] = wake_at


def _rests_until(
    snapshot: Snapshot, job: BatchJob, status: Status, resolved: Resolved | None, now: float
) -> float | None:
    if status.not_before is None:
        return None
    return retries.rests_until(status, judged_by(resolved, snapshot.runs.get(job.uid, {}).values()).retry, now)


def _obedient(job: BatchJob, status: Status, *, idle: bool, now: float) -> Status:
    """Hold or end a job as its spec asks for."""
    if arrays.has_started(status):
        asked = stopping.obeyed_by_array(job, status, idle=idle)
    else:
        asked = stopping.obeyed(job, status, idle=idle, now=now)
    if isinstance(asked, retries.Fail):
        asked = lifecycle.failed(status, asked.reason, asked.message, now)
    return arrays.closed(asked)


def _moved_on(
    snapshot: Snapshot, job: BatchJob, admission: Admitted, now: float, result: Settled
) -> tuple[Admitted, float | None]:
    """Bring a single or multi-node job up to date with its runs."""
    resolved, lack = admission.resolved, admission.lack
    runs, pods = snapshot.runs.get(job.uid, {}), snapshot.pods.get(job.uid, {})
    children = snapshot.children.get(job.uid, {})
    terminate = stopping.termination(job) is not None
    progress = lifecycle.observe(
        job, admission.status, resolved, runs, pods, now, children, snapshot.environments, lack, snapshot.nodes
    )
    status = progress.status
    if progress.asks:
        result.looks.append(job.key)
    result.silent.extend((job.key, pod) for pod in progress.silent)
    if progress.outlasted is not None:
        result.outlasted.append(progress.outlasted)
    result.stop.extend(lifecycle.strays(status, runs, terminate=terminate))
    result.stop.extend(gang.leftovers(runs, children))
    if resolved is not None and resolved.gang is not None and lack is None and not terminate:
        main = pods.get(status.job_name)
        result.nodes.extend((job.key, node) for node in gang.missing(resolved.gang, status, runs, children, main))
    # A job whose run has just ended is asked anew whether it may be queued: at once, or when its back-off is over.
    ended = status.state is JobState.RUNNABLE and status.attempts is not admission.status.attempts
    if ended and (status.not_before is None or status.not_before <= now):
        return admitted(snapshot, job, status, "", now), progress.wake_at
    return replace(admission, status=status), progress.wake_at


def _array_moved_on(
    snapshot: Snapshot,
    job: BatchJob,
    shape: ArrayShape,
    admission: Admitted,
    now: float,
    result: Settled,
) -> tuple[Admitted, float | None]:
    """Bring an array up to date with its runs, and note what it asks for."""
    status, resolved = admission.status, admission.resolved
    seen = Seen(
        snapshot.runs.get(job.uid, {}).get(MAIN_RUN),
        snapshot.indexes.get(job.uid, {}).values(),
        snapshot.pods.get(job.uid, {}),
        snapshot.looked.get(job.uid, ArrayPods()),
        snapshot.leaving.get(job.uid, ()),
        snapshot.nodes,
    )
    gate: indexgate.Gate | None = None
    if status.state in _ASKING:
        status, gate = indexgate.gate(job, shape, status, snapshot)
        if gate is None and seen.main is None and resolved is not None:
            gate = indexgate.of_consumables(shape, resolved, snapshot.consumables)
    name = seen.main.environment if seen.main is not None else status.environment
    environment = snapshot.environments.get(name)
    observed = observe_array(job, shape, status, resolved, seen, now, gate, environment, admission.lack)
    result.wants[job.key] = observed.want
    result.stop.extend(arrays.strays(observed.status, seen.runs, terminate=stopping.termination(job) is not None))
    result.stop.extend(observed.stop)
    result.abandoned.extend((job.key, pod) for pod in observed.abandoned)
    result.forced.extend(observed.forced)
    if observed.look:
        result.looks.append(job.key)
    if observed.give_back:
        result.give_backs.append(job.key)
    if observed.halt:
        result.halts.append(job.key)
    return replace(admission, status=observed.status), observed.wake_at


def _is_idle(snapshot: Snapshot, job: BatchJob) -> bool:
    """Whether nothing of the job runs or can still run."""
    runs: list[Run] = [*snapshot.runs.get(job.uid, {}).values(), *snapshot.children.get(job.uid, {}).values()]
    runs += snapshot.indexes.get(job.uid, {}).values()
    return all(arrays.taken(run) == 0 for run in runs) and not any(
        pod.live for pod in snapshot.pods.get(job.uid, {}).values()
    )


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
        if arrays.has_started(status):
            status = arrays.held(status, hold.message)
        elif key not in found:
            status = _held(status, hold, position(key), now)
            status = timelimits.limited(snapshot.queues[snapshot.jobs[key].queue], status, now)
        if status != snapshot.statuses[key]:
            result.statuses[key] = status
    for key in fresh:
        if key in snapshot.backlog and key not in found and key not in result.statuses:
            status = snapshot.statuses[key]
            if status.queue_position is None and not arrays.has_started(status):
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
            found[key] = replace(decision, array=arrays.granted(want, main, found[key].count if key in found else 0))
        else:
            run, attempt = lifecycle.next_run(snapshot.statuses[key])
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
        run, attempt = lifecycle.next_run(snapshot.statuses[placement.key])
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
