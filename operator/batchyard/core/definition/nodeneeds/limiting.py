"""A pod that is to be on fewer nodes than its template allows."""

from collections.abc import Mapping
from typing import Any

from batchyard.core.definition.nodeneeds.nodeterms import REQUIRED, TERMS
from batchyard.core.model.pods.constraints import Requirement


def limited(template: Mapping[str, Any], requirement: Requirement) -> dict[str, Any]:
    """The same pod, with one more requirement of its node: in each of the terms of which one must hold, or the only
    one there is."""
    asked = _expression(requirement)
    affinity, nodes, required = REQUIRED
    spec = template["spec"]
    of_pod = spec.get(affinity) or {}
    of_nodes = of_pod.get(nodes) or {}
    terms = (of_nodes.get(required) or {}).get(TERMS)
    several = [{"matchExpressions": [asked]}] if terms is None else [_limited(term, asked) for term in terms]
    of_nodes = {**of_nodes, required: {TERMS: several}}
    return {**template, "spec": {**spec, affinity: {**of_pod, nodes: of_nodes}}}


def _expression(requirement: Requirement) -> dict[str, Any]:
    values = {"values": list(requirement.values)} if requirement.values else {}
    return {"key": requirement.key, "operator": requirement.operator, **values}


def _limited(term: Mapping[str, Any], asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """A term with one more requirement; one without any holds for no node, and still does."""
    known = term.get("matchExpressions") or []
    if not (known or term.get("matchFields")) or asked in known:
        return term
    return {**term, "matchExpressions": [*known, asked]}
