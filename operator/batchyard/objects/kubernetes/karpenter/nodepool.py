"""The Karpenter NodePool of a managed environment, and how one that is there is read.

It has neither finalizers nor owner references: garbage collection would delete it with the environment, whatever still
runs, and with it Karpenter's claims, and so the nodes under running jobs. Its annotation remembers what the environment
has said of its own end, for when that is gone.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.api.models.managed import DeletionPolicy
from batchyard.core.model.cluster.nodeclaim import NodePool
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import ManagedNodes
from batchyard.core.model.pods.constraints import Requirement
from batchyard.core.model.resources import readable, to_resource_list
from batchyard.objects.conditions import conditions_of
from batchyard.objects.meta import Object, created_at, spec_of

API_VERSION = "karpenter.sh/v1"
KIND = "NodePool"
_KEPT = ("name", "uid", "resourceVersion", "labels", "annotations", "finalizers", "ownerReferences")
"""What of the metadata of a NodePool is sent back when it is written anew."""
_TELLING = ("ValidationSucceeded", "NodeClassReady", "Ready")
"""Conditions without which Karpenter makes no nodes; the last sums the others up, and has no words of its own."""
_FAULTS = ("NodePoolValidationFailed", "NodeClassNotFound")
"""Their reasons that are mistakes in what the NodePool says. A node class that is there may be unfit for others."""


def render_nodepool(environment: Environment) -> dict[str, Any]:
    """The NodePool of a managed environment.

    That of a disabled one is the same: no new job starts there, but those that run may still need a node, as an array
    does whose pods are made anew.
    """
    managed = environment.managed
    if managed is None:
        raise ValueError(f"the nodes of {environment.name} are not made")
    policy = DeletionPolicy.DRAIN if managed.drains else DeletionPolicy.WAIT
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": environment.name,
            "labels": {names.MANAGED_BY: names.MANAGED_BY_VALUE, names.NODE_ENVIRONMENT: environment.name},
            "annotations": {names.DELETION_POLICY: policy.value},
        },
        "spec": {
            "limits": to_resource_list(environment.ceilings),
            "template": _template(environment.name, managed),
            # Only empty nodes go: a job is not moved, and neither cheaper nodes nor a changed template interrupt one.
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": f"{managed.idle_seconds}s",
                "budgets": [
                    {"nodes": "100%", "reasons": ["Empty"]},
                    {"nodes": "0", "reasons": ["Underutilized", "Drifted"]},
                ],
            },
        },
    }


def _template(name: str, managed: ManagedNodes) -> dict[str, Any]:
    return {
        "metadata": {"labels": dict(managed.labels)},
        "spec": {
            "nodeClassRef": managed.node_class._asdict(),
            "requirements": [_requirement(each) for each in managed.requirements],
            "taints": [{"key": names.NODE_ENVIRONMENT, "value": name, "effect": "NoSchedule"}],
            "expireAfter": "Never",
        },
    }


def _requirement(requirement: Requirement) -> dict[str, Any]:
    values = {"values": list(requirement.values)} if requirement.values else {}
    return {"key": requirement.key, "operator": requirement.operator, **values}


def read_nodepool(obj: Object) -> NodePool:
    """Read a NodePool, whoever has made it."""
    metadata = obj["metadata"]
    name, labels = metadata["name"], metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    ours = labels.get(names.NODE_ENVIRONMENT) == name
    trouble, fault = _trouble(obj)
    return NodePool(
        name=name,
        uid=metadata["uid"],
        environment=name if ours else "",
        created=created_at(obj),
        drains=annotations.get(names.DELETION_POLICY) == DeletionPolicy.DRAIN.value,
        deleting="deletionTimestamp" in metadata,
        noticed=any(conditions_of(obj)),
        trouble=trouble,
        fault=fault,
    )


def _trouble(obj: Object) -> tuple[str, str]:
    """Why no nodes are made, and Karpenter's reason where what the NodePool says is to blame."""
    false = {str(each.get("type")): each for each in conditions_of(obj) if each.get("status") == "False"}
    for kind in _TELLING:
        if kind in false:
            reason = str(false[kind].get("reason") or "")
            said = false[kind].get("message") or reason or "no reason is given"
            return f"{kind} is False: {said}", reason if reason in _FAULTS else ""
    return "", ""


def covers(found: Object, wanted: Object) -> bool:
    """Whether a NodePool that is there has all that is wanted of it; what others or defaults add is left alone.

    Its limits are compared as amounts, and may be no others.
    """
    limits = _limits(found) == _limits(wanted)
    return limits and _within(_without_limits(wanted), _without_limits(found))


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(key in found and _within(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(_within(*pair) for pair in zip(wanted, found, strict=True))
    return bool(wanted == found)


def _limits(obj: Object) -> Mapping[str, Any]:
    """By resource: an amount as a number where it is one."""
    said = spec_of(obj).get("limits")
    said = said if isinstance(said, Mapping) else {}
    return {**said, **readable(said)[0]}


def _without_limits(obj: Object) -> dict[str, Any]:
    return {**obj, "spec": {key: value for key, value in spec_of(obj).items() if key != "limits"}}


def merged(found: Object, wanted: Object) -> dict[str, Any]:
    """A NodePool that is there with all that is wanted of it, to be written if nobody has changed it since."""
    kept = {**found, "metadata": {key: value for key, value in found["metadata"].items() if key in _KEPT}}
    kept.pop("status", None)
    both: dict[str, Any] = _overlaid(_without_limits(kept), wanted)
    return both


def _overlaid(found: Any, wanted: Any) -> Any:
    if not isinstance(found, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    return {**found, **{key: _overlaid(found.get(key), value) for key, value in wanted.items()}}


def closed(found: Object) -> dict[str, Any]:
    """What is wanted of a NodePool from which no further node is to be made; those that are there stay as they are."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": found["metadata"]["name"]},
        "spec": {"limits": dict.fromkeys(["cpu", "memory", *_limits(found)], "0")},
    }
