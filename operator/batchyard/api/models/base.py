"""What all API models share: frozen models, field types, and rules for the API server and the operator alike.

A `Rule` carries one condition twice, as CEL (goes into the CRD) and as a Python predicate (checked when the
operator reads an object), because the CRDs in a cluster may be older than the operator.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from batchyard.api import quantities

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """One condition on a value or on an object, with the sentence shown to the person who breaks it.

    Stands either in `Model.rules` or, for single values, in an `Annotated[...]` type.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    """The same condition in Python; None where only the API server can judge (it knows the old object)."""
    field: str = ""
    """The property the message is about, for rules of objects."""

    def check(self, value: Any) -> Any:
        """Return the value, or raise the error that validation turns into a sentence."""
        if self.holds is not None and not self.holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message, "field": self.field})
        return value

    def as_validation(self) -> dict[str, str]:
        """One entry of x-kubernetes-validations."""
        location = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message, **location}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json = handler(schema)
        return {**json, VALIDATIONS: [*json.get(VALIDATIONS, []), self.as_validation()]}


def pattern(expression: str, message: str) -> Rule:
    """A rule for a string: the whole of it matches, in the syntax that RE2 and Python share."""
    compiled = re.compile(expression, re.ASCII)
    cel = f"self.matches(r'^({expression})$')"
    return Rule(cel, message, lambda text: compiled.fullmatch(text) is not None)


def key_pattern(expression: str, message: str) -> Rule:
    """A rule for an object with any keys: the whole of each of them matches."""
    compiled = re.compile(expression, re.ASCII)
    cel = f"self.all(key, key.matches(r'^({expression})$'))"
    return Rule(cel, message, lambda entries: all(compiled.fullmatch(key) is not None for key in entries))


def field_pattern(field: str, expression: str, message: str) -> Rule:
    """A rule for an object, about a string in it that may be too long to be shown, as the API server shows a string
    that breaks a rule of its own. The field may be left out.
    """
    compiled = re.compile(expression, re.ASCII)
    name = to_camel(field)

    def holds(it: Any) -> bool:
        text = getattr(it, field)
        return text is None or compiled.fullmatch(text) is not None

    return Rule(f"!has(self.{name}) || self.{name}.matches(r'^({expression})$')", message, holds, field=name)


@dataclass(frozen=True)
class ListMap:
    """A list whose entries are told apart by one key, as server-side apply merges them."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [to_camel(self.key)]}
        return {**handler(schema), **keys}

    def _check(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        seen = set()
        for entry in entries:
            name = getattr(entry, self.key)
            if name in seen:
                message = f'two entries have the {to_camel(self.key)} "{name}"; keep one of them'
                raise PydanticCustomError("rule", "{message}", {"message": message, "field": ""})
            seen.add(name)
        return entries


@dataclass(frozen=True)
class ListSet:
    """A list of plain values that holds each once and whose order means nothing."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "set"}

    def _check(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            message = "each value may be listed once only; remove the repeated one"
            raise PydanticCustomError("rule", "{message}", {"message": message, "field": ""})
        return values


class Model(BaseModel):
    """A frozen part of a spec: camelCase on the wire, no unknown fields, described by docstrings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json = handler(schema)
        if cls.rules:
            handler.resolve_ref_schema(json)[VALIDATIONS] = [rule.as_validation() for rule in cls.rules]
        return json


def fixed(model: type[Model], message: str) -> tuple[Rule, ...]:
    """Rules by which no field of the model can be added, removed or changed in a stored object."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return tuple(
        Rule(
            f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
            message,
            field=name,
        )
        for name in names
    )


class StatusModel(Model):
    """A part of a status. Fields of a newer operator are passed over, so that a downgrade works."""

    model_config = ConfigDict(extra="ignore")


def _quantity_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_quantity(text: str) -> str:
    try:
        quantities.check_bound(text, quantities.parse_bytes(text))
    except quantities.InvalidQuantity as error:
        raise PydanticCustomError("quantity", "{message}", {"message": f"{error}"}) from error
    return text


def _whole_seconds(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Boolean = Annotated[bool, Strict()]
Timestamp = Annotated[datetime, AfterValidator(_whole_seconds)]
"""In UTC, whole seconds, as Kubernetes keeps times."""
Quantity = Annotated[
    str,
    BeforeValidator(_quantity_text),
    AfterValidator(_is_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maxLength": quantities.MAX_LENGTH,
            VALIDATIONS: [
                {
                    "rule": f"type(self) == int || self.matches(r'{quantities.PATTERN}')",
                    "message": f"must be a quantity of at least 0, {quantities.EXAMPLES}",
                }
            ],
        }
    ),
]
"""Text of a Kubernetes quantity of at least 0; whole numbers are taken as such text."""
Name = Annotated[
    str,
    Field(max_length=253),
    pattern(
        r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?",
        "must be the name of an object: lower case letters, digits, '-' and '.', with a letter or digit at both ends",
    ),
]
QUALIFIED = r"([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?"
ResourceList = Annotated[
    dict[str, Quantity],
    Field(max_length=32),
    key_pattern(QUALIFIED, "each amount needs the name of a resource, such as cpu, memory or nvidia.com/gpu"),
]
"""Amounts by resource, such as `cpu: "2"`, `memory: 4Gi` or `nvidia.com/gpu: 1`."""

LABEL_VALUE = r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?"
LABEL_NAME = "letters, digits, '-', '_' and '.', with a letter or digit at both ends and at most 63 characters"
LABEL_KEY = f"of a label: {LABEL_NAME}; before it, if need be, a prefix as example.com/"
LabelKey = Annotated[
    str,
    Field(min_length=1, max_length=317),
    pattern(QUALIFIED, f"must be the key {LABEL_KEY}"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    pattern(LABEL_VALUE, f"must be the value of a label: {LABEL_NAME}, or empty"),
]
Labels = Annotated[
    dict[str, LabelValue],
    Field(max_length=64),
    key_pattern(QUALIFIED, f"each key must be that {LABEL_KEY}"),
]
"""Values of labels by key."""
