"""Moments that may not be known, or never come. Used by everything that settles a job, and by who reads its pods."""


def earliest(*moments: float | None) -> float | None:
    """The first of those moments that there are."""
    return min((moment for moment in moments if moment is not None), default=None)
