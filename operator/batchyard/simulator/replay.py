"""The replay itself: virtual time jumps from one moment at which jobs come or end to the next, and the planner decides.

What the operator's cache would hold (jobs that wait, usage of shares, what is taken of environments) is kept here for
jobs that wait or run, and forgotten then. Jobs start without delay and succeed; nodes neither come nor go.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, add, subtract, vcpus_of
from batchyard.core.scheduling.backfill import backfill
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.ledger import Pool, with_pods
from batchyard.core.scheduling.limits import Name, needs
from batchyard.core.scheduling.placement import place_all
from batchyard.core.scheduling.reservation import End, latest_end
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.simulator.measures import Tally, Timeline
from batchyard.simulator.submission import Submission


@dataclass(slots=True)
class Results:
    """What came out."""

    queues: dict[str, Tally]
    shares: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By queue and share."""
    environments: dict[str, float] = field(default_factory=dict)
    """vCPU seconds that jobs have used, by environment."""
    timeline: Timeline = field(default_factory=Timeline)
    began_at: int = 0
    ended_at: int = 0
    passes: int = 0
    most_waiting: int = 0
    still_waiting: int = 0
    rejection: str = ""
    """Why the first job that no environment could hold was set aside."""

    @property
    def makespan(self) -> int:
        """Seconds from the first submission to the last end."""
        return self.ended_at - self.began_at


