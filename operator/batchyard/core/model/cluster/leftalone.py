"""Environments in which no node came for certain pods: nothing that asks for the same is started there for a while.

By pods, not for all: a provider that has no GPUs may well have other machines. Once the while is over, one job is
started there to find out, and others as soon as that one has got its node.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from batchyard.core.model.environment import Environment
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.timers import clock, lies_ahead


@dataclass(slots=True, frozen=True)
class LeftAlone:
    """Since no node came for pods in an environment."""

    at: float
    """When they were given up."""
    until: float
    message: str
    """A sentence that names the environment, what was asked for, and why it did not come."""

    def told(self, environment: str, now: float) -> str:
        """What is said of it to a job that can start nowhere else now."""
        if self.until <= now:
            return f"{self.message}; a job with such pods finds out whether environment {environment} gets nodes again"
        return f"{self.message}; environment {environment} is left alone with such pods until {clock(self.until)}"


AllLeftAlone = Mapping[tuple[str, PodSets], LeftAlone]
"""By environment and pods."""

Unmet = Mapping[tuple[Key, str], int]
"""By job and environment whose nodes are made: how many pods have no node on its way for them."""


def still(left_alone: AllLeftAlone, environment: str, pods: PodSets, now: float) -> LeftAlone | None:
    """Why pods are not tried in an environment now, if so."""
    if not left_alone:
        return None
    found = left_alone.get((environment, pods))
    return found if found is not None and lies_ahead(found.until, now, found.until - found.at) else None


def has_others(
    environments: Iterable[Environment],
    but: str,
    pods: PodSets,
    could_hold: Callable[[str, PodSets], bool],
    left_alone: AllLeftAlone,
    now: float,
) -> bool:
    """Whether pods may be tried in another one of these environments than that."""
    usable = (each.name for each in environments if each.name != but and each.enabled and not each.refusal)
    return any(still(left_alone, name, pods, now) is None and could_hold(name, pods) for name in usable)
