"""Which parts of a schema are Kubernetes' own, without words and bounds."""

from typing import Any

from pydantic import TypeAdapter

from batchyard.api.models import podtypes

_FIELDS = [
    TypeAdapter(part).json_schema()["properties"]
    for part in (
        podtypes.PodTemplateSpec,
        podtypes.EnvVarSource,
        podtypes.EnvFromSource,
        podtypes.SecurityContext,
        podtypes.VolumeMount,
        podtypes.Volume,
        podtypes.LocalObjectReference,
    )
]


def is_pod_part(schema: dict[str, Any]) -> bool:
    """Whether this is the schema of a part of a pod."""
    return schema.get("properties") in _FIELDS
