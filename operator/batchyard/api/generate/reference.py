"""Writes the reference page of the five kinds: `python -m batchyard.api.generate.reference docs/reference.md`.

Generated from the models like the CRDs, so that what it says about a field is what the API server enforces.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchyard.api import names
from batchyard.api.kinds import KINDS, Kind
from batchyard.api.models.base import VALIDATIONS
from batchyard.api.unsupported import UNSUPPORTED, Unsupported

Json = dict[str, Any]

INTRODUCTION = """\
<!-- Generated from operator/batchyard/api by `make generate`; do not edit. -->
# API reference

Batchyard adds five kinds to Kubernetes, all in `{api_version}` and in the category `{category}`:
`kubectl get {category}` lists them, `kubectl explain {example}` shows this page's words in the terminal.
The API server refuses unknown fields, wrong types and broken rules when an object is applied.

Fields marked **not in this version** are part of the API but refused with a message until a later version does them.
A *quantity* is a number of Kubernetes' usual form, such as `500m`, `2` or `4Gi`; fractions are put in quotes (`"0.5"`).
"""


class Page:
    """Collects the sections of one kind, each type once in the order in which it is first mentioned."""

    def __init__(self, kind: Kind, seen: set[str]) -> None:
        self.kind = kind
        self.schema: Json = kind.model.model_json_schema(by_alias=True)
        self.definitions: Json = self.schema.get("$defs", {})
        self.seen = seen
        self.refused: dict[tuple[str, str], list[Unsupported]] = {}
        for row in UNSUPPORTED:
            if row.kind == kind.name:
                self.refused.setdefault((self._owner(row), row.path[-1]), []).append(row)

    def render(self) -> Iterator[str]:
        """All lines about the kind."""
        scope = "one namespace" if self.kind.namespaced else "the whole cluster"
        yield f"## {self.kind.name}\n"
        yield f"{_line(self.schema['description'])} Lives in {scope}; short name `{self.kind.short_name}`.\n"
        yield from self._rules(self.schema)
        for part in ("spec", "status"):
            yield from self._type(self._reference(self.schema["properties"][part]), f"{self.kind.name} {part}")

    def _type(self, name: str, title: str) -> Iterator[str]:
        if name in self.seen:
            return
        self.seen.add(name)
        schema = self.definitions[name]
        yield f'### <a id="{name.lower()}"></a>{title}\n'
        yield f"{_line(schema['description'])}\n"
        yield "| field | type | default | |\n|---|---|---|---|"
        required = schema.get("required", ())
        for field, child in schema["properties"].items():
            default = "*required*" if field in required else _default(child)
            about = " ".join(self._about(name, field, child))
            yield f"| `{field}` | {self._type_name(child)} | {default} | {about} |"
        yield ""
        yield from self._rules(schema)
        for child in schema["properties"].values():
            if reference := self._reference(child):
                yield from self._type(reference, reference)

    def _about(self, owner: str, field: str, child: Json) -> Iterator[str]:
        if refused := self.refused.get((owner, field)):
            values = " and ".join(f"`{row.value}`" for row in refused if row.value)
            yield f"**Not in this version**{f': {values}' if values else ''}."
        # pydantic leaves a field's description out where it equals its type's.
        yield _line(child.get("description") or self.definitions[_target(child)]["description"])
        yield from (f"{bound}." for bound in _bounds(_present(child)))

    def _rules(self, schema: Json) -> Iterator[str]:
        messages = dict.fromkeys(rule["message"] for rule in schema.get(VALIDATIONS, ()))
        if messages:
            yield "Rules:\n"
            yield from (f"- {message}" for message in messages)
            yield ""

    def _type_name(self, node: Json) -> str:
        node = _present(node)
        name = _target(node)
        if name and "enum" not in self.definitions[name]:
            return f"[{name}](#{name.lower()})"
        if name:
            return _choice(self.definitions[name])
        if node.get("type") == "array":
            return f"list of {self._type_name(node['items'])}"
        if isinstance(node.get("additionalProperties"), dict):
            return f"map to {self._type_name(node['additionalProperties'])}"
        return _plain_type(node)

    def _reference(self, node: Json) -> str:
        """The type with a section of its own that the field holds, or a list of it; empty for plain values."""
        node = _present(node)
        if node.get("type") == "array":
            return self._reference(node["items"])
        name = _target(node)
        return name if name and "enum" not in self.definitions[name] else ""

    def _owner(self, row: Unsupported) -> str:
        owner = self._reference(self.schema["properties"]["spec"])
        for step in row.path[:-1]:
            owner = self._reference(self.definitions[owner]["properties"][step])
        return owner


def _present(node: Json) -> Json:
    """The schema of an optional field's value."""
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    return choices[0] if len(choices) == 1 else node


def _bounds(node: Json) -> Iterator[str]:
    match node:
        case {"minimum": low, "maximum": high}:
            yield f"{low} to {high}"
        case {"exclusiveMinimum": low, "maximum": high}:
            yield f"More than {low}, at most {high}"
        case {"minimum": low} if "anyOf" not in node:
            yield f"At least {low}"
    for bound, unit in (("maxLength", "characters"), ("maxItems", "entries"), ("maxProperties", "entries")):
        if bound in node and "anyOf" not in node:
            yield f"At most {node[bound]} {unit}"
    if node.get("minItems"):
        yield f"At least {node['minItems']}"
    for key in node.get("x-kubernetes-list-map-keys", ()):
        yield f"Entries are told apart by `{key}`"
    yield from (_sentence(rule["message"]) for rule in node.get(VALIDATIONS, ()))


def _default(node: Json) -> str:
    value = node.get("default")
    return "" if value is None or isinstance(value, list | dict) else f"`{value}`"


def _target(node: Json) -> str:
    """Name of the type that the node refers to, if it does."""
    return str(node.get("$ref", "")).rsplit("/", 1)[-1]


def _plain_type(node: Json) -> str:
    if "enum" in node or "const" in node:
        return _choice(node)
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if node.get("format") == "date-time":
        return "time"
    kind = str(node.get("type"))
    return {"string": "text", "boolean": "true or false"}.get(kind, kind)


def _choice(node: Json) -> str:
    return " or ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))


def _sentence(text: str) -> str:
    return (text[0].upper() + text[1:]).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def render() -> str:
    """The whole page."""
    introduction = INTRODUCTION.format(api_version=names.API_VERSION, category=names.CATEGORY, example="batchjob.spec")
    seen: set[str] = set()
    lines = [line for kind in KINDS.values() for line in Page(kind, seen).render()]
    return introduction + "\n" + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
