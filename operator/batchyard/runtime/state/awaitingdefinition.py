"""New jobs that ask for the latest revision, until their definition was read after they were seen: a part of the cache.

The watches of jobs and of definitions are not ordered among each other. No such job is settled before.
"""

from collections.abc import Mapping

from batchyard.core.model.job import BatchJob, Key


class AwaitingDefinition(dict[Key, set[Key]]):
    """Jobs by definition; no entry is empty."""

    def enter(self, job: BatchJob) -> None:
        """Take in a new job."""
        self.setdefault((job.key[0], job.definition), set()).add(job.key)

    def leave(self, definition: Key, jobs: set[Key]) -> None:
        """Forget jobs, which are gone or may go on."""
        left = self.get(definition, set()) - jobs
        if left:
            self[definition] = left
        else:
            self.pop(definition, None)

    def others(self, keys: set[Key], jobs: Mapping[Key, BatchJob]) -> set[Key]:
        """Return those that are not among them."""
        if not self:
            return keys
        return {key for key in keys if (job := jobs.get(key)) is None or not self._holds(job)}

    def _holds(self, job: BatchJob) -> bool:
        return job.key in self.get((job.key[0], job.definition), ())
