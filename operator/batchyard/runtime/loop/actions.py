"""Everything there is to do against the API server: how urgent each kind of action is, and what performs it.

What `settle` asks for is in `core.planner.actions`; here are those that the runtime adds. A new kind of action is a
class, a line in `TERMS`, and a controller that registers what performs it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from batchyard.core.insight.announcements import Announcement
from batchyard.core.model.job import Key
from batchyard.core.planner.actions import (
    AbandonPod,
    Action,
    CutPodShort,
    DeletePods,
    Expire,
    GiveBackSlots,
    ReadPods,
    StartNode,
    StopRun,
    WriteOffPod,
)
from batchyard.runtime.loop.workqueue import Urgency, WorkQueue

A = TypeVar("A", bound=Action)


@dataclass(slots=True, frozen=True)
class CreateRun(Action):
    """Create the Kubernetes Job of a granted placement, or give an array the slots that it was granted."""

    job: Key


@dataclass(slots=True, frozen=True)
class WriteStatus(Action):
    """Write the status of a BatchJob, if it says anything new."""

    job: Key


@dataclass(slots=True, frozen=True)
class Announce(Action):
    """Write an Event about a BatchJob."""

    job: Key
    announcement: Announcement


@dataclass(slots=True, frozen=True)
class ReadEvents(Action):
    """Read the Events of those pods of a namespace that are to be explained."""

    namespace: str


@dataclass(slots=True, frozen=True)
class Preempt(Action):
    """Take slots from the Kubernetes Job of this namespace and name."""

    run: Key


@dataclass(slots=True, frozen=True)
class ResizeArray(Action):
    """Lower the parallelism of an array that gives way to the pods that it has."""

    job: Key


@dataclass(slots=True, frozen=True)
class ReconcileDefinition(Action):
    """Prove a JobDefinition, and record its revision."""

    definition: Key


@dataclass(slots=True, frozen=True)
class ConfirmDefinition(Action):
    """Read a JobDefinition for the new jobs that ask for its latest revision."""

    definition: Key


@dataclass(slots=True, frozen=True)
class WriteReport(Action):
    """Write the status of an object of a kind of which there are few, if it says anything new."""

    kind: str
    name: str


@dataclass(slots=True, frozen=True)
class WriteNodePool(Action):
    """Make the NodePool of this name what its environment says, or, where that is gone, have it make no more nodes."""

    name: str


@dataclass(slots=True, frozen=True)
class DeleteNodePool(Action):
    """Delete a NodePool whose environment is gone, and its nodes with it."""

    name: str


@dataclass(slots=True, frozen=True)
class DrainNode(Action):
    """Evict the jobs from the node of the NodeClaim of this name, as its machine is about to go."""

    claim: str


@dataclass(slots=True, frozen=True)
class ClearEndedPods(Action):
    """Delete the pods of an environment that have ended a while ago, where they cost money still."""

    environment: str


class Terms(NamedTuple):
    """How urgent an action is, and how many seconds it is held back, so that several become one."""

    urgency: Urgency
    hold_seconds: float = 0.0


GATHER_PODS_SECONDS = 0.5
"""How long indexes that have failed or are to end are gathered before their pods are read."""

GATHER_EVENTS_SECONDS = 2.0
"""How long pods that do not start are gathered before their Events are read."""

GATHER_JOBS_SECONDS = 0.05
"""How long new jobs of one definition are gathered before the definition is read for all of them."""

RESIZE_SECONDS = 0.4
"""How long after the end of a pod its array gives the slot back: the Job controller has heard of that end by then, and
replaces the pod a second after it."""

TERMS: Mapping[type[Action], Terms] = {
    StopRun: Terms(Urgency.STOP),
    DeletePods: Terms(Urgency.STOP, GATHER_PODS_SECONDS),
    GiveBackSlots: Terms(Urgency.STOP, GATHER_PODS_SECONDS),
    AbandonPod: Terms(Urgency.STOP),
    WriteOffPod: Terms(Urgency.STOP),
    CutPodShort: Terms(Urgency.STOP),
    ResizeArray: Terms(Urgency.STOP, RESIZE_SECONDS),
    Preempt: Terms(Urgency.CREATE),
    CreateRun: Terms(Urgency.CREATE),
    StartNode: Terms(Urgency.CREATE),
    ReconcileDefinition: Terms(Urgency.CREATE),
    ConfirmDefinition: Terms(Urgency.CREATE, GATHER_JOBS_SECONDS),
    DrainNode: Terms(Urgency.STOP),
    WriteNodePool: Terms(Urgency.CREATE),
    DeleteNodePool: Terms(Urgency.REPORT),
    ClearEndedPods: Terms(Urgency.REPORT),
    WriteStatus: Terms(Urgency.FINAL_STATUS),  # of one that is not final, `Loop` says otherwise
    Announce: Terms(Urgency.FINAL_STATUS),
    Expire: Terms(Urgency.FINAL_STATUS),
    ReadPods: Terms(Urgency.REPORT, GATHER_PODS_SECONDS),
    ReadEvents: Terms(Urgency.REPORT, GATHER_EVENTS_SECONDS),
    WriteReport: Terms(Urgency.REPORT),
}


class ActionQueue(WorkQueue[Action]):
    """The work queue, filled with actions."""

    def ask_for(self, action: Action) -> None:
        """Have something done on the terms of its kind."""
        self.add(action, *TERMS[type(action)])


class Performers:
    """What performs each kind of action."""

    def __init__(self) -> None:
        self._by_kind: dict[type[Action], Callable[[Any], Awaitable[None]]] = {}

    def register(self, kind: type[A], perform: Callable[[A], Awaitable[None]]) -> None:
        """Have actions of this kind performed so. Raises ValueError for a kind that is performed already."""
        if kind in self._by_kind:
            raise ValueError(f"{kind.__name__} has a performer already")
        self._by_kind[kind] = perform

    @property
    def kinds(self) -> frozenset[type[Action]]:
        """The kinds of actions that can be performed."""
        return frozenset(self._by_kind)

    async def perform(self, action: Action) -> None:
        """Perform an action. Whatever is raised means: the same again, later."""
        await self._by_kind[type(action)](action)
