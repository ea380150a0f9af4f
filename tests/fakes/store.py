"""What an API server keeps and enforces, without its HTTP: versions, uids, conflicts, ownership, history.

`fakes.api.FakeApi` puts the operator's protocol in front of it; the fake controllers write to it directly, so
that their writes are not counted as the operator's.
"""

import bisect
import datetime
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from batchyard.kube import errors
from batchyard.kube.protocol import Object, Propagation
from batchyard.kube.resources import NODES, Resource
from fakes.copying import copied

Key = tuple[str, str]
Change = tuple[Resource, Object | None, Object | None]
"""A kind, the object before (None: it was created) and after (None: it is gone)."""
Keep = Callable[[Object], bool]
"""Which objects are wanted; it is given the stored ones, which it must not change."""
Form = Callable[[Object], Object]
Validator = Callable[[Object, Object | None], str | None]
"""Given the new and the old object (None on create), what is wrong with it, if anything."""

_FOREGROUND = "foregroundDeletion"
_STATUS_ON_CREATE = {NODES}
"""Kinds whose status may come with their creation; all others start without."""


class Store:
    """The objects of a cluster, and every change they went through.

    What is stored never changes in place, so that a new version of an object may share parts with the one before.
    """

    def __init__(self, now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)) -> None:
        self.version = 0
        self.compacted = 0
        """Changes up to this version can no longer be watched from."""
        self.history: list[tuple[int, Change]] = []
        self.listeners: list[Callable[[Change], None]] = []
        self.guarded: set[str] = set()
        """Names of pods that a PodDisruptionBudget keeps from being evicted."""
        self.unknown: set[Resource] = set()
        """Kinds whose CRDs are not installed."""
        self._now = now
        self._objects: dict[Resource, dict[Key, Object]] = defaultdict(dict)
        self._validators: dict[Resource, list[Validator]] = defaultdict(list)
        self._names = 0
        self._untold: deque[Change] = deque()

    def validate(self, resource: Resource, validator: Validator) -> None:
        """Refuse objects of a kind (422) for which the validator has something to say."""
        self._validators[resource].append(validator)

    def timestamp(self) -> str:
        """The cluster's time, as objects carry it."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def objects(
        self, resource: Resource, namespace: str | None = None, keep: Keep | None = None, form: Form = copied
    ) -> list[Object]:
        """All objects of a kind, or those to keep, ordered as a LIST is; in another form, if that is a copy, too."""
        found = self._objects[resource]
        wanted = [key for key, obj in found.items() if namespace in (None, key[0]) and (keep is None or keep(obj))]
        return [form(found[key]) for key in sorted(wanted)]

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """One object, or 404."""
        return copied(self._existing(resource, name, namespace))

    def create(self, resource: Resource, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        """Store a new object under a uid of its own, or 409."""
        obj = copied(body)
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            self._names += 1
            metadata["name"] = f"{metadata['generateName']}{self._names:05d}"
        if namespace:
            metadata["namespace"] = namespace
        key = (namespace, metadata["name"])
        if key in self._objects[resource]:
            message = f'{resource} "{key[1]}" already exists'
            raise errors.AlreadyExists(409, "AlreadyExists", message)
        if resource not in _STATUS_ON_CREATE:
            obj.pop("status", None)
        self._check(resource, obj, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.timestamp()
        metadata["generation"] = 1
        if dry_run:
            return obj
        return self._commit(resource, key, None, obj)

    def seed(self, resource: Resource, body: Object) -> Object:
        """Store an object with its status as it is, as if it had been there for long."""
        metadata = body["metadata"]
        created = self.create(resource, body, metadata.get("namespace", ""))
        if "status" not in body:
            return created
        return self.update(resource, {**created, "status": body["status"]}, status=True)

    def update(self, resource: Resource, body: Object, *, status: bool = False) -> Object:
        """Replace an object (or only its status), if `resourceVersion` and `uid`, where given, still hold."""
        metadata = body["metadata"]
        old = self._existing(resource, metadata["name"], metadata.get("namespace", ""))
        for field in ("uid", "resourceVersion"):
            if metadata.get(field, old["metadata"][field]) != old["metadata"][field]:
                message = (
                    f'Operation cannot be fulfilled on {resource} "{metadata["name"]}": the object has been '
                    f"modified; please apply your changes to the latest version and try again"
                )
                raise errors.Conflict(409, "Conflict", message)
        if status:
            new = {**old, "metadata": dict(old["metadata"]), "status": copied(body.get("status") or {})}
        else:
            new = copied({field: value for field, value in body.items() if field != "status"})
            if "status" in old:
                new["status"] = old["status"]
        for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp"):
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]
        if new == old:
            return copied(old)
        self._check(resource, new, old)
        if _content(new) != _content(old):
            new["metadata"]["generation"] += 1
        key = (metadata.get("namespace", ""), metadata["name"])
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            return self._remove(resource, key, new)
        return self._commit(resource, key, old, new)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete an object and what it owns; one with finalizers is only marked.

        In the foreground, the object stays marked until everything it owns is gone.
        """
        old = self._existing(resource, name, namespace)
        if uid is not None and uid != old["metadata"]["uid"]:
            found = old["metadata"]["uid"]
            message = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            raise errors.Conflict(409, "Conflict", message)
        key = (namespace, name)
        owned = self._owned_by(old["metadata"]["uid"])
        if propagation == "Orphan":
            self._disown(old["metadata"]["uid"])
            owned = []
        in_foreground = propagation == "Foreground" and bool(owned)
        if not in_foreground and not old["metadata"].get("finalizers"):
            self._remove(resource, key, old)
        elif "deletionTimestamp" not in old["metadata"]:
            new = copied(old)
            new["metadata"]["deletionTimestamp"] = self.timestamp()
            if in_foreground:
                new["metadata"].setdefault("finalizers", []).append(_FOREGROUND)
            self._commit(resource, key, old, new)
        if in_foreground:
            self._delete_all(owned)

    def compact(self) -> None:
        """Forget the history: a watch from any earlier version is answered with 410."""
        self.compacted = self.version
        self.history.clear()

    def changes_after(self, version: int) -> list[Change]:
        """What happened after a version, unless forgotten."""
        first = bisect.bisect_right(self.history, version, key=lambda entry: entry[0])
        return [change for _, change in self.history[first:]]

    def _existing(self, resource: Resource, name: str, namespace: str) -> Object:
        try:
            return self._objects[resource][namespace, name]
        except KeyError:
            raise errors.NotFound(404, "NotFound", f'{resource} "{name}" not found') from None

    def _check(self, resource: Resource, new: Object, old: Object | None) -> None:
        for validator in self._validators[resource]:
            problem = validator(new, old)
            if problem:
                message = f'{resource} "{new["metadata"]["name"]}" is invalid: {problem}'
                raise errors.Invalid(422, "Invalid", message)

    def _commit(self, resource: Resource, key: Key, old: Object | None, new: Object) -> Object:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._objects[resource][key] = new
        self._tell((resource, old, new))
        return copied(new)

    def _remove(self, resource: Resource, key: Key, last: Object) -> Object:
        del self._objects[resource][key]
        self.version += 1
        gone = copied(last)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell((resource, gone, None))
        self._delete_all(self._owned_by(last["metadata"]["uid"]))
        self._finish_foreground(last)
        return gone

    def _delete_all(self, found: list[tuple[Resource, str, str]]) -> None:
        for resource, name, namespace in found:
            if (namespace, name) in self._objects[resource]:
                self.delete(resource, name, namespace)

    def _finish_foreground(self, gone: Object) -> None:
        """Let go of owners that waited only for this object to be gone."""
        owners = {owner["uid"] for owner in gone["metadata"].get("ownerReferences", [])}
        for resource, objects in self._objects.items():
            for obj in list(objects.values()):
                finalizers = obj["metadata"].get("finalizers", [])
                uid = obj["metadata"]["uid"]
                if uid in owners and _FOREGROUND in finalizers and not self._owned_by(uid):
                    released = copied(obj)
                    released["metadata"]["finalizers"].remove(_FOREGROUND)
                    self.update(resource, released)

    def _tell(self, change: Change) -> None:
        """Tell every listener of every change in the order they happened, also of changes listeners make."""
        self.history.append((self.version, change))
        self._untold.append(change)
        if len(self._untold) > 1:
            return
        while self._untold:
            for listener in self.listeners:
                listener(self._untold[0])
            self._untold.popleft()

    def _owned_by(self, uid: str) -> list[tuple[Resource, str, str]]:
        return [
            (resource, name, namespace)
            for resource, objects in self._objects.items()
            for (namespace, name), obj in objects.items()
            if any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences", []))
        ]

    def _disown(self, uid: str) -> None:
        for resource, name, namespace in self._owned_by(uid):
            obj = self.get(resource, name, namespace)
            obj["metadata"]["ownerReferences"] = [
                owner for owner in obj["metadata"]["ownerReferences"] if owner["uid"] != uid
            ]
            self.update(resource, obj)


def _content(obj: Object) -> dict[str, Any]:
    return {field: value for field, value in obj.items() if field not in {"metadata", "status"}}
