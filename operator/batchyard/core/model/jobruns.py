"""What runs of one BatchJob, or has run: its Kubernetes Jobs and their pods, in one record."""

from dataclasses import dataclass, field

from batchyard.core.model.array import MAIN_RUN
from batchyard.core.model.run import Pod, PodReport, Run

NO_REPORT = PodReport()


@dataclass(slots=True)
class JobRuns:
    """All that exists of a job. One that was deleted and created anew starts with nothing."""

    mains: dict[int, Run] = field(default_factory=dict)
    """Runs by number: of a multi-node job the Jobs of the main node, of an array its Indexed Job."""
    children: dict[str, Run] = field(default_factory=dict)
    """Jobs of the other nodes of a multi-node job, by name."""
    indexes: dict[str, Run] = field(default_factory=dict)
    """Jobs of single indexes of an array, by name."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """The newest pod of each of them but the Indexed Job, by the name of the Job."""
    report: PodReport = NO_REPORT
    """What was read about the pods of the Indexed Job."""
    leaving: frozenset[int] = frozenset()
    """Indexes whose pods of the Indexed Job were asked to stop as they ran."""
    outlived: bool = False
    """Whether the Indexed Job is gone while pods of it have not ended."""

    @property
    def indexed(self) -> Run | None:
        """The Indexed Job of an array."""
        return self.mains.get(MAIN_RUN)

    @property
    def of_array(self) -> list[Run]:
        """The Jobs of an array, the Indexed Job first."""
        return [*self.mains.values(), *self.indexes.values()]

    @property
    def all(self) -> list[Run]:
        """Every Job."""
        return [*self.mains.values(), *self.children.values(), *self.indexes.values()]

    @property
    def idle(self) -> bool:
        """Whether nothing of the job runs or can still run."""
        if self.empty:
            return True
        live = self.outlived or any(pod.live for pod in self.pods.values())
        return not live and all(run.slots_taken == 0 for run in self.all)

    @property
    def empty(self) -> bool:
        """Whether there is nothing of the job."""
        return not (self.mains or self.children or self.indexes or self.pods or self.outlived)

    def current(self, run: Run) -> Run:
        """The run as it is now; of a multi-node job the main node's, whose pod decides."""
        if run.index is not None:
            return self.indexes.get(run.name, run)
        return self.mains.get(run.number, run)


NO_RUNS = JobRuns()
"""Of a job of which nothing exists. Nobody may change it."""
