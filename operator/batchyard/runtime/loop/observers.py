"""Who follows the passes: what each has decided about capacity goes to all of them, in the order they are listed.

Transitions of single jobs are a stream of their own (`runtime.state.transitions`). Beside the passes, routines look at
something again and again. Both answer with actions; the loop knows nothing else of them.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import Protocol

from batchyard.core.model.timers import lies_ahead
from batchyard.core.planner.actions import Action
from batchyard.core.planner.results import Placed


class PassObserver(Protocol):
    """Follows what passes decide about capacity."""

    def observe_pass(self, placed: Placed, now: float) -> Iterable[Action]:
        """Take in what a pass has decided; returns what is to be done by that."""


class Routine:
    """Something that is looked at every so many seconds; `look` gets the time and returns what is to be done."""

    def __init__(self, seconds: float, look: Callable[[float], Iterable[Action]]) -> None:
        self.next_at = -inf
        self._seconds = seconds
        self._look = look

    def is_due(self, now: float) -> bool:
        """Whether it is time to look; a clock that was set back delays nothing."""
        return not lies_ahead(self.next_at, now, self._seconds)

    def run(self, now: float) -> Iterable[Action]:
        """Look now."""
        self.next_at = now + self._seconds
        return self._look(now)
