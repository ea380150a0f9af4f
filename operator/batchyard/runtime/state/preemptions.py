"""What is being preempted, until that can be seen in the Kubernetes Jobs and pods, and what turned out to be protected.

A part of the cache: passes count on the slots that are coming, and choose others where what was to go may stay.
"""

from collections.abc import Iterable

from batchyard.core.model.job import Key
from batchyard.core.model.timers import lies_ahead
from batchyard.core.scheduling.decisions import Preemption
from batchyard.core.scheduling.departures import name_of
from batchyard.runtime.state.runs import Runs

HOLD_SECONDS = 10.0
"""How long an eviction may take to be seen; after that, the slot may be asked for again."""

LONGEST_SPARE_SECONDS = 600.0
"""What is protected is asked again after twice the time each time, and after this long at most."""


class Preemptions:
    """Decisions by namespace and name of the victim's Kubernetes Job."""

    def __init__(self) -> None:
        self.ongoing: dict[Key, Preemption] = {}
        self.spared: set[Key] = set()
        """What turned out to be protected for now."""
        self._until: dict[Key, float] = {}
        self._refusals: dict[Key, int] = {}
        """How often in a row what was to go turned out to be protected."""

    @property
    def slots(self) -> dict[Key, int]:
        """How many slots each victim is just being told to give up."""
        return {name: each.slots for name, each in self.ongoing.items()}

    def tidy(self, now: float, runs: Runs) -> None:
        """Forget what is over."""
        waits = [name for name, until in self._until.items() if lies_ahead(until, now, LONGEST_SPARE_SECONDS)]
        for name in self._until.keys() - waits:
            self.forget(name)
        for name in [name for name in self._refusals if runs.find(name) is None]:
            del self._refusals[name]

    def begin(self, preemptions: Iterable[Preemption], now: float) -> list[Key]:
        """Note what is to go; returns the names of what goes now.

        What was protected before may be so again, and the others would go in vain: so it goes first, and they stay
        until it has.
        """
        wishes = {name_of(each.run): each for each in preemptions}
        doubtful = {each.by for name, each in [*self.ongoing.items(), *wishes.items()] if name in self._refusals}
        begun = [name for name, each in wishes.items() if each.by not in doubtful or name in self._refusals]
        for name in begun:
            self.ongoing[name] = wishes[name]
            self._until[name] = now + HOLD_SECONDS
        return begun

    def done(self, name: Key) -> None:
        """Note that a victim was told to go: it is not protected."""
        self._refusals.pop(name, None)

    def spare(self, name: Key, now: float, *, briefly: bool) -> None:
        """Leave alone what is protected now: `briefly`, or for longer each time."""
        self.ongoing.pop(name, None)
        refusals = self._refusals[name] = self._refusals.get(name, 0) + 1
        seconds = HOLD_SECONDS if briefly else HOLD_SECONDS * 2 ** min(refusals - 1, 10)
        self.spared.add(name)
        self._until[name] = now + min(seconds, LONGEST_SPARE_SECONDS)

    def forget(self, name: Key) -> None:
        """Count on nothing of a victim any more, and spare it no longer."""
        self.ongoing.pop(name, None)
        self.spared.discard(name)
        self._until.pop(name, None)
