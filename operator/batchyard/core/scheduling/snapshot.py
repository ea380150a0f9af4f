"""What a pass of the planner looks at, made by the runtime's cache and by anything that replays a workload."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.core.definition.template import Templates
from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.leftalone import AllLeftAlone, Unmet
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Definition, Resolved, Revision
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import NO_RUNS, JobRuns
from batchyard.core.model.podadmission.rules import ClusterRules
from batchyard.core.model.pods.constraints import Port
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.capacity.space import Space
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.limits import Limits, Name


@dataclass(slots=True)
class Snapshot:
    """Everything a pass looks at, as the API server last showed it."""

    jobs: Mapping[Key, BatchJob]
    statuses: Mapping[Key, Status]
    resolved: Mapping[Key, Resolved]
    runs: Mapping[str, JobRuns]
    """What runs of jobs, under their uids."""
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
    unpersisted_ends: Collection[Key]
    """The jobs whose end, if they have come to one, the API server does not hold yet."""
    limit_usage: Mapping[Name, int] = field(default_factory=dict)
    """What they hold of the limits of queues and shares, and of consumable resources."""
    consumables: Mapping[str, Consumable] = field(default_factory=dict)
    used_up: Mapping[str, int] = field(default_factory=dict)
    """What was taken of those that jobs do not give back."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """What the shares have used, per fair-share queue."""
    demands: Mapping[Key, ArrayDemand] = field(default_factory=dict)
    """What the arrays in the backlog ask for."""
    charges: Mapping[Hashable, Charge] = field(default_factory=dict)
    """What `used` consists of."""
    arrays: Mapping[Key, Run] = field(default_factory=dict)
    """The Indexed Jobs that have not ended, by the array."""
    raised: Mapping[Key, float] = field(default_factory=dict)
    """When arrays were last given slots that the status of their Indexed Job does not account for yet."""
    templates: Templates = field(default_factory=Templates)
    """What revisions come to; the same whether it was asked before or not."""
    pod_rules: ClusterRules = field(default_factory=ClusterRules)
    """What the API server's admission adds to pods, and what it holds them to."""
    being_preempted: Mapping[Key, int] = field(default_factory=dict)
    """Slots that Kubernetes Jobs, by namespace and name, are just being told to give up."""
    faults: Mapping[Key, str] = field(default_factory=dict)
    """Of jobs that a pass cannot digest: what is wrong with them."""
    homeless: Collection[Hashable] = ()
    """Which charges have pods that are neither bound nor expected anywhere."""
    space: Space | None = None
    """What is free on each node; worked out from pools and charges where it is not given."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    other_pods: Mapping[str, Resources] = field(default_factory=dict)
    """What pods that are not Batchyard's take, by node, pod slots included; of nodes that have any."""
    ports_taken: Mapping[str, frozenset[Port]] = field(default_factory=dict)
    """The host ports that they have, by node."""
    protection: Protection = NOTHING_PROTECTED
    """Namespaces in which no job runs."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """What keeps nodes of environments from coming, by environment."""
    unmet: Unmet = field(default_factory=dict)
    """As the last pass found it."""
    left_alone: AllLeftAlone = field(default_factory=dict)
    spared: Collection[Key] = ()
    """Kubernetes Jobs whose pods turned out to be protected for now."""

    def runs_of(self, uid: str) -> JobRuns:
        """Return what runs of the job with this uid."""
        return self.runs.get(uid, NO_RUNS)

    def could_hold(self, environment: str, pods: PodSets) -> bool:
        """Whether an environment is there and would have room for pods if nothing else ran there."""
        return environment in self.pools and self.pools[environment].could_hold(pods)

    def limits(self) -> Limits:
        """Return what is left beside capacity, for one pass."""
        return Limits(self.limit_usage, self.consumables, self.used_up)
