"""What a JobQueue's status says of the jobs that wait in it: a part of `jobqueue`."""

from batchyard.api.models.base import Name, StatusModel, Timestamp


class WaitingJob(StatusModel):
    """A job near the front of the queue."""

    namespace: Name | None = None
    """Namespace of the BatchJob; left out where the operator shows names to their own namespace only."""
    name: Name | None = None
    """Name of the BatchJob; left out likewise."""
    uid: str | None = None
    """Uid of the BatchJob where its name is left out: who may read the job finds it by that."""
    share_identifier: str | None = None
    """The share that it counts for."""
    since: Timestamp
    """Since when it has been at this position."""


class QueueHead(WaitingJob):
    """The job that goes next."""

    reason: str
    """One word on why it does not start."""
    message: str
    """A sentence on why it does not start."""
    estimated_start_at: Timestamp | None = None
    """About when it will start, where that is known."""


class BlockedQueue(StatusModel):
    """Why nothing of the queue starts."""

    since: Timestamp
    """Since when jobs wait and none could be placed."""
    reason: str
    """One word on why the first job that could ever start does not."""
    message: str
    """The same in a sentence."""
