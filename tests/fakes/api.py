"""`FakeApi`: an API server in memory behind the operator's own protocol, with failures on demand.

For component tests. Differences from a real one: no schemas (add validators), no defaulting, and server-side
apply is a merge patch that creates what is missing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from batchyard.kube import errors
from batchyard.kube.protocol import ALL, PAGE, Object, Objects, PatchType, Propagation, Selection, WatchEvent
from batchyard.kube.resources import JOBS, Resource
from fakes.copying import copied
from fakes.selectors import Matcher, matcher
from fakes.store import Change, Store

T = TypeVar("T")


@dataclass
class _Failure:
    verb: str
    resource: Resource
    error: errors.ApiError
    after_effect: bool


@dataclass(eq=False)
class _Watcher:
    resource: Resource
    namespace: str | None
    matches: Matcher
    queue: asyncio.Queue[Change | WatchEvent | errors.ApiError | None] = field(default_factory=asyncio.Queue)

    def event(self, change: Change) -> WatchEvent | None:
        """What a change looks like through this watch's namespace and selector."""
        resource, old, new = change
        before = old is not None and self._sees(resource, old)
        after = new is not None and self._sees(resource, new)
        if after:
            return ("MODIFIED" if before else "ADDED"), copied(new or {})
        if before:
            gone = copied(old or {})
            if new is not None:
                gone["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]
            return "DELETED", gone
        return None

    def _sees(self, resource: Resource, obj: Object) -> bool:
        here = self.namespace in (None, obj["metadata"].get("namespace", ""))
        return here and resource == self.resource and self.matches(obj)


class FakeApi:
    """A `KubeApi` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.writes: list[tuple[str, Resource, str]] = []
        """Every write received, also those that failed: verb, kind and name as requested."""
        self.lists: list[tuple[Resource, Selection]] = []
        """What every request to list was for; each page is one."""
        self.watches = 0
        """How many watches were ever opened."""
        self._failures: list[_Failure] = []
        self._watchers: list[_Watcher] = []
        self.latency = 0.0
        """Seconds that a write of a Kubernetes Job takes."""
        self.store.listeners.append(self._publish)

    def fail_next(
        self,
        verb: str,
        resource: Resource,
        error: errors.ApiError,
        *,
        after_effect: bool = False,
        times: int = 1,
    ) -> None:
        """Answer the next request of a verb (get, create, update, patch, delete, list, watch) with an error.

        With `after_effect` the request is carried out first, as when the answer is lost on its way.
        """
        self._failures += [_Failure(verb, resource, error, after_effect)] * times

    def count(self, verb: str, resource: Resource) -> int:
        """How many writes of that verb to that kind were received."""
        return Counter((verb, resource) for verb, resource, _ in self.writes)[verb, resource]

    def watching(self, resource: Resource) -> int:
        """How many watches of a kind are open."""
        return sum(watcher.resource == resource for watcher in self._watchers)

    def disconnect(self, resource: Resource, error: errors.ApiError | None = None) -> None:
        """End every open watch of a kind, by an error if one is given."""
        for watcher in self._watchers:
            if watcher.resource == resource:
                watcher.queue.put_nowait(error)

    def bookmark(self, resource: Resource) -> None:
        """Send the current resourceVersion to every open watch of a kind."""
        event = ("BOOKMARK", {"metadata": {"resourceVersion": str(self.store.version)}})
        for watcher in self._watchers:
            if watcher.resource == resource:
                watcher.queue.put_nowait(event)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """Read one object."""
        failure = await self._arrive("get", resource)
        obj = self.store.get(resource, name, namespace)
        return _answer(obj, failure)

    async def create(self, resource: Resource, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        """Create an object; a dry run is checked, not stored, and does not count as a write."""
        metadata = body.get("metadata", {})
        if not dry_run:
            self.writes.append(("create", resource, metadata.get("name") or metadata.get("generateName", "")))
        failure = await self._arrive("create", resource)
        return _answer(self.store.create(resource, body, namespace, dry_run=dry_run), failure)

    async def replace(self, resource: Resource, name: str, body: Object, namespace: str = "") -> Object:
        """Replace an object."""
        self.writes.append(("update", resource, name))
        failure = await self._arrive("update", resource)
        place = {"name": name, **({"namespace": namespace} if namespace else {})}
        new = {**body, "metadata": {**body["metadata"], **place}}
        return _answer(self.store.update(resource, new), failure)

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
        """Merge a patch into an object (or into its status only)."""
        self.writes.append(("patch", resource, name))
        failure = await self._arrive("patch", resource)
        try:
            old = self.store.get(resource, name, namespace)
        except errors.NotFound:
            if patch_type != "apply":
                raise
            return _answer(self.store.create(resource, body, namespace), failure)
        if subresource == "status":
            # As for custom resources: of the metadata, only the version is looked at.
            version = body.get("metadata", {}).get("resourceVersion", old["metadata"]["resourceVersion"])
            old["metadata"]["resourceVersion"] = version
            status = _merge(old, {"status": body.get("status")})
            return _answer(self.store.update(resource, status, status=True), failure)
        return _answer(self.store.update(resource, _merge(old, body)), failure)

    async def replace_status(
        self, resource: Resource, name: str, status: Object, namespace: str = "", *, uid: str
    ) -> Object:
        """Write the whole status of the object of that uid."""
        self.writes.append(("patch", resource, name))
        failure = await self._arrive("patch", resource)
        old = self.store.get(resource, name, namespace)
        old["metadata"]["uid"] = uid
        return _answer(self.store.update(resource, {**old, "status": status}, status=True), failure)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete an object and, unless orphaned, what it owns."""
        self.writes.append(("delete", resource, name))
        failure = await self._arrive("delete", resource)
        self.store.delete(resource, name, namespace, uid=uid, propagation=propagation)
        _answer({}, failure)

    async def evict(self, resource: Resource, name: str, namespace: str, *, uid: str, version: str = "") -> None:
        """Mark a pod as disrupted, and delete it."""
        self.writes.append(("create", resource, f"{name}/eviction"))
        failure = await self._arrive("evict", resource)
        if name in self.store.guarded:
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            raise errors.TooManyRequests(429, "TooManyRequests", message)
        pod = self.store.get(resource, name, namespace)
        if pod["metadata"]["uid"] != uid or version not in ("", pod["metadata"]["resourceVersion"]):
            raise errors.Conflict(409, "Conflict", f"pod {name} is another one, or has changed")
        conditions = pod["status"].get("conditions", [])
        evicted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": ""}
        pod["status"]["conditions"] = [*conditions, {**evicted, "lastTransitionTime": self.store.timestamp()}]
        self.store.update(resource, pod, status=True)
        self.store.delete(resource, name, namespace, uid=uid)
        _answer({}, failure)

    async def list(self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE) -> tuple[Objects, str]:
        """All matching objects."""
        items: Objects = []
        version = ""
        async for page, version in self.list_pages(resource, selection, limit=limit):  # noqa: B007 - the last counts
            items += page
        return items, version

    async def list_pages(
        self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        """All matching objects as of the first page's moment; every page is a request that can fail."""
        async for page in self._pages(resource, selection, limit, metadata_only=False):
            yield page

    async def _pages(
        self, resource: Resource, selection: Selection, limit: int, *, metadata_only: bool
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        self.lists.append((resource, selection))
        failure = await self._arrive("list", resource)
        version = str(self.store.version)
        matches = matcher(selection.labels, selection.fields)
        matching = self.store.objects(resource, selection.namespace, matches, _partial if metadata_only else copied)
        size = limit or len(matching) or 1
        for start in range(0, len(matching) or 1, size):
            if start:
                self.lists.append((resource, selection))
                failure = await self._arrive("list", resource)
            yield _answer(matching[start : start + size], failure), version

    async def list_metadata(self, resource: Resource, selection: Selection = ALL) -> Objects:
        """The metadata of all matching objects."""
        pages = self._pages(resource, selection, 500, metadata_only=True)
        return [obj async for page, _ in pages for obj in page]

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        selection: Selection = ALL,
        *,
        timeout: float = 300,  # noqa: ASYNC109 - tests end watches with `disconnect`
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a version, until `disconnect`; 410 if they were compacted away."""
        self.watches += 1
        _answer({}, await self._arrive("watch", resource))
        since = int(resource_version)
        if since < self.store.compacted:
            raise errors.Gone(410, "Expired", f"too old resource version: {since} ({self.store.compacted})")
        watcher = _Watcher(resource, selection.namespace, matcher(selection.labels, selection.fields))
        for change in self.store.changes_after(since):
            watcher.queue.put_nowait(change)
        self._watchers.append(watcher)
        try:
            while (item := await watcher.queue.get()) is not None:
                if isinstance(item, errors.ApiError):
                    raise item
                event = item if len(item) == 2 else watcher.event(item)
                if event is not None:
                    yield event
        finally:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        """End every watch."""
        for watcher in self._watchers:
            watcher.queue.put_nowait(None)

    def _publish(self, change: Change) -> None:
        for watcher in self._watchers:
            if watcher.resource == change[0]:
                watcher.queue.put_nowait(change)

    async def _arrive(self, verb: str, resource: Resource) -> errors.ApiError | None:
        """Let others run, as any request does; raise the failure ordered for it, or return its answer's."""
        await asyncio.sleep(self.latency if verb in ("create", "patch") and resource == JOBS else 0)
        if resource in self.store.unknown:
            message = f"the API server does not know {resource}; install the CRDs"
            raise errors.NotFound(404, "NotFound", message)
        for failure in self._failures:
            if (failure.verb, failure.resource) == (verb, resource):
                self._failures.remove(failure)
                if failure.after_effect:
                    return failure.error
                raise failure.error
        return None


def _answer(value: T, failure: errors.ApiError | None) -> T:
    if failure is not None:
        raise failure
    return value


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _partial(obj: Object) -> Object:
    metadata = copied(obj["metadata"])
    return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}
