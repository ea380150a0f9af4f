"""When a finished job is removed: `ttlSecondsAfterFinished`, counted from its end as Kubernetes does for Jobs.

Without the field a job stays until somebody deletes it, since a GitOps tool would otherwise create it anew, and run it
again.
"""

from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import TERMINAL, Status

SHOWN_SECONDS = 1.0
"""How long the end of a job is to be seen at least, so that whoever watches learns of it before the job is gone."""


def expires_at(job: BatchJob, status: Status) -> float | None:
    """Return when the job is to be deleted, or None for never (or not finished yet)."""
    if job.ttl_seconds is None or status.state not in TERMINAL or status.stopped_at is None:
        return None
    return status.stopped_at + job.ttl_seconds
