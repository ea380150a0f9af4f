"""Turns objects of the API server into models, or into one sentence that says which field is wrong and what to do.

The CRDs refuse most of this at apply time; the operator checks again because the CRDs in a cluster may be of
another version.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from batchyard.api.excerpt import excerpt
from batchyard.api.models.base import Model

M = TypeVar("M", bound=Model)
Location = tuple[int | str, ...]

_SHOWN = 3
_LONGEST_STEP, _LONGEST_VALUE = 64, 60
"""Characters that a sentence shows of a key, and of a value."""
_TIME = "must be a time such as 2030-01-31T12:00:00Z"
_OBJECT = "must be an object (key: value)"
# By pydantic's error types; {name} stands for what pydantic tells about the bound.
_SENTENCES = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "tuple_type": "must be a list",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "enum": "must be one of {expected}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entry",
    "finite_number": "must be a finite number",
}
_VALUE_SHOWN = frozenset(_SENTENCES) - {"missing", "too_long", "too_short", "string_too_long", "string_too_short"}


class InvalidObject(Exception):  # noqa: N818 - says what is wrong, as Kubernetes reasons do
    """The object cannot be used; the text is one readable sentence."""


def is_valid(model: type[BaseModel], stored: Any) -> bool:
    """Whether what is stored is what its model says, so that it can be gone on with: it may be written by hand."""
    try:
        model.model_validate(stored)
    except ValidationError:
        return False
    return True


def parse(model: type[M], obj: Mapping[str, Any]) -> M:
    """Turn an object into the model without its status, or raise InvalidObject."""
    # The status is the operator's own writing: a broken one must not keep a good spec from being used.
    try:
        return model.model_validate({key: value for key, value in obj.items() if key != "status"})
    except ValidationError as error:
        details = error.errors(include_url=False)
        sentences = list(dict.fromkeys(_sentence(model, detail) for detail in details if not _follows(detail, details)))
    shown = "; ".join(islice(sentences, _SHOWN))
    rest = len(sentences) - _SHOWN
    raise InvalidObject(f"{shown}; and {rest} more" if rest > 0 else shown)


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a list only counts as too short because its entries are wrong."""
    location = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(location)] == location for other in details if other is not detail
    )


def _sentence(model: type[BaseModel], detail: ErrorDetails) -> str:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    path = _path((*location, *filter(None, context.get("field", "").split("."))))
    if kind == "extra_forbidden":
        return f"{path} is not a field of {model.__name__}{_suggestion(model, location)}"
    if kind in _SENTENCES:
        bounds = {name: f"{bound}".removesuffix(".0") for name, bound in context.items()}
        sentence = f"{path} {_SENTENCES[kind].format_map(bounds)}"
        return f"{sentence}, not {_shown(detail['input'])}" if kind in _VALUE_SHOWN else sentence
    message = context.get("message", detail["msg"])
    return f"{path}: {message}" if path else message


def _path(location: Location) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif "." in step or "/" in step:
            path += f'["{excerpt(step, _LONGEST_STEP)}"]'
        else:
            path += ("." if path else "") + excerpt(step, _LONGEST_STEP)
    return path


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{excerpt(value, _LONGEST_VALUE)}"'
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return "null" if value is None else str(value).lower()


def _suggestion(model: type[BaseModel], location: Location) -> str:
    """The known fields beside an unknown one: the likely one, else all of them."""
    known = _fields_at(_json_schema(model), location[:-1])
    close = get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; remove it (known here: {', '.join(known)})" if known else "; remove it"


@cache
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _fields_at(schema: dict[str, Any], location: Location) -> tuple[str, ...]:
    node = schema
    for step in (*location, None):
        for choice in node.get("anyOf", ()):
            node = choice if choice.get("type") != "null" else node
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        if step is None:
            break
        node = node["items"] if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return tuple(node.get("properties", ()))
