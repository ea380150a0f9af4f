"""How long a pass may settle jobs before it goes on, so that the process hears the API server and keeps its lease.

What one job costs is bounded by the size of its spec and its definition; how many come at once is not. What is left is
settled in the next passes. As long as some are left, nothing is placed, so that whoever was first in line stays it
after a restart, too; but not for long, so that nobody is held up by jobs that take long to be read.
"""

from collections.abc import Callable

SECONDS = 0.5
"""For each pass."""

LONGEST_SECONDS = 10.0
"""How long in a row nothing is placed."""


class SettlingTime:
    """The time that is left to a pass."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until = 0.0
        self._behind_since: float | None = None

    def begin(self) -> None:
        """A pass begins."""
        self._until = self._monotonic() + SECONDS

    def is_over(self) -> bool:
        """Whether the pass has settled for long enough."""
        return self._monotonic() > self._until

    def may_place(self, *, left: bool) -> bool:
        """Whether the pass goes on to placing, now that jobs are `left` or not."""
        if not left:
            self._behind_since = None
            return True
        now = self._monotonic()
        if self._behind_since is None:
            self._behind_since = now
        return now - self._behind_since >= LONGEST_SECONDS
