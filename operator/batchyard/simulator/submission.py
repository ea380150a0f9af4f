"""One job of a workload as its source yields it, and the record the planner wants of it.

Jobs of one size share one record, so a million of them need no more memory than those that wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from batchyard.api.models.base import ResourceList
from batchyard.api.quantities import InvalidQuantity
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.model.run import NOTHING


def _parsed(amounts: ResourceList) -> ResourceList:
    try:
        parse_resources(amounts)
    except InvalidQuantity as error:
        raise PydanticCustomError("quantity", "{message}", {"message": f"{error}"}) from error
    return amounts


Amounts = Annotated[ResourceList, AfterValidator(_parsed)]
"""Amounts by resource that are whole numbers where they must be."""


@dataclass(slots=True, frozen=True)
class Submission:
    """A job: when it comes, where it queues, what it takes and for how long. Times are whole seconds."""

    submitted_at: int
    queue: str
    share: str
    resolved: Resolved
    run_seconds: int


@dataclass(slots=True)
class LeftOut:
    """The jobs of a trace that cannot be replayed, counted while it is read."""

    jobs: int = 0


def single(request: Resources, time_limit: int | None = None, consumables: Mapping[str, int] = NOTHING) -> Resolved:
    """The record of a job with one pod; `consumables` is what it takes of consumable resources."""
    return Resolved(
        revision=1,
        template={},
        request=request,
        retry=RetryPolicy(),
        timeout_seconds=time_limit,
        startup_grace_seconds=0,
        consumables=consumables,
    )


@lru_cache(maxsize=4096)
def parallel(
    processors: int, processors_per_pod: int, memory_per_processor: int, time_limit: int | None = None
) -> Resolved:
    """The record of a job with so many processors: one pod, or a multi-node job where that is too small."""
    full, rest = divmod(processors, processors_per_pod)
    if full == 0 or (full, rest) == (1, 0):
        return single(_pod(processors, memory_per_processor), time_limit)
    groups = [NodeGroup(tuple(range(full)), {}, _pod(processors_per_pod, memory_per_processor))]
    if rest:
        groups.append(NodeGroup((full,), {}, _pod(rest, memory_per_processor)))
    gang = Gang(main=0, groups=tuple(groups))
    return Resolved(
        revision=1,
        template={},
        request=gang.request,
        retry=RetryPolicy(),
        timeout_seconds=time_limit,
        startup_grace_seconds=0,
        gang=gang,
    )


def _pod(processors: int, memory_per_processor: int) -> Resources:
    amounts = {"cpu": 1000 * processors}
    if memory_per_processor:
        amounts["memory"] = memory_per_processor * processors
    return amounts
