"""When jobs are to be looked at again although nothing happens to them: one moment for each job, the last one told.

A part of the loop. A job may be settled very often, and for a moment that is years away when the job is long gone; what
does not count any more is dropped now and then.
"""

import heapq
from collections.abc import Collection
from math import inf

from batchyard.core.model.job import Key

_SPARE = 64


class Alarms:
    """Moments by job."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        """How many entries are kept, replaced ones included."""
        return len(self._heap)

    def ring_at(self, key: Key, at: float) -> None:
        """Have a job looked at then, and not at the moment told before."""
        if self._at.get(key) != at:
            self._at[key] = at
            heapq.heappush(self._heap, (at, key))

    def next(self) -> float:
        """Return the first moment, infinity if there is none."""
        return self._heap[0][0] if self._heap else inf

    def take_due(self, now: float) -> set[Key]:
        """Return the jobs whose moment has come, and forget that."""
        due = set()
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                due.add(key)
        return due

    def take_all(self) -> set[Key]:
        """Return all jobs, and forget their moments."""
        keys = set(self._at)
        self._at.clear()
        self._heap.clear()
        return keys

    def tidy(self, jobs: Collection[Key]) -> None:
        """Drop what was replaced and what is about jobs that are gone, once that is more than the rest."""
        if len(self._heap) > 2 * len(jobs) + _SPARE:
            self._at = {key: at for key, at in self._at.items() if key in jobs}
            self._heap = [(at, key) for key, at in self._at.items()]
            heapq.heapify(self._heap)
