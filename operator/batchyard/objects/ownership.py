"""Who owns an object of the API server: references as Batchyard writes them, and as it reads them."""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.core.model.job import Key
from batchyard.objects.meta import Object


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    """A reference by which Kubernetes deletes the dependent with its owner."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference to the object that controls another, of which there is one at most; empty where none does."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), {})


def own_controller(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The same where it is an object of one of Batchyard's kinds; else empty."""
    found = controller(obj)
    ours = found.get("kind") == kind and found["apiVersion"].startswith(f"{names.GROUP}/")
    return found if ours else {}


def owner_of(obj: Object) -> tuple[Key, str] | None:
    """Namespace, name and uid of the BatchJob that a Kubernetes Job or a pod says it belongs to."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    if names.JOB not in labels or names.JOB_UID not in labels:
        return None
    return (metadata["namespace"], labels[names.JOB]), labels[names.JOB_UID]


def is_controlled(obj: Object) -> bool:
    """Whether a Kubernetes Job has the BatchJob that it says it belongs to as its controller."""
    found, controlling = owner_of(obj), own_controller(obj, names.BATCH_JOB)
    return found is not None and (controlling.get("name"), controlling.get("uid")) == (found[0][1], found[1])


def belongs_to(obj: Object, uid: str) -> bool:
    """Whether a Kubernetes Job says in any way that it belongs to the BatchJob of this uid."""
    found = owner_of(obj)
    return controller(obj).get("uid") == uid or (found is not None and found[1] == uid)
