"""Looks for circles of dependencies that jobs which came have closed, beside what a pass has to do at once.

Nothing is lost by finding one later: its jobs only wait. So searches take a bounded share of the time.
"""

import time
from functools import partial

from batchyard.core.admission.cycles import find_cycles
from batchyard.core.model.job import Key
from batchyard.core.model.timers import lies_ahead
from batchyard.core.planner.containment import Stage
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

SEARCH_SHARE = 0.02
MAX_SEARCH_PAUSE_SECONDS = 60.0
"""The share of time that searches for circles of dependencies may take, and how long one is put off at most."""


class CycleSearch:
    """When the next search is due, and what it finds."""

    def __init__(self, cache: Cache, containment: Containment) -> None:
        self._cache = cache
        self._containment = containment
        self._next_at = 0.0

    def run(self, now: float) -> dict[Key, str]:
        """Return what to tell the jobs of each circle that was found; nothing before a search is due."""
        dependents = self._cache.dependents
        if not dependents.newcomers or lies_ahead(self._next_at, now, MAX_SEARCH_PAUSE_SECONDS):
            return {}
        began = time.perf_counter()
        newcomers, dependents.newcomers = dependents.newcomers, set()
        search = partial(find_cycles, newcomers)
        cycles = self._containment.contain(Stage.CYCLES, search, self._cache.snapshot()).result
        pause = (time.perf_counter() - began) / SEARCH_SHARE
        if cycles is None:
            dependents.newcomers |= newcomers
            pause = MAX_SEARCH_PAUSE_SECONDS
        self._next_at = now + min(pause, MAX_SEARCH_PAUSE_SECONDS)
        return cycles or {}
