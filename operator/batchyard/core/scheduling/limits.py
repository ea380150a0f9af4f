"""What jobs hold beside capacity, of which there is only so much: slots of a queue and of its shares, and consumable
resources.

What is held follows from the runs that exist; the runtime's books count it under the names made here. A job that an
limit holds back closes no environment to others. What it lacks of a consumable resource is kept for it from those
behind it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchyard.api.reasons import Reason
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.queue import Queue, QueueLimits
from batchyard.core.model.run import NOTHING

Name = tuple[str, ...]
"""What a limit is of: ("queue", name), ("share", queue, name) or ("consumable", name)."""
Needs = Mapping[Name, int]
"""What each slot of a job holds."""

_NO_USAGE: Mapping[Name, int] = MappingProxyType({})
_NO_RESOURCES: Mapping[str, Consumable] = MappingProxyType({})


def needs(queue: str, share: str, consumables: Mapping[str, int] = NOTHING) -> Needs:
    """What one slot of a job of this queue and share holds."""
    own: dict[Name, int] = {("queue", queue): 1}
    if share:
        own["share", queue, share] = 1
    for name, amount in consumables.items():
        own["consumable", name] = amount
    return own


@dataclass(slots=True, frozen=True)
class LimitViolation:
    """Why a job may not start, whatever capacity is free."""

    reason: str
    message: str
    lacks: Name | None = None
    """The limit that is used up, of a job that goes before all others that wait for it."""
    ends_share_queue: bool = False
    """Whether nobody behind the job in its share queue may start either."""
    stalled: bool = False


class Limits:
    """What is left in one pass. `usage` is what runs and grants hold when it begins; of resources that are not given
    back, `used_up` is what they have taken so far."""

    def __init__(
        self,
        usage: Mapping[Name, int] = _NO_USAGE,
        resources: Mapping[str, Consumable] = _NO_RESOURCES,
        used_up: Mapping[str, int] = NOTHING,
    ) -> None:
        self._usage = usage
        self._resources = resources
        self._used_up = used_up
        self._granted: Counter[Name] = Counter()
        self._reserved: Counter[Name] = Counter()
        self._claimed: set[str] = set()
        """Resources that a job waits for, which goes before all that are asked about from now on."""
        self._claimed_in: set[tuple[str, str]] = set()
        """The same, before those of one queue: queue and resource."""

    def violation(self, queue: Queue, share: str, job: Resolved) -> LimitViolation | None:
        """Return why a job of this share of the queue may not start now, if so."""
        if queue.limits is not None and (found := self._at_limit(queue, queue.limits, share)):
            return found
        return self._short(queue, job) if job.consumables else None

    def _at_limit(self, queue: Queue, limits: QueueLimits, share: str) -> LimitViolation | None:
        name: Name = ("queue", queue.name)
        running = self._count(name)
        if limits.running is not None and running + self._reserved[name] >= limits.running:
            message = (
                f"queue {queue.name} is at its limit: {_run(running)}, and spec.limits.maxRunningJobs is "
                f"{limits.running}; wait until fewer do, or raise the limit"
            )
            return LimitViolation(Reason.QUEUE_LIMIT_REACHED, message, name, ends_share_queue=True)
        name, ceiling = ("share", queue.name, share), limits.of_share(share) if share else None
        running = self._count(name)
        if ceiling is not None and running + self._reserved[name] >= ceiling:
            message = (
                f"share {share} of queue {queue.name} is at its limit: {_run(running)}, and {_field(limits, share)} is "
                f"{ceiling}; wait until fewer do, or raise the limit"
            )
            return LimitViolation(Reason.SHARE_LIMIT_REACHED, message, name, ends_share_queue=True)
        return None

    def _short(self, queue: Queue, job: Resolved) -> LimitViolation | None:
        """What does not come by itself counts first: a job that waits for somebody to act keeps nothing from others."""
        for name, asked in job.consumables.items():
            if (never := self._never(name, asked)) is not None:
                return never
        for name, asked in job.consumables.items():
            if name in self._claimed or (queue.name, name) in self._claimed_in:
                self._claimed.update(job.consumables if name in self._claimed else ())
                self.waits(queue, job)
                message = f"needs {asked} of consumable resource {name}, for which jobs before it wait"
                return LimitViolation(Reason.CONSUMABLE_RESOURCE_UNAVAILABLE, message)
            resource = self._resources[name]
            left = self._left(resource)
            if left - self._reserved["consumable", name] < asked:
                self._claimed.update(job.consumables)
                message = f"{_needs(resource, asked, left)} available; waits until other jobs give theirs back"
                return LimitViolation(Reason.CONSUMABLE_RESOURCE_UNAVAILABLE, message, ("consumable", name))
        return None

    def _never(self, name: str, asked: int) -> LimitViolation | None:
        resource = self._resources.get(name)
        if resource is None:
            message = f"ConsumableResource {name} does not exist; the job can start once it does"
            return LimitViolation(Reason.CONSUMABLE_RESOURCE_NOT_FOUND, message)
        if resource.refusal:
            message = f"ConsumableResource {name} cannot be used: {resource.refusal}"
            return LimitViolation(Reason.INVALID_SPEC, message, stalled=True)
        if asked > resource.total:
            message = (
                f"needs {asked} of consumable resource {name}, of which there are {resource.total} in all; raise "
                "spec.total of the ConsumableResource, or submit the job with a definition that asks for less"
            )
            return LimitViolation(Reason.EXCEEDS_CONSUMABLE_RESOURCE, message, stalled=True)
        if not resource.replenishable and (left := self._left(resource)) < asked:
            message = f"{_needs(resource, asked, left)} left; raise spec.total of the ConsumableResource to refill it"
            return LimitViolation(Reason.CONSUMABLE_RESOURCE_UNAVAILABLE, message, stalled=True)
        return None

    def waits(self, queue: Queue, job: Resolved) -> None:
        """Keep what a job needs, which waits for something else, from those behind it in its queue."""
        self._claimed_in.update((queue.name, name) for name in job.consumables)

    def charge(self, queue: Queue, share: str, job: Resolved) -> None:
        """Count a slot that is granted in this pass."""
        for name, amount in needs(queue.name, share, job.consumables).items():
            self._granted[name] += amount  # a third of the time of `update`, once for each job that starts

    def reserve(self, queue: Queue, share: str, job: Resolved) -> None:
        """Keep a slot for a job that waits for room, from those that may go before it."""
        self._reserved.update(needs(queue.name, share, job.consumables))

    def overdrawn(self, queue: Queue, share: str, consumables: Mapping[str, int]) -> bool:
        """Whether more is held of what such a slot holds than there may be, because that was lowered."""
        if any(name in self._resources and self._left(self._resources[name]) < 0 for name in consumables):
            return True
        limits = queue.limits
        if limits is None:
            return False
        ceiling = limits.of_share(share) if share else None
        return (limits.running is not None and self._count(("queue", queue.name)) > limits.running) or (
            ceiling is not None and self._count(("share", queue.name, share)) > ceiling
        )

    def _left(self, resource: Consumable) -> int:
        name: Name = ("consumable", resource.name)
        if resource.replenishable:
            return resource.total - self._count(name)
        return resource.total - self._used_up.get(resource.name, 0) - self._granted[name]

    def _count(self, name: Name) -> int:
        return self._usage.get(name, 0) + self._granted[name]


def _run(count: int) -> str:
    return "1 of its jobs runs" if count == 1 else f"{count} of its jobs run"


def _field(limits: QueueLimits, share: str) -> str:
    """Where the limit of a share stands."""
    if QueueLimits(shares=limits.shares).of_share(share) is None:
        return "spec.limits.maxRunningJobsPerShare"
    return "its maxRunningJobs in spec.schedulingPolicy.fairShare.shares"


def _needs(resource: Consumable, asked: int, left: int) -> str:
    return f"needs {asked} of consumable resource {resource.name}, of which {max(left, 0)} of {resource.total} are"
