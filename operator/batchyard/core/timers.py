"""Moments at which to look at a job again without being told to. Used by everything that settles one."""


def earliest(*moments: float | None) -> float | None:
    """The first of those moments that there are."""
    return min((moment for moment in moments if moment is not None), default=None)
