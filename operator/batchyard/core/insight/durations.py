"""How long runs take: what the runs of a definition's revision that succeeded lately took."""

from collections import deque
from statistics import median

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import Attempt, Status

LAST = 20
"""How many runs count."""
MAX_KNOWN = 10_000
"""How many revisions are remembered."""

Of = tuple[Key, int]
"""A revision of a definition."""


def revision_of(job: BatchJob, number: int) -> Of:
    """Return the revision that a job runs."""
    return ((job.key[0], job.definition), number)


def last_run(status: Status) -> Attempt | None:
    """Return the run with which a job has succeeded; of an array there is none that tells how long an index takes."""
    return status.attempts[-1] if status.attempts and status.array is None else None


class Durations:
    """Seconds of the last runs, by revision."""

    def __init__(self) -> None:
        self._seconds: dict[Of, deque[float]] = {}

    def note(self, of: Of, seconds: float) -> None:
        """Take in what a run took, by times that are kept in whole seconds."""
        if of not in self._seconds and len(self._seconds) >= MAX_KNOWN:
            del self._seconds[next(iter(self._seconds))]
        self._seconds.setdefault(of, deque(maxlen=LAST)).append(max(seconds, 1.0))

    def expected(self, of: Of, elapsed: float = 0.0) -> float | None:
        """Return what a run takes in all that has gone on for some time: the median of those that took longer."""
        longer = [seconds for seconds in self._seconds.get(of, ()) if seconds > elapsed]
        return median(longer) if longer else None
