"""The nodes that a pod is expected on, as a wish to the scheduler.

By itself that spreads pods over nodes, which breaks up the whole nodes that large jobs need, and puts a burst of pods
elsewhere than room was counted for. A wish leaves it the last word: where a node has no room, the pod goes elsewhere.
Its weight is the highest there is, so that it outweighs the scheduler's own scores for balance.
"""

from collections.abc import Sequence
from typing import Any

HOSTNAME = "kubernetes.io/hostname"
_WEIGHT = 100
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def steered(body: dict[str, Any], hostnames: Sequence[str]) -> dict[str, Any]:
    """A Kubernetes Job whose pods prefer these nodes, unless they say themselves which they prefer."""
    spec = body["spec"]["template"]["spec"]
    affinity = spec.get("affinity") or {}
    of_nodes = affinity.get("nodeAffinity") or {}
    if hostnames and not of_nodes.get(_PREFERRED):
        wish = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": list(hostnames)}]}
        preferred = [{"weight": _WEIGHT, "preference": wish}]
        spec["affinity"] = {**affinity, "nodeAffinity": {**of_nodes, _PREFERRED: preferred}}
    return body
