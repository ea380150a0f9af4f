"""The Kubernetes Jobs of runs and their pods, as the API server shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from batchyard.api.models.jobdefinition import STARTUP_GRACE_SECONDS
from batchyard.core.model.array import IndexedJob
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources

NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(slots=True, frozen=True)
class Refusal:
    """What is known of why a run has no pod, or lacks the Job of another of its nodes."""

    message: str
    """The API server's words; empty where they were looked for in vain."""
    since: float
    looked_at: float = 0.0
    definite: bool = True
    """Whether it is the API server's last word for now."""
    node: int | None = None
    """Of a multi-node job: the node whose Job it is about."""


@dataclass(slots=True, frozen=True)
class RunTerms:
    """What a run was granted with, by which its end is judged; an operator that wrote none granted the defaults."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    startup_grace_seconds: int = STARTUP_GRACE_SECONDS
    definition_uid: str = ""
    digest: str = ""


class Run(NamedTuple):
    """The Kubernetes Job of one run, as the API server shows it."""

    name: str
    uid: str
    owner: Key
    owner_uid: str
    """The BatchJob that the run belongs to; a job deleted and created anew has another uid."""
    number: int
    attempt: int
    queue: str
    environment: str
    revision: int
    request: Resources
    created: float
    active: int = 0
    ready: int = 0
    """Of an array: how many of its pods are ready."""
    started_at: float | None = None
    condition: str = ""
    """`Complete` or `Failed` once the Job has ended and all of its pods have, else empty."""
    condition_reason: str = ""
    condition_message: str = ""
    ended_at: float | None = None
    deleting: bool = False
    node: int | None = None
    """Of a multi-node job: the index of the node."""
    main_uid: str = ""
    """Of a multi-node job's other nodes: the uid of the main node's Job, which is the run that they belong to."""
    share: str = ""
    consumables: Mapping[str, int] = NOTHING
    """What it takes of consumable resources; of an array each of its slots."""
    indexed: IndexedJob | None = None
    """Of an array: what its Indexed Job shows. `request` is that of one pod."""
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index
    """Of the Job of a single index of an array: that index."""
    suspended_at: float | None = None
    """Since when its Job is suspended, by somebody else than Batchyard."""
    refusal: Refusal | None = None
    terms: RunTerms | None = None
    """What it was granted with, where its Job tells that."""
    on_demand: bool = False
    """Whether it belongs to the part of its environment's work that is not on spot."""
    instead: str = ""
    """Why it is not in an environment that its queue names first; empty where there is nothing to say."""
    zone: str | None = None
    """Of a multi-node job that is to be in one zone: which that is, empty for nodes that name none; None where that
    shows with the first of its pods."""
    charged_as: str = ""
    """What each of its pods counts for, in words, where that is not what they ask for."""

    @property
    def ended(self) -> bool:
        """Whether nothing of this run can still be running."""
        return bool(self.condition)

    @property
    def slots(self) -> int:
        """How many indexes an Indexed Job may run at the same time, by its parallelism and by what is left."""
        shown = self.indexed
        return 0 if shown is None else min(shown.parallelism, shown.unfinished)

    @property
    def slots_taken(self) -> int:
        """How many slots the Job takes up: an Indexed Job as many as it has pods, or may start at once."""
        if self.ended:
            return 0
        if self.indexed is None:
            return 1
        return max(self.active + self.indexed.terminating, self.slots)


class Pod(NamedTuple):
    """What the pod of a run tells beyond its Job: where it runs, why it waits, how it ended."""

    name: str
    uid: str
    owner: Key
    owner_uid: str
    run: str
    """Name of the Kubernetes Job."""
    created: float
    job_uid: str = ""
    """Uid of the Kubernetes Job that controls it."""
    node_name: str = ""
    request: Resources = NOTHING
    """What it asks for as it was created, whatever admission has added included; nothing where that cannot be read."""
    phase: str = "Pending"
    bound_at: float | None = None
    """When a node was found for it."""
    ran: bool = False
    """Whether any of its containers, also of those that go before the main one, has started."""
    started_at: float | None = None
    """When the main container started."""
    stopped_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    out_of_memory: tuple[str, ...] = ()
    """Containers that failed because they were killed for their use of memory."""
    failed_container: str = ""
    """The container whose exit code that is, if it failed."""
    main: str = ""
    """The main container."""
    main_stopped_at: float | None = None
    main_exit_code: int | None = None
    outlived: bool = False
    """Whether other containers have gone on after it; those that the kubelet then stops do not count."""
    outlasting: tuple[str, ...] = ()
    """Those that still do."""
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index
    """Of an array: the index that it runs."""
    waiting_reason: str = ""
    """What keeps the main container from starting, or the containers that have not started although it has ended."""
    waiting_message: str = ""
    doubtful: str = ""
    """Which amount of memory was hardly meant as it stands, where the main container cannot start, or may not."""
    silent: bool = False
    """Whether only Events can tell why the main container does not start."""
    reported_at: float | None = None
    """When they were last read."""
    unschedulable: str = ""
    disruption: str = ""
    """The reason of the pod's DisruptionTarget condition, when it has one."""
    asked_to_stop_at: float | None = None
    """When somebody outside first evicted, preempted or deleted it."""
    forced: bool = False
    """Deleted by force: whoever did that knows that it does not run any more."""
    accepted_at: float | None = None
    """When the kubelet took it: its timeout counts from there."""
    deadline: float | None = None
    """When its timeout is over."""
    address: str = ""
    deleting: bool = False
    """Told to go: somebody has deleted it, or it was evicted."""
    gone: bool = False
    """Deleted from the API server; the record is kept for what it tells about the run's end."""

    @property
    def got_no_capacity(self) -> bool:
        """Whether a virtual kubelet could not have it run: so it says of a pod that is not restarted, and that nobody
        tries again."""
        return self.phase == "Failed" and self.reason == "ProviderFailed" and self.exit_code is None and not self.ran

    @property
    def live(self) -> bool:
        """Whether containers of the pod may still be running."""
        return not self.gone and self.phase not in ("Succeeded", "Failed")


@dataclass(slots=True, frozen=True)
class PodReport:
    """What was read about the pods of an Indexed Job, which no informer follows."""

    ends: Mapping[int, Pod | None] = field(default_factory=dict)
    """The failed pod of each index that failed; None where it is not there any more."""
    waiting: tuple[Pod, ...] = ()
    """Some of the pods that have not started."""
    looked_at: float = 0.0
    leaving: tuple[Pod, ...] = ()
    """Some of the pods that were asked to stop and have not ended."""
    abandoned: Mapping[str, Pod] = field(default_factory=dict)
    """Pods that were deleted since they could not be started in time, as they were then, by their uid."""
