"""Parts of a pod, with the types that Kubernetes publishes for them.

The CRDs spell these types out, although the API server judges a pod template anyway when it is proved: where a schema
lets anything through, the API server stores objects nested so deeply that nobody can read them any more, and drops
nothing that nobody knows. What a later Kubernetes adds is refused until `podtypes.json` is made anew from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

FILE = Path(__file__).with_name("podtypes.json")


@dataclass(frozen=True)
class PodType:
    """A type of core/v1, by its name. The operator checks no more than that it is given an object."""

    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        spelled_out: JsonSchemaValue = _spelled_out({"$ref": self.name})
        return spelled_out


@cache
def _types() -> Mapping[str, Any]:
    types: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return types


def _spelled_out(node: Any) -> Any:
    """The same without references."""
    if not isinstance(node, Mapping):
        return node
    if isinstance(name := node.get("$ref"), str):
        return _spelled_out(_types()[name])
    return {key: _spelled_out(value) for key, value in node.items()}


Part = dict[str, Any]
PodTemplateSpec = Annotated[Part, PodType("PodTemplateSpec")]
EnvVarSource = Annotated[Part, PodType("EnvVarSource")]
EnvFromSource = Annotated[Part, PodType("EnvFromSource")]
SecurityContext = Annotated[Part, PodType("SecurityContext")]
VolumeMount = Annotated[Part, PodType("VolumeMount")]
Volume = Annotated[Part, PodType("Volume")]
LocalObjectReference = Annotated[Part, PodType("LocalObjectReference")]
