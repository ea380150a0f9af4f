"""What kept nodes of one environment from coming, in as much detail as the present failure needs.

Events and claims are told in any order, and again after a restart; the same of them make the same failure.
"""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import NamedTuple

from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.nodeclaim import Mishap

LASTS_SECONDS = 600.0
"""How long a failure is one after it was heard of last. Karpenter tries again within five minutes."""
_MOST_SPELLS = 256
_MOST_REASONS = 8


class _Spell(NamedTuple):
    """One moment; or several that are long ago, without what was between them."""

    first: float
    message: str
    last: float


class FailureLog:
    """When each reason was heard, with which words, and when nodes were launched."""

    def __init__(self) -> None:
        self._heard: dict[str, list[_Spell]] = {}
        """By reason, in order of time."""
        self._launches: list[float] = []

    def note(self, mishap: Mishap) -> bool:
        """Take in that a node did not come; returns whether nothing later was heard so far."""
        latest = max((spells[-1].last for spells in self._heard.values()), default=-inf)
        spells = self._heard.setdefault(mishap.reason, [])
        _insert(spells, mishap.at, mishap.message)
        if len(spells) > _MOST_SPELLS:
            self._heard[mishap.reason] = _fewer(spells)
        if len(self._heard) > _MOST_REASONS:
            del self._heard[min(self._heard, key=self._last)]
        return mishap.at > latest

    def note_launch(self, at: float) -> None:
        """Take in that a node was launched: what failed before is over."""
        index = bisect_left(self._launches, at)
        if index == len(self._launches) or self._launches[index] != at:
            self._launches.insert(index, at)
            del self._launches[:-_MOST_SPELLS]

    def failure(self, created: float, *, launches_end_it: bool = True) -> Failure | None:
        """What fails now of an environment that was created then; another one that had its name does not count.

        Of several reasons the one that was heard first, as long as all of them go on: what is said does not alternate.
        """
        last = max((spells[-1].last for spells in self._heard.values()), default=-inf)
        launches = self._launches if launches_end_it else []
        launched = bisect_right(launches, last)
        if last < created or launched < len(launches):
            return None
        floor = max(created, launches[launched - 1] if launched else created)
        going_on = (reason for reason, spells in self._heard.items() if last - spells[-1].last <= LASTS_SECONDS)
        found = [self._spell_of(reason, floor) for reason in going_on]
        first = min((each for each in found if each is not None), key=lambda each: (each.since, each.reason))
        return replace(first, last=last)

    def _spell_of(self, reason: str, floor: float) -> Failure | None:
        """Since when a reason has been heard without a break, not longer ago than a moment."""
        spells = self._heard[reason]
        if spells[-1].last < floor:
            return None
        since, message = spells[-1].last, spells[-1].message
        for spell in reversed(spells):
            if spell.last < floor or since - spell.last > LASTS_SECONDS:
                break
            since, message = spell.first if spell.first >= floor else spell.last, spell.message
        return Failure(reason, message, since, spells[-1].last)

    def _last(self, reason: str) -> tuple[float, str]:
        return self._heard[reason][-1].last, reason


def _insert(spells: list[_Spell], at: float, message: str) -> None:
    index = bisect_left(spells, at, key=lambda spell: spell.last)
    if index == len(spells) or at < spells[index].first:
        spells.insert(index, _Spell(at, message, at))
    elif spells[index].first == spells[index].last:
        spells[index] = min(spells[index], _Spell(at, message, at))


def _fewer(spells: list[_Spell]) -> list[_Spell]:
    """The older half in as few as that makes no difference to what is heard next, and the younger half as it is."""
    half = len(spells) // 2
    kept = spells[:1]
    for before, spell in pairwise(spells[:half]):
        if spell.first - before.last > LASTS_SECONDS:
            kept.append(spell)
        else:
            kept[-1] = kept[-1]._replace(last=spell.last)
    return (kept + spells[half:])[-_MOST_SPELLS:]
