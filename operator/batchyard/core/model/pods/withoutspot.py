"""Pods that are on no node which the cloud may take back at any time."""

from functools import lru_cache

from batchyard.core.model.managed import NOT_SPOT
from batchyard.core.model.pods.podset import PodSet, PodSets


@lru_cache(maxsize=1000)
def without_spot(pods: PodSets) -> PodSets:
    """The same pods, on no spot node; the same object each time, as long as few kinds are asked for."""
    return tuple(PodSet(each.count, each.takes, each.constraints.limited(NOT_SPOT)) for each in pods)


def of_part(pods: PodSets, *, on_demand: bool) -> PodSets:
    """The pods as they are asked for: those of the part of an environment's work that is on demand exclude spot."""
    return without_spot(pods) if on_demand else pods
