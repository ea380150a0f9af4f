"""What was used up of the consumable resources that jobs do not give back.

What jobs hold of a replenishable resource follows from the runs that exist. What was used up outlives them, so it is
counted into the resource's status together with a mark of which runs the count includes (`Count`): whoever reads it
adds the runs that exist and are not included, and comes to the same, however often and at whatever moment it starts.
"""

from collections.abc import Hashable
from math import inf

from batchyard.core.model.consumable import Count

MARGIN_SECONDS = 10.0
"""How far apart the clocks of several API servers, which date Kubernetes Jobs, may be. Jobs made within this time
before the newest one are remembered by their uid."""


class Consumption:
    """What was used up of one resource. Times are those of the API server."""

    def __init__(self, count: Count) -> None:
        self._consumed = count.consumed
        self._until = count.until
        self._runs: dict[str, float] = dict.fromkeys(count.runs, count.until)
        """When the runs that the count must name were made."""
        self._promised: dict[Hashable, tuple[int, float]] = {}
        """What grants will use up, and the newest run that was known when each was made."""
        self._newest = -inf

    @property
    def consumed(self) -> int:
        """What runs have used up."""
        return self._consumed

    @property
    def taken(self) -> int:
        """What runs have used up, or will for certain."""
        return self._consumed + sum(amount for amount, _ in self._promised.values())

    def grant(self, item: Hashable, amount: int) -> None:
        """Count what is promised to runs that do not exist yet."""
        self._promised[item] = (amount, self._newest)

    def withdraw(self, item: Hashable) -> None:
        """Forget a promise: the runs exist now, or never will."""
        self._promised.pop(item, None)

    def start(self, run: str, created: float, amount: int) -> None:
        """Count a run, once, however often it is told of."""
        self._newest = max(self._newest, created)
        if created >= self._until and run not in self._runs:
            self._consumed += amount
            self._runs[run] = created
        elif run in self._runs:
            self._runs[run] = created

    def count(self) -> Count:
        """Return what to write down. Its mark goes no further than to where no run can still turn up unseen."""
        since = min((newest for _, newest in self._promised.values()), default=self._newest)
        self._until = max(self._until, since - MARGIN_SECONDS)
        self._runs = {run: created for run, created in self._runs.items() if created >= self._until}
        return Count(self._consumed, self._until, frozenset(self._runs))
