"""Manifests of the five kinds with one mistake each, made of good ones by mutation; repeatable by a seed.

Most mistakes are drawn from the schema, so that a field added later gets its share; those that only the operator can
see, as they are about two fields or two objects, are listed. What is known to be a mistake must be answered.
"""

import copy
import functools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from objects.goodspecs import GOOD
from objects.mistakes import GONE, MISTAKES, Json, Mistake, Path
from objects.odd import schema
from objects.podparts import is_pod_part

_SHARE = {
    "short definition": 20,
    "full definition": 13,
    "multi-node definition": 10,
    "single job": 18,
    "array job": 10,
    "multi-node job": 7,
    "queue": 12,
    "environment": 7,
    "managed environment": 8,
    "serverless environment": 7,
    "Fargate environment": 4,
    "consumable resource": 3,
}


@dataclass(frozen=True)
class Malformed:
    """One mistake."""

    base: str
    how: str
    """What was done, in a few words."""
    path: Path
    """Where, below spec."""
    spec: Json
    wrong: bool = True
    """Whether it is known to be a mistake; else the object may stand as it is."""
    told_as: tuple[str, ...] = ()
    """Words of which the answer has one at least; none: the last field of the path."""

    @property
    def kind(self) -> str:
        return GOOD[self.base][0]

    @property
    def where(self) -> str:
        """The path as people write it."""
        return "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{step[:40]}" for step in self.path)

    @property
    def words(self) -> tuple[str, ...]:
        fields = [step for step in self.path if isinstance(step, str)]
        return self.told_as or (fields[-1] if fields else "spec",)


def malformed(seed: int, count: int) -> list[Malformed]:
    """So many manifests, no two of them alike."""
    draw = random.Random(seed)  # noqa: S311 - has to be repeatable
    bases = list(_SHARE)
    found: dict[tuple[str, str, Path, str], Malformed] = {}
    while len(found) < count:
        base = draw.choices(bases, list(_SHARE.values()))[0]
        listed = [each for each in MISTAKES if each[0] == base]
        one = _listed(draw, listed) if listed and draw.random() < 0.3 else _drawn(draw, base)
        if one is not None:
            found.setdefault((one.base, one.how, one.path, repr(one.spec)), one)
    return list(found.values())


# What the schema tells


@dataclass(frozen=True)
class _Place:
    path: Path
    shape: dict[str, Json]
    required: bool
    in_pod: bool


def _places(shape: dict[str, Json], value: Json, path: Path = (), *, in_pod: bool = False) -> Iterator[_Place]:
    """Every value in a spec, with its schema."""
    in_pod = in_pod or is_pod_part(shape)
    if isinstance(value, dict):
        for name, each in value.items():
            part = shape.get("properties", {}).get(name) or shape.get("additionalProperties")
            if isinstance(part, dict):
                yield _Place((*path, name), part, name in shape.get("required", ()), in_pod or is_pod_part(part))
                yield from _places(part, each, (*path, name), in_pod=in_pod)
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield _Place((*path, index), shape["items"], required=True, in_pod=in_pod)
            yield from _places(shape["items"], each, (*path, index), in_pod=in_pod)


@functools.cache
def _all_places(base: str) -> tuple[_Place, ...]:
    kind, spec = GOOD[base]
    whole = _Place((), schema(kind), required=True, in_pod=False)
    return (whole, *_places(schema(kind), spec))


def _drawn(draw: random.Random, base: str) -> Malformed | None:
    place = draw.choice(_all_places(base))
    options = list(_mutations(draw, place, _at(GOOD[base][1], place.path)))
    if not options:
        return None
    how, value, wrong = draw.choice(options)
    if not wrong and place.path[-1] in _BOUND_BY_RULES:
        return None
    spec = _replaced(GOOD[base][1], place.path, value)
    told_as: tuple[str, ...] = ()
    if how.startswith(("unknown field", "without the required")):
        told_as = (how.rpartition(" ")[2],)
    elif place.path and isinstance(place.path[-1], int):
        told_as = (f"{place.path[-2]}[{place.path[-1]}]", str(place.path[-2]))
    return Malformed(base, how, place.path, spec, wrong, told_as)


