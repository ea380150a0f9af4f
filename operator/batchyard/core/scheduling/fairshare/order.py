"""Whose turn it is among the share queues of a queue: the share that has used least goes next.

What a share has used is weighed by its weight; what it holds now counts in advance for a while, so that capacity which
becomes free at once is divided as well. A queue without fair share has one, whose turn it always is.
"""

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.queue import FairShare, Queue, entry_for
from batchyard.core.model.resources import Resources, vcpus_of
from batchyard.core.scheduling.backlog import Backlog, Entry, key_of
from batchyard.core.scheduling.fairshare.usage import Usage

_AHEAD = 1 / 20
"""The part of the decay window for which what is held now counts in advance.

Half a typical running time is right: more favours shares of small jobs, less lets shares take turns in having it all.
"""


def weight(policy: FairShare, share: str) -> float:
    """The weight of a share's usage: its own entry, else that of the longest beginning listed, else 1."""
    own = entry_for(policy.weights, share)
    return 1.0 if own is None else own


def turn(policy: FairShare, usage: Usage, share: str, held: int, asked: int, now: float) -> float:
    """How much a share has had, half of what it asks for (in milli-vCPU) included; less goes first.

    Rounded, so that shares with equal histories are equal whatever the order of the sums. Who has had nothing goes
    before everybody, however much it asks for, and so cannot be passed over for ever.
    """
    return _turn(weight(policy, share), usage.used(share, now), held, asked, usage.window)


def _turn(weighs: float, used: float, held: int, asked: int, window: int) -> float:
    if not held and not round(weighs * used, 6):
        return 0.0
    return round(weighs * (used + (held + asked / 2) / 1000 * window * _AHEAD), 6)


class FairShareOrder:
    """The jobs of one queue in the order in which they may start, found as the pass goes on."""

    def __init__(
        self, queue: Queue, backlog: Backlog, resolved: Mapping[Key, Resolved], usage: Usage | None, now: float
    ) -> None:
        self._policy = queue.fair_share or FairShare()
        self._usage = usage or Usage(self._policy.decay_seconds)
        self._window = self._usage.window
        self._fair = queue.fair_share is not None
        self._resolved = resolved
        self._now = now
        self._share_queues: dict[str, Iterator[Entry]] = {}
        self._costs: dict[str, tuple[float, float, int]] = {}
        """Of each share its weight, what it has used, and what it holds."""
        self._granted: dict[str, int] = {}
        self._granted_in: dict[str, int] = {}
        self._current = ""
        self._stays = False
        self._first: dict[str, Entry] = {}
        share_queues = backlog.share_queues(queue.name)
        self._allowed = self._allowed_part(share_queues)
        self._heads: list[tuple[float, tuple[float, float, str, str], str]] = []
        for share, entries in share_queues.items():
            self._share_queues[share] = iter(entries)
            if len(share_queues) > 1:
                self._costs[share] = self._cost(share)
                self._line_up(share)

    def __iter__(self) -> Iterator[Key]:
        """Yield the head of the share queue whose turn it is; meanwhile `charge` and `leave` are about that one."""
        if len(self._share_queues) == 1:
            yield from self._only_share()
        while self._heads:
            _, (_, _, namespace, name), self._current = heappop(self._heads)
            yield (namespace, name)
            self._line_up(self._current)
            self._stays = False

    def _only_share(self) -> Iterator[Key]:
        """The same where one share has all turns, so that nothing needs to be weighed."""
        [self._current] = self._share_queues
        while (entry := next(self._share_queues[self._current], None)) is not None:
            yield key_of(entry)
            while self._stays:
                self._stays = False
                yield key_of(entry)

    @property
    def share(self) -> str:
        """The share whose turn it is."""
        return self._current

    def charge(self, environment: str, request: Resources) -> None:
        """Count what the job at the head of its share queue has just been granted."""
        if not self._fair:
            return
        amount = vcpus_of(request)
        self._granted[self._current] = self._granted.get(self._current, 0) + amount
        self._granted_in[environment] = self._granted_in.get(environment, 0) + amount

    def leave(self) -> None:
        """Let the share queue wait for a later pass: its head does, so nobody behind it may go first."""
        self._share_queues[self._current] = iter(())

    def stay(self) -> None:
        """Keep the job at the head of its share queue there: it is an array that asks for another slot."""
        self._stays = True

    def may_use(self, environment: str, capacity: Resources, request: Resources) -> bool:
        """Whether enough of the environment stays free for shares that are not active yet.

        The first job always may, else one that is larger than what is not kept back would never start.
        """
        if self._allowed >= 1.0:
            return True
        held = self._usage.in_environment(environment) + self._granted_in.get(environment, 0)
        return held == 0 or held + vcpus_of(request) <= capacity.get("cpu", 0) * self._allowed

    def _allowed_part(self, share_queues: Mapping[str, object]) -> float:
        """The part of capacity that active shares may use: all but reservation to the power of their number."""
        if not self._policy.reservation:
            return 1.0
        active = len(self._usage.active(self._now) | set(share_queues))
        return 1.0 - (self._policy.reservation / 100) ** active

    def _cost(self, share: str) -> tuple[float, float, int]:
        return weight(self._policy, share), self._usage.used(share, self._now), self._usage.in_use(share)

    def _line_up(self, share: str) -> None:
        entry = self._first[share] if self._stays else next(self._share_queues[share], None)
        if entry is not None:
            self._first[share] = entry
            heappush(self._heads, (self._turn(share, entry), entry[1:], share))

    def _turn(self, share: str, entry: Entry) -> float:
        """Less goes first, then the older head."""
        if not self._fair:
            return 0.0
        weighs, used, in_use = self._costs[share]
        held = in_use + self._granted.get(share, 0)
        return _turn(weighs, used, held, self._resolved[key_of(entry)].vcpus, self._window)
