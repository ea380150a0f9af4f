"""All the operator asks of an API server. `client.KubeClient` is the real one; tests bring one in memory.

Objects are plain dicts in the API's own JSON form. Items of a LIST of a built-in kind carry no `kind` and no
`apiVersion` (the API server leaves them out). What can go wrong is raised as `errors.ApiError`, nothing else.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from batchyard.kube.resources import Resource

Object = dict[str, Any]
Objects = list[Object]
PAGE = 25
"""Objects that are read at once: each may have 1.5 MB, and takes several times that while it is decoded."""

PatchType = Literal["merge", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]
WatchEvent = tuple[str, Object]
"""ADDED, MODIFIED, DELETED or BOOKMARK, and the object (of a bookmark: only its resourceVersion)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: those of a namespace, or of all where it is None, that match the selectors."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""


ALL = Selection()


class KubeApi(Protocol):
    """The verbs of the API server on plain dicts. `namespace` is "" for cluster-scoped kinds."""

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """Read one object."""
        ...

    async def create(self, resource: Resource, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        """Create an object; a dry run is validated (unknown fields are errors) and defaulted, but not stored.

        After `Unavailable` the object may exist: with a deterministic name, create again and take
        `AlreadyExists` for yes.
        """
        ...

    async def replace(self, resource: Resource, name: str, body: Object, namespace: str = "") -> Object:
        """Replace an object as a whole; `metadata.resourceVersion` in the body is the optimistic lock."""
        ...

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str = "",
        *,
        subresource: str = "",
        patch_type: PatchType = "merge",
    ) -> Object:
        """Change an object in part.

        `metadata.uid` and `metadata.resourceVersion` in the body are preconditions (`Conflict`); the `status`
        subresource only knows the latter, and ignores a uid: see `replace_status`.
        """
        ...

    async def replace_status(
        self, resource: Resource, name: str, status: Object, namespace: str = "", *, uid: str
    ) -> Object:
        """Write the whole status of an object, only if it is still the one of that uid (`Conflict` otherwise)."""
        ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete an object, only if it is still the one of that uid (`Conflict` otherwise)."""
        ...

    async def evict(self, resource: Resource, name: str, namespace: str, *, uid: str, version: str = "") -> None:
        """Delete a pod as the drain of a node would, only if it is still the one of that uid (`Conflict` otherwise);
        with a resourceVersion also only if nothing has happened to it since.

        Raises `TooManyRequests` while a PodDisruptionBudget protects it.
        """
        ...

    async def list(self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE) -> tuple[Objects, str]:
        """All selected objects and the resourceVersion to watch from, read in pages of at most `limit`."""
        ...

    def list_pages(
        self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        """As `list`, one page at a time, so that a large collection is never in memory as a whole."""
        ...

    async def list_metadata(self, resource: Resource, selection: Selection = ALL) -> Objects:
        """The metadata of all selected objects (PartialObjectMetadata), without their spec and status."""
        ...

    def watch(
        self, resource: Resource, resource_version: str, selection: Selection = ALL, *, timeout: float = 300
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a resourceVersion until the server ends the stream after `timeout` seconds.

        What is not selected any more is reported as deleted.

        Raises `Gone` when that version is too old. Close it (`contextlib.aclosing`) when leaving early.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
