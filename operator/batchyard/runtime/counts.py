"""How many jobs there are of each queue and state: a part of the cache, shown in metrics and in the queues' statuses.

A job may name any queue, whether that exists or not: a name goes when the last job that mentions it does.
"""

from collections import Counter

from batchyard.api.batchjob import JobState


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

    def of(self, queue: str) -> Counter[JobState]:
        """Return the numbers of one queue."""
        return self.get(queue, Counter())
