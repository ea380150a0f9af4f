"""The places that arrays are given, from the grant to the pods that the Job controller makes for them.

A part of the cache, which tells of every Kubernetes Job. A place counts once: as granted, or as one of the Job that has
it. And it is noted when an Indexed Job was given places that its status does not account for yet.
"""

from collections.abc import Callable

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.arrays.slots import acknowledged, outstanding
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.accounts.shares import Shares
from batchyard.runtime.state.runs import Runs


class ArraySlots:
    """What was given to arrays. `runs`, `charges` and `shares` are the cache's own."""

    def __init__(self, runs: Runs, charges: Charges, shares: Shares, clock: Callable[[], float]) -> None:
        self.raised: dict[Key, float] = {}
        """When arrays were last given places that the status of their Indexed Job does not account for yet."""
        self.restarts = 0
        """How often this process saw indexes of arrays begin anew though their attempt had not ended."""
        self._runs = runs
        self._charges = charges
        self._shares = shares
        self._clock = clock

    def follow(
        self,
        run: Run,
        before: Run | None,
        granted: Placement | None,
        job: BatchJob | None,
        resolved: Resolved | None,
    ) -> None:
        """Take in how a Job has changed. Of an array's grant only what has no Job yet is charged from now on."""
        if run.indexed is not None:
            self._note(run, before)
        if job is None or job.uid != run.owner_uid or granted is None or granted.array is None:
            return
        if before is None or run.indexed is not None:
            of_job = self._runs.of(job.uid)
            left = outstanding(granted.array, of_job.indexed, of_job.indexes)
            self._charges.grant(job, resolved, granted, left)
            self._shares.granted(job, granted, left)

    def _note(self, run: Run, before: Run | None) -> None:
        """Note when an Indexed Job was given places, until its status shows what became of them."""
        if acknowledged(run):
            self.raised.pop(run.owner, None)
        elif before is None or run.slots > before.slots:
            self.raised[run.owner] = self._clock()

    def forget(self, run: Run) -> None:
        """Note that a Job is gone."""
        if run.indexed is not None:
            self.raised.pop(run.owner, None)

    def observe_transition(self, _: BatchJob, before: Status, after: Status) -> None:
        """Count the indexes of an array that had to begin again."""
        if before.array is not None and after.array is not None:
            self.restarts += after.interruptions - before.interruptions
            self.restarts += after.array.restarts - before.array.restarts
