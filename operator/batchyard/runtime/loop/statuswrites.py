"""When the statuses that were decided are written: ends and what nothing else tells at once, the others a while later.

Most statuses that are not final are overtaken by the next one soon, and one write tells of both.
"""

from collections.abc import Callable

from batchyard.api.reasons import Reason
from batchyard.core.model.job import Key
from batchyard.core.model.status import TERMINAL, Status
from batchyard.objects.indextext import read_indexes
from batchyard.runtime.loop.actions import ActionQueue, WriteStatus
from batchyard.runtime.loop.workqueue import Urgency
from batchyard.runtime.state.cache import Cache

STATUS_HOLD_SECONDS = 0.3
"""How long a status that is not final is held back: many of those are overtaken by the next one within that time."""

DEPENDENCIES_HOLD_SECONDS = 10.0
"""How long the end of one dependency is held back while others are waited for: one write tells of all that end
within that time, and a job whose dependencies end together needs none. Deletion of the one that ended ends the wait."""

ARRAY_HOLD_SECONDS = 1.0
ARRAY_HOLD_SHARE = 0.03
"""How long the status of an array that runs is held back: at least so long, and this share of the time it has run, so
that the number of its writes grows with the logarithm of that time."""


class StatusWrites:
    """Asks for the writes of what has changed since it was last asked to."""

    def __init__(self, cache: Cache, work: ActionQueue, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._work = work
        self._clock = clock

    def hand_out(self) -> None:
        """Have written what was decided."""
        changes, persistence = self._cache.changes, self._cache.persistence
        for key in changes.take_respecified():
            self._work.add(WriteStatus(key), Urgency.STATUS, STATUS_HOLD_SECONDS)
        for key in changes.take_decided():
            status = self._cache.statuses.get(key)
            if status is None:
                continue
            if status.state in TERMINAL or self._must_remember(key, status):
                self._work.ask_for(WriteStatus(key))
            else:
                self._work.add(WriteStatus(key), Urgency.STATUS, self._hold_seconds(key, status))
        while persistence.unpersisted_dependents:
            self._work.ask_for(WriteStatus(persistence.unpersisted_dependents.pop()))

    def _must_remember(self, key: Key, status: Status) -> bool:
        """Whether a status is memory of what no Job will tell: which indexes are to run again although they ended."""
        if status.array is None or not status.array.interrupted:
            return False
        written = (self._cache.persistence.written.get(key, {}).get("array") or {}).get("interruptedIndexes", "")
        return bool(status.array.interrupted - read_indexes(written))

    def _hold_seconds(self, key: Key, status: Status) -> float:
        if status.array is not None and status.started_at is not None:
            return max(ARRAY_HOLD_SECONDS, ARRAY_HOLD_SHARE * (self._clock() - status.started_at))
        shown = self._cache.persistence.written.get(key, {}).get("reason")
        waits_on = status.reason == Reason.WAITING_FOR_DEPENDENCIES == shown
        return DEPENDENCIES_HOLD_SECONDS if waits_on else STATUS_HOLD_SECONDS
