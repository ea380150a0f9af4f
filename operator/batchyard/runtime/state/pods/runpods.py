"""The live pods of all Kubernetes Jobs of runs, and the Jobs that are gone while pods of theirs are not.

A Job that is deleted is gone at once, its pods go on for their grace period. Their run holds what it takes until then,
so the record of the Job is kept. Pods count for the Job that controls them, if that is believed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from batchyard.core.model.run import Run
from batchyard.runtime.state.pods.livepods import JobId, LivePods, Seat


class RunPods:
    """Sums by Job. `moved` is called when one changes, and told whether it is one of an Indexed Job."""

    def __init__(self, moved: Callable[[bool], None]) -> None:
        self.indexes = LivePods(lambda: moved(True))
        """The bound pods of Indexed Jobs."""
        self.others = LivePods(lambda: moved(False))
        """The pods of all other Jobs, bound or not."""
        self._jobs: dict[str, Run] = {}
        """The Jobs that are known, by uid, and those that pods outlive."""
        self._outlived: defaultdict[str, set[str]] = defaultdict(set)
        """The uids of the latter, by that of their BatchJob."""

    def know(self, run: Run) -> None:
        """Have pods count for a Job that exists."""
        self._let_go(run)
        self._jobs[run.uid] = run

    def lose(self, gone: Run) -> bool:
        """Note that a Job is gone; returns whether it is kept, as pods outlive it."""
        if self.seats_of(gone):
            self._jobs[gone.uid] = gone
            self._outlived[gone.owner_uid].add(gone.uid)
            return True
        del self._jobs[gone.uid]
        return False

    def outlived(self, owner_uid: str) -> list[Run]:
        """Return the Jobs of a BatchJob that are gone while pods of theirs are not."""
        return [self._jobs[uid] for uid in self._outlived.get(owner_uid, ())]

    def seats_of(self, run: Run) -> Mapping[Seat, int]:
        """Return what the pods of a Job that have not ended ask for, and where they are."""
        pods = self.others if run.indexed is None else self.indexes
        return pods.of((run.owner[0], run.uid))

    def job(self, job: JobId) -> Run | None:
        """Return the record of a Job that is known, or that pods outlive."""
        namespace, uid = job
        run = self._jobs.get(uid)
        return run if run is not None and run.owner[0] == namespace else None

    def nodes(self) -> set[str]:
        """Return the nodes that any of these pods is on. It takes a look at every Job."""
        return {
            seat.node
            for pods in (self.others, self.indexes)
            for job, seats in pods.jobs()
            if self.job(job) is not None
            for seat in seats
            if seat.node
        }

    @property
    def moved(self) -> int:
        """Of how many Jobs the pods have changed since `take_moved` was called last."""
        return self.others.changed + self.indexes.changed

    def take_moved(self) -> Iterator[Run]:
        """Return the Jobs whose pods have changed since the last call; one that was kept for its pods alone is
        forgotten with the last of them."""
        for each in self.others.take_changed() | self.indexes.take_changed():
            run = self.job(each)
            if run is not None:
                if run.uid in self._outlived.get(run.owner_uid, ()) and not self.seats_of(run):
                    self._let_go(run)
                    del self._jobs[run.uid]
                yield run

    def _let_go(self, run: Run) -> None:
        uids = self._outlived.get(run.owner_uid)
        if uids is not None:
            uids.discard(run.uid)
            if not uids:
                del self._outlived[run.owner_uid]
