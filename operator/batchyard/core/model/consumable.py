"""Consumable resources: their records. `scheduling.consumption` counts what was used up of them."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Consumable:
    """A ConsumableResource."""

    name: str
    uid: str
    generation: int
    created: float
    total: int
    replenishable: bool
    refusal: str = ""


@dataclass(slots=True, frozen=True)
class Count:
    """What was used up, and by which runs: all that were made before `until`, and those listed."""

    consumed: int
    until: float
    runs: frozenset[str] = frozenset()
