"""Moments that may not be known, or never come."""


def earliest(*moments: float | None) -> float | None:
    """The first of those moments that there are."""
    return min((moment for moment in moments if moment is not None), default=None)
