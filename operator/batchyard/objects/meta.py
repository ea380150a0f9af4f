"""What all objects of the API server have: a name, a time of creation, a spec."""

from collections.abc import Mapping
from typing import Any, TypedDict

from batchyard.core.model.job import Key
from batchyard.objects.times import parse_time

Object = Mapping[str, Any]


class Identity(TypedDict):
    """What records of cluster-wide objects have in common."""

    name: str
    uid: str
    generation: int
    created: float


def identity_of(obj: Object) -> Identity:
    """The same object under whatever spec, and which state of it."""
    metadata = obj["metadata"]
    return Identity(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
    )


def key_of(obj: Object) -> Key:
    """Namespace ("" for cluster-scoped kinds) and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def spec_of(obj: Object) -> Object:
    """The spec, nothing where it is no object: the models say so."""
    spec = obj.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def timestamp(text: str | None) -> float | None:
    """Seconds since the epoch of a time that may be missing."""
    return parse_time(text) if text else None


def created_at(obj: Object) -> float:
    """When the API server took the object in."""
    return timestamp(obj["metadata"].get("creationTimestamp")) or 0.0
