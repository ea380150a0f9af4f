"""How waiting jobs start one after the other as room becomes free, in thought: what estimates are read from.

In the order of their turns, each starts as soon as it finds room node by node. One that finds none closes its
environments to those behind it, or lets them go first as long as its queue says so; how long that is counts on from
what its status says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil, inf

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment, PodSets, total_of
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.ledger import Ledger
from batchyard.core.scheduling.order.bypass import Line

RESOLUTION_SECONDS = 1.0
RESOLUTION_SHARE = 0.01
"""Ends within this time are taken together, or within this share of the time until then: at each moment all may have to
be looked at who wait, and of thousands of ends there are so only some hundred moments."""


@dataclass(slots=True)
class Waiting:
    """A job that waits for room; without a key, all that is not looked at of a queue."""

    queue: Queue
    environments: tuple[str, ...]
    """Those that could hold it."""
    share: str = ""
    key: Key | None = None
    pods: PodSets = ()
    seconds: float = inf
    """How long it runs; of an array each index."""
    indexes: int = 0
    """Of an array: how many have yet to end."""
    slots: int = 1
    """How many slots it asks for."""
    reported: bool = True
    """Whether its start is reported, or only taken into account."""
    until: float | None = None
    """Of an array that has begun: when none of its indexes waits any more."""
    head_since: float | None = None
    """Since when it has been at the head and let others go first."""


@dataclass(slots=True, order=True)
class Event:
    """When, where, and what is free again then; nothing, where it is only time to look again."""

    at: float
    environment: str
    nodes: Assignment = field(default=(), compare=False)
    amount: Resources = field(default_factory=dict, compare=False)


class Course:
    """What happens from now on."""

    def __init__(self, waiting: list[Waiting], ledger: Ledger, events: Iterable[Event]) -> None:
        """Take those who wait in the order of their turns; the ledger is changed."""
        self.found: dict[Key, float] = {}
        """When jobs start."""
        self._waiting = waiting
        self._environments = _names(waiting)
        self._ledger = ledger
        self._events = [event for event in events if event.at < inf and event.environment in self._environments]
        heapify(self._events)

    def run(self, now: float) -> None:
        """Go on until nobody waits any more, or nothing more is known to end."""
        self._free(now)
        self._serve(now)
        while self._waiting and self._events:
            first = self._events[0].at
            self._serve(self._free(first + max(RESOLUTION_SECONDS, RESOLUTION_SHARE * (first - now))))

    def _free(self, until: float) -> float:
        """Have free again what ends until then; returns when the last of it does."""
        at = until
        while self._events and self._events[0].at <= until:
            event = heappop(self._events)
            at = event.at
            if event.amount:
                self._ledger.give(event.environment, event.nodes, event.amount)
        return at

    def _serve(self, at: float) -> None:
        """Place all that fits at a moment."""
        turn = _Turn(at)
        gone: set[int] = set()
        for number, each in enumerate(self._waiting):
            turn.come_to(each.queue)
            if len(turn.closed) == len(self._environments):
                break
            if each.until is not None and each.until <= at:
                gone.add(number)
            elif turn.stands_behind(each):
                continue
            elif (name := self._room(each, turn.closed)) is None:
                turn.waits(each, each.environments)
            elif each.until is not None:
                # An array takes each slot that becomes free. That it ends sooner then is not foreseen.
                turn.closed.add(name)
            elif self._starts(each, name, at):
                gone.add(number)
            else:
                turn.waits(each, (name,))
        if gone:
            self._waiting = [each for number, each in enumerate(self._waiting) if number not in gone]
            self._environments = _names(self._waiting)

    def _room(self, each: Waiting, closed: set[str]) -> str | None:
        if each.key is None:
            return None
        return next((n for n in each.environments if n not in closed and self._ledger.fits(n, each.pods)), None)

    def _starts(self, each: Waiting, name: str, at: float) -> bool:
        """Start a job; returns whether it has got all that it asks for."""
        slots = 1 if each.slots == 1 else max(self._ledger.room(name, each.pods[0], each.slots), 1)
        pods = each.pods if slots == 1 else (each.pods[0].of(slots),)
        nodes, amount = self._ledger.take(name, pods) or (), total_of(self._ledger.charged(name, pods))
        if each.reported and each.key is not None:
            self.found[each.key] = at
        rounds = ceil(each.indexes / slots) if each.indexes else 1
        self._happens(Event(at + rounds * each.seconds, name, nodes, amount))
        if slots == each.slots:
            return True
        each.environments, each.until = (name,), at + (rounds - 1) * each.seconds
        self._happens(Event(each.until, name))
        return False

    def _happens(self, event: Event) -> None:
        if event.at < inf:
            heappush(self._events, event)


class _Turn:
    """One moment at which those who wait are looked at in order, and who has closed what to those behind it."""

    def __init__(self, at: float) -> None:
        self._at = at
        self.closed: set[str] = set()
        self._let_pass: set[str] = set()
        """The environments for which somebody waits who lets others go first, of queues of this priority or higher."""
        self._behind: set[tuple[str, tuple[str, ...], PodSets]] = set()
        """Of whom it is known that they find no room: share, environments and pods of jobs of this queue."""
        self._line: Line | None = None

    def come_to(self, queue: Queue) -> None:
        """Go on with another queue, unless it is the same. None of lower priority passes."""
        before = self._line.queue if self._line is not None else None
        if queue is before:
            return
        if before is not None and before.priority > queue.priority:
            self.closed |= self._let_pass
        self._line = Line(queue, self._at)
        self._behind.clear()

    def stands_behind(self, each: Waiting) -> bool:
        """Whether one of its share that asks for the same found no room, so that it need not be looked at."""
        return each.head_since is None and (each.share, each.environments, each.pods) in self._behind

    def waits(self, each: Waiting, environments: tuple[str, ...]) -> None:
        """Close to others what one waits for that finds no room, or let them go first there."""
        line = self._line
        if line is None or each.key is None:  # of what is not looked at it is not known what it takes
            self.closed.update(environments)
            return
        if line.at_head(each.share, environments):
            each.head_since = line.since(each.head_since)
        elif line.lets_pass(each.head_since):
            self._behind.add((each.share, environments, each.pods))
            return
        (self._let_pass if line.lets_pass(each.head_since) else self.closed).update(environments)


def _names(waiting: Iterable[Waiting]) -> set[str]:
    return {name for each in waiting for name in each.environments}
