"""The sentence in which a job is told that its pods need nodes, and its queue's environments have none."""

from collections.abc import Mapping

from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessSupply


def not_without_nodes(queue: str, pods: PodSets, environments: Mapping[str, ServerlessSupply]) -> str:
    """Say for each serverless environment of a queue why pods cannot run there; empty if amounts are all there is."""
    told = [f"{_named(name, queue, it)}: {why}" for name, it in environments.items() if (why := _why(it, pods))]
    return "; ".join(told)


def _named(name: str, queue: str, supply: ServerlessSupply) -> str:
    return f"environment {name} of queue {queue} is serverless ({supply.offer.provisioner}) and cannot run the pod"


def _why(supply: ServerlessSupply, pods: PodSets) -> str:
    return next((why for each in pods if (why := _of_one(supply, each))), "")


def _of_one(supply: ServerlessSupply, pods: PodSet) -> str:
    if why := supply.unfit(pods):
        return why
    if supply.admits(pods.constraints):
        return ""
    has = supply.offer.node_labels
    asks = "its node selector or node affinity asks for labels"
    if has is None:
        return f"{asks} that no virtual node has"
    known = ", ".join(f"{key}={value}" for key, value in has.items())
    return f"{asks} other than {known}, and there are no others"
