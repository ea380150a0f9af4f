"""How Karpenter says that a node which was asked for does not come: in Events, and in conditions of NodeClaims."""

from objects.api import Json
from objects.managed import CREATED


def launched(at: str = CREATED) -> Json:
    """The condition of a NodeClaim that has a machine."""
    return {"type": "Launched", "status": "True", "reason": "Launched", "message": "", "lastTransitionTime": at}


def not_launched(message: str, reason: str = "LaunchFailed", at: str = CREATED) -> Json:
    """The condition of one for which the provider refuses to make a machine: Karpenter does not call that False."""
    said = {"status": "Unknown", "reason": reason, "message": message, "lastTransitionTime": at}
    return {"type": "Launched", **said}


def karpenter_event(about: Json, reason: str, message: str, at: str = CREATED, *, name: str = "") -> Json:
    """An Event as Karpenter writes it: about what has no namespace in `default`."""
    namespace = about.get("namespace", "default")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name or f"{about['name']}.18ecd61dca46f794",
            "namespace": namespace,
            "uid": f"uid-{about['name']}",
            "creationTimestamp": at,
        },
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": "karpenter"},
        "reportingComponent": "karpenter",
        "reportingInstance": "",
        "eventTime": None,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def about_claim(name: str) -> Json:
    """What an Event about a NodeClaim names."""
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "name": name, "uid": f"uid-{name}"}


def about_pool(name: str) -> Json:
    """What an Event about a NodePool names."""
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "name": name, "uid": f"uid-{name}"}


def about_pod(name: str, namespace: str = "media") -> Json:
    """What an Event about a pod names."""
    return {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": f"uid-{name}"}


NO_CAPACITY = "insufficient capacity, all requested instance types were unavailable during launch"
NO_OFFERING = "no instance type which met the scheduling requirements and had enough resources, had a required offering"


def unschedulable(pool: str = "burst", words: str = NO_OFFERING) -> str:
    """What Karpenter says of a pod for which a NodePool has nothing, in a cluster that has another NodePool, too."""
    wanted = (
        f"requirements=batchyard.dev/compute-environment In [{pool}], karpenter.sh/capacity-type In [on-demand],"
        f" karpenter.sh/nodepool In [{pool}], kubernetes.io/hostname In [hostname-placeholder-0001],"
        ' resources={"cpu":"1","memory":"32Mi","pods":"1"}'
    )
    other = 'incompatible requirements, label "batchyard.dev/compute-environment" does not have known values'
    return f"Failed to schedule pod, {other}; {words}, {wanted}"
