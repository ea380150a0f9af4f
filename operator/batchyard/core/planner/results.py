"""What the two steps of a pass find out. The runtime's loop enters it into the cache."""

from dataclasses import dataclass, field

from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.decisions import Hold, Placement, Preemption


@dataclass(slots=True)
class Settled:
    """What `settle` found out."""

    statuses: dict[Key, Status] = field(default_factory=dict)
    resolved: dict[Key, Resolved] = field(default_factory=dict)
    queued: list[Key] = field(default_factory=list)
    """Jobs that wait for capacity from now on."""
    unqueued: list[Key] = field(default_factory=list)
    """Jobs that do not (any more)."""
    stop: list[Run] = field(default_factory=list)
    """Runs (and other nodes of runs) to be deleted."""
    nodes: list[tuple[Key, int]] = field(default_factory=list)
    """Nodes of multi-node jobs to be started, now that the main node runs."""
    expired: list[Key] = field(default_factory=list)
    """Finished jobs whose time to live is over."""
    wake: dict[Key, float] = field(default_factory=dict)
    """When to settle a job again even if nothing happens to it."""
    demands: dict[Key, ArrayDemand] = field(default_factory=dict)
    """What the arrays among the queued jobs ask for."""
    pods_to_read: list[Key] = field(default_factory=list)
    """Arrays of whose pods more must be read."""
    pods_to_delete: list[Key] = field(default_factory=list)
    """Arrays of whose pods some are to be deleted."""
    give_backs: list[Key] = field(default_factory=list)
    """Arrays with indexes that have a place and cannot start."""
    silent: list[tuple[Key, Pod]] = field(default_factory=list)
    """Pods whose Events are to be read, with their jobs."""
    abandoned: list[tuple[Key, Pod]] = field(default_factory=list)
    """Pods of indexes that could not be started in time: they are to be deleted."""
    forced: list[Pod] = field(default_factory=list)
    """Pods of indexes on lost nodes that somebody has deleted by force: they count as ended."""
    outlasted: list[Pod] = field(default_factory=list)
    """Pods whose main container has failed, and whose others are to be stopped."""
    left: set[Key] = field(default_factory=set)
    """Jobs that were not looked at for want of time."""

    def add(self, other: "Settled") -> None:
        """Take over the results for other jobs."""
        self.statuses.update(other.statuses)
        self.resolved.update(other.resolved)
        self.queued.extend(other.queued)
        self.unqueued.extend(other.unqueued)
        self.stop.extend(other.stop)
        self.nodes.extend(other.nodes)
        self.expired.extend(other.expired)
        self.wake.update(other.wake)
        self.demands.update(other.demands)
        self.pods_to_read.extend(other.pods_to_read)
        self.pods_to_delete.extend(other.pods_to_delete)
        self.give_backs.extend(other.give_backs)
        self.silent.extend(other.silent)
        self.abandoned.extend(other.abandoned)
        self.forced.extend(other.forced)
        self.outlasted.extend(other.outlasted)
        self.left |= other.left


@dataclass(slots=True)
class Placed:
    """What `place` decided."""

    placements: list[Placement] = field(default_factory=list)
    statuses: dict[Key, Status] = field(default_factory=dict)
    holds: list[tuple[Key, Hold]] = field(default_factory=list)
    """The jobs that were looked at and do not start, or of which less starts than they ask for, and why."""
    reclaims: set[Key] = field(default_factory=set)
    """Arrays that are to give places back as their indexes end."""
    preemptions: list[Preemption] = field(default_factory=list)
    """What is to be stopped, to make room."""
