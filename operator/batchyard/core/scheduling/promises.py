"""What is kept in an environment for those who wait there before all others, while it is on its way to them.

Preemption and array reclaim make promises of what they take from what runs; backfill heeds them.
"""

from dataclasses import dataclass, field

from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources, subtract


@dataclass(slots=True)
class Promise:
    """From when on those who wait may count on what they need, and what is left beside it."""

    at: float
    """Not before may others use it. A time that is past or now means: it may come at any moment."""
    spare: Resources
    """Of what is free or will be by then."""
    to: set[Key] = field(default_factory=set)
    """Who may have what is kept."""


def beside(request: Resources, room: Resources) -> dict[str, int]:
    """What is left of the room beside a request; nothing of what it needs all of, or more."""
    return {name: max(amount, 0) for name, amount in subtract(room, request).items()}
