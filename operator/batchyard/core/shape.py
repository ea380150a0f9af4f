"""Is a free-form pod template shaped like one, as far as Batchyard reaches into it?

The CRD lets `spec.template` of a JobDefinition hold anything, and the API server judges it only in the dry
run. The merge of a job into its definition asks here first, so that a wrong shape ends in a sentence, not in
an exception.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, frozen=True)
class _MapOf:
    """An object with any keys."""

    values: Any


_AMOUNTS = _MapOf((str, int, float))
_RESOURCES = {"requests": _AMOUNTS, "limits": _AMOUNTS}
_CONTAINER = {
    "name": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str}],
    "resources": _RESOURCES,
}
_POD_TEMPLATE = {
    "metadata": {"labels": _MapOf(str), "annotations": _MapOf(str)},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "nodeSelector": _MapOf(str),
        "tolerations": [{}],
        "overhead": _AMOUNTS,
        "resources": _RESOURCES,
        "activeDeadlineSeconds": int,
    },
}
_NAMES = {str: "a string", int: "a whole number", (str, int, float): "a quantity"}


def misshapen(template: Any) -> str:
    """One sentence about the first thing that is wrong, or nothing."""
    problem = _problem(template, _POD_TEMPLATE, "spec.template")
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
    return ""


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
            parts = ((entry, shape.values, f"{path}.{name}") for name, entry in value.items())
        case dict():
            if not isinstance(value, Mapping):
                return f"{path} must be an object"
            parts = ((value[name], shape[name], f"{path}.{name}") for name in shape if value.get(name) is not None)
        case _:
            fits = isinstance(value, shape) and not isinstance(value, bool)
            return "" if fits else f"{path} must be {_NAMES[shape]}"
    return next((problem for part in parts if (problem := _problem(*part))), "")
