"""What a pass of the planner looks at, and what its two steps find out.

Made by the runtime's cache (and by anything that replays a workload), entered into it again by the loop.
"""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field

from batchyard.core.allowances import Allowances, Name
from batchyard.core.arrayrecords import ArrayPods, Want
from batchyard.core.backlog import Backlog
from batchyard.core.capacity import Charge, Pool
from batchyard.core.consumables import Consumable
from batchyard.core.environmentrecords import Environment, Node
from batchyard.core.placement import Hold, Placement
from batchyard.core.protection import NOTHING_PROTECTED, Protection
from batchyard.core.queuerecords import Queue
from batchyard.core.records import BatchJob, Definition, Key, Pod, Resolved, Revision, Run, Status
from batchyard.core.resources import Resources
from batchyard.core.template import Templates
from batchyard.core.usage import Usage


@dataclass(slots=True, frozen=True)
class Displacement:
    """A run that is to make room for a job of higher priority."""

    run: Run
    places: int
    """How many places; more than one only of an array."""
    by: Key


@dataclass(slots=True)
class Snapshot:
    """Everything a pass looks at, as the API server last showed it."""

    jobs: Mapping[Key, BatchJob]
    statuses: Mapping[Key, Status]
    resolved: Mapping[Key, Resolved]
    runs: Mapping[str, Mapping[int, Run]]
    """Runs by number, under the uid of their job: a job that was deleted and created anew starts with none."""
    pods: Mapping[str, Mapping[str, Pod]]
    """Newest pod by the name of its Kubernetes Job, under the uid of their job."""
    granted: Mapping[Key, Placement]
    """Placements whose Kubernetes Job is being created; they count as used."""
    queues: Mapping[str, Queue]
    environments: Mapping[str, Environment]
    pools: Mapping[str, Pool]
    used: Mapping[str, Resources]
    """Requests of runs that have not ended and of granted placements, per environment."""
    definitions: Mapping[Key, Definition]
    revisions: Mapping[Key, Mapping[int, Revision]]
    namespaces: Mapping[str, Mapping[str, str]]
    backlog: Backlog
    dependents: Mapping[Key, Collection[Key]]
    """Who depends on a job, whether that job exists or not."""
    unstored: Collection[Key]
    """The jobs whose end, if they have come to one, the API server does not hold yet."""
    children: Mapping[str, Mapping[str, Run]] = field(default_factory=dict)
    """Kubernetes Jobs of the other nodes of multi-node jobs by name, under the uid of their job."""
    held: Mapping[Name, int] = field(default_factory=dict)
    """What they hold of the allowances of queues and shares, and of consumable resources."""
    consumables: Mapping[str, Consumable] = field(default_factory=dict)
    used_up: Mapping[str, int] = field(default_factory=dict)
    """What was taken of those that jobs do not give back."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """What the shares have used, per fair-share queue."""
    indexes: Mapping[str, Mapping[str, Run]] = field(default_factory=dict)
    """Kubernetes Jobs of single indexes of arrays by name, under the uid of their job."""
    looked: Mapping[str, ArrayPods] = field(default_factory=dict)
    """What was read about the pods of arrays, under the uid of their job."""
    leaving: Mapping[str, Collection[int]] = field(default_factory=dict)
    """Indexes of arrays whose pods were asked to stop as they ran, under the uid of their job."""
    wants: Mapping[Key, Want] = field(default_factory=dict)
    """What the arrays in the backlog ask for."""
    charges: Mapping[Hashable, Charge] = field(default_factory=dict)
    """What `used` consists of."""
    arrays: Mapping[Key, Run] = field(default_factory=dict)
    """The Indexed Jobs that have not ended, by the array."""
    raised: Mapping[Key, float] = field(default_factory=dict)
    """When arrays were last given places that the status of their Indexed Job does not account for yet."""
    templates: Templates = field(default_factory=Templates)
    """What revisions come to; the same whether it was asked before or not."""
    displacing: Mapping[Key, int] = field(default_factory=dict)
    """Places that Kubernetes Jobs, by namespace and name, are just being told to give up."""
    faults: Mapping[Key, str] = field(default_factory=dict)
    """Of jobs that a pass cannot digest: what is wrong with them."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    protection: Protection = NOTHING_PROTECTED
    """Namespaces in which no job runs."""
    spared: Collection[Key] = ()
    """Kubernetes Jobs whose pods turned out to be protected for now."""

    def allowances(self) -> Allowances:
        """Return what is left beside capacity, for one pass."""
        return Allowances(self.held, self.consumables, self.used_up)


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
    wants: dict[Key, Want] = field(default_factory=dict)
    """What the arrays among the queued jobs ask for."""
    looks: list[Key] = field(default_factory=list)
    """Arrays of whose pods more must be read."""
    halts: list[Key] = field(default_factory=list)
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
        self.wants.update(other.wants)
        self.looks.extend(other.looks)
        self.halts.extend(other.halts)
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
    held: list[tuple[Key, Hold]] = field(default_factory=list)
    """The jobs that were looked at and do not start, or of which less starts than they ask for, and why."""
    yielding: set[Key] = field(default_factory=set)
    """Arrays that are to give places back as their indexes end."""
    displacements: list[Displacement] = field(default_factory=list)
    """What is to be stopped, to make room."""
