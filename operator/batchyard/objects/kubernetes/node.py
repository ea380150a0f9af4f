"""From a Node to its record.

Kubelets, device plugins and people write to nodes. One that is odd in a part is read for the rest: else a cluster would
lose a node's whole capacity, or go by what it had before.
"""

from typing import Any

from batchyard.api.excerpt import excerpt
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.resources import Resources, is_name, readable
from batchyard.objects.meta import Object, spec_of, timestamp

_SHOWN = 32
"""Of a text that is no amount: how much a sentence shows of it."""
_NAMED = 3
"""How much of what is odd in one node a sentence names."""
_REPELS = ("NoSchedule", "NoExecute")


def read_node(obj: Object) -> Node:
    """Read a Node. An amount that is none, or more than there can be, counts as nothing of that resource.

    A resource whose name is none is not there: nothing can ask for it, and statuses show the names.
    """
    name, labels = obj["metadata"]["name"], obj["metadata"].get("labels") or {}
    spec, status = spec_of(obj), obj.get("status") or {}
    allocatable, ignored = _allocatable(status)
    conditions = status.get("conditions") or ()
    if untyped := sum("type" not in each for each in conditions):
        ignored.append(f"{untyped} of its conditions {'has' if untyped == 1 else 'have'} no type")
    readiness: Object = next((each for each in conditions if each.get("type") == "Ready"), {})
    lost = readiness.get("status") == "Unknown"
    taints = [each for each in spec.get("taints") or () if each.get("effect") in _REPELS]
    if keyless := sum(not each.get("key") for each in taints):
        ignored.append(f"{keyless} of its taints {'has' if keyless == 1 else 'have'} no key")
    return Node(
        name=name,
        labels=labels,
        allocatable=allocatable,
        # As for the scheduler, a taint without a key is one that only a toleration of all taints covers.
        taints=tuple((taint.get("key") or "", taint.get("value") or "", taint["effect"]) for taint in taints),
        ready=readiness.get("status") == "True",
        schedulable=not spec.get("unschedulable", False),
        lost=lost,
        lost_since=timestamp(readiness.get("lastTransitionTime")) if lost else None,
        provider_id=spec.get("providerID") or "",
        ignored=_sentence(name, ignored),
    )


def _allocatable(status: Object) -> tuple[Resources, list[str]]:
    """What pods may ask for there, and what is wrong with the rest."""
    said: Any = status.get("allocatable")
    if not said:
        return {}, ["status.allocatable is missing, so nothing can run there"]
    understood, odd = readable({name: amount for name, amount in said.items() if is_name(name)})
    return understood, [f'allocatable {name} "{excerpt(str(said[name]), _SHOWN)}" is no amount' for name in odd]


def _sentence(name: str, ignored: list[str]) -> str:
    if not ignored:
        return ""
    rest = len(ignored) - _NAMED
    return f"node {name}: {', '.join(ignored[:_NAMED])}" + (f", and {rest} more" if rest > 0 else "")