Mutation = tuple[str, Json, bool]
_BOUND_BY_RULES = (
    *(
        "attempts",
        "container",
        "effect",
        "env",
        "key",
        "maxSeconds",
        "multiNode",
        "numNodes",
        "size",
        "template",
        "type",
    ),
    *("group", "instanceTypes", "maxVcpus", "nodeSelector", "serverless", "shapes", "unmanaged", "values"),
)
"""Fields that are not free to be absent or at their least, as others depend on them."""


def _mutations(draw: random.Random, place: _Place, value: Json) -> Iterator[Mutation]:
    """What may be done to a value: what it is called, what stands there then, whether that is a mistake."""
    shape = place.shape
    yield from _of_another_type(draw, shape)
    if place.required and place.path:
        yield "null", None, True
        if isinstance(place.path[-1], str):
            yield "left out", GONE, True
    elif place.path and draw.random() < 0.15:
        yield "null where nothing is needed", None, False
    if isinstance(value, dict) and "properties" in shape:
        name = draw.choice(["bogusField", "Image", "retries", "x" * 300, "naïve"])
        yield f"unknown field {name}", {**value, name: draw.choice([1, "x", {"a": {}}, None])}, True
        for field in shape.get("required", ()):
            if field in value:
                yield f"without the required {field}", {k: v for k, v in value.items() if k != field}, True
    if not place.in_pod:
        yield from _by_bounds(shape, value)


def _by_bounds(shape: dict[str, Json], value: Json) -> Iterator[Mutation]:
    """What is of the right type, and no such value all the same."""
    kind = shape.get("type")
    if "x-kubernetes-int-or-string" in shape:
        odd = ["lots", "-1", "1 Gi", "1e999", "0x10", "٣", "1" * 40, "1.5.2", "Gi", "", "NaN", "1\n", "+ 1", "∞"]
        yield from ((f"quantity {text[:12]!r}", text, True) for text in odd)
    elif "enum" in shape:
        for text in ("Bogus", "", str(shape["enum"][0]).lower(), f" {shape['enum'][0]}"):
            yield f"{text!r} of a few words", text, text not in shape["enum"]
    elif kind == "string":
        yield from _strings(shape)
    elif kind in ("integer", "number"):
        yield from _numbers(shape)
    elif kind == "array":
        yield from _lists(shape, value)
    elif kind == "object" and isinstance(value, dict) and "properties" not in shape:
        yield from _maps(shape, value)


def _deep(levels: int) -> Json:
    return {"a": _deep(levels - 1)} if levels else 1


def _of_another_type(draw: random.Random, shape: dict[str, Json]) -> Iterator[Mutation]:
    kind = "quantity" if "x-kubernetes-int-or-string" in shape else shape.get("type", "")
    values: dict[str, Json] = {
        "object": {"a": "b"},
        "array": ["x"],
        "string": "text",
        "boolean": True,
        "number": 0.5,
        "text of a number": "3",
        "text of a time": draw.choice(["1h", "PT5M", "30s", "*/5 * * * *", "tomorrow"]),
        "text that is no number": draw.choice(["NaN", "Infinity", "-inf", "null"]),
        "deep object": _deep(60),
    }
    fine = {
        "string": {"string", "text of a number", "text of a time", "text that is no number"},
        "quantity": {"string", "text of a number", "text of a time", "text that is no number"},
        "object": {"object", "deep object"},
        "array": {"array"},
        "boolean": {"boolean"},
        "number": {"number"},
        "integer": set(),
    }
    for name, value in values.items():
        if name not in fine.get(kind, set(values)):
            yield f"{name} for {kind}", value, True


_MATCHES = re.compile(r"self\.matches\(r'(.*?)'\)")


