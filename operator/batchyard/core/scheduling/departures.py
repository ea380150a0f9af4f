"""What of the capacity that is taken is on its way out: it has been told to go, or has ended and is not counted yet.

All of it is read off the Kubernetes Jobs and pods that exist, and of what is just being asked to go
(`Snapshot.being_preempted`), so that an operator that was started anew knows it too.
"""

from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.ledger import Charge, with_pods
from batchyard.core.scheduling.snapshot import Snapshot


def leaving(snapshot: Snapshot, charge: Charge) -> Resources:
    """Return what of a charge is on its way out."""
    if charge.run is None:
        return {}
    run = snapshot.runs_of(charge.run.owner_uid).current(charge.run)
    if run.indexed is None:
        return charge.amount if is_leaving(snapshot, run) else {}
    one = with_pods(run.request)
    staying = 0 if run.deleting else run.slots * one["pods"]
    slots = charge.amount["pods"] - staying + snapshot.being_preempted.get(name_of(run), 0)
    return times(one, slots) if slots > 0 else {}


def is_leaving(snapshot: Snapshot, run: Run) -> bool:
    """Whether the run of a single or multi-node job has been told to go, or its pod has ended."""
    if run.deleting or (snapshot.being_preempted and name_of(run) in snapshot.being_preempted):
        return True
    pod = snapshot.runs_of(run.owner_uid).pods.get(run.name)
    return pod is not None and (bool(pod.disruption) or pod.deleting or not pod.live)


def name_of(run: Run) -> Key:
    """Return namespace and name of the run's Kubernetes Job."""
    return (run.owner[0], run.name)
