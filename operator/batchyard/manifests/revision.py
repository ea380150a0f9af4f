"""Revisions of JobDefinitions as `apps/v1` ControllerRevisions, which the API server keeps immutable.

Written when a definition's content changes, read by the cache. The definition owns them: they go with it.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.core import revisions
from batchyard.core.objectnames import revision_name
from batchyard.core.records import Definition, Revision
from batchyard.manifests.job import owner_reference
from batchyard.manifests.times import parse_time


def build_revision(definition: Definition, number: int, content: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The ControllerRevision to create for this content."""
    namespace, name = definition.key
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(name, number),
            "namespace": namespace,
            "labels": {
                names.DEFINITION: name,
                names.REVISION: str(number),
                names.SPEC_HASH: digest,
                names.MANAGED_BY: names.MANAGED_BY_VALUE,
            },
            "ownerReferences": [owner_reference(names.JOB_DEFINITION, name, definition.uid)],
        },
        "revision": number,
        "data": {"spec": content},
    }


def read_revision(obj: Mapping[str, Any]) -> Revision:
    """The revision that a ControllerRevision holds; the hash is that of the (immutable) content."""
    metadata = obj["metadata"]
    content = obj["data"]["spec"]
    return Revision(
        definition=(metadata["namespace"], metadata["labels"][names.DEFINITION]),
        number=obj["revision"],
        content=content,
        digest=revisions.digest(content),
        created=parse_time(metadata["creationTimestamp"]),
        uid=metadata.get("uid", ""),
        owner_uid=_owner_uid(metadata),
    )


def _owner_uid(metadata: Mapping[str, Any]) -> str:
    """The uid of the JobDefinition that controls it and that its label names; empty where that is none.

    A StatefulSet gives its labels to ControllerRevisions of its own.
    """
    for each in metadata.get("ownerReferences") or ():
        ours = each["kind"] == names.JOB_DEFINITION and each["apiVersion"].startswith(f"{names.GROUP}/")
        if ours and each.get("controller") and each["name"] == metadata["labels"][names.DEFINITION]:
            return str(each["uid"])
    return ""
