"""Which arrays are to leave the environment of their Indexed Job, as no nodes come there for the rest of them.

Those of which more waits than runs, if another environment of their queue may have room: they get no more slots, and
make way as their indexes end. Once nothing of them runs any more, what is left goes on elsewhere
(`lifecycle.array.moving`). An array of which most runs stays: its nodes are good, and cheaper.
"""

from batchyard.core.model.cluster.leftalone import LeftAlone, has_others, still
from batchyard.core.model.job import Key
from batchyard.core.model.pods.withoutspot import of_part
from batchyard.core.scheduling.snapshot import Snapshot


def leaves(snapshot: Snapshot, key: Key, now: float) -> LeftAlone | None:
    """Why an array is to leave; None where it is not, or is no array that runs."""
    run, resolved = snapshot.arrays.get(key), snapshot.resolved.get(key)
    demand = snapshot.demands.get(key)
    if not snapshot.left_alone or run is None or resolved is None or demand is None or demand.slots <= run.slots_taken:
        return None
    found = still(snapshot.left_alone, run.environment, of_part(resolved.pods, on_demand=run.on_demand), now)
    queue = snapshot.queues.get(snapshot.jobs[key].queue)
    if found is None or queue is None:
        return None
    pools = [snapshot.pools[name] for name in queue.environments if name in snapshot.pools]
    known = (each.environment for each in pools if each.environment.admits(key[0]))
    others = has_others(known, run.environment, resolved.pods, snapshot.could_hold, snapshot.left_alone, now)
    return found if others else None
