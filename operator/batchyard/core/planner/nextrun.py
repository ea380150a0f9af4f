"""What the next run of a job is made of: more memory after it ran out, no spot after it lost its nodes too often."""

from batchyard.core.definition import memorygrowth, ondemand
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status
from batchyard.core.scheduling.snapshot import Snapshot


def next_run(snapshot: Snapshot, job: BatchJob, resolved: Resolved, status: Status) -> Resolved:
    """Return it; the same object where nothing has changed since the last run."""
    grown = memorygrowth.grown(resolved, status.attempts)
    if job.array is not None or not ondemand.is_due(grown.retry, status.interruptions):
        return grown
    steady = ondemand.on_demand(grown)
    if steady == grown or not _has_room(snapshot, job, steady):
        return grown
    return steady


def _has_room(snapshot: Snapshot, job: BatchJob, resolved: Resolved) -> bool:
    """Whether an environment of the queue could hold it at all."""
    queue = snapshot.queues.get(job.queue)
    pools = [] if queue is None else [snapshot.pools[name] for name in queue.environments if name in snapshot.pools]
    return any(each.could_hold(resolved.pods) for each in pools if each.environment.enabled)
