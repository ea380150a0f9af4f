"""Estimates of when waiting jobs start, worked out beside the passes.

What runs took is learnt from the statuses of jobs that have succeeded. So a process that begins to act learns it anew
from the jobs that are still there.
"""

import time
from collections.abc import Iterable, Mapping
from functools import partial
from math import inf

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.insight import queueposition, shortage
from batchyard.core.insight.durations import Durations, last_run, revision_of
from batchyard.core.insight.estimates import Observation, estimates
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.model.timers import lies_ahead
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage, contain
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

RENEWAL_SECONDS = 10.0
RENEWALS = 50
"""How often, and for how many jobs at once, outdated positions in a queue are written again."""
SHORTAGES = 20
"""For how many jobs at once it is worked out what is free for them, which looks at all nodes."""

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
        self._reported_at: dict[Key, float] = {}
        self._told_at: dict[Key, float] = {}
        """When it was last worked out for jobs what is free for them."""
        self._estimates: Mapping[Key, float] = {}
        self._next_estimates = 0.0

    def observe_pass(self, placed: Placed, _: float) -> Iterable[Action]:
        """Take in what a pass has decided."""
        self._placed = placed
        return ()

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """Learn from a job that has ended."""
        if self._durations is not None and after.state in TERMINAL and before.state not in TERMINAL:
            _learn(self._durations, job, after)

    def _known(self) -> Durations:
        if self._durations is None:
            self._durations = Durations()
            jobs, statuses = self._cache.jobs, self._cache.statuses
            for key in sorted(statuses, key=lambda key: statuses[key].stopped_at or 0.0):
                _learn(self._durations, jobs[key], statuses[key])
        return self._durations

    def renew(self, now: float) -> Iterable[Action]:
        """Tell some of the waiting jobs anew what has changed of their position, their estimate, or what is free."""
        nobody: Mapping[Key, Status] = {}
        for what, renewals in (("positions", self._renewals), ("what is free", self._shortages)):
            renewed = self._containment.attempt(Stage.ESTIMATES, what, partial(renewals, now), nobody)
            for key, status in renewed.items():
                if status != self._cache.statuses.get(key):
                    self._cache.set_status(key, status)
        return ()

    def _shortages(self, now: float) -> Mapping[Key, Status]:
        """The statuses of those that wait for room, with figures of it."""
        cache = self._cache
        if not any(hold.reason == Reason.INSUFFICIENT_CAPACITY for _, hold in self._placed.holds):
            return {}
        this_pass = SchedulingPass(cache.snapshot(), now)
        found = shortage.renewals(this_pass, self._placed.holds, self._told_at, limit=SHORTAGES)
        self._told_at = {key: at for key, at in self._told_at.items() if key in cache.backlog}
        self._told_at.update(dict.fromkeys(found, now))
        return found

    def _renewals(self, now: float) -> Mapping[Key, Status]:
        """The statuses of those."""
        cache = self._cache
        if not len(cache.backlog):
            return {}
        if not lies_ahead(self._next_estimates, now, MAX_PAUSE_SECONDS):
            self._estimates = self._estimated(now)
        renewed = queueposition.renewals(
            cache.jobs,
            cache.statuses,
            cache.backlog,
            limit=RENEWALS,
            now=now,
            estimates=self._estimates,
            reported_at=self._reported_at,
        )
        self._reported_at = {key: at for key, at in self._reported_at.items() if key in cache.backlog}
        self._reported_at.update((key, now) for key, status in renewed.items() if status.estimated_start is not None)
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


def _learn(durations: Durations, job: BatchJob, status: Status) -> None:
    run = last_run(status)
    if status.state is not JobState.SUCCEEDED or status.revision is None or run is None:
        return
    if run.started_at is not None and run.stopped_at is not None:
        durations.note(revision_of(job, status.revision), run.stopped_at - run.started_at)
