"""The queue of things to do against the API server: each item at most once, urgent ones first, failures later again.

Items are small and hashable and name the work, never its content: what is written is read from the cache when the
item's turn comes, so changes that happen while an item waits end up in one write.
"""

import asyncio
import heapq
import itertools
import logging
import math
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from enum import IntEnum
from typing import Generic, TypeVar

from batchyard.kube.backoff import Backoff
from batchyard.runtime.loop.pacing import Pacer

_log = logging.getLogger(__name__)


class Urgency(IntEnum):
    """Which of two items that are due goes first."""

    STOP = 0
    CREATE = 1
    FINAL_STATUS = 2
    REPORT = 3
    STATUS = 4


Item = TypeVar("Item", bound=Hashable)


class WorkQueue(Generic[Item]):
    """Deduplicating, delaying priority queue with bounded concurrency.

    An item that is being worked on is not started a second time: asked for again meanwhile, it runs once more after.
    `work` raising an exception means "again after a back-off"; the count of failures is forgotten on success.
    Items of the least urgency start only when the pacer lets them: the longer they wait, the more changes they merge.
    """

    def __init__(
        self,
        work: Callable[[Item], Awaitable[None]],
        *,
        concurrency: int,
        backoff: Backoff,
        pacer: Pacer,
        clock: Callable[[], float],
    ) -> None:
        self._work = work
        self._concurrency = concurrency
        self._backoff = backoff
        self._pacer = pacer
        self._clock = clock
        self._wanted: dict[Item, tuple[Urgency, float]] = {}
        self._ready: list[tuple[Urgency, int, Item]] = []
        self._delayed: list[tuple[float, int, Item]] = []
        self._running: dict[Item, asyncio.Task[None]] = {}
        self._failures: dict[Item, int] = {}
        self._tickets = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """How many items wait or are being worked on."""
        return len(self._wanted) + len(self._running)

    def add(self, item: Item, urgency: Urgency, delay: float = 0.0) -> None:
        """Ask for an item; asking twice keeps the more urgent and the earlier of the two wishes."""
        wish = (urgency, self._clock() + delay)
        known = self._wanted.get(item)
        if known is not None:
            wish = (min(wish[0], known[0]), min(wish[1], known[1]))
            if wish == known:
                return
        self._wanted[item] = wish
        if item not in self._running:
            self._enter(item, *wish)

    def _enter(self, item: Item, urgency: Urgency, due: float) -> None:
        # Entries that a later, more urgent wish replaced stay in the heaps and are skipped when they come up.
        if due <= self._clock():
            heapq.heappush(self._ready, (urgency, next(self._tickets), item))
        else:
            heapq.heappush(self._delayed, (due, next(self._tickets), item))
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; work in progress is then cancelled too, and awaited."""
        try:
            while True:
                self._changed.clear()
                self._promote()
                paced = self._start_some()
                wake_at = min(self._delayed[0][0] if self._delayed else math.inf, paced)
                timeout = None if wake_at == math.inf else max(wake_at - self._clock(), 0.0)
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            _, _, item = heapq.heappop(self._delayed)
            if self._due(item, now):
                heapq.heappush(self._ready, (self._wanted[item][0], next(self._tickets), item))

    def _start_some(self) -> float:
        """Start what may start now; returns when the pacer lets the next item through, infinity if none waits."""
        now = self._clock()
        while self._ready and len(self._running) < self._concurrency:
            urgency, _, item = self._ready[0]
            if self._due(item, now):
                if urgency is Urgency.STATUS:
                    free_at = self._pacer.take(now)
                    if free_at > now:
                        return free_at
                del self._wanted[item]
                self._running[item] = asyncio.create_task(self._do(item, urgency))
            heapq.heappop(self._ready)
        return math.inf

    def _due(self, item: Item, now: float) -> bool:
        """Whether a heap entry still stands for a wish, rather than for one that was replaced or fulfilled."""
        wish = self._wanted.get(item)
        return wish is not None and wish[1] <= now and item not in self._running

    async def _do(self, item: Item, urgency: Urgency) -> None:
        try:
            await self._work(item)
            self._failures.pop(item, None)
        except Exception as error:  # whatever it was, the item must not be lost
            failures = self._failures[item] = self._failures.get(item, 0) + 1
            delay = self._backoff.delay(failures)
            _log.warning("%s failed (%s), again in %.1f s", item, error or type(error).__name__, delay)
            self.add(item, urgency, delay)
        finally:
            if urgency is Urgency.STATUS:
                self._pacer.done(self._clock())
            del self._running[item]
            if wish := self._wanted.get(item):
                self._enter(item, *wish)
            self._changed.set()
