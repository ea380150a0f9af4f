"""What the shares of fair-share queues have used, and what is granted to them.

The figures follow from the last count in the queue's status and from the Kubernetes Jobs that exist; so a process that
begins to act builds them anew, and comes to what the last one had.
"""

from collections.abc import Callable, Mapping
from math import inf

from batchyard.api import names
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import vcpus_of
from batchyard.core.model.run import Run
from batchyard.core.model.timers import is_recent
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.objects.kinds.sharecounts import read_count, render_count, shown_waiting
from batchyard.objects.meta import Object
from batchyard.runtime.state.accounts.account import Account, Existing, Occupancy
from batchyard.runtime.state.catalogue import Catalogue

COUNT_SECONDS = 30
"""How often a count is written at most. A restart forgets what ended since and does not exist any more."""


class Shares(Account):
    """The usage of every fair-share queue that the catalogue knows."""

    def __init__(self, clock: Callable[[], float], existing: Existing) -> None:
        self._clock = clock
        self._existing = existing
        self._usages: dict[str, Usage] = {}
        self._granted: dict[Key, str] = {}
        self._counted: dict[str, Object] = {}

    def reset(self) -> None:
        """Forget what was seen while another process acted: its counts know more."""
        self._usages.clear()
        self._counted.clear()

    def usages(self, catalogue: Catalogue) -> Mapping[str, Usage]:
        """Return the usage of each fair-share queue; of one seen for the first time, from its last count and what
        exists."""
        sharing = {name: queue for name, queue in catalogue.queues.items() if queue.fair_share is not None}
        for name in self._usages.keys() - sharing.keys():
            del self._usages[name]
            self._counted.pop(name, None)
        fresh = {name: queue for name, queue in sharing.items() if name not in self._usages}
        for name, queue in fresh.items():
            self._usages[name] = self._begun(queue, catalogue.statuses.get((names.JOB_QUEUE, "", name), {}))
        if fresh:
            for run, occupancy in self._existing():
                if run.queue in fresh:
                    self.observe_run(run, None, occupancy)
        for name, queue in sharing.items():
            if queue.fair_share is not None:
                self._usages[name].decay_seconds = queue.fair_share.decay_seconds
        return self._usages

    @staticmethod
    def _begun(queue: Queue, status: Object) -> Usage:
        count, counted_at = read_count(status)
        return Usage(queue.fair_share.decay_seconds if queue.fair_share else 0, count, counted_at)

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Count so many slots of a grant; what the job was granted before is forgotten."""
        usage = self._usages.get(job.queue)
        self.withdraw(job.key)
        if usage is not None and job.share:
            self._granted[job.key] = job.queue
            usage.grant(job.key, job.share, placement.environment, vcpus_of(placement.request) * count)

    def withdraw(self, key: Key) -> None:
        """Take a grant back."""
        usage = self._usages.get(self._granted.pop(key, ""))
        if usage is not None:
            usage.stop(key, self._now())

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Count a run from its creation to its end; a multi-node job to the end of its main node."""
        usage = self._usages.get(run.queue)
        if usage is None or not run.share or not occupancy.counts:
            return
        if run.ended and (run.ended_at or 0.0) <= usage.counted_at:
            return
        amount = vcpus_of(run.request) * occupancy.slots
        if run.indexed is not None and usage.amount_of(run.uid) not in (None, amount):
            usage.stop(run.uid, self._now())
            usage.start(run.uid, run.share, run.environment, amount, self._now())
        usage.start(run.uid, run.share, run.environment, amount, run.created)
        if run.ended:
            usage.stop(run.uid, run.ended_at or self._now())

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Count a run that was deleted as used up to now."""
        usage = self._usages.get(run.queue)
        if usage is not None:
            usage.stop(run.uid, self._now())

    def count(self, queue: str, waiting: Mapping[str, int], status: Object) -> Object | None:
        """Return the part of the queue's status that shows its shares: the last one, unless a new one is due."""
        usage, now = self._usages.get(queue), self._now()
        if usage is None:
            return status.get("fairShare")  # kept for the time when the queue can be used again
        last: Object = self._counted.get(queue) or status.get("fairShare") or {}
        _, counted_at = read_count({"fairShare": last})
        if is_recent(counted_at, now, COUNT_SECONDS):
            return last
        if -inf < counted_at <= now and not usage.has_news(now) and shown_waiting(last) == dict(waiting):
            return last
        self._counted[queue] = render_count(usage.count(now), waiting, now)
        return self._counted[queue]

    def _now(self) -> float:
        """Whole seconds, as Kubernetes keeps times: a count is read back at exactly the time it was made for."""
        return float(int(self._clock()))
