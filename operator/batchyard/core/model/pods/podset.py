"""The pods that a job starts together, in the form in which room is looked for."""

from collections.abc import Iterable, Mapping

from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints
from batchyard.core.model.resources import Resources, add, describe, times

POD_SLOT: Resources = {"pods": 1}
"""Nodes limit how many pods they carry."""

Assignment = tuple[tuple[str, Resources], ...]
"""For each pod a node, and what the pod takes there, its slot included."""

On = Mapping[str, Resources]
"""What something takes on each node that it is on, pod slots included."""


class PodSet:
    """Pods that are alike. Equal ones find the same answer wherever answers are kept."""

    __slots__ = ("_hash", "constraints", "count", "takes")

    def __init__(self, count: int, request: Resources, constraints: Constraints = UNCONSTRAINED) -> None:
        self.count = count
        self.takes: Resources = {name: amount for name, amount in request.items() if amount > 0 and name != "pods"}
        """What one pod takes, its slot included; what it asks nothing of is left out."""
        self.takes = {**self.takes, **POD_SLOT}
        self.constraints = constraints
        self._hash = hash((count, constraints, frozenset(self.takes.items())))

    def of(self, count: int) -> "PodSet":
        """So many of the same pods."""
        return PodSet(count, self.takes, self.constraints)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, PodSet)
            and self._hash == other._hash
            and (self.count, self.takes, self.constraints) == (other.count, other.takes, other.constraints)
        )

    def __repr__(self) -> str:
        return f"PodSet({self.count}, {dict(self.takes)}, {self.constraints})"


PodSets = tuple[PodSet, ...]
"""All pods that must start at once: one set for most jobs, several for a multi-node job of mixed nodes."""


def total_of(pods: PodSets) -> dict[str, int]:
    """What all of them take together."""
    total: dict[str, int] = {}
    for each in pods:
        for name, amount in times(each.takes, each.count).items():
            total[name] = total.get(name, 0) + amount
    return total


def together(assigned: Iterable[tuple[str, Resources]]) -> dict[str, Resources]:
    """What is taken on each node by all that is assigned."""
    found: dict[str, Resources] = {}
    for node, amount in assigned:
        found[node] = add(found[node], amount) if node in found else amount
    return found


def describe_request(amounts: Resources) -> str:
    """What pods ask for, as a person says it: the slots that they take go without saying."""
    return describe({name: amount for name, amount in amounts.items() if name not in POD_SLOT})
