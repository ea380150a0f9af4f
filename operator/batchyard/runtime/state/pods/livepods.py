"""The pods that have not ended, summed up by the Kubernetes Job that controls them: what they ask for, and where.

A pod may be shown before its Job, and outlives it when that is deleted. So pods are kept by the uid of their Job, known
or not; whoever asks knows which Jobs to believe.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from sys import intern
from types import MappingProxyType
from typing import NamedTuple

from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources

JobId = tuple[str, str]
"""Namespace and uid of a Kubernetes Job."""
Amounts = tuple[tuple[str, int], ...]


class Seat(NamedTuple):
    """What a pod asks for, and the node that it is bound to; many pods of a Job have the same."""

    node: str
    """Empty as long as the pod has none."""
    request: Amounts
    """By resource name, sorted; empty where that is not known."""


_NONE: Mapping[Seat, int] = MappingProxyType({})


class LivePods:
    """How many pods have which seat, by Job. An event costs the same however many there are; `moved` is called when
    a sum changes."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self._moved = moved
        self._pods: dict[Key, tuple[JobId, Seat]] = {}
        self._by_job: dict[JobId, Counter[Seat]] = {}
        self._changed: set[JobId] = set()
        self._last: Amounts = ()

    def __contains__(self, key: Key) -> bool:
        return key in self._pods

    def of(self, job: JobId) -> Mapping[Seat, int]:
        """Return how many pods of a Job have which seat."""
        return self._by_job.get(job, _NONE)

    def put(self, key: Key, job_uid: str, node: str, request: Resources) -> None:
        """Enter a pod that has not ended."""
        asked = tuple(sorted(request.items()))
        if asked != self._last:
            self._last = asked
        # There are many pods, and few jobs, nodes and requests: what repeats is kept once.
        now = ((key[0], intern(job_uid)), Seat(intern(node), self._last))
        if self._pods.get(key) == now:
            return
        self._leave(key)
        self._pods[key] = now
        self._by_job.setdefault(now[0], Counter())[now[1]] += 1
        self.note(now[0])

    def remove(self, key: Key) -> JobId | None:
        """Forget a pod that has ended or is gone; returns its Job if it was known."""
        job = self._leave(key)
        if job is not None:
            self.note(job)
        return job

    def jobs(self) -> Iterable[tuple[JobId, Mapping[Seat, int]]]:
        """Return the Jobs, and what `of` says of each."""
        return self._by_job.items()

    @property
    def changed(self) -> int:
        """Of how many Jobs the pods have changed since `take_changed` was called last."""
        return len(self._changed)

    def take_changed(self) -> set[JobId]:
        """Return the Jobs whose pods have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def _leave(self, key: Key) -> JobId | None:
        job, seat = self._pods.pop(key, (None, None))
        if job is None or seat is None:
            return None
        seats = self._by_job[job]
        seats[seat] -= 1
        if not seats[seat]:
            del seats[seat]
        if not seats:
            del self._by_job[job]
        return job

    def note(self, job: JobId) -> None:
        """Have it looked at anew what the pods of a Job come to."""
        self._changed.add(job)
        self._moved()
