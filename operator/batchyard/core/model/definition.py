"""JobDefinitions, their revisions, and what a job and a revision come to together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchyard.api.models.jobdefinition import REVISION_HISTORY_LIMIT, ZonePolicy
from batchyard.api.models.strategy import ExitAction, OnOutOfMemory, RetryStrategy
from batchyard.core.model.job import Key
from batchyard.core.model.podadmission.rules import NO_RULES, PodRules
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.resources import Resources, vcpus_of

_RETRY, _GROWTH = RetryStrategy(), OnOutOfMemory()


@dataclass(slots=True, frozen=True)
class ExitRule:
    """One entry of `evaluateOnExit`: patterns that must all match, then the action is taken."""

    action: ExitAction
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None


@dataclass(slots=True, frozen=True)
class MemoryGrowth:
    """How much more memory a container gets each time it ran out of it (`onOutOfMemory`)."""

    multiplier: float = _GROWTH.memory_multiplier
    max_bytes: int | None = None


@dataclass(slots=True, frozen=True)
class RetryPolicy:
    """How often an attempt may be repeated and how long to wait before the next (`retryStrategy`)."""

    attempts: int = _RETRY.attempts
    initial_seconds: float = float(_RETRY.backoff.initial_seconds)
    multiplier: float = _RETRY.backoff.multiplier
    max_seconds: float = float(_RETRY.backoff.max_seconds)
    jitter: float = _RETRY.backoff.jitter
    max_interruptions: int = _RETRY.max_interruptions
    exit_rules: tuple[ExitRule, ...] = ()
    memory_growth: MemoryGrowth | None = None
    on_demand_after: int | None = None
    """After how many interruptions it runs no more on spot nodes (`onInterruption`); None: never."""


@dataclass(slots=True, frozen=True)
class Resolved:
    """What a BatchJob's spec and its definition revision come to together.

    Fixed for the life of the job, but for the memory that grows when it runs out of it, and for what the rules for its
    pods add to its request.
    """

    revision: int
    template: Mapping[str, Any]
    """The pod, without the values of parameters and without what admission adds; of a multi-node job that of the main
    node."""
    request: Resources
    """What the job takes while it runs; of a multi-node job all nodes together, their number as `pods`; of an array
    one index."""
    retry: RetryPolicy
    timeout_seconds: int | None
    startup_grace_seconds: int
    ungrown: Mapping[str, Any] | None = None
    """The template before its memory grew; None while it has not."""
    unrestricted: "Resolved | None" = None
    """What it was before spot was excluded, as it was interrupted too often; None where it is not."""
    gang: Gang | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What stands for `Ref::name` in its commands."""
    priority: int = 0
    """Order inside its share; means nothing in a queue without fair share."""
    consumables: Mapping[str, int] = field(default_factory=dict)
    """What each of its slots takes of consumable resources."""
    definition_uid: str = ""
    digest: str = ""
    """Of the content of the revision."""
    constraints: Constraints = UNCONSTRAINED
    """What its pod says of the nodes that it can be on; of a multi-node job each group has its own."""
    runtime_classes: tuple[str, ...] = ()
    """The RuntimeClasses that its pods name."""
    zone_policy: ZonePolicy = ZonePolicy.ANY
    """How its pods are divided between zones."""
    rules: PodRules = NO_RULES
    """What its request is worked out under."""
    refusal: str = ""
    """Why the API server would refuse its pods, and what to do; empty where it would not, as far as that is known."""
    _vcpus: int | None = field(init=False, repr=False, compare=False, default=None)
    _pods: PodSets = field(init=False, repr=False, compare=False, default=())

    @property
    def pods(self) -> PodSets:
        """The pods that must start at once, of an array those of one index; worked out once."""
        if not self._pods:
            if self.gang is None:
                found: PodSets = (PodSet(1, self.request, self.constraints),)
            else:
                found = self.gang.pods
            object.__setattr__(self, "_pods", found)
        return self._pods

    @property
    def vcpus(self) -> int:
        """What it counts for in fair share, in milli-vCPU; worked out once, as a pass may ask thousands of times."""
        if self._vcpus is None:
            object.__setattr__(self, "_vcpus", vcpus_of(self.request))
        return self._vcpus or 0


@dataclass(slots=True, frozen=True)
class Revision:
    """One immutable revision of a JobDefinition; `content` is the definition's spec as it was then."""

    definition: Key
    number: int
    content: Mapping[str, Any]
    digest: str
    created: float
    owner_uid: str = ""
    """The JobDefinition it was made for; one deleted and created anew starts with revision 1 again."""
    uid: str = ""


@dataclass(slots=True, frozen=True)
class Origin:
    """The revision that a job got before; those of a definition made anew have the same numbers, and other contents."""

    number: int
    definition_uid: str = ""
    digest: str = ""
    """Both empty where an operator of an earlier version noted the number only."""


@dataclass(slots=True, frozen=True)
class Definition:
    """A JobDefinition as it is now; its revisions are kept apart."""

    key: Key
    uid: str
    generation: int
    spec: Mapping[str, Any]
    digest: str
    inactive: frozenset[int] = frozenset()
    history_limit: int = REVISION_HISTORY_LIMIT
    refusal: str = ""
