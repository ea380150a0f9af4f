"""The two pure steps of a pass: settle what happened, then place what waits.

Called by the runtime's loop (and by anything that replays a workload): `settle` for the jobs that something
happened to, whose results the caller enters into its cache, then `place` for the queues. Neither changes the
snapshot, neither knows a clock, and both give the same answer for the same arguments.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from batchyard.api.batchjob import JobState
from batchyard.core import dependencies, gang, lifecycle, memory, references, retries, stopping
from batchyard.core.backlog import Backlog
from batchyard.core.capacity import Ledger, Pool
from batchyard.core.explain import queued_behind
from batchyard.core.placement import Hold, Placement, place_all
from batchyard.core.reasons import Reason
from batchyard.core.records import (
    BEFORE_THE_QUEUE,
    TERMINAL,
    BatchJob,
    Definition,
    Environment,
    Key,
    Pod,
    Queue,
    Resolved,
    Revision,
    Run,
    Status,
)
from batchyard.core.resources import Resources
from batchyard.core.retention import SHOWN_SECONDS, expires_at
from batchyard.core.usage import Usage

_WAITING = BEFORE_THE_QUEUE | {JobState.RUNNABLE}
_NO_CIRCLES: Mapping[Key, str] = MappingProxyType({})


@dataclass(slots=True)
class Snapshot:
    """Everything a pass looks at, as the API server last showed it."""

    jobs: Mapping[Key, BatchJob]
    statuses: Mapping[Key, Status]
    resolved: Mapping[Key, Resolved]
    runs: Mapping[str, Mapping[int, Run]]
    """Runs by number, under the uid of their job: a job that was deleted and created anew starts with none."""
    pods: Mapping[str, Mapping[str, Pod]]
    """Newest pod by the name of its Kubernetes Job, under the uid of their job."""
    granted: Mapping[Key, Placement]
    """Placements whose Kubernetes Job is being created; they count as used."""
    queues: Mapping[str, Queue]
    environments: Mapping[str, Environment]
    pools: Mapping[str, Pool]
    used: Mapping[str, Resources]
    """Requests of runs that have not ended and of granted placements, per environment."""
    definitions: Mapping[Key, Definition]
    revisions: Mapping[Key, Mapping[int, Revision]]
    namespaces: Mapping[str, Mapping[str, str]]
    backlog: Backlog
    dependents: Mapping[Key, Collection[Key]]
    """Who depends on a job, whether that job exists or not."""
    unstored: Collection[Key]
    """The jobs whose end, if they have come to one, the API server does not hold yet."""
    children: Mapping[str, Mapping[str, Run]] = field(default_factory=dict)
    """Kubernetes Jobs of the other nodes of multi-node jobs by name, under the uid of their job."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """What the shares have used, per fair-share queue."""


@dataclass(slots=True)
class Settled:
    """What `settle` found out."""

    statuses: dict[Key, Status] = field(default_factory=dict)
    resolved: dict[Key, Resolved] = field(default_factory=dict)
    queued: list[Key] = field(default_factory=list)
    """Jobs that wait for capacity from now on."""
    unqueued: list[Key] = field(default_factory=list)
    """Jobs that do not (any more)."""
    stop: list[Run] = field(default_factory=list)
    """Runs (and other nodes of runs) to be deleted."""
    nodes: list[tuple[Key, int]] = field(default_factory=list)
    """Nodes of multi-node jobs to be started, now that the main node runs."""
    expired: list[Key] = field(default_factory=list)
    """Finished jobs whose time to live is over."""
    wake: dict[Key, float] = field(default_factory=dict)
    """When to settle a job again even if nothing happens to it."""

    def add(self, other: "Settled") -> None:
        """Take over the results for other jobs."""
        self.statuses.update(other.statuses)
        self.resolved.update(other.resolved)
        self.queued.extend(other.queued)
        self.unqueued.extend(other.unqueued)
        self.stop.extend(other.stop)
        self.nodes.extend(other.nodes)
        self.expired.extend(other.expired)
        self.wake.update(other.wake)


@dataclass(slots=True)
class Placed:
    """What `place` decided."""

    placements: list[Placement] = field(default_factory=list)
    statuses: dict[Key, Status] = field(default_factory=dict)


def settle(snapshot: Snapshot, keys: Iterable[Key], now: float, circles: Mapping[Key, str] = _NO_CIRCLES) -> Settled:
    """Bring the named jobs up to date with their runs, pods, references, dependencies and timers.

    `circles` says of those that were found to depend on each other in a circle what to tell them. When dependencies of
    other jobs end by this, the caller settles those after it has entered the results.
    """
    result = Settled()
    for key in keys:
        job = snapshot.jobs.get(key)
        if job is not None and not job.deleting:
            _settle_one(snapshot, job, circles.get(key, ""), now, result)
    return result


def _settle_one(snapshot: Snapshot, job: BatchJob, circle: str, now: float, result: Settled) -> None:
    key = job.key
    before = snapshot.statuses.get(key, Status())
    runs = snapshot.runs.get(job.uid, {})
    pods = snapshot.pods.get(job.uid, {})
    children = snapshot.children.get(job.uid, {})

    # 1. References come first: a job's retry policy decides how its runs are read.
    status, resolved = _referenced(snapshot, job, before, runs, circle, now)

    # 2. Runs and pods move it on.
    progress = lifecycle.observe(job, status, resolved, runs, pods, now, children)
    status, wake_at = progress.status, progress.wake_at
    terminate = stopping.termination(job) is not None
    result.stop.extend(lifecycle.strays(status, runs, terminate=terminate))
    result.stop.extend(gang.leftovers(runs, children))
    if resolved is not None and status.state not in TERMINAL:
        resolved = memory.grown(resolved, status.attempts)
        if resolved is not snapshot.resolved.get(key):
            result.resolved[key] = resolved
    if resolved is not None and resolved.gang is not None and not terminate:
        main = pods.get(status.job_name)
        result.nodes.extend((key, node) for node in gang.missing(resolved.gang, status, runs, children, main))

    # 3. It is held or ended where that is asked for, though not between its grant and its start.
    granted, idle = key in snapshot.granted, _idle([*runs.values(), *children.values()], pods)
    if not granted:
        asked = stopping.obeyed(job, status, idle=idle, now=now)
        if isinstance(asked, retries.Fail):
            asked = lifecycle.failed(status, asked.reason, asked.message, now)
        status = asked

    # 4. It waits for capacity only while nothing of it runs, can still run, or is being created.
    waits = status.state is JobState.RUNNABLE and resolved is not None and idle and not granted
    waits = waits and not stopping.withheld(job)
    if waits and resolved is not None and (rests_until := retries.rests_until(status, resolved.retry, now)):
        waits, wake_at = False, rests_until
    (result.queued if waits else result.unqueued).append(key)

    # 5. A finished job expires, once its end could be seen.
    expires = expires_at(job, status)
    if expires is not None:
        if before.state not in TERMINAL:
            expires = max(expires, now + SHOWN_SECONDS)
        wake_at = expires
        if expires <= now:
            result.expired.append(key)
            wake_at = None

    if status != before:
        result.statuses[key] = status
    if wake_at is not None:
        result.wake[key] = wake_at


def _referenced(
    snapshot: Snapshot, job: BatchJob, status: Status, runs: Mapping[int, Run], circle: str, now: float
) -> tuple[Status, Resolved | None]:
    """Check what an unfinished job refers to and depends on: it becomes Runnable, waits in Pending, or fails."""
    resolved = snapshot.resolved.get(job.key)
    if status.state in TERMINAL:
        return status, resolved
    answer = references.check(job, status.revision or _revision_of(runs), resolved, snapshot)
    if job.depends_on and status.state in BEFORE_THE_QUEUE and not runs and not status.attempts:
        status, verdict = _depended(snapshot, job, status, circle)
        if isinstance(answer, Resolved) and isinstance(verdict, references.Waits):
            return replace(_unready(status, verdict, now), revision=answer.revision), answer
        if isinstance(verdict, references.Never) and not isinstance(answer, references.Never):
            answer = verdict
    if isinstance(answer, Resolved):
        if status.state in BEFORE_THE_QUEUE:
            status = replace(
                status,
                state=JobState.RUNNABLE,
                revision=answer.revision,
                reason=Reason.WAITING_IN_QUEUE,
                message="",
            )
        return status, answer
    if status.state in _WAITING and not _unread(status, runs):
        status = _unready(status, answer, now)
    return status, resolved


def _depended(
    snapshot: Snapshot, job: BatchJob, status: Status, circle: str
) -> tuple[Status, references.Waits | references.Never | None]:
    """Enter the dependencies that have ended, and judge them."""
    if circle:
        return status, references.Never(Reason.DEPENDENCY_CYCLE, circle)
    ended, verdict = dependencies.check(job, status, snapshot)
    return replace(status, dependencies=ended), verdict


def _revision_of(runs: Mapping[int, Run]) -> int | None:
    """The revision of an existing run, for a job whose status write was lost: it must not resolve anew."""
    return runs[max(runs)].revision if runs else None


def _unread(status: Status, runs: Mapping[int, Run]) -> bool:
    """Whether a run exists that the status does not know of yet."""
    return bool(runs) and (not status.attempts or max(runs) > status.attempts[-1].run)


def _unready(status: Status, answer: references.Waits | references.Never, now: float) -> Status:
    if isinstance(answer, references.Never):
        return lifecycle.failed(status, answer.reason, answer.message, now)
    return replace(
        status,
        state=JobState.PENDING,
        reason=answer.reason,
        message=answer.message,
        queue_position=None,
        stalled=False,
    )


def _idle(runs: Iterable[Run], pods: Mapping[str, Pod]) -> bool:
    return all(run.ended for run in runs) and not any(pod.live for pod in pods.values())


def place(snapshot: Snapshot, fresh: Iterable[Key], now: float) -> Placed:
    """Hand free capacity out and say why the others wait.

    `fresh` are the jobs that came into the backlog since the last pass: they are told their place once, here;
    the places of the others are refreshed by `explain`.
    """
    ledger = Ledger(snapshot.pools, snapshot.used)
    result = Placed()
    held: list[tuple[Key, Hold]] = []
    for key, decision in place_all(
        queues=snapshot.queues.values(),
        environments=snapshot.environments,
        pools=snapshot.pools,
        backlog=snapshot.backlog,
        resolved=snapshot.resolved,
        ledger=ledger,
        usage=snapshot.usage,
        now=now,
    ):
        if isinstance(decision, Placement):
            run, attempt = lifecycle.next_run(snapshot.statuses[key])
            result.placements.append(replace(decision, run=run, attempt=attempt))
        else:
            held.append((key, decision))
    position = _positions(snapshot, result.placements)
    for key, hold in held:
        status = _held(snapshot.statuses[key], hold, position(key))
        if status != snapshot.statuses[key]:
            result.statuses[key] = status
    started = {placement.key for placement in result.placements}
    for key in fresh:
        if key in snapshot.backlog and key not in started and key not in result.statuses:
            status = snapshot.statuses[key]
            if status.queue_position is None:
                result.statuses[key] = queued_behind(snapshot.jobs[key], status, position(key), now)
    return result


def _positions(snapshot: Snapshot, placements: Iterable[Placement]) -> Callable[[Key], int]:
    """Places in the lines once the jobs that start in this pass have left them."""
    left: dict[tuple[str, str], list[int]] = {}
    for placement in placements:  # in the order of each line, so the lists are sorted
        job = snapshot.jobs[placement.key]
        left.setdefault((job.queue, job.share), []).append(snapshot.backlog.position(placement.key))

    def position(key: Key) -> int:
        job, before = snapshot.jobs[key], snapshot.backlog.position(key)
        return before - bisect_left(left.get((job.queue, job.share), ()), before)

    return position


def _held(status: Status, hold: Hold, position: int) -> Status:
    return replace(
        status,
        state=JobState.RUNNABLE,
        reason=hold.reason,
        message=hold.message,
        queue_position=position,
        stalled=hold.stalled,
        not_before=None,
    )
