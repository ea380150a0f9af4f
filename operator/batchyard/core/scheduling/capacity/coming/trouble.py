"""Why no nodes can be made as a managed environment says. Nothing starts there that would need one."""

from typing import NamedTuple

from batchyard.core.model.cluster.nodeclaim import NodePool
from batchyard.core.model.environment import Environment
from batchyard.core.model.timers import is_recent

NOTICE_SECONDS = 60.0
"""How long Karpenter may take to look at a new NodePool."""


class Trouble(NamedTuple):
    """Why no nodes can be made as the environment says: the reason of a condition, and a sentence."""

    reason: str
    message: str


def trouble(
    environment: Environment, pool: NodePool | None, missing: str, refused: str, now: float | None
) -> Trouble | None:
    """Why no nodes can be made as a managed environment says.

    `missing` says why Karpenter cannot be used, `refused` is what the API server has said to the NodePool. Without a
    time, one that Karpenter has yet to look at is none.
    """
    name = environment.name
    if missing:
        return Trouble("ProvisionerMissing", f"Karpenter cannot make nodes: {missing}")
    if pool is not None and not pool.environment:
        return Trouble(
            "NodePoolNotOurs",
            f"NodePool {name} exists and was not made for this environment, which needs one of its own name: delete"
            " that NodePool, or create this environment under another name",
        )
    if refused:
        return Trouble(
            "NodePoolRefused", f"the API server does not take NodePool {name}: {refused}; {_remedy(refused)}"
        )
    if pool is None:
        return None
    if pool.deleting:
        why = "it is being deleted; it is made anew once it is gone"
    elif pool.trouble:
        why = f"{pool.trouble}; see to {_node_class(environment)}, or correct spec.managed"
    elif now is not None and not pool.noticed and not is_recent(pool.created, now, NOTICE_SECONDS):
        why = (
            "Karpenter has not looked at it: see that its controller runs and has a provider for"
            f" {_node_class(environment)}"
        )
    else:
        return None
    return Trouble("ProvisionerNotReady", f"no nodes are made from NodePool {name}: {why}")


def _node_class(environment: Environment) -> str:
    if environment.managed is None:
        return "its node class"
    group, kind, name = environment.managed.node_class
    return f"{kind}.{group} {name}, which spec.managed.nodeClassRef names"


def _remedy(refused: str) -> str:
    if "immutable" in refused:
        return "make another environment for what cannot be changed in this one"
    return "correct what is named there"
