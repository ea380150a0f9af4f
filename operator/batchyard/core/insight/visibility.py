"""Which jobs the status of an object, its conditions and its Events may name: all, or those of its own namespace.

Whoever may read a job in one namespace reads there what is said of it, and queues are read by many. So whatever names
another job than the one that it is about asks here. Dependencies do not: they never leave a namespace.
"""

from enum import StrEnum

from batchyard.core.model.job import Key


class Visibility(StrEnum):
    """An option of the operator."""

    ALL = "all"
    NAMESPACE = "namespace"

    def shows(self, job: Key, namespace: str) -> bool:
        """Whether an object of a namespace ("" where it belongs to none) may name a job."""
        return self is Visibility.ALL or job[0] == namespace

    def named(self, job: Key, namespace: str) -> str:
        """Return what a sentence in an object of a namespace calls a job."""
        return f"BatchJob {job[0]}/{job[1]}" if self.shows(job, namespace) else "a job of another namespace"

    @property
    def quotes_errors(self) -> bool:
        """Whether an error of Batchyard's own is shown in its words, which may name whatever was at hand."""
        return self is Visibility.ALL
