"""What of the capacity that is taken is on its way out: it has been told to go, or has ended and is not counted yet.

All of it is read off the Kubernetes Jobs and pods that exist, and of what is just being asked to go
(`Snapshot.being_preempted`), so that an operator that was started anew knows it too.
"""

from typing import NamedTuple

from batchyard.core.model.job import Key
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.pods.podset import Assignment
from batchyard.core.model.resources import Resources, subtract, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger, with_pods
from batchyard.core.scheduling.snapshot import Snapshot


class Part(NamedTuple):
    """A part of a charge: what it takes of nodes, and of its environment."""

    assigned: Assignment
    amount: Resources


_NOTHING = Part((), {})


def parted(snapshot: Snapshot, charge: Charge) -> tuple[Part, Part]:
    """Return what of a charge is on its way out, and what stays."""
    whole = Part(charge.assigned, charge.amount)
    run = _departing(snapshot, charge)
    if run is None:
        return _NOTHING, whole
    if run.indexed is None:
        return whole, _NOTHING
    one, slots = with_pods(run.request), _lost(snapshot, charge, run)
    first, rest = split(charge, slots)
    return Part(first, times(one, slots)), Part(rest, subtract(charge.amount, times(one, slots)))


def stays(snapshot: Snapshot, charge: Charge) -> bool:
    """Whether nothing of a charge is on its way out; asked first, as that is so of most of the thousands that run."""
    return _departing(snapshot, charge) is None


def _departing(snapshot: Snapshot, charge: Charge) -> Run | None:
    """The run of a charge as it is now, if any of it is on its way out."""
    if charge.run is None:
        return None
    runs = snapshot.runs_of(charge.run.owner_uid)
    run = runs.current(charge.run)
    leaves = is_leaving(snapshot, runs, run) if run.indexed is None else _lost(snapshot, charge, run) > 0
    return run if leaves else None


def _lost(snapshot: Snapshot, charge: Charge, run: Run) -> int:
    """How many slots an array still takes of those that it has not any more; below zero where some are to come."""
    staying = 0 if run.deleting or run.ended else run.slots * with_pods(run.request)["pods"]
    return charge.amount["pods"] - staying + snapshot.being_preempted.get(name_of(run), 0)


def split(charge: Charge, slots: int) -> tuple[Assignment, Assignment]:
    """Part what an array takes of nodes into so many slots, those that it loses first, and the others.

    Those that wait for a node are the first that the Job controller takes back, then those that became ready last.
    """
    one = with_pods(charge.run.request) if charge.run is not None else charge.amount
    first: list[tuple[str, Resources]] = list(charge.expected[:slots])
    rest: list[tuple[str, Resources]] = list(charge.expected[slots:])
    for node, amount in charge.bound.items():
        here = amount.get("pods", 0)
        going = min(slots - len(first), here)
        first += [(node, one)] * going
        if going < here:
            rest.append((node, subtract(amount, times(one, going))))
    return tuple(first), tuple(rest)


def with_departures(snapshot: Snapshot, ledger: Ledger) -> Ledger:
    """Return a fork of the ledger in which all that is on its way out has gone."""
    coming = ledger.fork()
    for charge in snapshot.charges.values():
        if not stays(snapshot, charge):
            coming.give(charge.environment, *parted(snapshot, charge)[0])
    return coming


def is_leaving(snapshot: Snapshot, runs: JobRuns, run: Run) -> bool:
    """Whether the run of a single or multi-node job has been told to go, or its pod has ended.

    `runs` is what runs of its job.
    """
    if run.deleting or run.condition or (snapshot.being_preempted and name_of(run) in snapshot.being_preempted):
        return True
    pod = runs.pods.get(run.name)
    return pod is not None and (bool(pod.disruption) or pod.deleting or not pod.live)


def name_of(run: Run) -> Key:
    """Return namespace and name of the run's Kubernetes Job."""
    return (run.owner[0], run.name)
