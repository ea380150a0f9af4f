"""What of a snapshot decides on the life of runs."""

from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.scheduling.snapshot import Snapshot


def surroundings(snapshot: Snapshot) -> Surroundings:
    """Return it for all jobs."""
    supplies = {name: pool.supply for name, pool in snapshot.pools.items()}
    withheld = {name: each.withheld for name, each in supplies.items() if each is not None and each.withheld}
    return Surroundings(
        snapshot.environments,
        snapshot.nodes,
        withheld,
        snapshot.failures,
        snapshot.unmet,
        snapshot.left_alone,
        snapshot.queues,
        snapshot.granted,
        snapshot.could_hold,
    )
