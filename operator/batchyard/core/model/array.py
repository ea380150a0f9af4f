"""The records of arrays: what is asked for, what their Kubernetes Jobs show, and what became of their indexes.

Parts of `records.BatchJob`, `records.Run`, `records.Status` and of the planner's snapshot; `arrays` decides on them.
"""

from dataclasses import dataclass, field

from batchyard.core.model.indexset import IndexSet

MAIN_RUN = 1
"""Number of the run that goes through all indexes. The runs of single indexes after it count on from there."""


@dataclass(slots=True, frozen=True)
class IndexStop:
    """The wish that some indexes end (an entry of `spec.stopIndexes`)."""

    indexes: IndexSet
    reason: str


@dataclass(slots=True, frozen=True)
class Rerun:
    """The wish to run indexes of an earlier array again (`spec.array.rerun`)."""

    job: str
    indexes: IndexSet | None = None
    """None: those that did not succeed."""


@dataclass(slots=True, frozen=True)
class ArrayShape:
    """What a BatchJob asks for (`spec.array`)."""

    size: int
    max_concurrency: int | None = None
    max_failed_indexes: int | None = None
    sequential: bool = False
    """Whether each index waits for the one before."""
    stops: tuple[IndexStop, ...] = ()
    rerun: Rerun | None = None

    @property
    def at_once(self) -> int:
        """How many indexes may run at the same time."""
        return self.size if self.max_concurrency is None else min(self.max_concurrency, self.size)

    @property
    def stopped(self) -> IndexSet:
        """The indexes that are to end."""
        wished = IndexSet()
        for stop in self.stops:
            wished |= stop.indexes
        return wished & IndexSet.below(self.size)


@dataclass(slots=True, frozen=True)
class IndexedJob:
    """What the Indexed Job of an array shows beyond what every Job does."""

    size: int
    parallelism: int
    terminating: int = 0
    completed: IndexSet = field(default_factory=IndexSet)
    failed: IndexSet = field(default_factory=IndexSet)

    @property
    def unfinished(self) -> int:
        """How many indexes this Job has yet to end."""
        return self.size - len(self.completed) - len(self.failed)


@dataclass(slots=True, frozen=True)
class IndexRun:
    """Another run of one index, by a Job of its own."""

    index: int
    run: int
    attempt: int


@dataclass(slots=True, frozen=True)
class ArrayDemand:
    """What an array asks for beyond what it has."""

    slots: int = 0
    """How many indexes more its Indexed Job could run at the same time."""
    retries: tuple[IndexRun, ...] = ()
    """Runs of single indexes that are due. They go before further slots."""
    environment: str = ""
    """Where the array runs; empty while it has not started."""

    @property
    def total(self) -> int:
        """How many slots that is."""
        return self.slots + len(self.retries)


@dataclass(slots=True, frozen=True)
class ArrayGrant:
    """What an array has been granted: another parallelism of its Indexed Job, and runs of single indexes."""

    slots: int
    """How many slots its Indexed Job gets more."""
    parallelism: int
    """What that comes to: setting it again after a lost answer must mean the same."""
    retries: tuple[IndexRun, ...] = ()

    @property
    def count(self) -> int:
        """How many slots that is."""
        return self.slots + len(self.retries)


@dataclass(slots=True, frozen=True)
class FailedIndex:
    """How an index failed for good."""

    index: int
    attempt: int
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    pod_name: str = ""
    node_name: str = ""


@dataclass(slots=True, frozen=True)
class ArrayStatus:
    """What became of the indexes (`status.array`)."""

    size: int
    succeeded: IndexSet = field(default_factory=IndexSet)
    failed: IndexSet = field(default_factory=IndexSet)
    active: IndexSet = field(default_factory=IndexSet)
    running: int = 0
    """How many of the active ones have got past their start."""
    interrupted: IndexSet = field(default_factory=IndexSet)
    """Those whose pods were stopped from outside as they ran: however they ended, they run again."""
    retries: int = 0
    restarts: int = 0
    """How often a pod was deleted before its end, as the array lost slots."""
    first_failures: tuple[FailedIndex, ...] = ()
    hold: str = ""
    """Why those that wait do not start, once others have."""
    lacking: bool = False
    """Whether that is because something it refers to is not there."""
    trouble: str = ""
    """Why some that have a slot do not start. Not stored: it is looked at again."""
    lost: str = ""
    """Why some that were asked to stop do not end. Not stored, either."""
    instead: str = ""
    """Why it is not in an environment that its queue names first. Its Kubernetes Jobs tell."""
    charged_as: str = ""
    """What each index counts for, in words, where that is not what it asks for."""
    moved: bool = False
    """Whether its indexes have left the environment in which it began, as no nodes came there any more: each of them
    has a Kubernetes Job of its own from then on, in whichever environment there is room."""
    chosen: IndexSet | None = None
    """Of a rerun: the indexes that run. None: all."""
    succeeded_before: IndexSet = field(default_factory=IndexSet)
    """Of a rerun: those of the others that had succeeded in the earlier array."""

    @property
    def indexes(self) -> IndexSet:
        """The indexes that are to run."""
        return self.chosen if self.chosen is not None else IndexSet.below(self.size)

    @property
    def what(self) -> str:
        """The number of these indexes, in words."""
        return f"{self.size} indexes" if self.chosen is None else f"{len(self.chosen)} chosen indexes"

    @property
    def waiting(self) -> int:
        """How many indexes are neither active nor ended."""
        return len(self.indexes) - len(self.succeeded) - len(self.failed) - len(self.active)

    @property
    def good(self) -> IndexSet:
        """The indexes that have succeeded, here or before."""
        return self.succeeded | self.succeeded_before

    @property
    def bad(self) -> IndexSet:
        """The indexes that have failed, here or before."""
        return self.failed | (IndexSet.below(self.size) - self.indexes - self.succeeded_before)
