"""Who depends on whom, the other way round than jobs say it: a part of the cache.

A job may be named before it exists and after it is gone, so entries are kept for as long as somebody names it.
"""

from batchyard.core.model.job import BatchJob, Key


class Dependents(dict[Key, set[Key]]):
    """Jobs by each job that they depend on; no entry is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.newcomers: set[Key] = set()
        """Jobs with dependencies that were not yet part of a search for circles."""

    def enter(self, job: BatchJob) -> None:
        """Take in what a job depends on."""
        for dependency in job.depends_on:
            self.setdefault((job.key[0], dependency.job), set()).add(job.key)
            self.newcomers.add(job.key)

    def leave(self, job: BatchJob) -> None:
        """Forget what a job depended on."""
        for dependency in job.depends_on:
            key = (job.key[0], dependency.job)
            self[key].discard(job.key)
            if not self[key]:
                del self[key]
        self.newcomers.discard(job.key)
