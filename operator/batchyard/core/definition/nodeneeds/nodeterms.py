"""What the terms of required node affinity may hold: the API server's own rules, told before a job waits for a node.

A pod with terms that the API server refuses would never come to it: no node meets them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from batchyard.core.model.pods.constraints import FIELD

REQUIRED = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
"""Where the spec of a pod has its terms: the fields on the way."""
TERMS = "nodeSelectorTerms"
LABEL_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
FIELD_OPERATORS = ("In", "NotIn")


def wrong_term(spec: Mapping[str, Any], path: str) -> str:
    """One sentence about the first thing that is wrong with the terms of a pod, or nothing; their shape is right."""
    required: Any = spec
    for field in REQUIRED:
        path = f"{path}.{field}"
        required = required.get(field)
        if required is None:
            return ""
    path = f"{path}.{TERMS}"
    terms = required.get(TERMS)
    if not terms:
        return f"{path} is empty, which no node meets: give at least one term, or take the affinity out"
    for index, term in enumerate(terms):
        for field, problem in (("matchExpressions", _of_label), ("matchFields", _of_field)):
            for number, requirement in enumerate(term.get(field) or ()):
                if wrong := problem(requirement, requirement.get("values") or ()):
                    return f"{path}[{index}].{field}[{number}]{wrong}"
    return ""


def _of_label(requirement: Mapping[str, Any], values: Sequence[str]) -> str:
    if not requirement.get("key"):
        return " has no key: name a label"
    match requirement.get("operator"):
        case None:
            return f" has no operator: give one of {', '.join(LABEL_OPERATORS)}"
        case "In" | "NotIn" as operator:
            return "" if values else f".values is empty: give at least one value for the operator {operator}"
        case "Gt" | "Lt" as operator:
            return "" if len(values) == 1 else f".values must hold one whole number for the operator {operator}"
        case operator:
            return f".values must be left out for the operator {operator}" if values else ""


def _of_field(requirement: Mapping[str, Any], values: Sequence[str]) -> str:
    if requirement.get("key") != FIELD:
        return f".key must be {FIELD}, the one field of nodes there is"
    if requirement.get("operator") not in FIELD_OPERATORS:
        return f".operator must be one of {', '.join(FIELD_OPERATORS)}"
    return "" if len(values) == 1 else ".values must hold the name of one node"
