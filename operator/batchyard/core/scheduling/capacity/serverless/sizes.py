"""What pods count for in a serverless environment: the smallest size that exists and holds what they ask for."""

from dataclasses import replace
from functools import lru_cache

from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.podset import PodSet, PodSets, total_of
from batchyard.core.model.resources import Resources, describe
from batchyard.core.model.serverless.offer import Serverless, Sizes


def size_of(request: Resources, sizes: tuple[Sizes, ...], system_memory: int) -> dict[str, int] | None:
    """The cpu and memory of the smallest size that holds a pod; None where none does.

    That is the one of the fewest vCPUs that has enough of both, and of these the one with the least memory. Of the
    memory of each, `system_memory` is not for the pod.
    """
    memory = request.get("memory", 0) + system_memory
    for each in sizes:
        enough = (amount for amount in each.memory if amount >= memory)
        if each.milli_vcpus >= request.get("cpu", 0) and (least := next(enough, None)) is not None:
            return {"cpu": each.milli_vcpus, "memory": least}
    return None


def sized(pods: PodSets, offer: Serverless) -> PodSets:
    """The pods as the environment counts them. Those that are too large stay as they are."""
    return _sized(pods, offer.sizes, offer.system_memory) if offer.sizes else pods


@lru_cache(maxsize=1000)
def _sized(pods: PodSets, sizes: tuple[Sizes, ...], system_memory: int) -> PodSets:
    return tuple(
        PodSet(each.count, {**each.takes, **(size_of(each.takes, sizes, system_memory) or {})}, each.constraints)
        for each in pods
    )


def request_in(environment: Environment, resolved: Resolved) -> Resources:
    """What a job takes while it runs in an environment, of an array each of its indexes."""
    offer = environment.serverless
    if offer is None or not offer.sizes:
        return resolved.request
    total = total_of(sized(resolved.pods, offer))
    return total if "pods" in resolved.request else {name: each for name, each in total.items() if name != "pods"}


def charged_in(environment: Environment, resolved: Resolved) -> Resolved:
    """The same job with what it takes there as its request."""
    request = request_in(environment, resolved)
    return resolved if request is resolved.request else replace(resolved, request=request)


def told_size(environment: Environment, resolved: Resolved) -> str:
    """What each pod of a job counts for in an environment where that is not what it asks for; else empty."""
    offer = environment.serverless
    if offer is None or not offer.sizes:
        return ""
    several = (
        describe({name: each.takes.get(name, 0) for name in ("cpu", "memory")}) for each in sized(resolved.pods, offer)
    )
    return " or ".join(dict.fromkeys(several))
