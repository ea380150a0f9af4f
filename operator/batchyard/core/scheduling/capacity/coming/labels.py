"""Which labels nodes to come may have, and whether a pod may be on one of them.

The rules are those of Karpenter: a pod may ask for labels that the template of the nodes gives or leaves open among
those that the provider knows. A label that nobody gives is on no node.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from batchyard.api.names import NODE_ENVIRONMENT
from batchyard.core.model.managed import CAPACITY_TYPE, INSTANCE_TYPE, ZONE, ManagedNodes
from batchyard.core.model.pods.constraints import Constraints, Requirement, Term

_OF_PROVIDERS = frozenset(
    {
        INSTANCE_TYPE,
        CAPACITY_TYPE,
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/windows-build",
        "topology.kubernetes.io/region",
        ZONE,
    }
)
"""Labels that each provider gives to its nodes, whatever the template says."""
_NODE_POOL = "karpenter.sh/nodepool"
_NORMALIZED = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": INSTANCE_TYPE,
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": ZONE,
    "topology.ebs.csi.aws.com/zone": ZONE,
}
"""Older names of labels, and one of AWS, that Karpenter takes for others."""


@dataclass(slots=True, frozen=True)
class Values:
    """The values that a label may have."""

    named: frozenset[str] = frozenset()
    others: bool = True
    """Whether it may be any but those that are named, and not only one of them."""
    above: int | None = None
    below: int | None = None
    absent: bool = False
    """Whether the label may be missing."""

    def within(self, requirement: Requirement) -> "Values":
        """The values that meet a further requirement."""
        _, operator, values = requirement
        match operator:
            case "In":
                return self._among(frozenset(values))
            case "NotIn":
                named = self.named | frozenset(values) if self.others else self.named - frozenset(values)
                return replace(self, named=named)
            case "Exists":
                return replace(self, absent=False)
            case "DoesNotExist":
                return Values(others=False, absent=self.absent)
        return self._bounded(operator, _number(values))

    def _bounded(self, operator: str, bound: int | None) -> "Values":
        """The values above or below a number."""
        if bound is None:
            return Values(others=False)
        if operator == "Gt":
            return replace(self, above=bound if self.above is None else max(bound, self.above), absent=False)
        return replace(self, below=bound if self.below is None else min(bound, self.below), absent=False)

    def _among(self, values: frozenset[str]) -> "Values":
        named = values - self.named if self.others else values & self.named
        return replace(self, named=named, others=False, absent=False)

    @property
    def possible(self) -> bool:
        """Whether there is such a value, or the label may be missing."""
        if self.absent:
            return True
        if self.others:
            return self.above is None or self.below is None or self.above + 1 < self.below
        return any(map(self._in_bounds, self.named))

    def _in_bounds(self, value: str) -> bool:
        if self.above is None and self.below is None:
            return True
        number = _number((value,))
        return (
            number is not None
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )


def _number(values: tuple[str, ...]) -> int | None:
    text = values[0] if len(values) == 1 else ""
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit() else None


_MOST_DIGITS = 18
_ANY = Values()
_ANY_OR_NONE = Values(absent=True)
_MISSING = Values(others=False, absent=True)


class Labels:
    """The labels of nodes that are made for an environment, as far as they are certain."""

    def __init__(self, nodes: ManagedNodes) -> None:
        self._prefix = f"{nodes.node_class.group}/"
        given = [Requirement(key, "In", (value,)) for key, value in nodes.labels.items()]
        # The NodePool has the name of its environment; its template may not give that label itself.
        given += [Requirement(_NODE_POOL, "In", (name,)) for name in [nodes.labels.get(NODE_ENVIRONMENT)] if name]
        self._values = _together([*given, *nodes.requirements], _ANY)
        self._admitted = lru_cache(maxsize=1000)(self._admits)

    def allows(self, key: str, value: str) -> bool:
        """Whether a label may have a value."""
        return self._of(key).within(Requirement(key, "In", (value,))).possible

    def admits(self, constraints: Constraints, instance_type: str = "") -> bool:
        """Whether a pod may be on such a node, of that instance type where one is named."""
        return not constraints.chooses or self._admitted(constraints, instance_type)

    def _admits(self, constraints: Constraints, instance_type: str) -> bool:
        if constraints.node_name:
            return False  # of a node that is there; those to come have no names yet
        fixed = [Requirement(key, "In", (value,)) for key, value in constraints.selector]
        fixed += [Requirement(INSTANCE_TYPE, "In", (instance_type,))] if instance_type else []
        if not constraints.terms:
            return self._meets(fixed)
        return any(_is_of_any_name(term) and self._meets([*fixed, *term.labels]) for term in constraints.terms)

    def _meets(self, requirements: Iterable[Requirement]) -> bool:
        asked: dict[str, Values] = {}
        for requirement in requirements:
            key = _NORMALIZED.get(requirement.key, requirement.key)
            asked[key] = (asked.get(key) or self._of(key)).within(requirement)
        return all(values.possible for values in asked.values())

    def _of(self, key: str) -> Values:
        known = self._values.get(key)
        if known is not None:
            return known
        return _ANY if key in _OF_PROVIDERS or key.startswith(self._prefix) else _MISSING

    def lacking(self, constraints: Constraints) -> str:
        """The first label that a pod asks for in its node selector and that no such node can have; empty if none."""
        for key, value in constraints.selector:
            if not self._meets([Requirement(key, "In", (value,))]):
                return f"{key}={value}"
        return ""


def _together(requirements: Iterable[Requirement], beginning: Values) -> dict[str, Values]:
    """The values of each label that meet all that is said of it."""
    found: dict[str, Values] = {}
    for requirement in requirements:
        found[requirement.key] = found.get(requirement.key, beginning).within(requirement)
    return found


def _is_of_any_name(term: Term) -> bool:
    """Whether a term has requirements, and does not ask for a node by its name."""
    return bool(term.labels or term.fields) and all(operator == "NotIn" for _, operator, _ in term.fields)


def contradiction(nodes: ManagedNodes) -> str | None:
    """The first label of which no value meets all that is said of the nodes; None where there are such nodes."""
    values = _together(nodes.requirements, _ANY_OR_NONE)
    return next((key for key, each in values.items() if not each.possible), None)


def instance_types(requirements: Iterable[Requirement]) -> frozenset[str] | None:
    """The only instance types that the requirements leave; None where any may do."""
    found = _together(requirements, _ANY).get(INSTANCE_TYPE, _ANY)
    return None if found.others else found.named


_ZONES = 3
"""How many zones a provider is thought to have that does not say."""


def number_of_zones(requirements: Iterable[Requirement]) -> int:
    """How many zones the requirements leave."""
    found = _together(requirements, _ANY).get(ZONE, _ANY)
    return _ZONES if found.others else len(found.named)
