"""What Fargate does not run, and what its scheduler says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from .profiles import PROFILE_LABEL, Profile, is_selected
from .sizes import SIZES, pod_request, smallest

NO_CAPACITY = "Fargate capacity is unavailable at this time; try again later, or in another availability zone"
VOLUMES = frozenset({"configMap", "downwardAPI", "emptyDir", "nfs", "persistentVolumeClaim", "projected", "secret"})
_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
Spec = Mapping[str, Any]


def refusal(pod: Mapping[str, Any], profiles: Sequence[Profile], nodes: Sequence[Mapping[str, str]]) -> str | None:
    """Why Fargate never runs the pod, if it does not; nodes are the labels of those that it could make."""
    metadata, spec = pod["metadata"], pod["spec"]
    labels = metadata.get("labels") or {}
    profile = labels.get(PROFILE_LABEL, "")
    if not is_selected(profiles, profile, metadata["namespace"], labels):
        return f"Pod not supported on Fargate: no Fargate profile {profile!r} selects it"
    found = [*_fields(spec), *_security(spec), *_ports(spec), *_volumes(spec), *_resources(spec)]
    if found:
        return f"Pod not supported on Fargate: {', '.join(found)}"
    if not any(meets(spec, each) for each in nodes):
        return "MatchNodeSelector failed: no Fargate node has the labels that the pod asks for"
    if smallest(pod_request(spec)) is None:
        return f"Pod not supported on Fargate: it asks for more than the largest size has, {SIZES[-1]}"
    return None


def meets(spec: Spec, labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is one that the pod's node selector and required node affinity take."""
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_meets_term(term, labels) for term in required["nodeSelectorTerms"])


def _meets_term(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """An empty term matches nothing, and no pod knows the name of a node that is still to be made."""
    expressions = term.get("matchExpressions") or ()
    return bool(expressions) and not term.get("matchFields") and all(_meets_one(each, labels) for each in expressions)


def _meets_one(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False  # Gt and Lt: no label here is a number


def _fields(spec: Spec) -> list[str]:
    found = [name[0].upper() + name[1:] for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return [f"fields not supported: {', '.join(found)}"] if found else []


def _security(spec: Spec) -> list[str]:
    privileged = any((each.get("securityContext") or {}).get("privileged") for each in _containers(spec))
    return ["security contexts not supported: Privileged"] if privileged else []


def _ports(spec: Spec) -> list[str]:
    ports = [port for each in _containers(spec) for port in each.get("ports") or ()]
    of_host = any(port.get("hostPort") or port.get("hostIP") for port in ports)
    return ["ports not supported: those with HostIP or HostPort"] if of_host else []


def _volumes(spec: Spec) -> list[str]:
    found = [
        f"{volume['name']} is of type {kind}"
        for volume in spec.get("volumes") or ()
        for kind in volume.keys() - {"name"} - VOLUMES
    ]
    return [f"volumes not supported: {', '.join(found)}"] if found else []


def _resources(spec: Spec) -> list[str]:
    found = sorted(name for name, amount in pod_request(spec).items() if amount and name not in _RESOURCES)
    return [f"resources not supported: {', '.join(found)}"] if found else []


def _containers(spec: Spec) -> list[Mapping[str, Any]]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]
