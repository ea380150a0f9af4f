"""Pods that are to be in one zone, and which that is. Nodes that do not say their zone count as being in one: ""."""

from dataclasses import replace
from functools import lru_cache

from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.model.pods.podset import PodSet, PodSets


def of_zone(zone: str) -> Requirement:
    """What is required of nodes that are in a zone."""
    return Requirement(ZONE, "In", (zone,)) if zone else Requirement(ZONE, "DoesNotExist")


@lru_cache(maxsize=1000)
def in_zone(pods: PodSets, zone: str) -> PodSets:
    """The same pods, in this zone only; the same object each time, as long as few kinds are asked for."""
    return tuple(PodSet(each.count, each.takes, _placed(each.constraints, zone)) for each in pods)


def _placed(constraints: Constraints, zone: str) -> Constraints:
    return replace(constraints.limited(of_zone(zone)), one_zone=False, spread=False)


def are_together(pods: PodSets) -> bool:
    """Whether these pods are to be in one zone, whichever that is. All pods of a job are, or none."""
    return pods[0].constraints.one_zone


def apart(pods: PodSets) -> PodSets:
    """The same pods, each in whichever zone."""
    return tuple(PodSet(each.count, each.takes, replace(each.constraints, one_zone=False)) for each in pods)
