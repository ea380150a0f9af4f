"""From a Node to its record."""

from batchyard.core.model.environment import Node
from batchyard.core.model.resources import is_name, parse_resources
from batchyard.objects.meta import Object, spec_of, timestamp


def read_node(obj: Object) -> Node:
    """Read a Node. A resource whose name is none is not there: nothing can ask for it, and statuses show the names."""
    spec, status = spec_of(obj), obj.get("status") or {}
    readiness: Object = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), {})
    lost = readiness.get("status") == "Unknown"
    allocatable = {name: each for name, each in (status.get("allocatable") or {}).items() if is_name(name)}
    return Node(
        name=obj["metadata"]["name"],
        labels=obj["metadata"].get("labels") or {},
        allocatable=parse_resources(allocatable),
        taints=tuple(
            (taint["key"], taint.get("value") or "", taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["effect"] in ("NoSchedule", "NoExecute")
        ),
        ready=readiness.get("status") == "True",
        schedulable=not spec.get("unschedulable", False),
        lost=lost,
        lost_since=timestamp(readiness.get("lastTransitionTime")) if lost else None,
    )
