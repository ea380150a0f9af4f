"""References from an object of the API server to its owner: as Batchyard writes them, and as it reads them."""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names


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
