"""Environments with spot that keep a part of their work on demand: which of the runs granted next belong to that part.

The next one does while less than the part is on demand, of what runs with it. So of equal jobs the first is, then as
many as it takes. Counted is what runs on nodes that are not spot, for whatever reason, and what was granted for such.
"""

from collections.abc import Iterable

from batchyard.core.model.cluster.leftalone import still
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.managed import CAPACITY_TYPE, SPOT
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.resources import vcpus_of
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.snapshot import Snapshot


def is_on_demand(snapshot: Snapshot, charge: Charge) -> bool:
    """Whether what is charged was granted for the part on demand."""
    if charge.run is not None:
        return charge.run.on_demand
    granted = snapshot.granted.get(charge.key)
    return granted is not None and granted.on_demand


class OnDemandShares:
    """The work of environments that keep such a part, as one pass adds to it."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._snapshot = snapshot
        self._now = now
        self._percent = {
            name: each.managed.on_demand_percent
            for name, each in snapshot.environments.items()
            if each.managed is not None and each.managed.on_demand_percent
        }
        self._amounts: dict[str, list[int]] = {}
        """By environment: what is on demand, and all, in milli-vCPU."""
        self._arrays: dict[Key, bool] = {}
        """Of arrays that begin in this pass: whether they are on demand."""
        self.finding_out: set[tuple[str, PodSets]] = set()
        """For what no node came, and a job of this pass finds out whether that has changed."""

    def asked(self, environment: str, key: Key, resolved: Resolved) -> tuple[PodSets, bool]:
        """The pods to look for room for in an environment, those of a job or the same on no spot node; and whether
        further nodes may be asked for them.

        Where nodes on demand do not come, the part is not kept: better on spot than not at all. An array stays what it
        is, as all of its pods are alike.
        """
        if environment not in self._percent:
            return resolved.pods, True
        whole = self._whole(key)
        if not (self._lacks(environment, key, resolved) if whole is None else whole):
            return resolved.pods, True
        pods = without_spot(resolved.pods)
        left_alone = still(self._snapshot.left_alone, environment, pods, self._now) is not None
        if not left_alone and (environment, pods) not in self.finding_out:
            return pods, True
        return (resolved.pods, True) if whole is None else (pods, False)

    def _whole(self, key: Key) -> bool | None:
        """Whether an array that has begun belongs to the part; None of all other jobs."""
        run, demand = self._snapshot.arrays.get(key), self._snapshot.demands.get(key)
        if run is not None and (demand is None or demand.environment):
            return run.on_demand
        return self._arrays.get(key)

    def _lacks(self, environment: str, key: Key, resolved: Resolved) -> bool:
        """Whether the part would be too small if a job did not belong to it. An array counts with all it asks for."""
        on_demand, total = self._of(environment)
        demand = self._snapshot.demands.get(key)
        size = vcpus_of(resolved.request) * (1 if demand is None else max(demand.total, 1))
        return on_demand * 100 < self._percent[environment] * (total + size)

    def charge(self, environment: str, key: Key, resolved: Resolved, *, on_demand: bool) -> None:
        """Count what was granted."""
        if environment not in self._percent:
            return
        if key in self._snapshot.demands:
            self._arrays[key] = on_demand
        amounts, vcpus = self._of(environment), vcpus_of(resolved.request)
        amounts[0] += on_demand * vcpus
        amounts[1] += vcpus

    def _of(self, environment: str) -> list[int]:
        found = self._amounts.get(environment)
        if found is None:
            charges = [each for each in self._snapshot.charges.values() if each.environment == environment]
            found = [self._on_demand(charges), sum(vcpus_of(each.amount) for each in charges)]
            self._amounts[environment] = found
        return found

    def _on_demand(self, charges: Iterable[Charge]) -> int:
        nodes, amount = self._snapshot.nodes, 0
        for each in charges:
            if is_on_demand(self._snapshot, each):
                amount += vcpus_of(each.amount)
                continue
            for name, takes in each.bound.items():
                node = nodes.get(name)
                if node is not None and node.labels.get(CAPACITY_TYPE) != SPOT:
                    amount += vcpus_of(takes)
        return amount
