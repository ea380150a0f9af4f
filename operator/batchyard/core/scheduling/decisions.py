"""What a pass decides about a job: it starts somewhere, does not start now, or makes another one make room."""

from dataclasses import dataclass
from typing import NamedTuple

from batchyard.core.model.array import MAIN_RUN, ArrayGrant
from batchyard.core.model.job import Key
from batchyard.core.model.objectnames import index_run_name, run_name
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.resources import Resources
from batchyard.core.model.run import Run
from batchyard.core.scheduling.limits import Name


class Placement(NamedTuple):
    """A job and the environment it starts in."""

    key: Key
    environment: str
    request: Resources
    """What it takes there; of an array each of its slots."""
    run: int = 1
    attempt: int = 1
    """The run to create, decided once: creating it again after a lost answer must mean the same run."""
    array: ArrayGrant | None = None
    nodes: Assignment = ()
    """Where its pods are expected to run."""
    on_demand: bool = False
    """Whether it is to belong to the part of its environment's work that is not on spot."""
    finds_out: bool = False
    """Whether it waits for a node where none came for such pods, so as to find out whether that has changed."""
    zone: str | None = None
    """The zone in which all of its pods are to be; None where that does not matter, or shows with the first."""
    instead: str = ""
    """Why it does not start in an environment that its queue names before this one; empty where there is nothing."""

    @property
    def job_names(self) -> list[str]:
        """The Kubernetes Jobs that it stands for; of a multi-node job that of the main node."""
        name = self.key[1]
        if self.array is None:
            return [run_name(name, self.run)]
        main = [run_name(name, MAIN_RUN)] if self.array.slots else []
        return main + [index_run_name(name, each.run, each.index) for each in self.array.retries]

    @property
    def slots(self) -> int:
        """How many times the request is taken."""
        return self.array.count if self.array is not None else 1


@dataclass(slots=True, frozen=True)
class Hold:
    """Why a job that was looked at does not start now."""

    reason: str
    message: str
    stalled: bool = False
    environments: tuple[str, ...] = ()
    """The environments that are full for it, of a job that goes before all others that wait for them."""
    lacks: Name | None = None
    """The limit that is used up, of a job that goes before all others that wait for it."""
    ends_share_queue: bool = False
    """Whether nobody behind the job in its share queue may start either."""
    head_since: float | None = None
    """Since when the job has been at the head of a queue in which others may start before it."""
    lets_pass: bool = False
    """Whether others may still do so."""


@dataclass(slots=True, frozen=True)
class Preemption:
    """A run that is to make room for a job of higher priority."""

    run: Run
    slots: int
    """How many slots; more than one only of an array."""
    by: Key
