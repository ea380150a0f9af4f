"""From the spec of a pod to what it says of the nodes it can be on.

What is no shape of a pod is refused before (`shape`). A revision stored by an earlier version may still hold it: then
that part counts as not said, and the API server has the last word.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from batchyard.api.models.jobdefinition import ZonePolicy
from batchyard.core.definition.commands import CONTAINER_LISTS
from batchyard.core.definition.nodeneeds.machineneeds import machine_needs, unequal_limits
from batchyard.core.definition.nodeneeds.nodeterms import FIELD_OPERATORS, LABEL_OPERATORS, REQUIRED, TERMS
from batchyard.core.model.pods.constraints import (
    ANY_ADDRESS,
    FIELD,
    UNCONSTRAINED,
    Constraints,
    Port,
    Requirement,
    Term,
)


def constraints_of(spec: Mapping[str, Any], zone_policy: ZonePolicy = ZonePolicy.ANY) -> Constraints:
    """The constraints of a pod; `UNCONSTRAINED` itself where there are none. Never raises, whatever the spec holds."""
    found = Constraints(
        selector=_selector(spec.get("nodeSelector")),
        terms=_terms(spec),
        node_name=_text(spec.get("nodeName")),
        ports=host_ports(spec),
        machine=machine_needs(spec),
        unequal=unequal_limits(spec),
        spread=zone_policy is ZonePolicy.SPREAD,
        one_zone=zone_policy is ZonePolicy.SINGLE,
    )
    return UNCONSTRAINED if found == UNCONSTRAINED else found


def host_ports(spec: Mapping[str, Any]) -> tuple[Port, ...]:
    """The ports of its node that a pod takes: those of its containers and sidecars, as the scheduler counts them.

    Init containers that end before the others begin do not count. On the network of the host, each port of a container
    is one of the node; the API server writes that into pods, not into templates.
    """
    on_host = spec.get("hostNetwork") is True
    found = {
        (_text(port.get("protocol")) or "TCP", number, _text(port.get("hostIP")) or ANY_ADDRESS)
        for field in CONTAINER_LISTS
        for container in _objects(spec.get(field))
        if field == "containers" or container.get("restartPolicy") == "Always"
        for port in _objects(container.get("ports"))
        if (number := _number(port.get("hostPort")) or (on_host and _number(port.get("containerPort"))))
    }
    return tuple(sorted(found))


def _selector(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        return ()
    return tuple(sorted(value.items()))


def _terms(spec: Mapping[str, Any]) -> tuple[Term, ...]:
    """The terms of required node affinity. Malformed in one place, all of it counts as not said."""
    required: Any = spec
    for field in REQUIRED:
        required = required.get(field)
        if not isinstance(required, Mapping):
            return ()
    listed = required.get(TERMS)
    if listed is None or listed == []:
        # Required, and without a term, it holds for no node. So does an empty term.
        return (Term(),)
    if not isinstance(listed, list):
        return ()
    read = [_term(each) for each in listed]
    terms = [term for term in read if term is not None]
    return tuple(terms) if len(terms) == len(read) else ()


def _term(value: Any) -> Term | None:
    if not isinstance(value, Mapping):
        return None
    labels = _requirements(value.get("matchExpressions"), LABEL_OPERATORS)
    fields = _requirements(value.get("matchFields"), FIELD_OPERATORS)
    if labels is None or fields is None or any(each.key != FIELD for each in fields):
        return None
    return Term(labels, fields)


def _requirements(value: Any, operators: Iterable[str]) -> tuple[Requirement, ...] | None:
    if value is None:
        return ()
    if not isinstance(value, list):
        return None
    read = [_requirement(each, operators) for each in value]
    found = [each for each in read if each is not None]
    return tuple(found) if len(found) == len(read) else None


def _requirement(value: Any, operators: Iterable[str]) -> Requirement | None:
    if not isinstance(value, Mapping):
        return None
    key, operator, values = value.get("key"), value.get("operator"), value.get("values") or []
    if not isinstance(key, str) or not isinstance(operator, str) or operator not in operators:
        return None
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        return None
    return Requirement(key, operator, tuple(sorted(set(values))))


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> int:
    """The number of a port; 0 where it is none."""
    number = _whole(value) or 0
    return max(number, 0)
