"""What the API server holds of the statuses of jobs, and what waits until it holds more.

An end counts for those that depend on it, and lets a run be stopped, once it is stored: an operator that starts anew
knows nothing else.
"""

from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.objects.meta import Object


class Persistence:
    """A part of the cache."""

    def __init__(self) -> None:
        self.written: dict[Key, Object] = {}
        """The statuses of unfinished jobs, and of those whose status is to be written anew, as they are stored."""
        self.unpersisted_ends: set[Key] = set()
        """Jobs whose end the API server does not hold yet."""
        self.unpersisted_dependents: set[Key] = set()
        """Jobs that alone know how a dependency ended, since it is gone: their status is written at once."""
        self.unstopped: set[Key] = set()
        """Jobs with runs that are to be stopped once the end of their attempts is stored."""

    def take(self, key: Key, written: Object, status: Status) -> None:
        """Take in what is stored of a job, and what it says."""
        self.unpersisted_ends.discard(key)
        if status.state in TERMINAL:
            self.written.pop(key, None)
        else:
            self.written[key] = written

    def end_stored(self, key: Key) -> None:
        """Note that a job's end is stored."""
        self.written.pop(key, None)
        self.unpersisted_ends.discard(key)

    def forget(self, key: Key) -> bool:
        """Forget a job that is gone; returns whether the API server held its end, if it had come to one."""
        stored = key not in self.unpersisted_ends
        self.end_stored(key)
        self.unstopped.discard(key)
        return stored

    def take_unstopped(self, key: Key) -> bool:
        """Whether runs of a job were not stopped as its status was not stored; said once."""
        unstopped = key in self.unstopped
        self.unstopped.discard(key)
        return unstopped

    def lacks_dependency(self, dependent: Key, status: Status, name: str) -> bool:
        """Whether a job knows how another one ended, and the API server does not hold that yet."""
        if dependent not in self.written or all(end.job != name for end in status.dependencies):
            return False
        return all(end["job"] != name for end in self.written[dependent].get("dependencies") or ())

    def holds_end_of(self, run: Run, job: BatchJob | None, status: Status | None) -> bool:
        """Whether the API server knows that the attempt of this run is closed, if it is.

        Not before may the run be stopped: an operator that finds it gone would count it as deleted by somebody.
        """
        written = self.written.get(run.owner)
        if job is None or job.uid != run.owner_uid or status is None or written is None:
            return True
        if written.get("state") in TERMINAL:
            return True
        if job.array is not None:
            return status.state not in TERMINAL and _holds_withdrawal(written, status)
        if not any(each.run == run.number and each.stopped_at is not None for each in status.attempts):
            return True
        return any(
            each["run"] > run.number or (each["run"] == run.number and "stoppedAt" in each)
            for each in written.get("attempts") or ()
        )


def _holds_withdrawal(written: Object, status: Status) -> bool:
    """Whether it is stored that an array has gone back to its queue, if it has."""
    return bool(status.environment) or not written.get("computeEnvironment")
