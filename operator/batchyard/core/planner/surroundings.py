"""What of a snapshot decides on the life of runs."""

from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.scheduling.snapshot import Snapshot


def surroundings(snapshot: Snapshot) -> Surroundings:
    """Return it for all jobs."""
    withheld = {name: why for name, pool in snapshot.pools.items() if (why := pool.withheld)}
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
