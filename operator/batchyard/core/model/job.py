"""BatchJobs as records: what was submitted, what of it waits for other jobs, and the wish that it ends.

The cache builds and owns all records of `core.model`; the planner reads them as one snapshot and never changes them.
Those of which every event makes a new one are named tuples: of so many fields, a dataclass takes four times as long to
copy. Times are seconds since the epoch (UTC); resources are integers in the units of `core.model.resources`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.api.models.batchjob import DependencyType, StopMode
from batchyard.core.model.array import ArrayShape

Key = tuple[str, str]
"""Namespace and name of a namespaced object."""


@dataclass(slots=True, frozen=True)
class Dependency:
    """Another job of the namespace, and what must become of it before this one may be queued: succeed, fail or end."""

    job: str
    type: DependencyType = DependencyType.SUCCEEDED
    rerun: bool = False
    """Whether it is the array of which indexes run again."""

    @property
    def by_index(self) -> bool:
        """Whether it matters which of its indexes have succeeded."""
        return self.rerun or self.type is DependencyType.N_TO_N


@dataclass(slots=True, frozen=True)
class Stop:
    """The wish that a job ends (`spec.stop`); it is never taken back."""

    mode: StopMode
    reason: str


@dataclass(slots=True, frozen=True)
class BatchJob:
    """One submission. `spec` is the object's own spec, as stored."""

    key: Key
    uid: str
    generation: int
    created: float
    queue: str
    definition: str
    pinned_revision: int | None
    spec: Mapping[str, Any]
    depends_on: tuple[Dependency, ...] = ()
    ttl_seconds: int | None = None
    deleting: bool = False
    refusal: str = ""
    suspended: bool = False
    stop: Stop | None = None
    share: str = ""
    """The share of a fair-share queue that it counts for."""
    array: ArrayShape | None = None

    @property
    def start_blocked(self) -> bool:
        """Whether its spec says that nothing of it may be started now."""
        return self.suspended or self.stop is not None
