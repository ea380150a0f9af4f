"""Which room is free and of no use to those who wait for it, as it lies on several nodes.

The planner goes by nodes and never takes such room for room. How much of it there was tells whether other nodes, or
jobs of other sizes, would have been the better choice.
"""

from collections.abc import Iterable

from batchyard.api.reasons import Reason
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import total_of
from batchyard.core.model.resources import Resources, fits
from batchyard.core.scheduling.capacity.ledger import Ledger
from batchyard.core.scheduling.capacity.space import Space, is_device
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.snapshot import Snapshot


def stranded(snapshot: Snapshot, space: Space, holds: Iterable[tuple[Key, Hold]]) -> dict[str, dict[str, int]]:
    """What is stranded now, by environment: vCPUs (in thousandths) and devices.

    That is all that is free of what somebody asks for who waits, and for whom the nodes have enough together, but not
    each for itself. `holds` are those of a pass whose decisions have been carried out; of jobs that are gone nothing is
    stranded.
    """
    found: dict[str, dict[str, int]] = {}
    ledger: Ledger | None = None
    for key, hold in holds:
        if hold.reason != Reason.INSUFFICIENT_CAPACITY or (resolved := snapshot.resolved.get(key)) is None:
            continue
        needs = total_of(resolved.pods)
        ledger = ledger or Ledger(snapshot.pools, snapshot.used, space)
        for name in hold.environments:
            free = ledger.free(name)
            # Asked of a fork, as looking for a node leaves a trace in what the next pods go by. Some have room on a
            # node and wait all the same, as others of their queue go first.
            if fits(needs, free) and not ledger.fork().fits(name, resolved.pods):
                found.setdefault(name, {}).update(_counted(free, needs))
    return found


def _counted(free: Resources, needs: Resources) -> dict[str, int]:
    return {name: amount for name, amount in free.items() if name in needs and (name == "cpu" or is_device(name))}


def in_pieces(free: Resources, whole: Resources) -> int:
    """The free vCPUs of a node, in thousandths, if something runs there, so that it cannot be had as a whole."""
    return 0 if free.get("pods") == whole.get("pods") else free.get("cpu", 0)
