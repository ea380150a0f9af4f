"""Writes the types that a pod template consists of, as the API server of the local cluster publishes them.

`make pod-types` with that cluster running; the CRDs are made of the file. A later Kubernetes knows more fields: an
end-to-end test fails when the file is not what the local cluster's API server says.
"""

import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from localcluster.__main__ import NAME_VARIABLE
from localcluster.cluster import DEFAULT_NAME, Cluster, connect

Json = dict[str, Any]

ROOT = "PodTemplateSpec"
_GROUPS = ("io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.")
_KEPT = ("type", "format", "enum", "required")
_LEFT_OUT = {
    # A pod gets these while it runs; its template cannot have them.
    "PodSpec": {"ephemeralContainers"},
    # The API server sets these.
    "ObjectMeta": {
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    },
}


def published(cluster: Cluster) -> Json:
    """Return the types of core/v1 by their names."""
    document = json.loads(cluster.kubectl("get", "--raw", "/openapi/v3/api/v1"))
    schemas = document["components"]["schemas"]
    return {_name(full): schema for full, schema in schemas.items() if full.startswith(_GROUPS)}


def render(schemas: Mapping[str, Json]) -> str:
    """Return the file: a type on each line, without the words about it."""
    found: Json = {}
    wanted = [ROOT]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _slim(schemas[name], _LEFT_OUT.get(name, ()))
            wanted += _references(found[name])
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)) + "\n}\n"


def _name(full: str) -> str:
    return full.rsplit(".", 1)[-1]


def _slim(node: Json, left_out: Collection[str] = ()) -> Json:
    """What decides whether a value is of the type. Lists are atomic, as kubectl applies a template as a whole."""
    if "oneOf" in node:
        return {"x-kubernetes-int-or-string": True}
    if len(node.get("allOf", ())) == 1:
        return _slim(node["allOf"][0])
    if "$ref" in node:
        return {"$ref": _name(node["$ref"])}
    slim = {key: node[key] for key in _KEPT if key in node}
    if "properties" in node:
        fields = sorted(node["properties"].items())
        slim["properties"] = {name: _slim(field) for name, field in fields if name not in left_out}
    for part in ("items", "additionalProperties"):
        if part in node:
            slim[part] = _slim(node[part])
    return slim


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from _references(each)


def main() -> None:
    """Write the file."""
    cluster = connect(os.environ.get(NAME_VARIABLE, DEFAULT_NAME))
    Path(sys.argv[1]).write_text(render(published(cluster)), encoding="utf-8")


if __name__ == "__main__":
    main()
