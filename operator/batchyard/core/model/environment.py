"""Where jobs may run: environments, which select nodes, have them made, or need none.

Like all records built and owned by the runtime's cache, and read by the planner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from batchyard.api.models.computeenvironment import UNSCHEDULABLE_SECONDS
from batchyard.core.model.managed import ManagedNodes
from batchyard.core.model.resources import Resources
from batchyard.core.model.serverless.offer import Serverless


@dataclass(slots=True, frozen=True)
class Toleration:
    """A toleration with the defaults of the Kubernetes API filled in."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    seconds: int | None = None


@dataclass(slots=True, frozen=True)
class Environment:
    """A ComputeEnvironment: the nodes it selects, and ceilings on what jobs may use of them."""

    name: str
    uid: str
    generation: int
    created: float
    enabled: bool
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    ceilings: Resources = field(default_factory=dict)
    refusal: str = ""
    unschedulable_seconds: int = UNSCHEDULABLE_SECONDS
    count_other_pods: bool = True
    """Whether pods that are not Batchyard's take room on its nodes."""
    managed: ManagedNodes | None = None
    """How its nodes are made; None where they are not, and where nothing of its spec counts."""
    serverless: Serverless | None = None
    """How pods run there without nodes of its own; None where they need such."""
    of_managed_type: bool = False
    """Whether it is to have its nodes made, also where nothing else of its spec counts."""

    @property
    def grows(self) -> bool:
        """Whether capacity comes as pods need it, so that its ceilings are what it has."""
        return self.managed is not None or self.serverless is not None

    @property
    def leave_alone_seconds(self) -> int | None:
        """For how long pods alike are not tried here after one has got nothing to run on; None where that comes not."""
        if self.managed is not None:
            return self.managed.leave_alone_seconds
        return None if self.serverless is None else self.serverless.leave_alone_seconds

    def admits(self, namespace: str) -> bool:
        """Whether jobs of a namespace may run here."""
        return self.serverless is None or self.serverless.admits(namespace)

    def blank(self, why: str) -> Self:
        """The same environment with nothing of its spec, as it cannot be used."""
        return replace(self, node_selector={}, tolerations=(), ceilings={}, managed=None, serverless=None, refusal=why)
