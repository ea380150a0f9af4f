"""What the two steps of a pass find out. The runtime's loop enters it into the cache."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.cluster.leftalone import Unmet
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.status import Status
from batchyard.core.planner.actions import Action
from batchyard.core.scheduling.decisions import Hold, Placement, Preemption


@dataclass(slots=True, frozen=True)
class SettledJob:
    """What became of one job."""

    key: Key
    waits: bool
    """Whether it waits for capacity from now on."""
    status: Status | None = None
    """None: as it was; `resolved` likewise."""
    resolved: Resolved | None = None
    demand: ArrayDemand | None = None
    """What an array asks for."""
    wake_at: float | None = None
    """When to settle it again even if nothing happens to it."""
    actions: tuple[Action, ...] = ()


@dataclass(slots=True)
class Settled:
    """What `settle` found out about some jobs."""

    statuses: dict[Key, Status] = field(default_factory=dict)
    resolved: dict[Key, Resolved] = field(default_factory=dict)
    queued: list[Key] = field(default_factory=list)
    """Jobs that wait for capacity from now on."""
    unqueued: list[Key] = field(default_factory=list)
    """Jobs that do not (any more)."""
    demands: dict[Key, ArrayDemand] = field(default_factory=dict)
    """What the arrays among the queued jobs ask for."""
    wake: dict[Key, float] = field(default_factory=dict)
    """When to settle a job again even if nothing happens to it."""
    actions: list[Action] = field(default_factory=list)
    left: set[Key] = field(default_factory=set)
    """Jobs that were not looked at for want of time."""

    def enter(self, job: SettledJob) -> None:
        """Take over what became of one job."""
        (self.queued if job.waits else self.unqueued).append(job.key)
        if job.status is not None:
            self.statuses[job.key] = job.status
        if job.resolved is not None:
            self.resolved[job.key] = job.resolved
        if job.demand is not None:
            self.demands[job.key] = job.demand
        if job.wake_at is not None:
            self.wake[job.key] = job.wake_at
        self.actions += job.actions

    def add(self, other: "Settled") -> None:
        """Take over the results for other jobs."""
        self.statuses.update(other.statuses)
        self.resolved.update(other.resolved)
        self.queued.extend(other.queued)
        self.unqueued.extend(other.unqueued)
        self.demands.update(other.demands)
        self.wake.update(other.wake)
        self.actions.extend(other.actions)
        self.left |= other.left


@dataclass(slots=True)
class Placed:
    """What `place` decided."""

    placements: list[Placement] = field(default_factory=list)
    statuses: dict[Key, Status] = field(default_factory=dict)
    holds: list[tuple[Key, Hold]] = field(default_factory=list)
    """The jobs that were looked at and do not start, or of which less starts than they ask for, and why."""
    reclaims: set[Key] = field(default_factory=set)
    """Arrays that are to give slots back as their indexes end."""
    preemptions: list[Preemption] = field(default_factory=list)
    """What is to be stopped, to make room."""
    unmet: Unmet | None = None
    """None where a pass has not come to its end."""
    expected: dict[Hashable, Assignment] = field(default_factory=dict)
    """Where pods are expected to run that had no node so far, by what they are charged under."""
