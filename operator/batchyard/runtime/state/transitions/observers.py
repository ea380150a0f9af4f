"""The stream of transitions: whoever has to know how jobs move on follows it, and the cache knows none of them.

Counts, warnings, metrics and what estimates learn hang on it. Loading a job, or losing it, is no transition.
"""

from typing import Protocol

from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import Status


class TransitionObserver(Protocol):
    """Follows what is decided about jobs."""

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """Take in a decision, in the order in which they are made; nothing may be decided or awaited here."""
