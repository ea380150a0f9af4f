"""Where the indexes of arrays may go within one pass, and how many of them it has granted.

Called by placement, which grants an array one place at a time, so that others get their turns in between. All of an
array runs in one environment: it has one Indexed Job, and the pods of one Job are all alike.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from batchyard.core.model.array import Want
from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.ledger import Ledger


class Growth:
    """Counts of one pass. `wants` says what each array in the backlog asks for."""

    def __init__(self, wants: Mapping[Key, Want]) -> None:
        self._wants = wants
        self._granted: Counter[Key] = Counter()
        self._chosen: dict[Key, str] = {}

    def fixed(self, key: Key) -> str:
        """The environment that an array is bound to, if it is."""
        want = self._wants.get(key)
        return self._chosen.get(key) or (want.environment if want else "")

    def order(
        self, key: Key, enabled: list[str], closed: Collection[str], ledger: Ledger, request: Resources
    ) -> list[str]:
        """The environments that a job may start in, best first.

        An array begins in the first that has room for all that it asks for, else where most of it fits now: the
        others could not help it any more.
        """
        want = self._wants.get(key)
        if want is None:
            return enabled
        if bound := self.fixed(key):
            return [name for name in enabled if name == bound]
        room = {name: 0 if name in closed else min(ledger.room(name, request), want.total) for name in enabled}
        return sorted(enabled, key=lambda name: -room[name])

    def grant(self, key: Key, environment: str) -> bool:
        """Note that one place was granted; returns whether the array asks for another."""
        want = self._wants.get(key)
        if want is None:
            return False
        self._chosen[key] = environment
        self._granted[key] += 1
        return self._granted[key] < want.total
