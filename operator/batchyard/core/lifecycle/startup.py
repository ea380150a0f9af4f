"""For how long it is forgiven that a pod cannot start its main container, whatever keeps it from that.

Only the first start counts: what a container waits for that is started again later ends no run.
"""

from batchyard.core.model.run import Pod

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waiting reasons of a container that no grace time mends."""

ASK_AFTER_SECONDS = 4.0
ASK_SECONDS = 5.0
ASK_SHARE = 0.2
"""How long after a node was found the Events of a pod are first read, and how often then: the longer it takes, the less
often."""


def gives_up_at(pod: Pod, grace_seconds: float) -> float | None:
    """When a pod counts as failed whose main container cannot be started; None while nothing is wrong with it.

    The grace time counts from when the pod had a node: before, nothing could have started it.
    """
    if not pod.waiting_reason:
        return None
    since = pod.bound_at if pod.bound_at is not None else pod.created
    return since if pod.waiting_reason in _HOPELESS else since + grace_seconds


def asks_at(pod: Pod, now: float) -> float | None:
    """When to read the Events of a pod that has a node and does not start, and whose status does not say why."""
    if not pod.silent or pod.bound_at is None or not pod.live or pod.asked_to_stop_at is not None:
        return None
    if pod.reported_at is None:
        return pod.bound_at + ASK_AFTER_SECONDS
    return pod.reported_at + max(ASK_SECONDS, ASK_SHARE * (now - pod.bound_at))
