"""Which waiting of a container is an error, and for how long it is forgiven.

Called by `lifecycle` for the pod of a run, and by `gang` for those of the other nodes of a multi-node job.
"""

from batchyard.core.records import Pod

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waiting reasons of a container that no grace time mends."""

_NOT_STARTING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Waiting reasons that are errors, forgiven until the grace time is over."""


def gives_up_at(pod: Pod, grace_seconds: float) -> float | None:
    """When a pod whose containers cannot be started counts as failed; None while nothing is wrong with it."""
    if pod.waiting_reason in _HOPELESS:
        return pod.created
    if pod.waiting_reason in _NOT_STARTING:
        return pod.created + grace_seconds
    return None
