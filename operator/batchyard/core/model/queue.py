"""JobQueues: their records, and the parts of them that policies read: how a queue shares, and what it limits.

`WaitingSince` is a part of `status.Status`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from batchyard.api.models.jobqueue import FairShare as FairShareSettings
from batchyard.api.models.jobqueue import ShareAdmission

T = TypeVar("T")
_SHARING = FairShareSettings()


def entry_for(entries: Mapping[str, T], share: str) -> T | None:
    """What is listed for a share: under its own name, else under the longest beginning followed by `*`."""
    own = entries.get(share)
    if own is not None:
        return own
    beginnings = (entries.get(f"{share[:length]}*") for length in range(len(share), 0, -1))
    return next((found for found in beginnings if found is not None), None)


@dataclass(slots=True, frozen=True)
class FairShare:
    """How a queue divides capacity between shares."""

    decay_seconds: int = _SHARING.share_decay_seconds
    reservation: int = _SHARING.compute_reservation
    """Percentage that is kept back while one share is active; its square for two, and so on."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of usage by share identifier, or by its beginning followed by `*`; of each that is listed."""
    admission: ShareAdmission = _SHARING.share_admission


@dataclass(slots=True, frozen=True)
class QueueLimits:
    """How many jobs of a queue may run at the same time; None: as many as there is room for."""

    running: int | None = None
    running_per_share: int | None = None
    """Of each share that is not listed."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Of single shares: by identifier, or by a beginning followed by `*`, which is for each share that begins so."""

    def of_share(self, share: str) -> int | None:
        """How many jobs of one share may run."""
        own = entry_for(self.shares, share)
        return self.running_per_share if own is None else own


@dataclass(slots=True, frozen=True)
class WaitingSince:
    """What a job waits for that could start otherwise, and since when."""

    reason: str
    since: float


@dataclass(slots=True, frozen=True)
class Selector:
    """A Kubernetes label selector; the empty selector matches everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


@dataclass(slots=True, frozen=True)
class Queue:
    """A JobQueue. `namespaces` is None when every namespace may submit."""

    name: str
    uid: str
    generation: int
    created: float
    priority: int
    enabled: bool
    environments: tuple[str, ...]
    namespaces: Selector | None = None
    fair_share: FairShare | None = None
    """None: first come, first served."""
    limits: QueueLimits | None = None
    bypass_seconds: int = 0
    """For how long others may start before a job at the head that finds no room; 0: its order is strict."""
    time_limits: Mapping[str, int] = field(default_factory=dict)
    """How long a job may wait, in seconds, by reason."""
    preempts_after: int | None = None
    """Seconds that work of lower priority runs before it may be displaced; None where it never may."""
    refusal: str = ""

    def blank(self, why: str) -> Self:
        """The same queue with nothing of its spec, as it cannot be used."""
        return replace(
            self,
            priority=0,
            environments=(),
            namespaces=None,
            fair_share=None,
            limits=None,
            bypass_seconds=0,
            time_limits={},
            preempts_after=None,
            refusal=why,
        )


def scheduling_order(queues: Iterable[Queue]) -> list[Queue]:
    """Higher priority first; between equals the older queue, then the name, so that every pass agrees."""
    return sorted(queues, key=lambda queue: (-queue.priority, queue.created, queue.name))
