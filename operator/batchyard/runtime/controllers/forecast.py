"""Estimates of when waiting jobs start, worked out beside the passes.

What runs took is learnt from the statuses of jobs that have succeeded. So a process that begins to act learns it anew
from the jobs that are still there.
"""

import time
from collections.abc import Mapping
from functools import partial
from math import inf

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight import queueposition
from batchyard.core.insight.durations import Durations, last_run, revision_of
from batchyard.core.insight.estimates import Observation, estimates
from batchyard.core.model.job import Key
from batchyard.core.model.status import Status
from batchyard.core.planner.containment import Stage, contain
from batchyard.core.planner.results import Placed
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

SHARE = 0.01
MAX_PAUSE_SECONDS = 60.0
"""The share of time that estimates may take, and how long they serve at most where they take long."""


class Forecast:
    """How long runs take, what the last pass decided, and when jobs were told their estimates."""

    def __init__(self, cache: Cache, containment: Containment) -> None:
        self._cache = cache
        self._containment = containment
        self._durations: Durations | None = None
        self._placed = Placed()
        self._told_at: dict[Key, float] = {}
        self._estimates: Mapping[Key, float] = {}
        self._next_estimates = 0.0

    def note(self, placed: Placed) -> None:
        """Take in what a pass has decided."""
        self._placed = placed

    def ended(self, key: Key) -> None:
        """Take in that a job has ended."""
        if self._durations is not None:
            self._learn(self._durations, key)

    def _learn(self, durations: Durations, key: Key) -> None:
        status = self._cache.statuses[key]
        run = last_run(status)
        if status.state is not JobState.SUCCEEDED or status.revision is None or run is None:
            return
        if run.started_at is not None and run.stopped_at is not None:
            durations.note(revision_of(self._cache.jobs[key], status.revision), run.stopped_at - run.started_at)

    def _known(self) -> Durations:
        if self._durations is None:
            self._durations = Durations()
            statuses = self._cache.statuses
            for key in sorted(statuses, key=lambda key: statuses[key].stopped_at or 0.0):
                self._learn(self._durations, key)
        return self._durations

    def renewals(self, limit: int, now: float) -> Mapping[Key, Status]:
        """Return the statuses of the waiting jobs to be told their place or estimate anew, at most so many."""
        cache = self._cache
        if not len(cache.backlog):
            return {}
        if not now < self._next_estimates <= now + MAX_PAUSE_SECONDS:
            self._estimates = self._estimated(now)
        renewed = queueposition.renewals(
            cache.jobs,
            cache.statuses,
            cache.backlog,
            limit=limit,
            now=now,
            estimates=self._estimates,
            told_at=self._told_at,
        )
        self._told_at = {key: at for key, at in self._told_at.items() if key in cache.backlog}
        self._told_at.update((key, now) for key, status in renewed.items() if status.estimated_start is not None)
        return renewed

    def _estimated(self, now: float) -> dict[Key, float]:
        began = time.perf_counter()
        seen = Observation(dict(self._placed.holds), frozenset(self._placed.reclaims), self._known())
        outcome = contain(Stage.ESTIMATES, partial(estimates, seen=seen, now=now), self._cache.snapshot())
        for fault in outcome.faults:  # whoever cannot be estimated is left out of nothing else
            self._containment.report(fault)
        found = outcome.result or {}
        self._next_estimates = now + min((time.perf_counter() - began) / SHARE, MAX_PAUSE_SECONDS)
        return {key: at if at == inf else float(int(at)) for key, at in found.items()}
