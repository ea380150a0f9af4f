"""Views of a snapshot: without some objects, with ordinary ones in their place, and one that tells what is looked at.

They cost nothing while no step fails.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from batchyard.api import names
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.job import Key
from batchyard.core.model.pods.gang import Gang
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.snapshot import Snapshot

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True, frozen=True)
class Culprit:
    """An object without which a step goes through."""

    kind: str
    key: Key
    """Namespace ("" for kinds without) and name."""

    def __str__(self) -> str:
        return f"{self.kind} {'/'.join(filter(None, self.key))}"


def hide(snapshot: Snapshot, culprits: Collection[Culprit]) -> Snapshot:
    """Return the snapshot as a step sees it that is to know nothing of these objects. What runs stays charged."""
    if not culprits:
        return snapshot

    jobs = frozenset(each.key for each in culprits if each.kind == names.BATCH_JOB)
    if jobs:
        snapshot = replace(
            snapshot,
            jobs=_Without(snapshot.jobs, jobs),
            resolved=_Without(snapshot.resolved, jobs),
            arrays=_Without(snapshot.arrays, jobs),
            charges=_Nameless(snapshot.charges, jobs),
            backlog=snapshot.backlog.without(jobs),
        )
    if len(jobs) == len(culprits):
        return snapshot

    def without(kind: str, objects: Mapping[str, V]) -> Mapping[str, V]:
        return _Without(objects, frozenset(each.key[1] for each in culprits if each.kind == kind))

    return replace(
        snapshot,
        queues=without(names.JOB_QUEUE, snapshot.queues),
        environments=without(names.COMPUTE_ENVIRONMENT, snapshot.environments),
        pools=without(names.COMPUTE_ENVIRONMENT, snapshot.pools),
        consumables=without(names.CONSUMABLE_RESOURCE, snapshot.consumables),
    )


def tame(snapshot: Snapshot, culprits: Collection[Culprit]) -> Snapshot:
    """Return the snapshot with ordinary values wherever what these jobs come to is not of the kind that it must be.

    Of jobs of which all is in order nothing changes, so a step takes the same course as before.
    """
    tamed = {each.key: _ordinary(snapshot.resolved[each.key]) for each in culprits if each.key in snapshot.resolved}
    return replace(snapshot, resolved={**snapshot.resolved, **tamed}) if tamed else snapshot


def _ordinary(resolved: Resolved) -> Resolved:
    spec = _mapping(_mapping(resolved.template).get("spec"))
    numbers = {name: spec[name] for name in _NUMBERS_OF_POD if _is_number(spec.get(name))}
    request = {name: amount for name, amount in _mapping(resolved.request).items() if _is_number(amount)}
    return Resolved(
        revision=resolved.revision,
        template={"spec": {"containers": [], **numbers}},
        request=request or {"cpu": 1},
        retry=RetryPolicy(),
        timeout_seconds=resolved.timeout_seconds if _is_number(resolved.timeout_seconds) else None,
        startup_grace_seconds=0,
        gang=resolved.gang if isinstance(resolved.gang, Gang) else None,
        priority=resolved.priority if _is_number(resolved.priority) else 0,
        consumables={name: each for name, each in _mapping(resolved.consumables).items() if _is_number(each)},
    )


_NUMBERS_OF_POD = ("activeDeadlineSeconds", "terminationGracePeriodSeconds")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < _LARGEST


_LARGEST = 2**63


def watched(snapshot: Snapshot, note: Callable[[Culprit], None]) -> Snapshot:
    """Return the same snapshot, which tells of every object that is looked at."""

    def jobs(objects: Mapping[Key, V]) -> Mapping[Key, V]:
        return _Watched(objects, lambda key, _: note(Culprit(names.BATCH_JOB, key)))

    def named(kind: str, objects: Mapping[str, V]) -> Mapping[str, V]:
        return _Watched(objects, lambda name, _: note(Culprit(kind, ("", name))))

    return replace(
        snapshot,
        jobs=jobs(snapshot.jobs),
        statuses=jobs(snapshot.statuses),
        resolved=jobs(snapshot.resolved),
        demands=jobs(snapshot.demands),
        arrays=jobs(snapshot.arrays),
        charges=_Watched(snapshot.charges, lambda _, charge: note(Culprit(names.BATCH_JOB, charge.key))),
        queues=named(names.JOB_QUEUE, snapshot.queues),
        environments=named(names.COMPUTE_ENVIRONMENT, snapshot.environments),
        pools=named(names.COMPUTE_ENVIRONMENT, snapshot.pools),
        consumables=named(names.CONSUMABLE_RESOURCE, snapshot.consumables),
    )


class _Watched(Mapping[K, V]):
    """A mapping that tells of what is read of it."""

    def __init__(self, objects: Mapping[K, V], note: Callable[[K, V], None]) -> None:
        self._objects = objects
        self._note = note

    def __getitem__(self, key: K) -> V:
        value = self._objects[key]
        self._note(key, value)
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __iter__(self) -> Iterator[K]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)


class _Without(Mapping[K, V]):
    """A mapping that lacks some of its keys."""

    def __init__(self, objects: Mapping[K, V], hidden: Collection[K]) -> None:
        self._objects = objects
        self._hidden = hidden

    def __getitem__(self, key: K) -> V:
        if key in self._hidden:
            raise KeyError(key)
        return self._objects[key]

    def __iter__(self) -> Iterator[K]:
        return (key for key in self._objects if key not in self._hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Nameless(Mapping[Hashable, Charge]):
    """Charges that do not tell what runs of these jobs they are for."""

    def __init__(self, charges: Mapping[Hashable, Charge], jobs: Collection[Key]) -> None:
        self._charges = charges
        self._jobs = jobs

    def __getitem__(self, item: Hashable) -> Charge:
        charge = self._charges[item]
        return replace(charge, run=None) if charge.key in self._jobs else charge

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._charges)

    def __len__(self) -> int:
        return len(self._charges)
