"""Consumable resources: their records. `scheduling.consumption` counts what was used up of them."""

from dataclasses import dataclass, replace
from typing import Self


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

    def blank(self, why: str) -> Self:
        """The same resource, of which there is nothing, as it cannot be used."""
        return replace(self, total=0, refusal=why)


@dataclass(slots=True, frozen=True)
class Count:
    """What was used up, and by which runs: all that were made before `until`, and those listed."""

    consumed: int
    until: float
    runs: frozenset[str] = frozenset()
