"""The status of a ComputeEnvironment: its nodes, its capacity, how much is used, and whether jobs can start.

Called by the executor when nodes or grants have changed.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.core.environmentrecords import Environment
from batchyard.core.resources import Resources, subtract, to_resource_list
from batchyard.manifests.brevity import presentable
from batchyard.manifests.conditions import Verdict, render_conditions


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


def _verdict(environment: Environment, nodes: int) -> Verdict:
    if environment.refusal:
        return Verdict(False, "InvalidSpec", environment.refusal, stalled=True)
    if not environment.enabled:
        return Verdict(True, "Disabled", "spec.state is Disabled: no new job starts here, running jobs go on")
    if not nodes:
        return Verdict(False, "NoNodes", _no_nodes(environment.node_selector))
    return Verdict(True, "NodesAvailable", f"{nodes} node{'s' if nodes > 1 else ''} can take jobs")


def _no_nodes(selector: Mapping[str, str]) -> str:
    if not selector:
        return "the cluster has no ready, schedulable node whose taints the environment tolerates"
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return (
        f"no ready, schedulable node has the labels {labels} and only taints that the environment tolerates:"
        " label a node or change spec.unmanaged.nodeSelector"
    )
