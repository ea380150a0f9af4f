"""What the next run of a job is made of: more memory after it ran out, no spot after it lost its nodes too often."""

from dataclasses import replace

from batchyard.core.definition import memorygrowth, ondemand
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status
from batchyard.core.scheduling.snapshot import Snapshot

LOOK_SECONDS = 10.0
"""How often it is looked whether a job that waits off spot may still find room there."""


def next_run(snapshot: Snapshot, job: BatchJob, resolved: Resolved, status: Status) -> Resolved:
    """Return it; the same object where nothing has changed since the last run."""
    grown = memorygrowth.grown(resolved.unrestricted or resolved, status.attempts)
    if job.array is not None or not ondemand.is_due(grown.retry, status.interruptions):
        return grown
    steady = replace(ondemand.on_demand(grown), unrestricted=grown)
    if not _has_room(snapshot, job, steady):
        return grown
    return resolved if steady == resolved else steady


def _has_room(snapshot: Snapshot, job: BatchJob, resolved: Resolved) -> bool:
    """Whether an environment of the queue could hold it at all."""
    queue = snapshot.queues.get(job.queue)
    pools = [] if queue is None else [snapshot.pools[name] for name in queue.environments if name in snapshot.pools]
    return any(each.could_hold(resolved.pods) for each in pools if each.environment.enabled)
