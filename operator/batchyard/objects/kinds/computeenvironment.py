"""A ComputeEnvironment: read as a record; and its status, with its nodes, its capacity and how much is used."""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.api.validation import parse_computeenvironment
from batchyard.core.model.environment import UNSCHEDULABLE_SECONDS, Environment, Toleration
from batchyard.core.model.resources import Resources, parse_resources, subtract, to_resource_list
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.refusal import refusal_of
from batchyard.objects.meta import Object, created_at, spec_of


def read_environment(obj: Object) -> Environment:
    """Read a ComputeEnvironment; of a refused one nothing else counts."""
    metadata = obj["metadata"]
    refusal = refusal_of(names.COMPUTE_ENVIRONMENT, obj, parse_computeenvironment)
    spec = {} if refusal else spec_of(obj)
    unmanaged = spec.get("unmanaged") or {}
    return Environment(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        enabled=spec.get("state", "Enabled") == "Enabled",
        node_selector=unmanaged.get("nodeSelector") or {},
        tolerations=tuple(_toleration(each) for each in unmanaged.get("tolerations") or ()),
        ceilings=_ceilings(spec),
        refusal=refusal,
        unschedulable_seconds=spec.get("unschedulableSeconds", UNSCHEDULABLE_SECONDS),
    )


def _toleration(toleration: Mapping[str, Any]) -> Toleration:
    return Toleration(
        key=toleration.get("key") or "",
        operator=toleration.get("operator") or "Equal",
        value=toleration.get("value") or "",
        effect=toleration.get("effect") or "",
        seconds=toleration.get("tolerationSeconds"),
    )


def _ceilings(spec: Mapping[str, Any]) -> dict[str, int]:
    limits = {
        "cpu": spec.get("maxVcpus"),
        "memory": spec.get("maxMemory"),
        "nvidia.com/gpu": spec.get("maxGpus"),
    }
    return parse_resources({name: str(limit) for name, limit in limits.items() if limit is not None})


def render_environment_status(
    environment: Environment,
    *,
    nodes: int,
    capacity: Resources,
    used: Resources,
    jobs: int,
    previous: Mapping[str, Any],
    now: float,
) -> dict[str, Any]:
    """The whole status. `nodes` counts those that can take pods, `jobs` those that hold a part of `used`.

    Nothing is free, rather than less than nothing, while running jobs hold more than a shrunken capacity.
    """
    left = subtract(capacity, used)
    free = {name: max(left[name], 0) for name in capacity}
    status = {
        "observedGeneration": environment.generation,
        "nodes": nodes,
        "capacity": to_resource_list(capacity),
        "used": to_resource_list({name: used.get(name, 0) for name in {*capacity, *used}}),
        "free": to_resource_list(free),
        "jobs": jobs,
        "conditions": render_conditions(_verdict(environment, nodes), environment.generation, previous, now),
    }
    return presentable(status)


def _verdict(environment: Environment, nodes: int) -> ReadyState:
    if environment.refusal:
        return ReadyState(False, "InvalidSpec", environment.refusal, stalled=True)
    if not environment.enabled:
        return ReadyState(True, "Disabled", "spec.state is Disabled: no new job starts here, running jobs go on")
    if not nodes:
        return ReadyState(False, "NoNodes", _no_nodes(environment.node_selector))
    return ReadyState(True, "NodesAvailable", f"{nodes} node{'s' if nodes > 1 else ''} can take jobs")


def _no_nodes(selector: Mapping[str, str]) -> str:
    if not selector:
        return "the cluster has no ready, schedulable node whose taints the environment tolerates"
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return (
        f"no ready, schedulable node has the labels {labels} and only taints that the environment tolerates:"
        " label a node or change spec.unmanaged.nodeSelector"
    )
