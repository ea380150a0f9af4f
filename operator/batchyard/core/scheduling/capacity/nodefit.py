"""Whether a node is right for a pod, by the scheduler's rules as far as they are static.

Amounts are the ledger's business, taints the environment's: its nodes are those whose taints it tolerates. Preferred
terms, affinity between pods, spread and volumes are left to the scheduler, which sees them change.
"""

import re
from collections.abc import Mapping, Set
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.constraints import ANY_ADDRESS, FIELD, Constraints, Port, Requirement, Term

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LEAST, _MOST = -(2**63), 2**63 - 1


class Part(Enum):
    """The part of a pod that says what a node must be like."""

    NODE_NAME = "nodeName"
    SELECTOR = "nodeSelector"
    AFFINITY = "node affinity"


class Exclusion(NamedTuple):
    """Why a node is not one for a pod: the first part that it does not meet."""

    part: Part
    requirement: Requirement | None = None
    """None where no single requirement is the cause: of several terms, or of one without any."""


def admits(constraints: Constraints, node: Node) -> bool:
    """Whether the pod may be on the node, ports and amounts apart."""
    return exclusion(constraints, node) is None


def exclusion(constraints: Constraints, node: Node) -> Exclusion | None:
    """The first cause for which the pod may not be on the node, if there is one."""
    if constraints.node_name and constraints.node_name != node.name:
        return Exclusion(Part.NODE_NAME, Requirement(FIELD, "In", (constraints.node_name,)))
    for key, value in constraints.selector:
        if node.labels.get(key) != value:
            return Exclusion(Part.SELECTOR, Requirement(key, "In", (value,)))
    if not constraints.terms:
        return None
    unmet: Requirement | None = None
    for term in constraints.terms:
        unmet = _unmet(term, node)
        # A term without requirements holds for no node.
        if unmet is None and (term.labels or term.fields):
            return None
    return Exclusion(Part.AFFINITY, unmet if len(constraints.terms) == 1 else None)


def ports_free(ports: tuple[Port, ...], taken: Set[Port]) -> bool:
    """Whether a pod that takes these ports can be on a node where those are taken.

    Two are in each other's way at the same protocol and number, if either is for all addresses or both for the same.
    """
    return not any(
        protocol == other_protocol and number == other_number and (address == other or ANY_ADDRESS in (address, other))
        for protocol, number, address in ports
        for other_protocol, other_number, other in taken
    )


def _unmet(term: Term, node: Node) -> Requirement | None:
    """The first requirement of the term that the node does not meet."""
    for requirement in term.labels:
        if not _holds(requirement, node.labels):
            return requirement
    for requirement in term.fields:
        if not _holds(requirement, {FIELD: node.name}):
            return requirement
    return None


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    key, operator, values = requirement
    label = labels.get(key)
    if operator == "In":
        return label in values
    if operator == "NotIn":
        return label not in values
    if operator == "Exists":
        return label is not None
    if operator == "DoesNotExist":
        return label is None
    return label is not None and len(values) == 1 and _compares(operator, label, values[0])


def _compares(operator: str, label: str, bound: str) -> bool:
    """Gt and Lt, for which both sides must be integers of 64 bits."""
    have, limit = _integer(label), _integer(bound)
    if have is None or limit is None:
        return False
    return have > limit if operator == "Gt" else operator == "Lt" and have < limit


@lru_cache(maxsize=1024)
def _integer(text: str) -> int | None:
    # Labels are shorter; `int` raises for a text of thousands of digits.
    if len(text) > 64 or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if _LEAST <= number <= _MOST else None
