"""Counts the jobs that end, for the metrics."""

from collections.abc import Collection

from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import TERMINAL, Status
from batchyard.runtime.metrics import Metrics


class FinishedJobs:
    """An observer of transitions. `queues` are the names of those that exist, kept current by the catalogue."""

    def __init__(self, metrics: Metrics, queues: Collection[str]) -> None:
        self._metrics = metrics
        self._queues = queues

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """Count an end. Jobs may name any queue: those that do not exist are counted together, under no name."""
        if after.state in TERMINAL and before.state not in TERMINAL:
            queue = job.queue if job.queue in self._queues else ""
            self._metrics.finished.labels(queue, after.state.value).inc()
