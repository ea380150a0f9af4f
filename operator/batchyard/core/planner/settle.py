"""The first step of a pass: bring jobs up to date with what happened to them.

Pure: the snapshot stays as it is, no clock is read, and the same arguments give the same answer. The caller enters the
results into its cache before it places what waits (`schedule`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from batchyard.api.models.batchjob import JobState
from batchyard.core.admission import indexgate
from batchyard.core.admission.admitted import Admitted
from batchyard.core.definition.runterms import judged_by
from batchyard.core.insight.queueposition import unestimated
from batchyard.core.lifecycle import multinode, queuedat, single, stopping
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.array.observation import observe as observe_array
from batchyard.core.lifecycle.ending import retries
from batchyard.core.lifecycle.retention import SHOWN_SECONDS, expires_at
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.transitions import failed
from batchyard.core.model.array import ArrayDemand, ArrayShape
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.model.timers import earliest
from batchyard.core.planner.actions import (
    AbandonPod,
    Action,
    CutPodShort,
    DeletePods,
    Expire,
    ExplainPod,
    GiveBackSlots,
    ReadPods,
    StartNode,
    StopRun,
    WriteOffPod,
)
from batchyard.core.planner.admit import admitted
from batchyard.core.planner.nextrun import LOOK_SECONDS, next_run
from batchyard.core.planner.results import Settled, SettledJob
from batchyard.core.planner.surroundings import surroundings as surroundings_of
from batchyard.core.scheduling.snapshot import Snapshot

_ASKING = frozenset({JobState.RUNNABLE, JobState.STARTING, JobState.RUNNING})
"""States in which an array may ask for slots."""
_NO_CYCLES: Mapping[Key, str] = MappingProxyType({})


def never() -> bool:
    """Settle all jobs, however long that takes."""
    return False


def settle(
    snapshot: Snapshot,
    keys: Iterable[Key],
    now: float,
    cycles: Mapping[Key, str] = _NO_CYCLES,
    enough: Callable[[], bool] = never,
) -> Settled:
    """Bring the named jobs up to date with their runs, pods, references, dependencies and timers.

    `cycles` says of those that were found to depend on each other in a circle what to tell them. When dependencies of
    other jobs end by this, the caller settles those after it has entered the results. Once it is `enough`, the other
    jobs are left.
    """
    result, surroundings = Settled(), surroundings_of(snapshot)
    for key in keys:
        if enough():
            result.left.add(key)
            continue
        job = snapshot.jobs.get(key)
        if job is not None and not job.deleting:
            result.enter(_settle_one(snapshot, surroundings, job, cycles.get(key, ""), now))
    return result


@dataclass(slots=True)
class _Moved:
    """What a job's runs have made of it."""

    admission: Admitted
    wake_at: float | None
    actions: list[Action]
    demand: ArrayDemand | None = None


def _settle_one(snapshot: Snapshot, surroundings: Surroundings, job: BatchJob, cycle: str, now: float) -> SettledJob:
    key = job.key
    before = snapshot.statuses.get(key, Status())

    # 1. References come first: a job's retry policy decides how its runs are read.
    admission = admitted(snapshot, job, before, cycle, now)

    # 2. Runs and pods move it on.
    if job.array is not None:
        moved = _array_moved_on(snapshot, surroundings, job, job.array, admission, now)
    else:
        moved = _moved_on(snapshot, surroundings, job, admission, now)
    admission, wake_at, actions = moved.admission, moved.wake_at, moved.actions
    status, resolved = admission.status, admission.resolved
    if resolved is not None and status.state not in TERMINAL:
        resolved = next_run(snapshot, job, resolved, status)
        renewed = resolved if resolved is not snapshot.resolved.get(key) else None
    else:
        renewed = None

    # 3. It is held or ended where that is asked for, though not between its grant and its start.
    granted, idle = key in snapshot.granted, snapshot.runs_of(job.uid).idle
    if not granted:
        status = _obedient(job, status, idle=idle, now=now)

    # 4. It waits for capacity only while nothing of it runs, can still run, or is being created; an array while it
    # asks for more, though not beside pods of an Indexed Job that is gone: they may run the same indexes.
    if moved.demand is not None:
        waits = status.state in _ASKING and moved.demand.total > 0 and not snapshot.runs_of(job.uid).outlived
    else:
        waits = status.state is JobState.RUNNABLE and idle
    waits = waits and not granted and not job.start_blocked and key not in snapshot.faults
    if waits and (rests_until := _rests_until(snapshot, job, status, resolved, now)):
        waits, wake_at = False, rests_until
    waits = waits and resolved is not None and admission.lack is None
    if waits and resolved is not None and resolved.unrestricted is not None:
        wake_at = earliest(wake_at, now + LOOK_SECONDS)  # nothing tells that environments off spot have gone

    if status.head_since is not None and (job.start_blocked or (moved.demand is not None and not moved.demand.total)):
        status = status._replace(head_since=None)  # an array that asks again is at the head from then on
    status = queuedat.released(job, before, unestimated(status, waits=waits or granted), now)

    # 5. A finished job expires, once its end could be seen.
    expires = expires_at(job, status)
    if expires is not None:
        wake_at = expires if before.state in TERMINAL else max(expires, now + SHOWN_SECONDS)
    if expires is not None and wake_at is not None and wake_at <= now:
        actions.append(Expire(key))
        wake_at = None

    changed = status if status != before else None
    return SettledJob(key, waits, changed, renewed, moved.demand, wake_at, tuple(actions))


