"""One pass over all queues: what its stages look at, and what they have decided so far.

Placement, preemption, array reclaim and backfill take it one after the other. Each reads what the ones before have
decided, charges the ledger and the limits for what it grants, and adds its own decisions.
"""

from collections import ChainMap
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.queue import Queue, scheduling_order
from batchyard.core.scheduling.capacity.ledger import Charge, amount_of
from batchyard.core.scheduling.capacity.opening import opened
from batchyard.core.scheduling.decisions import Hold, Placement, Preemption
from batchyard.core.scheduling.fairshare.order import FairShareOrder
from batchyard.core.scheduling.promises import Promise
from batchyard.core.scheduling.reservation import ends_of
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.core.scheduling.zonespread import ZoneSpread

DEPTH = 100
"""How many waiting jobs of a queue the stages after placement look at."""


class SchedulingPass:
    """What one pass shares; the snapshot stays as it is."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.ledger, self.expected, self.unmet, self.oldest_unmet = opened(snapshot)
        """What is free; granted placements are charged. Where pods are expected since now, by charge; and of how many
        pods of jobs no node is on its way."""
        self.snapshot = _with_expected(snapshot, self.expected)
        self.now = now
        self.limits = snapshot.limits()
        """What is left beside capacity; granted placements are charged."""
        self.spread = ZoneSpread(self.snapshot)
        """In which zones pods are that are to be spread; granted placements are charged."""
        self.queues: list[Queue] = scheduling_order(snapshot.queues.values())
        self.placements: dict[Key, Placement] = {}
        """Who starts, with all slots of an array in one."""
        self.holds: list[tuple[Key, Hold]] = []
        """Who was looked at by placement and does not start, in the order of the turns."""
        self.preemptions: list[Preemption] = []
        self.served: set[Key] = set()
        """The waiting jobs for which preemption makes room, or room is coming already."""
        self.unserved: set[Key] = set()
        """Those for which there was none to make; an array may be both, as it asks for many slots."""
        self.promises: dict[str, Promise] = {}
        """What is kept for those who have room made for them, by environment."""
        self.reclaims: set[Key] = set()
        """The arrays that give way."""
        self.ends = ends_of(self.snapshot, now)
        """The ends of what runs in an environment."""

    def order(self, queue: Queue) -> FairShareOrder:
        """The jobs of a queue in the order of their turns, as far as nothing has been placed in this pass."""
        snapshot = self.snapshot
        return FairShareOrder(queue, snapshot.backlog, snapshot.resolved, snapshot.usage.get(queue.name), self.now)

    def behind(self, order: FairShareOrder) -> Iterator[Key]:
        """The jobs that wait, in the order of their turns: what has been placed counts for its share first."""
        looked_at = 0
        for key in order:
            if (placement := self.placements.get(key)) is not None:
                order.charge(placement.environment, amount_of(placement.request, placement.slots))
            elif looked_at < DEPTH:
                looked_at += 1
                yield key
            else:
                return


def _with_expected(snapshot: Snapshot, expected: Mapping[Hashable, Assignment]) -> Snapshot:
    if not expected:
        return snapshot
    charges = {
        item: replace(charge, expected=charge.expected + expected[item])
        for item in expected
        if (charge := snapshot.charges.get(item)) is not None
    }
    return replace(snapshot, charges=ChainMap(charges, cast("dict[Hashable, Charge]", snapshot.charges)))