class Replay:
    """One run of a workload."""

    def __init__(self, pools: Iterable[Pool], queues: Iterable[Queue]) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._pools = {pool.environment.name: pool for pool in pools}
        self._environments = {name: pool.environment for name, pool in self._pools.items()}
        self._usage = {
            name: Usage(queue.fair_share.decay_seconds) for name, queue in self._queues.items() if queue.fair_share
        }
        self._counted_at = dict.fromkeys(self._usage, -inf)
        self._backlog = Backlog()
        self._waiting: dict[Key, Submission] = {}
        self._resolved: dict[Key, Resolved] = {}
        self._running: list[tuple[int, Key, int, str, Submission]] = []
        """A heap: end, key, start, environment, job."""
        self._used: dict[str, Resources] = {}
        self._limit_usage: Counter[Name] = Counter()
        self._milli_in_use = 0
        self._number = 0
        self._snapshot = Snapshot(
            jobs={},
            statuses={},
            resolved=self._resolved,
            runs={},
            granted={},
            queues=self._queues,
            environments=self._environments,
            pools=self._pools,
            used=self._used,
            definitions={},
            revisions={},
            namespaces={},
            backlog=self._backlog,
            dependents={},
            unpersisted_ends=(),
            limit_usage=self._limit_usage,
            usage=self._usage,
        )
        self.results = Results({name: Tally() for name in self._queues}, environments=dict.fromkeys(self._pools, 0.0))

    def run(self, submissions: Iterable[Submission], seconds: float = inf) -> Results:
        """Replay all of them, given in the order in which they come, up to their last end or for so many seconds."""
        coming = iter(submissions)
        upcoming = next(coming, None)
        self.results.began_at = upcoming.submitted_at if upcoming else 0
        until = self.results.began_at + seconds
        while upcoming or self._running:
            moments = [self._running[0][0]] if self._running else []
            now = min([*moments, upcoming.submitted_at]) if upcoming else moments[0]
            if now > until:
                self._interrupt(int(until))
                break
            self._advance(now)
            # 1. Jobs end, 2. jobs come, 3. the planner hands out what is free.
            while self._running and self._running[0][0] <= now:
                self._end(*heapq.heappop(self._running))
            while upcoming and upcoming.submitted_at <= now:
                self._submit(upcoming)
                upcoming = next(coming, None)
            self._place(now)
            self.results.ended_at = now
        self.results.still_waiting = len(self._waiting)
        return self.results

    def _advance(self, now: int) -> None:
        self.results.timeline.advance(now - self.results.began_at, self._milli_in_use / 1000, len(self._waiting))
        for name, usage in self._usage.items():
            if now - self._counted_at[name] >= usage.window:  # forgets idle shares, as the operator's counts do
                usage.count(now)
                self._counted_at[name] = now

    def _submit(self, submission: Submission) -> None:
        self._number += 1
        key = ("simulated", f"{self._number:012}")
        job = BatchJob(
            key=key,
            uid=key[1],
            generation=1,
            created=submission.submitted_at,
            queue=submission.queue,
            definition="",
            pinned_revision=None,
            spec={},
            share=submission.share,
        )
        self._waiting[key], self._resolved[key] = submission, submission.resolved
        self._backlog.add(job, submission.resolved.priority)
        for tally in self._tallies(submission):
            tally.submitted += 1

    def _place(self, now: int) -> None:
        if not self._waiting:
            return
        this_pass = SchedulingPass(self._snapshot, now)
        this_pass.ends = lambda environment: self._ends(environment, now)
        for key, decision in place_all(this_pass):
            if isinstance(decision, Placement):
                this_pass.placements[key] = decision
            else:
                this_pass.holds.append((key, decision))
        early = list(backfill(this_pass))
        for placement in [*this_pass.placements.values(), *early]:
            self._start(placement.key, placement, now)
        for key, hold in this_pass.holds:
            if hold.stalled:  # it never fits, as capacity does not change
                self._reject(key, hold.message)
        self.results.passes += 1
        self.results.most_waiting = max(self.results.most_waiting, len(self._waiting))

    def _ends(self, environment: str, now: int) -> list[End]:
        return [
            (latest_end(submission.resolved, started_at, now), with_pods(submission.resolved.request))
            for _, _, started_at, where, submission in self._running
            if where == environment
        ]

    def _start(self, key: Key, placement: Placement, now: int) -> None:
        submission = self._taken_out(key)
        environment, vcpus = placement.environment, vcpus_of(placement.request)
        self._used[environment] = add(self._used.get(environment, {}), with_pods(placement.request))
        self._limit_usage.update(needs(submission.queue, submission.share))
        self._milli_in_use += placement.request.get("cpu", 0)
        if usage := self._usage.get(submission.queue):
            usage.start(key, submission.share, environment, vcpus, now)
        heapq.heappush(self._running, (now + submission.run_seconds, key, now, environment, submission))
        for tally in self._tallies(submission):
            tally.waits.add(now - submission.submitted_at)

    def _reject(self, key: Key, message: str) -> None:
        self.results.rejection = self.results.rejection or message
        for tally in self._tallies(self._taken_out(key)):
            tally.rejected += 1

    def _taken_out(self, key: Key) -> Submission:
        self._backlog.remove(key)
        del self._resolved[key]
        return self._waiting.pop(key)

    def _end(self, now: int, key: Key, started_at: int, environment: str, submission: Submission) -> None:
        request = submission.resolved.request
        self._used[environment] = subtract(self._used[environment], with_pods(request))
        self._limit_usage.subtract(needs(submission.queue, submission.share))
        self._milli_in_use -= request.get("cpu", 0)
        if usage := self._usage.get(submission.queue):
            usage.stop(key, now)
        vcpu_seconds = request.get("cpu", 0) / 1000 * (now - started_at)
        self.results.environments[environment] += vcpu_seconds
        for tally in self._tallies(submission):
            tally.vcpu_seconds += vcpu_seconds

    def _interrupt(self, now: int) -> None:
        """Count what still runs up to now."""
        self._advance(now)
        while self._running:
            _, key, started_at, environment, submission = self._running.pop()
            self._end(now, key, started_at, environment, submission)
        self.results.ended_at = now

    def _tallies(self, submission: Submission) -> list[Tally]:
        tallies = [self.results.queues[submission.queue]]
        if submission.share:
            tallies.append(self.results.shares[submission.queue, submission.share])
        return tallies
