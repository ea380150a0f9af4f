"""Is a pod template shaped like one, as far as Batchyard reaches into it?

A CRD older than the operator may let `spec.template` of a JobDefinition hold anything, and the API server judges it
only in the dry run. The merge of a job into its definition asks here first, so that a wrong shape ends in a sentence,
not in an exception. Whatever is read of a template anywhere later is checked here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.api import names
from batchyard.api.excerpt import excerpt
from batchyard.api.models.base import LABEL_KEY, LABEL_NAME, LABEL_VALUE, QUALIFIED
from batchyard.core.definition.nodeneeds.nodeterms import FIELD_OPERATORS, LABEL_OPERATORS, REQUIRED, TERMS, wrong_term


@dataclass(slots=True, frozen=True)
class _MapOf:
    """An object with any keys that are as `keys` says."""

    values: Any
    keys: str


@dataclass(slots=True, frozen=True)
class _Between:
    """A whole number within the bounds that Kubernetes sets."""

    least: int
    most: int


@dataclass(slots=True, frozen=True)
class _Text:
    """A string that is as Kubernetes wants it."""

    pattern: re.Pattern[str]
    must_be: str


@dataclass(slots=True, frozen=True)
class _OneOf:
    """One of a few words."""

    words: tuple[str, ...]


_KEY = re.compile(QUALIFIED, re.ASCII)
_OF_LABELS = f"be that {LABEL_KEY}"
_LABEL = _Text(re.compile(LABEL_VALUE, re.ASCII), f"the value of a label: {LABEL_NAME}, or empty")
_LABELS = _MapOf(_LABEL, _OF_LABELS)
_AMOUNTS = _MapOf((str, int, float), "be the name of a resource, such as cpu, memory or nvidia.com/gpu")
_RESOURCES = {"requests": _AMOUNTS, "limits": _AMOUNTS}
_CONTAINER = {
    "name": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str}],
    "resources": _RESOURCES,
    "ports": [
        {
            "containerPort": _Between(1, 65535),
            "hostPort": _Between(0, 65535),
            "protocol": str,
            "hostIP": str,
        }
    ],
}
_NODE_TERM = {
    "matchExpressions": [
        {
            "key": _Text(_KEY, f"the key {LABEL_KEY}"),
            "operator": _OneOf(LABEL_OPERATORS),
            "values": [_LABEL],
        }
    ],
    "matchFields": [{"key": str, "operator": _OneOf(FIELD_OPERATORS), "values": [str]}],
}
_TOLERATION = {
    "key": str,
    "operator": str,
    "value": str,
    "effect": str,
    "tolerationSeconds": _Between(-(2**63), 2**63 - 1),
}
_AFFINITY, _OF_NODES, _HARD = REQUIRED
_POD_TEMPLATE = {
    "metadata": {"labels": _LABELS, "annotations": _MapOf(str, _OF_LABELS)},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "nodeSelector": _LABELS,
        "nodeName": str,
        _AFFINITY: {_OF_NODES: {_HARD: {TERMS: [_NODE_TERM]}}},
        "hostNetwork": bool,
        "tolerations": [_TOLERATION],
        "runtimeClassName": str,
        "overhead": _AMOUNTS,
        "resources": _RESOURCES,
        "activeDeadlineSeconds": _Between(1, 2**31 - 1),
        "terminationGracePeriodSeconds": _Between(0, 2**31 - 1),
    },
}
_NAMES = {str: "a string", bool: "true or false", (str, int, float): "a quantity"}
_SHOWN = 64
"""Characters of a wrong key or value that a sentence shows."""
_DEEPEST = 50
"""How deep a template may be nested; what Kubernetes knows in a pod is half as deep."""


def misshapen(template: Any) -> str:
    """One sentence about the first thing that is wrong, or nothing."""
    if _is_deeper(template, _DEEPEST):
        return f"spec.template is nested more than {_DEEPEST} levels deep: take out what is not of a pod"
    problem = _problem(template, _POD_TEMPLATE, "spec.template") or _reserved(template.get("metadata") or {})
    if problem:
        return problem
    spec = template.get("spec") or {}
    if not spec.get("containers"):
        return "spec.template.spec.containers is empty: give at least one container"
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            path = f"spec.template.spec.{field}[{index}]"
            if not container.get("name"):
                return f"{path} has no name: give it one"
            if any(not entry.get("name") for entry in container.get("env") or ()):
                return f"{path}.env has an entry without a name: give it one"
    return wrong_term(spec, "spec.template.spec")


def _reserved(metadata: Mapping[str, Mapping[str, str]]) -> str:
    for field in ("labels", "annotations"):
        for name in metadata.get(field) or ():
            if name.startswith(f"{names.GROUP}/"):
                return f"spec.template.metadata.{field} has {name}, which is for Batchyard to set: take it out"
    return ""


def without_nulls(value: Any) -> Any:
    """The same without the fields that are null, which to Kubernetes are not set; itself where there are none."""
    if isinstance(value, Mapping):
        kept = {name: without_nulls(entry) for name, entry in value.items() if entry is not None}
        same = len(kept) == len(value) and all(kept[name] is value[name] for name in kept)
        return value if same else kept
    if isinstance(value, list):
        entries = [without_nulls(entry) for entry in value]
        return value if all(new is old for new, old in zip(entries, value, strict=True)) else entries
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, Mapping | list):
        return False
    parts = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in parts)


def _problem(value: Any, shape: Any, path: str) -> str:
    """Walk value and shape together; a field that is null counts as absent, an entry of a list does not."""
    match shape:
        case list():
            if not isinstance(value, list):
                return f"{path} must be a list"
            parts = ((entry, shape[0], f"{path}[{index}]") for index, entry in enumerate(value))
        case _MapOf():
            if not isinstance(value, Mapping):
                return f"{path} must be an object"
            if (odd := next((name for name in value if not _KEY.fullmatch(name)), None)) is not None:
                return f'{path} has the key "{excerpt(odd, _SHOWN)}", which must {shape.keys}'
            parts = ((entry, shape.values, f"{path}.{name}") for name, entry in value.items())
        case dict():
            if not isinstance(value, Mapping):
                return f"{path} must be an object"
            parts = ((value[name], shape[name], f"{path}.{name}") for name in shape if value.get(name) is not None)
        case _:
            return _problem_of_one(value, shape, path)
    return next((problem for part in parts if (problem := _problem(*part))), "")


def _problem_of_one(value: Any, shape: Any, path: str) -> str:
    """The same for a value without parts."""
    match shape:
        case _Text():
            if not isinstance(value, str):
                return f"{path} must be a string"
            return (
                ""
                if shape.pattern.fullmatch(value)
                else f'{path} is "{excerpt(value, _SHOWN)}" and must be {shape.must_be}'
            )
        case _Between():
            fits = isinstance(value, int) and not isinstance(value, bool) and shape.least <= value <= shape.most
            return "" if fits else f"{path} must be a whole number from {shape.least} to {shape.most}"
        case _OneOf():
            return "" if value in shape.words else f"{path} must be one of {', '.join(shape.words)}"
        case _:
            fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
            return "" if fits else f"{path} must be {_NAMES[shape]}"
