"""Deletes finished jobs whose time to live is over, but not before everybody who still has to read them has.

Whoever reads finished jobs is an expiry hold, by its name. A hold is bounded in time: a reader that never comes to its
end must not keep jobs for ever, and is named when a job is deleted in spite of it.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from batchyard.core.model.job import Key
from batchyard.core.planner.actions import Action, Expire
from batchyard.runtime.loop.actions import ActionQueue, WriteStatus
from batchyard.runtime.loop.alarms import Alarms
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

HOLD_SECONDS = 0.5
"""How soon a job that is held is looked at again."""

LONGEST_HOLD_SECONDS = 3600.0
"""How long a job is held at most, counted from when this process found it held: while none acts, nobody reads."""


class ExpiryHold(Protocol):
    """Somebody who would miss a finished job that is deleted too early."""

    @property
    def name(self) -> str:
        """What logs call it."""

    def holds(self, job: Key) -> bool:
        """Whether the job is still to be read."""

    def hurry(self, job: Key) -> Iterable[Action]:
        """Return what brings the end of the hold nearer."""


class Dependents:
    """The jobs that depend on a job hold it until the API server knows from them how it ended."""

    name = "dependents"

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def holds(self, job: Key) -> bool:
        """Whether the status of one of them is still to be written."""
        return bool(self._cache.unpersisted_dependents_of(job))

    def hurry(self, job: Key) -> Iterable[Action]:
        """Return the writing of these statuses."""
        return map(WriteStatus, self._cache.unpersisted_dependents_of(job))


class Expiry:
    """The finished jobs that are held."""

    def __init__(self, cache: Cache, work: ActionQueue, alarms: Alarms, holds: Sequence[ExpiryHold]) -> None:
        self._cache = cache
        self._work = work
        self._alarms = alarms
        self._holds = holds
        self._held_since: dict[Key, tuple[str, float]] = {}
        """Uid, and since when."""

    def carry_out(self, expire: Expire, now: float) -> None:
        """Have a job deleted, or looked at again soon."""
        job = self._cache.jobs.get(expire.job)
        if job is None:
            return
        self._held_since = {key: each for key, each in self._held_since.items() if key in self._cache.jobs}
        holders = [hold for hold in self._holds if hold.holds(expire.job)]
        if holders:
            uid, since = self._held_since.get(expire.job, ("", now))
            if uid != job.uid or since > now:
                since = now
            self._held_since[expire.job] = job.uid, since
            if now - since < LONGEST_HOLD_SECONDS:
                self._hold(expire.job, holders, now)
                return
            names, minutes = ", ".join(hold.name for hold in holders), LONGEST_HOLD_SECONDS / 60
            _log.warning("BatchJob %s/%s is deleted unread by %s, after %.0f minutes", *expire.job, names, minutes)
        self._work.ask_for(expire)

    def _hold(self, key: Key, holders: Iterable[ExpiryHold], now: float) -> None:
        for hold in holders:
            for action in hold.hurry(key):
                self._work.ask_for(action)
        self._alarms.ring_at(key, now + HOLD_SECONDS)
