"""How many jobs there are of each queue and state: a part of the cache, shown in metrics and in the queues' statuses.

A job may name any queue, whether that exists or not: a name goes when the last job that mentions it does.
"""

from collections import Counter
from collections.abc import Iterable

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status


class Counts(dict[str, Counter[JobState]]):
    """Numbers by queue and state; none of them is zero."""

    def add(self, queue: str, state: JobState, by: int = 1) -> None:
        """Count jobs in, or out."""
        states = self.setdefault(queue, Counter())
        states[state] += by
        if not states[state]:
            del states[state]
        if not states:
            del self[queue]

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """Count a job that has moved on."""
        if before.state is not after.state:
            self.add(job.queue, before.state, -1)
            self.add(job.queue, after.state)

    def of(self, queue: str) -> Counter[JobState]:
        """Return the numbers of one queue."""
        return self.get(queue, Counter())

    def by_queue(self, queues: Iterable[str]) -> dict[str, Counter[JobState]]:
        """Return the numbers of each of these queues, and under an empty name those of all that jobs name beside."""
        found = {queue: self.of(queue) for queue in queues}
        others = Counter[JobState]()
        for queue in self.keys() - found.keys():
            others.update(self[queue])
        return {**found, "": others} if others else found
