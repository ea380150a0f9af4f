"""The jobs that wait for capacity, per queue, in the order in which they are to start.

Owned by the runtime's cache, which adds a job when it becomes Runnable and removes it when it is granted, ends or is
deleted; read by the planner. A queue has a share queue for each of its shares; without fair share it has one. Insertion
and removal keep each of them sorted, so a pass never sorts, and looks no further than the heads of its share queues.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping, Sequence

from batchyard.core.model.job import BatchJob, Key

Entry = tuple[int, float, float, str, str]
"""What a share queue is sorted by: priority (negated), from when it is queued, creation time, namespace, name."""


def entry_of(job: BatchJob, priority: int, since: float | None = None) -> Entry:
    """First come, first served; namespace and name break ties of the API server's one-second creation times.

    A job that is queued from a later time `since` goes by that, and among those of the same time by its creation.
    A priority orders jobs of one share only, so it means nothing to a job that has none.
    """
    return (-priority if job.share else 0, max(job.created, since or 0.0), job.created, *job.key)


def key_of(entry: Entry) -> Key:
    """The job that an entry stands for."""
    return entry[3:]


class Backlog:
    """Sorted entries by queue and share."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str, list[Entry]]] = {}
        self._entries: dict[Key, tuple[str, str, Entry]] = {}

    def add(self, job: BatchJob, priority: int = 0, since: float | None = None) -> None:
        """Put the job into its share queue; nothing happens when it is there already."""
        if job.key not in self._entries:
            entry = entry_of(job, priority, since)
            self._entries[job.key] = (job.queue, job.share, entry)
            insort(self._queues.setdefault(job.queue, {}).setdefault(job.share, []), entry)

    def remove(self, key: Key) -> None:
        """Take the job out; nothing happens when it is not in."""
        if found := self._entries.pop(key, None):
            queue, share, entry = found
            share_queues = self._queues[queue]
            entries = share_queues[share]
            del entries[bisect_left(entries, entry)]
            if not entries:
                del share_queues[share]
            if not share_queues:
                del self._queues[queue]

    def __iter__(self) -> Iterator[Key]:
        """Go through the jobs that wait, in no order."""
        return iter(self._entries)

    def without(self, hidden: Collection[Key]) -> "Backlog":
        """Return a copy that lacks these jobs; itself where none of them waits."""
        found = [key for key in hidden if key in self._entries]
        if not found:
            return self
        copy = Backlog()
        copy._entries = dict(self._entries)
        copy._queues = {
            queue: {share: list(entries) for share, entries in share_queues.items()}
            for queue, share_queues in self._queues.items()
        }
        for key in found:
            copy.remove(key)
        return copy

    def __contains__(self, key: Key) -> bool:
        """Whether the job waits in any queue."""
        return key in self._entries

    def __len__(self) -> int:
        """How many jobs wait in all queues together."""
        return len(self._entries)

    def share_queues(self, queue: str) -> Mapping[str, Sequence[Entry]]:
        """The share queues of one queue, none of them empty, by share. They must not change while they are read."""
        return self._queues.get(queue, {})

    def queue(self, name: str) -> Iterator[Key]:
        """Iterate over the jobs of one queue, one share queue after the other."""
        for _, entries in sorted(self.share_queues(name).items()):
            yield from map(key_of, entries)

    def length(self, name: str) -> int:
        """How many jobs wait in the queue."""
        return sum(map(len, self.share_queues(name).values()))

    def position(self, key: Key) -> int:
        """Position in its share queue, from 1 for the first. Raises KeyError when the job does not wait."""
        queue, share, entry = self._entries[key]
        return bisect_left(self._queues[queue][share], entry) + 1

    def queue_of(self, key: Key) -> str:
        """Return the queue in which a job waits. Raises KeyError when it does not."""
        return self._entries[key][0]

    def share_of(self, key: Key) -> str:
        """Return the share that a waiting job counts for. Raises KeyError when it does not wait."""
        return self._entries[key][1]

    def names(self) -> Sequence[str]:
        """Names of the queues in which anything waits."""
        return sorted(self._queues)
