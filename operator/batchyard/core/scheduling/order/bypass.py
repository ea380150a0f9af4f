"""Who may start before a job at the head of its queue that finds no room, and until when (the policy Bypass).

The time counts from when the job came to the head of its share queue, and is kept in its status. It is never begun anew
while the job waits: else a stream of jobs that go before it, or a limit that is reached for a moment, could keep it
waiting for ever.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from math import floor

from batchyard.api.reasons import Reason
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.queue import Queue
from batchyard.core.model.timers import is_recent
from batchyard.core.scheduling.decisions import Hold

LOOKS = 100
"""How many waiting jobs of a queue a pass looks at in vain, once one at its head lets others go first."""

REACH = 1000
"""How many it goes past in all: those of a size and a share that was looked at in vain are not looked at again. Who is
behind all these waits until some of them have started."""


Kind = tuple[str, str, PodSets]
"""What ordinary jobs of a queue are told apart by: their share, their namespace where that matters, and their pods."""


class Line:
    """The jobs of one queue that wait for room, as one pass comes upon them."""

    def __init__(self, queue: Queue, now: float) -> None:
        self.queue = queue
        self._now = now
        self._awaited: dict[str, set[str]] = {}
        """By share: the environments that somebody of it waits for who was looked at before."""
        self._looks = LOOKS
        self._steps = REACH
        self.behind: set[Kind] = set()
        """Of whom it is known in this pass that they find no room: share and kind of ordinary jobs."""
        self.aside: set[Kind] = set()
        """Of whom it is known that they are not tried anywhere now, as no node came for one of them."""

    def at_head(self, share: str, environments: Collection[str]) -> bool:
        """Note that a job waits for these environments; returns whether it is the first of its share for any of them.

        In a strict queue everybody is that is looked at.
        """
        if not self.queue.bypass_seconds:
            return True
        awaited = self._awaited.setdefault(share, set())
        first = not awaited.issuperset(environments)
        awaited.update(environments)
        return first

    def lets_pass(self, since: float | None) -> bool:
        """Whether others may start before a job that has been at the head since then; None: it is not the head."""
        seconds = self.queue.bypass_seconds
        return bool(seconds) and (since is None or is_recent(since, self._now, seconds))

    def since(self, known: float | None) -> float | None:
        """Since when a job at the head has been there. Whole seconds, so that a restarted operator says the same."""
        if not self.queue.bypass_seconds:
            return None
        return float(floor(self._now)) if known is None else known

    def goes_on(self, *, looked: bool = True) -> bool:
        """Note that a job does not start, which was looked at or known to find no room.

        Returns whether those behind it are looked at in this pass.
        """
        if self._awaited:
            self._looks -= looked
            self._steps -= 1
        return self._looks > 0 and self._steps > 0

    def told(self, hold: Hold, since: float | None) -> Hold:
        """What a job at the head is told, which has been there since then. It stays true when the time is over."""
        if since is None:
            return hold
        name, seconds = self.queue.name, self.queue.bypass_seconds
        words = (
            f"; others may start before it until {_clock(since, seconds)} (queue {name} has the policy Bypass), "
            "then the room is held for it"
        )
        if hold.reason == Reason.WAITING_FOR_HIGHER_PRIORITY:
            words = ""  # nobody of its queue starts there
        return replace(hold, message=hold.message + words, head_since=since, lets_pass=self.lets_pass(since))


def _clock(since: float, seconds: int) -> str:
    """The end of so many seconds, with its date where that is another one."""
    begin, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(since + seconds, UTC)
    return end.strftime("%H:%M:%SZ" if begin.date() == end.date() else "%Y-%m-%dT%H:%M:%SZ")
