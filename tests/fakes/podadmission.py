"""What the API server's plugins LimitRanger and RuntimeClass do to pods, as far as tests need it."""

from typing import Any

from batchyard.api.quantities import parse_bytes, parse_cpu_milli
from batchyard.kube.protocol import Object
from batchyard.kube.resources import LIMIT_RANGES, RUNTIME_CLASSES
from fakes.copying import copied
from fakes.store import Store


def admitted(store: Store, namespace: str, spec: Object) -> tuple[dict[str, Any], str]:
    """Return the spec that a pod is stored with, and why it is refused, if it is."""
    changed: dict[str, Any] = copied(dict(spec))
    classes = {each["metadata"]["name"]: each for each in store.objects(RUNTIME_CLASSES)}
    if name := changed.get("runtimeClassName"):
        if name not in classes:
            return changed, f'pod rejected: RuntimeClass "{name}" not found'
        _apply(classes[name], changed)
    items = [each for found in store.objects(LIMIT_RANGES, namespace) for each in found["spec"]["limits"]]
    items = [each for each in items if isinstance(each, dict)]
    for container in [*changed["containers"], *changed.get("initContainers", [])]:
        for item in items:
            if item["type"] == "Container":
                _default(container, item)
        if refusal := _refusal(container, items):
            return changed, refusal
    return changed, ""


def _apply(runtime_class: Object, spec: dict[str, Any]) -> None:
    if overhead := runtime_class.get("overhead"):
        spec["overhead"] = overhead["podFixed"]
    scheduling = runtime_class.get("scheduling") or {}
    spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **scheduling.get("nodeSelector", {})}
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *scheduling.get("tolerations", ())]


def _default(container: dict[str, Any], item: Object) -> None:
    own = container.get("resources") or {}
    limits, requests = own.get("limits") or {}, own.get("requests") or {}
    given = {"limits": limits, "requests": {**limits, **requests}}
    added = {"limits": item.get("default") or {}, "requests": item.get("defaultRequest") or item.get("default") or {}}
    container["resources"] = {**own, **{side: {**added[side], **given[side]} for side in given}}


def _refusal(container: Object, items: list[Object]) -> str:
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name in requests.keys() & limits.keys():
        if _value(name, requests[name]) > _value(name, limits[name]):
            return f'Invalid value: "{requests[name]}": must be less than or equal to {name} limit of {limits[name]}'
    for item in items:
        for name, most in (item.get("max") or {}).items():
            limit = limits.get(name)
            if item["type"] == "Container" and limit is not None and _value(name, limit) > _value(name, most):
                return f"maximum {name} usage per Container is {most}, but limit is {limit}"
    return ""


def _value(name: str, amount: str) -> int:
    return parse_cpu_milli(amount) if name == "cpu" else parse_bytes(amount)
