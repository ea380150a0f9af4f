"""The jobs that wait for capacity, per queue, in the order in which they are to start.

Owned by the runtime's cache, which adds a job when it becomes Runnable and removes it when it is granted, ends or
is deleted; read by the planner. Insertion and removal keep each queue sorted, so a pass never sorts.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from batchyard.core.records import BatchJob, Key


def _entry(job: BatchJob) -> tuple[float, str, str]:
    """First come, first served; namespace and name break ties of the API server's one-second creation times."""
    return (job.created, *job.key)


class Backlog:
    """Sorted entries (creation time, namespace, name) by queue."""

    def __init__(self) -> None:
        self._queues: dict[str, list[tuple[float, str, str]]] = {}
        self._entries: dict[Key, tuple[str, tuple[float, str, str]]] = {}

    def add(self, job: BatchJob) -> None:
        """Put the job into its queue; nothing happens when it is there already."""
        if job.key not in self._entries:
            entry = _entry(job)
            self._entries[job.key] = (job.queue, entry)
            insort(self._queues.setdefault(job.queue, []), entry)

    def remove(self, key: Key) -> None:
        """Take the job out; nothing happens when it is not in."""
        if found := self._entries.pop(key, None):
            queue, entry = found
            entries = self._queues[queue]
            del entries[bisect_left(entries, entry)]
            if not entries:
                del self._queues[queue]

    def __contains__(self, key: Key) -> bool:
        """Whether the job waits in any queue."""
        return key in self._entries

    def __len__(self) -> int:
        """How many jobs wait in all queues together."""
        return len(self._entries)

    def queue(self, name: str) -> Iterator[Key]:
        """Iterate over the jobs of one queue in starting order. The queue must not change meanwhile."""
        for _, namespace, job in self._queues.get(name, ()):
            yield (namespace, job)

    def length(self, name: str) -> int:
        """How many jobs wait in the queue."""
        return len(self._queues.get(name, ()))

    def position(self, key: Key) -> int:
        """Place in the queue, from 1 for the first. Raises KeyError when the job does not wait."""
        queue, entry = self._entries[key]
        return bisect_left(self._queues[queue], entry) + 1

    def names(self) -> Sequence[str]:
        """Names of the queues in which anything waits."""
        return sorted(self._queues)
