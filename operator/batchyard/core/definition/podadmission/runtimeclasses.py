"""What the RuntimeClass of a pod writes into it: its overhead, and the nodes that it needs."""

from collections.abc import Mapping
from typing import Any

from batchyard.api.quantities import InvalidQuantity
from batchyard.core.model.podadmission.runtimeclass import RuntimeClass
from batchyard.core.model.resources import describe, parse_resources, to_resource_list

FIELD = "runtimeClassName"


def refusal(spec: Mapping[str, Any], runtime_class: RuntimeClass | None) -> str:
    """Say why the API server refuses a pod that names this RuntimeClass; None is one that does not exist."""
    if runtime_class is None:
        return f"RuntimeClass {spec[FIELD]} does not exist: create it, or name another in runtimeClassName"
    name, own = runtime_class.name, spec.get("overhead")
    if own and _parsed(own) != runtime_class.overhead:
        wanted = "none" if runtime_class.overhead is None else describe(runtime_class.overhead)
        return (
            f"the pod's overhead is {describe(_parsed(own))}, and that of RuntimeClass {name} is {wanted}: take"
            " overhead out of the JobDefinition, as the RuntimeClass sets it"
        )
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    for key, value in runtime_class.node_selector.items():
        if selector.get(key, value) != value:
            return (
                f"the pod wants nodes with {key}={selector[key]}, and RuntimeClass {name} those with {key}={value}:"
                f" take {key} out of the JobDefinition's nodeSelector, or name another RuntimeClass in runtimeClassName"
            )
    return ""


def applied(spec: Mapping[str, Any], runtime_class: RuntimeClass) -> dict[str, Any]:
    """Return the spec of a pod with what its RuntimeClass writes into it."""
    changed = dict(spec)
    if runtime_class.overhead is not None:
        changed["overhead"] = to_resource_list(runtime_class.overhead)
    if runtime_class.node_selector:
        changed["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **runtime_class.node_selector}
    if runtime_class.tolerations:
        own = list(spec.get("tolerations") or ())
        changed["tolerations"] = [*own, *(each for each in runtime_class.tolerations if each not in own)]
    return changed


def _parsed(overhead: Mapping[str, Any]) -> dict[str, int]:
    try:
        return parse_resources(overhead)
    except InvalidQuantity:
        return {}
