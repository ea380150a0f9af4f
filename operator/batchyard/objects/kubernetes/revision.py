"""Revisions of JobDefinitions as `apps/v1` ControllerRevisions, which the API server keeps immutable.

Written when a definition's content changes, read by the cache. The definition owns them: they go with it.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.core.definition import revisions
from batchyard.core.model.definition import Definition, Revision
from batchyard.core.model.objectnames import revision_name
from batchyard.objects.ownership import own_controller, owner_reference
from batchyard.objects.times import parse_time


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


def read_revision(obj: Mapping[str, Any]) -> Revision | None:
    """The revision that a ControllerRevision holds; None unless a JobDefinition controls it and it is as it was made.

    A StatefulSet gives its labels to ControllerRevisions of its own. The content is immutable, labels and number are
    not: these have to agree with the content and the name. Who knows the definition that exists asks for its uid.
    """
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    name, number = labels.get(names.DEFINITION, ""), obj.get("revision")
    owner, data = own_controller(obj, names.JOB_DEFINITION), obj.get("data")
    content = data.get("spec") if isinstance(data, Mapping) else None
    if owner.get("name") != name or not isinstance(content, Mapping) or not isinstance(number, int):
        return None
    digest = revisions.digest(content)
    said = metadata["name"], labels.get(names.REVISION), labels.get(names.SPEC_HASH)
    if said != (revision_name(name, number), str(number), digest):
        return None
    return Revision(
        definition=(metadata["namespace"], name),
        number=number,
        content=content,
        digest=digest,
        created=parse_time(metadata["creationTimestamp"]),
        uid=metadata.get("uid", ""),
        owner_uid=str(owner["uid"]),
    )
