"""What jobs hold beside capacity, of which there is only so much: places of a queue and of its shares.

Asked by placement before it looks for capacity, with one `Allowances` per pass, and by `yielding`. What is held follows
from the runs that exist; the runtime's books count it under the names made here. A job that an allowance holds back
closes no environment to others.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchyard.core.queuerecords import Limits
from batchyard.core.reasons import Reason
from batchyard.core.records import Queue

Name = tuple[str, ...]
"""What an allowance is for: ("queue", name) or ("share", queue, name)."""
Needs = Mapping[Name, int]
"""What each place of a job holds."""

_NOTHING: Mapping[Name, int] = MappingProxyType({})


def needs(queue: str, share: str) -> Needs:
    """What one place of a job of this queue and share holds."""
    own: dict[Name, int] = {("queue", queue): 1}
    if share:
        own["share", queue, share] = 1
    return own


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a job may not start, whatever capacity is free."""

    reason: str
    message: str
    name: Name
    """The allowance that is used up."""


class Allowances:
    """What is left in one pass. `held` is what runs and grants hold when it begins."""

    def __init__(self, held: Mapping[Name, int] = _NOTHING) -> None:
        self._held = held
        self._granted: Counter[Name] = Counter()
        self._reserved: Counter[Name] = Counter()

    def refusal(self, queue: Queue, share: str) -> Refusal | None:
        """Return why no job of this share of the queue may start now, if so."""
        limits = queue.limits
        if limits is None:
            return None
        name: Name = ("queue", queue.name)
        running = self._count(name)
        if limits.running is not None and running + self._reserved[name] >= limits.running:
            message = (
                f"queue {queue.name} is at its limit: {_run(running)}, and spec.limits.maxRunningJobs is "
                f"{limits.running}; wait until fewer do, or raise the limit"
            )
            return Refusal(Reason.QUEUE_LIMIT_REACHED, message, name)
        name, ceiling = ("share", queue.name, share), limits.of_share(share) if share else None
        running = self._count(name)
        if ceiling is not None and running + self._reserved[name] >= ceiling:
            message = (
                f"share {share} of queue {queue.name} is at its limit: {_run(running)}, and {_field(limits, share)} is "
                f"{ceiling}; wait until fewer do, or raise the limit"
            )
            return Refusal(Reason.SHARE_LIMIT_REACHED, message, name)
        return None

    def charge(self, queue: Queue, share: str) -> None:
        """Count a place that is granted in this pass."""
        self._granted.update(needs(queue.name, share))

    def reserve(self, queue: Queue, share: str) -> None:
        """Keep a place for a job that waits for room, from those that may go before it."""
        self._reserved.update(needs(queue.name, share))

    def overdrawn(self, queue: Queue, share: str) -> bool:
        """Whether more runs than the queue or the share may have, because a limit was lowered."""
        limits = queue.limits
        if limits is None:
            return False
        ceiling = limits.of_share(share) if share else None
        return (limits.running is not None and self._count(("queue", queue.name)) > limits.running) or (
            ceiling is not None and self._count(("share", queue.name, share)) > ceiling
        )

    def _count(self, name: Name) -> int:
        return self._held.get(name, 0) + self._granted[name]


def _run(count: int) -> str:
    return "1 of its jobs runs" if count == 1 else f"{count} of its jobs run"


def _field(limits: Limits, share: str) -> str:
    """Where the limit of a share stands."""
    if Limits(shares=limits.shares).of_share(share) is None:
        return "spec.limits.maxRunningJobsPerShare"
    return "its maxRunningJobs in spec.schedulingPolicy.fairShare.shares"
