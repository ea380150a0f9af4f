"""When a job that waits for room will find it at the latest, going by the time limits of what runs.

What runs without a time limit may run for ever: a job that needs its room cannot be promised any. What is on its way
out counts as gone: its room is kept for who waits for it, however long that takes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from operator import itemgetter
from typing import NamedTuple

from batchyard.core.model.definition import Resolved
from batchyard.core.model.pods.podset import Assignment, PodSets
from batchyard.core.model.resources import Resources, fits
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger
from batchyard.core.scheduling.departures import parted, stays
from batchyard.core.scheduling.promises import spare_beside
from batchyard.core.scheduling.snapshot import Snapshot

PLACING_SECONDS = 60.0
"""Within which a node takes a pod that was granted a slot. Its time limit counts from that moment on."""

KUBERNETES_GRACE_SECONDS = 30
"""How long a pod that does not say so may take to stop."""


class End(NamedTuple):
    """The latest end of something that runs, and what is free again then."""

    at: float
    assigned: Assignment
    """What of nodes."""
    amount: Resources
    """What of the environment."""


@dataclass(slots=True)
class Reservation:
    """From when on pods fit at the latest, and where."""

    at: float
    spare: dict[str, Resources]
    """What is free then on their nodes beside them."""
    nodes: Assignment = ()


def time_limit(resolved: Resolved) -> int | None:
    """Seconds that an attempt may run: the job's timeout, or its pod's own deadline if that is shorter."""
    spec, timeout = resolved.template.get("spec"), resolved.timeout_seconds
    deadline: int | None = spec.get("activeDeadlineSeconds") if spec else None
    return min(deadline, timeout) if deadline and timeout else deadline or timeout or None


def latest_end(resolved: Resolved, started_at: float | None, now: float) -> float:
    """When an attempt has ended at the latest; infinity where nothing limits it. `started_at`: None for not yet."""
    limit = time_limit(resolved)
    if limit is None:
        return inf
    grace: int = resolved.template.get("spec", {}).get("terminationGracePeriodSeconds", KUBERNETES_GRACE_SECONDS)
    begins = now + PLACING_SECONDS if started_at is None else started_at
    return max(begins + limit + grace, now)


def reserve(ledger: Ledger, environment: str, pods: PodSets, ends: Iterable[End]) -> Reservation | None:
    """Find the moment from which on pods that do not fit now will; None when the known ends do not free enough."""
    thought = ledger.fork()
    space, bounded = thought.space, bool(ledger.left(environment))
    for end in sorted(ends, key=itemgetter(0)):
        if end.at == inf:
            return None
        thought.give(environment, end.assigned, end.amount)
        # What did not fit before can only do so by what is free since.
        if bounded or any(fits(each.takes, space.of(environment, node)) for node, _ in end.assigned for each in pods):
            assigned = thought.take(environment, pods)
            if assigned is not None:
                return Reservation(end.at, spare_beside(thought, environment, assigned), assigned)
    return None


def ends_of(snapshot: Snapshot, now: float) -> Callable[[str], list[End]]:
    """Tell the ends of what runs in an environment, as far as they are known. Nothing is computed for a pass that does
    not ask."""

    found: defaultdict[str, list[End]] | None = None

    def ends(environment: str) -> list[End]:
        nonlocal found
        if found is None:
            found = _by_environment(snapshot, now)
        return found.get(environment, [])

    return ends


def _by_environment(snapshot: Snapshot, now: float) -> defaultdict[str, list[End]]:
    found: defaultdict[str, list[End]] = defaultdict(list)
    for charge in snapshot.charges.values():
        at = _end_of(snapshot, charge, now)
        if at == inf and stays(snapshot, charge):
            continue
        gone, staying = parted(snapshot, charge)
        if gone.amount:
            found[charge.environment].append(End(now, gone.assigned, gone.amount))
        if staying.amount and at < inf:
            found[charge.environment].append(End(at, staying.assigned, staying.amount))
    return found


def _end_of(snapshot: Snapshot, charge: Charge, now: float) -> float:
    resolved = snapshot.resolved.get(charge.key)
    if resolved is None or time_limit(resolved) is None:
        return inf  # as of most that runs, so this is asked first
    job, run = snapshot.jobs.get(charge.key), charge.run
    if job is None or (job.array is not None and (run is None or run.index is None)):
        return inf
    if run is None:
        return latest_end(resolved, None, now)
    runs = snapshot.runs_of(run.owner_uid)
    pod = runs.pods.get(runs.current(run).name)  # the time limit of a multi-node job is that of its main node
    return latest_end(resolved, pod.started_at if pod is not None else None, now)
