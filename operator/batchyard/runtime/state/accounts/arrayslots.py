"""The slots that arrays are given, until the Job controller has made the pods for them, and what became of them.

To take slots back before that would hit pods that have just been made, so array reclaim asks here first.
"""

from collections.abc import Callable

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.scheduling.arrays.slots import acknowledged
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.account import Account, Occupancy


class ArraySlots(Account):
    """Which arrays have been given slots lately, and how often indexes have lost theirs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.raised: dict[Key, float] = {}
        """When arrays were last given slots that the status of their Indexed Job does not account for yet."""
        self.restarts = 0
        """How often this process saw indexes of arrays begin again though their attempt had not ended."""
        self._clock = clock

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Note when an Indexed Job was given slots, until its status shows what became of them."""
        if run.indexed is None:
            return
        if acknowledged(run):
            self.raised.pop(run.owner, None)
        elif before is None or run.slots > before.slots:
            self.raised[run.owner] = self._clock()

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Forget what an Indexed Job was given."""
        if run.indexed is not None:
            self.raised.pop(run.owner, None)

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Wait for the Job to be changed: pods are made from then on."""

    def withdraw(self, key: Key) -> None:
        """Change nothing: grants are not counted here."""

    def reset(self) -> None:
        """Keep what is noted: it follows from the Jobs that are known, whoever acts."""

    def observe_transition(self, _: BatchJob, before: Status, after: Status) -> None:
        """Count the indexes of an array that had to begin again."""
        if before.array is not None and after.array is not None:
            self.restarts += after.interruptions - before.interruptions
            self.restarts += after.array.restarts - before.array.restarts
