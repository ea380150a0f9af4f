"""From what Karpenter says in Events to why a node did not come.

Karpenter deletes a NodeClaim at once for which the provider has no capacity: the Event is all that remains of it. Where
the provider is known to have none, it makes no claim, and says so of the NodePool or of the pod. Events that tell of
machines which are there, such as that one is reclaimed, are none of this.
"""

import re
from collections.abc import Collection
from typing import Final

from batchyard.api import names
from batchyard.core.model.cluster.nodeclaim import Mishap
from batchyard.core.model.objectnames import GENERATED, LONGEST_PREFIX
from batchyard.objects.brevity import brief
from batchyard.objects.kubernetes.event import last_seen
from batchyard.objects.meta import Object, created_at
from batchyard.objects.times import parse_time

MOST_BYTES = 500
"""Of the provider's words."""
NO_INSTANCE_TYPES: Final = "NoCompatibleInstanceTypes"
"""What is said of a NodePool for which no instance type is to be had now."""
UNSCHEDULED: Final = "FailedScheduling"
"""What is said of a pod for which no node can be made. Schedulers say the same of their own."""
_LASTS_SECONDS = 3600.0
"""How long the API server keeps an Event, unless it is told otherwise."""
_OF_CLAIMS = ("InsufficientCapacityError", "NodeClassNotReady")
_OF_POD = "Failed to schedule pod, "
"""How Karpenter's text begins, and no scheduler's."""
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_IN_BRACKETS = re.compile(r"\((no instance type [^()]*)\)")
"""Where versions before 1.6 say what is missing: behind all that was asked for."""


def mishap(reason: str, message: str, at: float) -> Mishap:
    """One in the form that conditions can bear, whatever a provider has written."""
    whole = reason if _REASON.fullmatch(reason) and len(reason) <= MOST_BYTES else "LaunchFailed"
    return Mishap(whole, brief(message or whole, MOST_BYTES), at)


def _when(event: Object) -> float:
    """When it happened last. That is what the writer says; not later than Events last that the API server has taken."""
    return min(parse_time(last_seen(event)), created_at(event) + _LASTS_SECONDS)


def mishap_of_claim(event: Object) -> Mishap | None:
    """What an Event tells of a NodeClaim; None where that is no node that does not come."""
    reason, claim = event.get("reason") or "", event["involvedObject"].get("name") or ""
    if reason not in _OF_CLAIMS:
        return None
    words = (event.get("message") or "").removeprefix(f"NodeClaim {claim} event: ")
    return mishap(reason, words, _when(event))


def mishap_of_pool(event: Object) -> Mishap | None:
    """What an Event tells of a NodePool."""
    reason = event.get("reason") or ""
    if reason != NO_INSTANCE_TYPES:
        return None
    return mishap(reason, event.get("message") or "", _when(event))


def mishap_of_pod(event: Object, environment: str) -> Mishap | None:
    """What an Event tells of a pod that is to run in an environment.

    Karpenter gives the reasons of all NodePools, one after the other. Of the environment's own, only what the provider
    does not offer is its failure: ceilings are the environment's, and what does not fit is the pod's.
    """
    text = event.get("message") or ""
    if not text.startswith(_OF_POD):
        return None
    for part in text.removeprefix(_OF_POD).split("; "):
        if _is_about(part, environment):
            words = _essence(part)
            return mishap(UNSCHEDULED, words, _when(event)) if "offering" in words else None
    return None


def _is_about(part: str, pool: str) -> bool:
    """Whether a reason is that of a NodePool. Versions differ in how they name it, if only among what is required."""
    named = f'nodepool "{pool}"', f"NodePool={pool})", f"NodePool={pool},"
    required = tuple(f"{label} In [{pool}]" for label in ("karpenter.sh/nodepool", names.NODE_ENVIRONMENT))
    return any(each in part for each in named + required)


def _essence(part: str) -> str:
    """A reason without all that was asked for, which differs from pod to pod."""
    found = _IN_BRACKETS.search(part)
    return part.partition(", requirements=")[0] if found is None else found[1]


def pool_of(claim: str, pools: Collection[str]) -> str:
    """Which of these NodePools a claim was made from, by its name, read from the right; empty where it is none."""
    prefix = claim[:-GENERATED]
    if prefix.endswith("-") and prefix[:-1] in pools:
        return prefix[:-1]
    if len(prefix) < LONGEST_PREFIX:
        return ""
    found = [pool for pool in pools if f"{pool}-"[:LONGEST_PREFIX] == prefix]
    return found[0] if len(found) == 1 else ""