def _strings(shape: dict[str, Json]) -> Iterator[Mutation]:
    if most := shape.get("maxLength"):
        yield "text that is too long", "a" * (most + 1), True
    if shape.get("minLength"):
        yield "empty text", "", True
    rules = " ".join(rule["rule"] for rule in shape.get("x-kubernetes-validations", ()))
    if (found := _MATCHES.search(rules)) is not None:
        expression = re.compile(found[1], re.ASCII)
        for text in (
            "",
            " ",
            "a b",
            "ünï",
            "a\x07b",
            "../x",
            "$(A)",
            "Ä",
            "a\n",
            "-",
            "*",
            "x:y:z",
            "<script>",
            "日本",
        ):
            if not expression.fullmatch(text) or text.endswith("\n"):
                yield f"{text!r} for a name", text, True


def _numbers(shape: dict[str, Json]) -> Iterator[Mutation]:
    least, most = shape.get("minimum"), shape.get("maximum")
    if least is not None:
        yield "less than the least", least if shape.get("exclusiveMinimum") else least - 1, True
        yield "far below", -(2**62), True
        if not shape.get("exclusiveMinimum"):
            yield "the least", least, False
    if most is not None:
        yield "more than the most", most + 1, True
        yield "far above", 2**62, True
    if shape["type"] == "integer":
        yield "of thirty digits", 10**30, True


def _lists(shape: dict[str, Json], value: Json) -> Iterator[Mutation]:
    if shape.get("minItems"):
        yield "empty list", [], True
    if (most := shape.get("maxItems")) and value:
        yield "too many entries", [copy.deepcopy(value[0]) for _ in range(most + 1)], True
    if value and shape.get("x-kubernetes-list-type") in ("map", "set"):
        yield "an entry twice", [*value, copy.deepcopy(value[0])], True
    yield "an entry that is null", [*value, None], True


def _maps(shape: dict[str, Json], value: Json) -> Iterator[Mutation]:
    if most := shape.get("maxProperties"):
        kept = next(iter(value.values()))
        yield "too many keys", {f"k{number}": kept for number in range(most + 1)}, True
    for key in ("", "k" * 400) if shape.get("x-kubernetes-validations") else ():
        yield f"key {key[:8]!r}", {**value, key: next(iter(value.values()))}, True


def _listed(draw: random.Random, listed: list[Mistake]) -> Malformed:
    base, how, path, change, told_as = draw.choice(listed)
    value = change(draw) if callable(change) else change
    return Malformed(base, how, path, _replaced(GOOD[base][1], path, value), told_as=told_as)


# Taking specs apart


def _at(spec: Json, path: Path) -> Json:
    for step in path:
        spec = spec[step]
    return spec


def _replaced(spec: Json, path: Path, value: Json) -> Json:
    """The same with another value there; the objects on the way to it are made where they are missing."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(spec, list):
        return [_replaced(each, rest, value) if index == step else each for index, each in enumerate(spec)]
    if not rest and value is GONE:
        return {name: each for name, each in spec.items() if name != step}
    return {**spec, step: _replaced(spec.get(step, {}), rest, value)}


def unreadable(sentence: str, *, most: int = 500) -> list[str]:
    """What is wrong with a sentence that somebody gets for a mistake."""
    problems = [f"says {word!r}" for word in _NOT_FOR_PEOPLE if word in sentence]
    if not sentence.strip():
        problems.append("is empty")
    if len(sentence) > most:
        problems.append(f"has {len(sentence)} characters")
    if any(not character.isprintable() for character in sentence.replace("\n* ", " ")):
        problems.append("has control characters")
    return problems


_NOT_FOR_PEOPLE = (
    "Traceback",
    "pydantic",
    "regular expression",
    "should match",
    "Error(",
    "ValueError",
    "KeyError",
    "TypeError",
    "AttributeError",
    "IndexError",
    "Input should",
    "NoneType",
    "<class",
)
