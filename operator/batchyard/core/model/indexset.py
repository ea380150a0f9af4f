"""Sets of array indexes, kept and written as ranges ("0-41,43"), as the Job controller writes those that completed.

A range costs the same whatever its length, so the sets of an array that goes well are small at any size.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

MAX_DIGITS = 9
_SHOWN = 100


@dataclass(slots=True, frozen=True)
class IndexSet:
    """An immutable set of whole numbers from 0."""

    ranges: tuple[tuple[int, int], ...] = ()
    """First and last index of each range: ascending, with a gap between any two."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "0-41,43". Raises ValueError when the text is not such a list, or has numbers that no index can be."""
        ranges = []
        for part in text.split(",") if text else ():
            first, dash, last = part.partition("-")
            ends = _number(first), _number(last if dash else first)
            ranges.append((min(ends), max(ends)))
        return cls(_merged(ranges))

    @classmethod
    def of(cls, indexes: Iterable[int]) -> Self:
        """Return the set of these indexes."""
        return cls(_merged((index, index) for index in indexes))

    @classmethod
    def below(cls, size: int) -> Self:
        """Return all indexes of an array of this size."""
        return cls(((0, size - 1),) if size > 0 else ())

    def __str__(self) -> str:
        return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in self.ranges)

    def brief(self) -> str:
        """The text, or its beginning where it is too long for a sentence."""
        text = str(self)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN].rpartition(',')[0]},…"

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, index: int) -> bool:
        position = bisect_right(self.ranges, index, key=lambda each: each[0])
        return position > 0 and index <= self.ranges[position - 1][1]

    def __or__(self, other: Self) -> Self:
        return type(self)(_merged((*self.ranges, *other.ranges))) if other.ranges else self

    def __and__(self, other: Self) -> Self:
        return self - (self - other)

    def __sub__(self, other: Self) -> Self:
        left: list[tuple[int, int]] = []
        taken = iter(other.ranges)
        gap = next(taken, None)
        for first, last in self.ranges:
            start = first
            while gap is not None and gap[0] <= last:
                if gap[1] >= start:
                    if gap[0] > start:
                        left.append((start, gap[0] - 1))
                    start = gap[1] + 1
                if gap[1] > last:
                    break
                gap = next(taken, None)
            if start <= last:
                left.append((start, last))
        return type(self)(tuple(left))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ValueError(f"{text[:20]!r} is no index")
    return int(text)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
