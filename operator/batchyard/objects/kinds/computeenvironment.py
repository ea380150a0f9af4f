"""A ComputeEnvironment: read as a record; and its status, with its nodes, its capacity and how much is used."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from batchyard.api.models import computeenvironment as api
from batchyard.api.models.jobqueue import EnabledState
from batchyard.api.models.meta import Toleration as ApiToleration
from batchyard.core.insight.interruptions import Interruptions, NodeHistory
from batchyard.core.insight.madenodes import MadeNodes
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.resources import Resources, parse_resources, to_resource_list
from batchyard.core.model.timers import clock
from batchyard.core.scheduling.capacity.coming.labels import contradiction
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.checked import checked
from batchyard.objects.kinds.managednodes import labels_of, read_managed, tolerations_of
from batchyard.objects.kinds.serverless import read_serverless
from batchyard.objects.meta import Object, identity_of, spec_of
from batchyard.objects.times import format_time, parse_time

NOT_UNDERSTOOD: Final = "NotUnderstood"
"""The reason of the condition Doubtful where something that nodes or pods say makes no sense."""
NODES_COMING: Final = "NodesComing"
"""The reason of the condition Scaling."""
_REFUSALS = ("NodePoolRefused", "NodePoolNotOurs")
"""The reasons of troubles that a spec is to blame for."""
_NAMED = 3
"""How many nodes and pods its message names."""


def read_environment(obj: Object) -> Environment:
    """Read a ComputeEnvironment; of a refused one nothing else counts."""
    found = checked(api.ComputeEnvironment, obj)
    if isinstance(found, str):
        managed_type = spec_of(obj).get("type") == api.EnvironmentType.MANAGED.value
        return Environment(**identity_of(obj), enabled=True, refusal=found, of_managed_type=managed_type)
    spec = found.spec
    environment = Environment(
        **identity_of(obj),
        enabled=spec.state is EnabledState.ENABLED,
        ceilings=ceilings(spec.max_vcpus, spec.max_memory, spec.max_gpus),
        unschedulable_seconds=spec.unschedulable_seconds,
        count_other_pods=spec.count_other_pods,
        of_managed_type=spec.managed is not None,
    )
    if spec.managed is not None:
        managed = read_managed(environment.name, spec.managed)
        if (key := contradiction(managed)) is not None:
            return environment.blank(
                f"spec.managed allows no node at all: what it says of the label {key} contradicts itself, or what"
                " another of its fields says (unless they are given, capacityTypes is OnDemand and architectures amd64)"
            )
        return replace(
            environment,
            node_selector=labels_of(environment.name),
            tolerations=tolerations_of(environment.name),
            managed=managed,
        )
    if spec.serverless is not None:
        return replace(
            environment,
            node_selector=spec.serverless.node_selector,
            tolerations=tuple(toleration(each) for each in spec.serverless.tolerations),
            count_other_pods=False,
            serverless=read_serverless(spec.serverless, gpus=bool(spec.max_gpus)),
        )
    unmanaged = spec.unmanaged or api.Unmanaged()
    return replace(
        environment,
        node_selector=unmanaged.node_selector,
        tolerations=tuple(toleration(each) for each in unmanaged.tolerations),
    )


def ceilings(vcpus: float | None, memory: str | None, gpus: int | None) -> Resources:
    """What jobs may use together, of that which is bounded."""
    limits = {"cpu": vcpus, "memory": memory, "nvidia.com/gpu": gpus}
    return parse_resources({name: str(limit) for name, limit in limits.items() if limit is not None})


def toleration(said: ApiToleration) -> Toleration:
    """Read a toleration."""
    return Toleration(
        key=said.key or "",
        operator=said.operator,
        value=said.value or "",
        effect=said.effect or "",
        seconds=said.toleration_seconds,
    )


def render_environment_status(
    environment: Environment,
    *,
    nodes: int,
    view: NodesView,
    capacity: Resources,
    used: Resources,
    free: Free,
    previous: Mapping[str, Any],
    now: float,
) -> dict[str, Any]:
    """The whole status. `nodes` counts those that can take pods.

    Nothing is free, rather than less than nothing, while running jobs hold more than a ceiling. Where capacity comes as
    it is needed, what is left under a ceiling is free.
    """
    below_ceilings = {name: ceiling - used.get(name, 0) for name, ceiling in environment.ceilings.items()}
    to_come = below_ceilings if environment.grows else {}
    others = {name: view.used_by_others.get(name, 0) for name in capacity}
    state = _ready_state(environment, nodes, view)
    if view.not_understood and not environment.refusal:
        state = replace(state, doubt=(NOT_UNDERSTOOD, _not_understood(view.not_understood)))
    if view.made is not None and view.made.coming:
        state = replace(state, scaling=(NODES_COMING, _coming(view.made)))
    if environment.of_managed_type:
        degraded = None if view.failure is None else (view.failure.reason, _no_node(view.failure))
        state = replace(state, degraded=degraded, valid=_valid(environment, view))
    status = {
        "observedGeneration": environment.generation,
        "nodes": nodes,
        "capacity": to_resource_list(capacity),
        "used": to_resource_list({name: used.get(name, 0) for name in {*capacity, *used}}),
        **({"usedByOthers": to_resource_list(others)} if environment.count_other_pods else {}),
        "free": to_resource_list(_within({**free.in_all, **to_come}, capacity, below_ceilings)),
        **({"largestFree": to_resource_list(_within(free.on_one, capacity, below_ceilings))} if nodes else {}),
        "jobs": used.get("pods", 0),
        **(_kept(environment, previous) if view.made is None else _made(view.made, previous, now)),
        "conditions": render_conditions(state, environment.generation, previous, now),
    }
    return presentable(status)


def _within(free: Resources, capacity: Resources, below_ceilings: Resources) -> Resources:
    """As much of it as ceilings allow, of each resource that the environment has."""
    return {name: max(min(free.get(name, 0), below_ceilings.get(name, free.get(name, 0))), 0) for name in capacity}


def _kept(environment: Environment, previous: Mapping[str, Any]) -> dict[str, Any]:
    """What is counted up stays while an environment cannot be used."""
    counted = ("scaleUps", "interruptions") if environment.refusal else ()
    return {name: previous[name] for name in counted if name in previous}


def _made(made: MadeNodes, previous: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What is said of nodes that are made. Since when there are none is taken from the status that was written last."""
    most = sorted(sorted(made.kinds, key=lambda kind: -kind[1])[: api.MOST_KINDS])
    kinds = [
        {"zone": zone, "instanceType": instance_type, "capacityType": capacity_type, "nodes": nodes}
        for (zone, instance_type, capacity_type), nodes in most
    ]
    return {
        "nodesComing": made.coming,
        "provisioned": to_resource_list(made.provisioned),
        "madeNodes": kinds,
        **({} if made.claims else {"atZeroSince": previous.get("atZeroSince") or format_time(now)}),
        "vcpus": {
            "desired": _vcpus(made.vcpus.desired),
            "provisioned": _vcpus(made.vcpus.provisioned),
            "inUse": _vcpus(made.vcpus.in_use),
            "idle": _vcpus(made.vcpus.idle),
        },
        **_history(made.history),
    }


