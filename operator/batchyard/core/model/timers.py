"""Moments that may not be known, that never come, or that were set by a clock which has been set back since."""

from datetime import UTC, datetime
from functools import lru_cache


def earliest(*moments: float | None) -> float | None:
    """The first of those moments that there are."""
    return min((moment for moment in moments if moment is not None), default=None)


def lies_ahead(moment: float, now: float, longest: float) -> bool:
    """Whether to wait for a moment that is at most the `longest` wait away from when it was set.

    One that is further off was set before the clock was set back, and must not be waited for until then.
    """
    return now < moment <= now + longest


def is_recent(moment: float, now: float, seconds: float) -> bool:
    """Whether a moment was less than so many seconds ago; one that is yet to come was so on a clock set back since."""
    return lies_ahead(moment + seconds, now, seconds)


@lru_cache(maxsize=1)
def clock(moment: float) -> str:
    """The time of day, as sentences bear it; one pass tells it to many jobs."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%SZ")