def _rests_until(
    snapshot: Snapshot, job: BatchJob, status: Status, resolved: Resolved | None, now: float
) -> float | None:
    if status.not_before is None:
        return None
    return retries.rests_until(status, judged_by(resolved, snapshot.runs_of(job.uid).mains.values()).retry, now)


def _obedient(job: BatchJob, status: Status, *, idle: bool, now: float) -> Status:
    """Hold or end a job as its spec asks for."""
    if arraystatus.has_started(status):
        asked = stopping.stop_applied_to_array(job, status, idle=idle)
    else:
        asked = stopping.stop_applied(job, status, idle=idle, now=now)
    return failed(status, asked.reason, asked.message, now) if isinstance(asked, retries.GiveUp) else asked


def _moved_on(snapshot: Snapshot, surroundings: Surroundings, job: BatchJob, admission: Admitted, now: float) -> _Moved:
    """Bring a single or multi-node job up to date with its runs."""
    resolved, lack, runs = admission.resolved, admission.lack, snapshot.runs_of(job.uid)
    terminate = stopping.termination(job) is not None
    progress = single.observe(job, admission, runs, surroundings, now)
    status = progress.status
    actions = _stops(single.orphaned_runs(status, runs.mains, terminate=terminate))
    actions += _stops(multinode.orphaned_children(runs))
    if progress.asks:
        actions.append(ReadPods(job.key))
    actions += [ExplainPod(job.key[0], pod.name, pod.uid) for pod in progress.silent]
    if (pod := progress.outlasted) is not None:
        actions.append(CutPodShort(pod.owner[0], pod.name))
    if resolved is not None and resolved.gang is not None and lack is None and not terminate:
        actions += [StartNode(job.key, node) for node in multinode.missing(resolved.gang, status, runs)]
    # A job whose run has just ended is asked again whether it may be queued: at once, or when its back-off is over.
    ended = status.state is JobState.RUNNABLE and status.attempts is not admission.status.attempts
    if ended and (status.not_before is None or status.not_before <= now):
        return _Moved(admitted(snapshot, job, status, "", now), progress.wake_at, actions)
    unmoved = status is admission.status
    return _Moved(admission if unmoved else replace(admission, status=status), progress.wake_at, actions)


def _array_moved_on(
    snapshot: Snapshot, surroundings: Surroundings, job: BatchJob, shape: ArrayShape, admission: Admitted, now: float
) -> _Moved:
    """Bring an array up to date with its runs, and note what it asks for."""
    status, resolved = admission.status, admission.resolved
    runs = snapshot.runs_of(job.uid)
    gate: indexgate.Gate | None = None
    if status.state in _ASKING:
        status, gate = indexgate.gate(job, shape, status, snapshot)
        if gate is None and runs.indexed is None and resolved is not None:
            gate = indexgate.of_consumables(shape, resolved, snapshot.consumables)
    observed = observe_array(job, shape, replace(admission, status=status), runs, surroundings, now, gate)
    terminate = stopping.termination(job) is not None
    actions = _stops(arraystatus.orphaned_runs(observed.status, runs.of_array, terminate=terminate))
    actions += _stops(observed.stop)
    actions += [AbandonPod(job.key, pod.owner_uid, pod.name) for pod in observed.abandoned]
    actions += [WriteOffPod(pod.owner[0], pod.name, pod.uid) for pod in observed.forced]
    if observed.reads_pods:
        actions.append(ReadPods(job.key))
    if observed.give_back:
        actions.append(GiveBackSlots(job.key))
    if observed.deletes_pods:
        actions.append(DeletePods(job.key))
    return _Moved(replace(admission, status=observed.status), observed.wake_at, actions, observed.demand)


def _stops(runs: Iterable[Run]) -> list[Action]:
    return [StopRun(run.owner, run.name, run.uid) for run in runs]
