"""What the cache keeps of a kind, and the three things that watches and the resync do with it: put, remove, compare.

Kinds of the whole cluster are alike in all of it, and have a store each. Definitions and BatchJobs, of which more is
kept, bring their own three.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from batchyard.api.kinds import KINDS
from batchyard.api.validation import is_valid
from batchyard.core.model.job import Key
from batchyard.objects.meta import Object, key_of
from batchyard.runtime.state.kinds.unreadable import Reading
from batchyard.runtime.state.referrers import Reference


@dataclass(slots=True, frozen=True)
class Intake:
    """How objects of one kind come into the cache and go."""

    put: Callable[[Object], None]
    remove: Callable[[Key, str], None]
    """By key and uid: what was made anew under the same name stays."""
    uids: Callable[[], dict[Key, str]]
    """Of all that are known."""


class StoredStatuses(dict[tuple[str, str, str], Object]):
    """Status that the API server holds of each object: by kind, namespace, name."""

    def keep(self, kind: str, obj: Object) -> None:
        """Note what the API server holds. What makes no sense counts as nothing, and is written anew."""
        status = obj.get("status") or {}
        self[kind, *key_of(obj)] = status if is_valid(KINDS[kind].status, status) else {}


class Named(Protocol):
    """A record of a kind of the whole cluster: a dataclass with at least this."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """By which it is known."""

    @property
    def uid(self) -> str:
        """Another one for each object made under that name."""

    @property
    def refusal(self) -> str:
        """Why it cannot be used; empty where it can."""

    def blank(self, why: str) -> Self:
        """The same with nothing of its spec, as it cannot be used."""


N = TypeVar("N", bound=Named)


class KindStore(Generic[N]):
    """The records of one kind, by name."""

    def __init__(
        self,
        kind: str,
        read: Callable[[Object], N],
        reading: Reading,
        statuses: StoredStatuses,
        changed: Callable[[Reference], None],
    ) -> None:
        self.records: dict[str, N] = {}
        self._kind = kind
        self._read = read
        self._reading = reading
        self._statuses = statuses
        self._changed = changed
        self._refused: dict[str, tuple[N, str]] = {}
        """Objects that a pass cannot digest, as they are, and what is wrong with them."""

    @property
    def intake(self) -> Intake:
        """How its objects come and go."""
        return Intake(self._put, self._remove, lambda: {("", name): each.uid for name, each in self.records.items()})

    def refuse(self, name: str, why: str) -> bool:
        """Use an object no more until it changes; returns whether it was used so far."""
        record = self.records.get(name)
        if record is None or record.refusal:
            return False
        self._refused[name] = (record, why)
        self.records[name] = record.blank(why)
        return True

    def _put(self, obj: Object) -> None:
        record = self._usable(obj)
        self._statuses.keep(self._kind, obj)
        if self.records.get(record.name) != record:
            self.records[record.name] = record
            self._changed((self._kind, "", record.name))

    def _remove(self, key: Key, uid: str) -> None:
        _, name = key
        if is_gone(self.records, name, uid):
            self._refused.pop(name, None)
            del self.records[name]
            self._statuses.pop((self._kind, "", name), None)
            self._changed((self._kind, "", name))

    def _usable(self, obj: Object) -> N:
        """The record of an object that has come or changed; a blank one if it is as it was when it was refused."""
        record = self._reading.read(self._kind, self._read, obj)
        known, why = self._refused.get(record.name, (None, ""))
        if known == record:
            return record.blank(why)
        self._refused.pop(record.name, None)
        return record


class _WithUid(Protocol):
    @property
    def uid(self) -> str: ...


K = TypeVar("K")


def is_gone(known: Mapping[K, _WithUid], name: K, uid: str) -> bool:
    """Whether what is known under a name is the object that was deleted, and not another one made since."""
    return name in known and known[name].uid == uid
