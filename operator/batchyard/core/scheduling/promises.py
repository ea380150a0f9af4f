"""What is kept on nodes for those who wait there before all others, while it is on its way to them.

Preemption and array reclaim make promises of what they take from what runs; backfill heeds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.capacity.ledger import Ledger

CEILINGS = ""
"""Stands for the environment's ceilings where nodes are named: all that runs in it is on these, too."""


@dataclass(slots=True)
class Promise:
    """From when on those who wait may count on what they need, and what is left beside it."""

    at: float
    """Not before may others use it. A time that is past or now means: it may come at any moment."""
    spare: dict[str, Resources]
    """Of what is free by then on each node on which anything is kept, what nobody has been promised. Other nodes are
    free to all."""
    to: set[Key] = field(default_factory=set)
    """Who may have what is kept."""


def spare_beside(ledger: Ledger, environment: str, assigned: Assignment) -> dict[str, Resources]:
    """What is left on the nodes of those that the ledger has been charged with."""
    spare: dict[str, Resources] = {node: ledger.space.of(environment, node) for node, _ in assigned}
    if left := ledger.left(environment):
        spare[CEILINGS] = left
    return spare


def less(spare: Mapping[str, Resources], assigned: Assignment) -> dict[str, Resources]:
    """What is spare once more has been promised; nothing of what is needed all of, or more."""
    left = dict(spare)
    for node, amount in assigned:
        if node in left:
            left[node] = {name: max(each - amount.get(name, 0), 0) for name, each in left[node].items()}
    return left


def narrowed(one: Mapping[str, Resources], other: Mapping[str, Resources]) -> dict[str, Resources]:
    """What is spare beside both of two promises."""
    both: dict[str, Resources] = {**one, **other}
    for node in one.keys() & other.keys():
        both[node] = {name: min(amount, other[node].get(name, 0)) for name, amount in one[node].items()}
    return both