def _vcpus(milli: int) -> float:
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


def _history(history: NodeHistory) -> dict[str, Any]:
    """What `read_history` goes on from. It changes only when something happens: a rate that fades is not written."""
    seen = history.interruptions
    return {
        "scaleUps": history.scale_ups,
        "interruptions": {
            "nodes": seen.nodes,
            **({"lastAt": format_time(seen.last_at)} if seen.nodes else {}),
            "perHour": round(seen.per_hour, 3),
        },
    }


def read_history(status: Mapping[str, Any]) -> NodeHistory:
    """Read what a status that was written says of nodes in the past."""
    seen = status.get("interruptions") or {}
    last_at = parse_time(seen["lastAt"]) if seen.get("lastAt") else 0.0
    interruptions = Interruptions(seen.get("nodes", 0), last_at, seen.get("perHour", 0))
    return NodeHistory(status.get("scaleUps") or 0, interruptions)


def _coming(made: MadeNodes) -> str:
    are = "1 node is" if made.coming == 1 else f"{made.coming} nodes are"
    return f"{are} on {'its' if made.coming == 1 else 'their'} way since {format_time(made.coming_since)}"


def _ready_state(environment: Environment, nodes: int, view: NodesView) -> ReadyState:
    if environment.refusal:
        return ReadyState(False, "InvalidSpec", environment.refusal, stalled=True)
    if not environment.enabled:
        return ReadyState(True, "Disabled", "spec.state is Disabled: no new job starts here, running jobs go on")
    if environment.serverless is not None:
        return _ready_without_nodes(environment.serverless.provisioner, view.withheld)
    if view.trouble is not None:
        return ReadyState(False, view.trouble.reason, view.trouble.message)
    return _ready_with_nodes(environment, nodes)


def _ready_with_nodes(environment: Environment, nodes: int) -> ReadyState:
    if not nodes and environment.managed is not None:
        return ReadyState(True, "ScaledToZero", "it has no nodes now; they are made when jobs need them")
    if not nodes:
        return ReadyState(False, "NoNodes", _no_nodes(environment.node_selector))
    return ReadyState(True, "NodesAvailable", f"{nodes} node{'s' if nodes > 1 else ''} can take jobs")


def _ready_without_nodes(provisioner: str, withheld: str) -> ReadyState:
    if withheld:
        return ReadyState(False, "NoNodes", withheld)
    return ReadyState(True, "Serverless", f"pods run without nodes of the environment ({provisioner})")


def _valid(environment: Environment, view: NodesView) -> tuple[bool, str, str]:
    """Whether what the user wrote can be done. Whatever else keeps nodes from coming says nothing against it."""
    if environment.refusal:
        return False, "InvalidSpec", environment.refusal
    trouble = view.trouble
    if trouble is not None and trouble.reason in _REFUSALS:
        return False, trouble.reason, trouble.message
    if trouble is not None and view.fault:
        return False, view.fault, trouble.message
    return True, "Accepted", "nothing is wrong with spec"


def _no_node(failure: Failure) -> str:
    return f"no node has come since {clock(failure.since)}: {failure.message}"


def _not_understood(sentences: tuple[str, ...]) -> str:
    rest = len(sentences) - _NAMED
    named = "; ".join(sentences[:_NAMED])
    return f"counts as nothing, as it makes no sense: {named}" + (f"; and {rest} more like that" if rest > 0 else "")


def _no_nodes(selector: Mapping[str, str]) -> str:
    if not selector:
        return "the cluster has no ready, schedulable node whose taints the environment tolerates"
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return (
        f"no ready, schedulable node has the labels {labels} and only taints that the environment tolerates:"
        " label a node or change spec.unmanaged.nodeSelector"
    )
