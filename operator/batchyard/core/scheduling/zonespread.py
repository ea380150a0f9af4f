"""In which zone the next pod of a definition is to be whose pods are spread (`zonePolicy: Spread`).

In the one with the fewest of them, of those where there is room. Nodes that are still to be made are divided by what
makes them.
"""

from collections import Counter
from collections.abc import Iterable

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources
from batchyard.core.scheduling.snapshot import Snapshot


class ZoneSpread:
    """Pods by definition and zone, as one pass adds to them; counted when somebody first asks."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._pods: Counter[tuple[Key, str]] | None = None

    def order(self, environment: str, key: Key, resolved: Resolved) -> list[str]:
        """The zones of an environment in the order in which a job looks for room; none where it does not matter."""
        if not resolved.constraints.spread:
            return []
        zones = self._snapshot.pools[environment].zones
        if len(zones) < 2:
            return []
        pods, definition = self._count(), self._definition(key)
        return sorted(zones, key=lambda zone: pods[definition, zone])

    def charge(self, environment: str, key: Key, resolved: Resolved, nodes: Iterable[tuple[str, Resources]]) -> None:
        """Count what was placed."""
        if resolved.constraints.spread:
            self._add(self._count(), environment, key, nodes)

    def _count(self) -> Counter[tuple[Key, str]]:
        if self._pods is None:
            self._pods = Counter()
            for charge in self._snapshot.charges.values():
                resolved = self._snapshot.resolved.get(charge.key)
                if resolved is not None and resolved.constraints.spread and charge.environment in self._snapshot.pools:
                    self._add(self._pods, charge.environment, charge.key, charge.assigned)
        return self._pods

    def _add(
        self, pods: Counter[tuple[Key, str]], environment: str, key: Key, nodes: Iterable[tuple[str, Resources]]
    ) -> None:
        pool, definition = self._snapshot.pools[environment], self._definition(key)
        for node, amount in nodes:
            if (zone := pool.zone_of(node)) is not None:
                pods[definition, zone] += amount.get("pods", 0)

    def _definition(self, key: Key) -> Key:
        job = self._snapshot.jobs.get(key)
        return key[0], "" if job is None else job.definition
