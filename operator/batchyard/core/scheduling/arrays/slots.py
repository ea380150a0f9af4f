"""How much capacity the Kubernetes Jobs of arrays take up, and what of a grant has no Job yet."""

from collections.abc import Mapping

from batchyard.core.model.array import ArrayDemand, ArrayGrant
from batchyard.core.model.run import Run
from batchyard.core.model.timers import is_recent

ACKNOWLEDGE_SECONDS = 30.0
"""How long the Job controller may take to make the pods of the slots that a Job was given."""


def granted(demand: ArrayDemand, main: Run | None, before: int) -> ArrayGrant:
    """Return the grant of one slot more than `before` of what an array asks for: retries first, then slots."""
    count = before + 1
    slots = max(count - len(demand.retries), 0)
    parallelism = main.indexed.parallelism if main is not None and main.indexed is not None else 0
    return ArrayGrant(slots, parallelism + slots, demand.retries[:count])


def outstanding(grant: ArrayGrant, main: Run | None, others: Mapping[str, Run]) -> int:
    """Return how many slots of a grant have no Kubernetes Job yet. `others` are those of single indexes, by name."""
    started = {(run.index, run.number) for run in others.values()}
    due = sum((each.index, each.run) not in started for each in grant.retries)
    given = main is not None and (
        main.ended or (main.indexed is not None and main.indexed.parallelism >= grant.parallelism)
    )
    return due if given else due + grant.slots


def acknowledged(run: Run) -> bool:
    """Whether the Job controller has made a pod for every slot of an Indexed Job, as far as its status shows."""
    return run.indexed is None or run.ended or run.active + run.indexed.terminating >= run.slots


def settling(run: Run, raised_at: float | None, now: float) -> bool:
    """Whether it is yet to be seen what became of the slots that an Indexed Job was given last.

    To take them back now would hit pods that have just been made for them. It is not waited for without end: the Job
    controller may be kept from making pods.
    """
    if raised_at is None or acknowledged(run):
        return False
    return is_recent(raised_at, now, ACKNOWLEDGE_SECONDS)
