"""An array that has started, as it is seen at one moment: what its status and its next steps are worked out from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.indexgate import Gate
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.definition.runterms import judged_by
from batchyard.core.lifecycle.array import moving
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.lifecycle.takeback import Patience
from batchyard.core.model.array import ArrayShape, ArrayStatus, IndexedJob
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Run, RunTerms
from batchyard.core.model.status import Status


@dataclass(slots=True)
class ArrayView:
    """What is known of the array, and what follows from that at once."""

    job: BatchJob
    shape: ArrayShape
    before: ArrayStatus
    """What the status says of the indexes so far."""
    admitted: Admitted
    runs: JobRuns
    surroundings: Surroundings
    now: float
    gate: Gate | None = None
    """Which indexes may run now, where they are let in one by one; such an array has no Indexed Job."""
    terms: RunTerms = field(init=False)
    environment: str = field(init=False)
    """Where it runs; empty as long as no index has been placed."""
    moved: bool = field(init=False)
    """Whether what is left of it may run in any environment."""
    of_main: IndexSet = field(init=False)
    """The indexes that have pods of the Indexed Job."""

    def __post_init__(self) -> None:
        self.terms = judged_by(self.admitted.resolved, self.runs.of_array)
        self.environment = next((run.environment for run in self.runs.of_array), self.status.environment)
        self.of_main = _indexes_of(self.going)
        self.moved = moving.has_moved(self)

    @property
    def status(self) -> Status:
        """The status so far."""
        return self.admitted.status

    @property
    def lack(self) -> Pending | Unsatisfiable | None:
        """Why nothing more of it can be made now, if that is so."""
        return self.admitted.lack

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The machines, by name."""
        return self.surroundings.nodes

    @property
    def main(self) -> Run | None:
        """The Indexed Job, if there is one."""
        return self.runs.indexed

    @property
    def going(self) -> Run | None:
        """The Indexed Job, as long as it has not ended."""
        main = self.main
        return None if main is None or main.ended else main

    @property
    def shown(self) -> IndexedJob | None:
        """What the Indexed Job shows of the indexes."""
        return self.main.indexed if self.main is not None else None

    @property
    def bound_to(self) -> str:
        """The environment in which it has to go on; empty where it may go anywhere.

        Without an Indexed Job that goes on nothing keeps it together but habit, which ends where no nodes come.
        """
        resolved = self.admitted.resolved
        if self.moved or (
            self.going is None
            and resolved is not None
            and self.surroundings.is_left_alone(self.environment, resolved.pods, self.now)
        ):
            return ""
        return self.environment

    def patience(self, environment: str) -> Patience:
        """For how long indexes may keep a slot in an environment without starting."""
        return self.surroundings.patience(self.job.key, self.terms.startup_grace_seconds, environment)


def _indexes_of(main: Run | None) -> IndexSet:
    """The indexes that have pods of the Indexed Job: its controller starts the lowest first, and none twice."""
    if main is None or main.indexed is None:
        return IndexSet()
    shown = main.indexed
    left = IndexSet.below(shown.size) - shown.completed - shown.failed
    return IndexSet.of(islice(left, main.active + shown.terminating))
