"""From pydantic's JSON schema to the structural OpenAPI v3 schema that a CustomResourceDefinition takes.

References are inlined, nullable unions become optional fields, what this version refuses becomes CEL rules.
"""

from typing import Any

from pydantic import BaseModel

from batchyard.api.models.base import VALIDATIONS
from batchyard.api.unsupported import UNSUPPORTED, Unsupported

Json = dict[str, Any]

_KEPT = frozenset(
    {
        "additionalProperties",
        "anyOf",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
    }
)


def structural_schema(model: type[BaseModel], kind: str) -> Json:
    """The openAPIV3Schema of one kind."""
    document = model.model_json_schema(by_alias=True)
    schema = _convert(document, document.get("$defs", {}))
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    for constant in ("apiVersion", "kind"):  # known by the API server, which allows no rules on them
        schema["properties"][constant] = {
            "type": "string",
            "description": schema["properties"][constant]["description"],
        }
    for row in UNSUPPORTED:
        if row.kind == kind:
            _refuse(schema["properties"]["spec"], row)
    return schema


def _refuse(spec: Json, row: Unsupported) -> None:
    owner = spec
    for step in row.path[:-1]:
        owner = owner["properties"][step]
        owner = owner.get("items", owner)
    rule = {"rule": _cel(owner, row), "message": row.message, "fieldPath": f".{row.path[-1]}"}
    owner.setdefault(VALIDATIONS, []).append(rule)


def _cel(owner: Json, row: Unsupported) -> str:
    if owner["properties"][row.path[-1]].get("type") != "array":
        return row.cel
    return f"{row.cel} || size(self.{row.path[-1]}) == 0"


def _convert(node: Json, definitions: Json) -> Json:
    node = _inline(node, definitions)
    result: Json = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if "properties" in node:
        result["properties"] = {name: _convert(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    _fix_map(result, definitions)
    _fix_default(result)
    if "const" in node:
        result["enum"] = [node["const"]]
    if "exclusiveMinimum" in node:
        result["minimum"], result["exclusiveMinimum"] = node["exclusiveMinimum"], True
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    return result


def _inline(node: Json, definitions: Json) -> Json:
    """Follow a reference and drop the null of an optional field; what stands beside them wins."""
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        return _inline({**_inline(choices[0], definitions), **rest}, definitions)
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return {
            **_inline(target, definitions),
            **{key: value for key, value in node.items() if key != "$ref"},
        }
    return node


def _fix_map(result: Json, definitions: Json) -> None:
    values = result.pop("additionalProperties", None)
    if values is True:
        result["x-kubernetes-preserve-unknown-fields"] = True
    elif isinstance(values, dict):
        result["additionalProperties"] = _convert(values, definitions)


def _fix_default(result: Json) -> None:
    """Only plain values are defaulted by the API server; empty lists and objects mean the same as nothing."""
    if result.get("default") is None or isinstance(result["default"], list | dict):
        result.pop("default", None)
