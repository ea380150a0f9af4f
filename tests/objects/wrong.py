"""One object per field of the API that holds a value of the wrong type there.

Generated from the schemas, so that a field added later is covered without anybody thinking of it.
"""

from collections.abc import Iterator
from typing import Any

from batchyard.api.generate.schema import structural_schema
from batchyard.api.kinds import KINDS
from objects.api import Json, manifest
from objects.podparts import is_pod_part

EXAMPLES = {"targetNodes": "0:", "operator": "Exists", "shareIdentifier": "teama"}


def wrong_objects() -> Iterator[tuple[str, str, Json]]:
    """Kind, path of the wrong value as the API server writes it, object."""
    for kind in KINDS.values():
        spec = structural_schema(kind.model, kind.name)["properties"]["spec"]
        for number, (path, value) in enumerate(_wrong_values(spec)):
            where = "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
            name = f"wrong-{number}"
            yield kind.name, where, manifest(kind.name, _with(spec, list(path), value), name=name)


def _wrong_values(schema: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if path:
        yield path, 7 if schema.get("type") in {"string", "array"} else "text"
    if schema.get("x-kubernetes-int-or-string"):
        yield path, 0.5
    if is_pod_part(schema):  # what is in it is judged when a pod is made of it
        return
    for name, child in schema.get("properties", {}).items():
        yield from _wrong_values(child, (*path, name))
    if "items" in schema:
        yield from _wrong_values(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _wrong_values(schema["additionalProperties"], (*path, "key"))


def _with(schema: Json, path: list[str | int], value: Any) -> Any:
    """The least value of the schema that has this value at the path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [_with(schema["items"], rest, value)]
    if "properties" not in schema:
        return {step: _with(schema["additionalProperties"], rest, value)}
    return {**_example(schema), step: _with(schema["properties"][step], rest, value)}


def _example(schema: Json, name: str = "") -> Any:
    match schema:
        case {"enum": [first, *_]}:
            return first
        case {"type": "object"}:
            properties = schema.get("properties", {})
            return {key: _example(properties[key], key) for key in schema.get("required", ())}
        case {"type": "array"}:
            return [_example(schema["items"])] if schema.get("minItems") else []
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 0) + 1
    return EXAMPLES.get(name, "a")
