"""What of the cluster decides on the life of a run: where it may run, which machines are lost, which do not come."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf

from batchyard.core.lifecycle.takeback import NoNodes, Patience, patience
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.leftalone import AllLeftAlone, Unmet, has_others, still
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.queue import Queue


@dataclass(slots=True, frozen=True)
class Surroundings:
    """Environments and nodes by name."""

    environments: Mapping[str, Environment] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Why no nodes can be made for environments, of those of which that is so."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """What keeps nodes of environments from coming, of those of which there is something."""
    unmet: Unmet = field(default_factory=dict)
    left_alone: AllLeftAlone = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    granted: Collection[Key] = ()
    """The jobs with a grant that is being carried out."""
    could_hold: Callable[[str, PodSets], bool] = lambda _, __: True
    """Whether an environment would have room for pods if nothing else ran there."""

    def patience(self, job: Key, grace_seconds: float, environment: str) -> Patience:
        """How long a run of a job, granted with this grace time, may keep its slot in an environment."""
        found = self.environments.get(environment)
        unmet = self.unmet.get((job, environment), 0)
        no_nodes = self._no_nodes(found, unmet) if found is not None and unmet else None
        return patience(grace_seconds, found, no_nodes)

    def is_left_alone(self, environment: str, pods: PodSets, now: float) -> bool:
        """Whether pods are not tried in an environment now, as no node came for such."""
        return still(self.left_alone, environment, pods, now) is not None

    def has_others(self, namespace: str, queue: str, environment: str, pods: PodSets, now: float) -> bool:
        """Whether a queue has another environment, in which pods of a namespace may be tried."""
        found = self.queues.get(queue)
        names = () if found is None else found.environments
        known = (self.environments[name] for name in names if name in self.environments)
        open_to = (each for each in known if each.admits(namespace))
        return has_others(open_to, environment, pods, self.could_hold, self.left_alone, now)

    def _no_nodes(self, environment: Environment, pods: int) -> NoNodes | None:
        """Why so many pods there that have no node on its way will get none."""
        if not environment.grows:
            return None
        managed = environment.managed
        seconds = environment.unschedulable_seconds if managed is None else managed.shortage_grace_seconds
        if why := self.withheld.get(environment.name):
            return NoNodes(seconds, why, inf, pods)
        failure = self.failures.get(environment.name)
        if failure is None:
            return None
        return NoNodes(seconds, f"{failure.reason}: {failure.message}", failure.last, pods)
