"""Where the indexes of arrays may go within one pass, and how many of them it has granted.

All of an array runs in one environment: it has one Indexed Job, and the pods of one Job are all alike.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.scheduling.capacity.ledger import Ledger

_COMPARED = 1000
"""Up to how many slots environments are told apart by: each costs some microseconds."""


class ArrayGrants:
    """Counts of one pass. `wants` says what each array in the backlog asks for."""

    def __init__(self, demands: Mapping[Key, ArrayDemand]) -> None:
        self._demands = demands
        self._granted: Counter[Key] = Counter()
        self._chosen: dict[Key, str] = {}

    def fixed(self, key: Key) -> str:
        """The environment that an array is bound to, if it is."""
        demand = self._demands.get(key)
        return "" if demand is None else self._chosen.get(key) or demand.environment

    def order(
        self,
        key: Key,
        enabled: list[str],
        closed: Collection[str],
        left_alone: Collection[str],
        ledger: Ledger,
        pods: PodSets,
    ) -> list[str]:
        """The environments that a job may start in, best first.

        An array begins in the first that has room for all that it asks for, else where most of it fits now: the
        others could not help it any more. In those that are left alone only nodes count that are there.
        """
        demand = self._demands.get(key)
        if demand is None:
            return enabled
        if bound := self.fixed(key):
            return [name for name in enabled if name == bound]
        if len(enabled) == 1:
            return enabled
        most = min(demand.total, _COMPARED)
        room = {
            name: 0 if name in closed else ledger.room(name, pods[0], most, further=name not in left_alone)
            for name in enabled
        }
        return sorted(enabled, key=lambda name: -room[name])

    def grant(self, key: Key, environment: str) -> bool:
        """Note that one slot was granted; returns whether the array asks for another."""
        demand = self._demands.get(key)
        if demand is None:
            return False
        self._chosen[key] = environment
        self._granted[key] += 1
        return self._granted[key] < demand.total
