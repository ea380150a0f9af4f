"""Pods that stay because nobody hears from their node any more, and what a person can do about it.

Whether such a pod still runs cannot be known, so nothing is started in its place until Kubernetes or a person says that
it does not: by the node's out-of-service taint, which has the control plane delete its pods, by the deletion of the
Node, or by a forced deletion of the pod.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.run import Pod

LOOK_SECONDS = 20.0
"""How often a pod that was asked to stop and has not ended is looked at: its node may be lost meanwhile."""


def node_of(pod: Pod | None, nodes: Mapping[str, Node]) -> Node | None:
    """The lost node that keeps a pod, which was asked to stop, from ending."""
    if pod is None or not pod.live or pod.asked_to_stop_at is None:
        return None
    node = nodes.get(pod.node_name)
    return node if node is not None and node.lost else None


def why(pod: Pod | None, nodes: Mapping[str, Node]) -> str:
    """Why a pod that was asked to stop does not end, since when, and what a person can do; empty if none of that is."""
    node = node_of(pod, nodes)
    if pod is None or node is None:
        return ""
    since = "" if node.lost_since is None else f" since {_clock(node.lost_since)}"
    return (
        f"node {node.name} has not been heard from{since}, so whether pod {pod.name} still runs there cannot be known, "
        "and nothing is started in its place. It goes on by itself once the node is back. If the machine is off for "
        f"certain: kubectl taint nodes {node.name} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, or "
        f"kubectl delete pod {pod.name} -n {pod.owner[0]} --force"
    )


def of_indexes(kept: Sequence[Pod], nodes: Mapping[str, Node]) -> str:
    """The same for indexes of an array whose pods lost nodes keep: in full for the first of them."""
    if not kept:
        return ""
    others = f" (and {len(kept) - 1} more)" if len(kept) > 1 else ""
    return f"index {kept[0].index}{others} does not end: {why(kept[0], nodes)}"


def given_up(pod: Pod | None, nodes: Mapping[str, Node]) -> Outcome | None:
    """The end of a run whose pod somebody has deleted by force, since its node is lost."""
    node = node_of(pod, nodes)
    if pod is None or node is None or not pod.forced:
        return None
    message = f"pod {pod.name} was deleted by force, as node {node.name} is lost"
    return Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, message)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
