"""What a pod says of the nodes it can be on, as the scheduler would read it.

A pass looks something up by the constraints of each job that waits. So they are immutable, tell once what they hash to,
and pods that say nothing share one object.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - as the scheduler writes a host port without an address; nothing listens here
FIELD = "metadata.name"
"""The one field of nodes that terms can speak of."""

Port = tuple[str, int, str]
"""Protocol, number and address of a port of a node; `ANY_ADDRESS` where none is said."""


class Requirement(NamedTuple):
    """A condition on one label, or on the name of a node."""

    key: str
    operator: str
    """In, NotIn, Exists, DoesNotExist, Gt or Lt; of the name In or NotIn."""
    values: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Term:
    """Requirements that must all hold; a term without any holds for no node."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Constraints:
    """What must be true of a node before the pod can be on it, amounts apart."""

    selector: tuple[tuple[str, str], ...] = ()
    """Labels with their values, sorted."""
    terms: tuple[Term, ...] = ()
    """Required node affinity: one of them must hold; empty where nothing is required."""
    node_name: str = ""
    """The node that the pod names itself (spec.nodeName)."""
    ports: tuple[Port, ...] = ()
    """Ports of the node that the pod takes, sorted."""
    machine: str = ""
    """What it asks of a machine that only nodes have, such as a privileged container, in words; empty for nothing."""
    unequal: str = ""
    """What of it may use more than it requests, in words; empty where nothing may."""
    spread: bool = False
    """Whether it is to be in a zone where few of the same definition are."""
    one_zone: bool = False
    """Whether it is to be in the zone in which those that start with it are, whichever that is."""
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self._parts()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Constraints) and self._hash == other._hash and self._parts() == other._parts()

    @property
    def chooses(self) -> bool:
        """Whether a node's name or labels matter."""
        return bool(self.selector or self.terms or self.node_name)

    def alike(self, other: "Constraints") -> bool:
        """Whether the same nodes are right for both."""
        return self is other or self.of_nodes == other.of_nodes

    def limited(self, requirement: Requirement) -> "Constraints":
        """The same, and one more requirement of the node's labels."""
        terms = tuple(replace(each, labels=(*each.labels, requirement)) for each in self.terms if each != Term())
        if not self.terms:
            terms = (Term((requirement,)),)
        return replace(self, terms=terms or self.terms)

    @property
    def of_nodes(self) -> tuple[object, ...]:
        """What decides on which nodes are right for it."""
        return self.selector, self.terms, self.node_name, self.ports, self.spread, self.one_zone

    def _parts(self) -> tuple[object, ...]:
        return *self.of_nodes, self.machine, self.unequal


UNCONSTRAINED = Constraints()
"""Of pods that say nothing."""
