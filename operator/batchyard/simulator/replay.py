"""The replay itself: virtual time jumps from one moment at which something may change to the next.

At each of them the planner decides, by the step that the operator's loop takes (`planner.schedule.place`), and what it
decided is carried out here. Jobs start without delay and succeed; nodes neither come nor go.
"""

import heapq
from collections.abc import Iterable
from math import inf

from batchyard.core.lifecycle.timelimits import cancelled_at
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import Queue
from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.decisions import Placement
from batchyard.simulator.fragmentation import stranded
from batchyard.simulator.measures import Idle, Tally
from batchyard.simulator.records import Records
from batchyard.simulator.results import Results
from batchyard.simulator.submission import Submission

_MOMENT = 1
"""Seconds after which what the planner has displaced or cancelled is gone, and it looks again."""


class Replay:
    """One run of a workload."""

    def __init__(self, pools: Iterable[Pool], queues: Iterable[Queue], consumables: Iterable[Consumable] = ()) -> None:
        self._records = Records(pools, queues, consumables)
        self._submissions: dict[Key, Submission] = {}
        """Of the jobs that wait or run."""
        self._ends: list[tuple[int, Key]] = []
        """A heap; an entry counts only as long as it is the one in `_ends_at`, as a job may be displaced before."""
        self._ends_at: dict[Key, int] = {}
        self._displaced: set[Key] = set()
        """The jobs that run and are about to stop for others."""
        self._look_at = inf
        """When the planner may decide otherwise than last time although nothing has come or ended."""
        self._milli_in_use = 0
        self._stranded: dict[str, dict[str, int]] = {}
        """By environment, from the last pass on."""
        self._counted_to = 0
        self._number = 0
        self.results = Results(
            {name: Tally() for name in self._records.queues},
            environments=dict.fromkeys(self._records.snapshot.environments, 0.0),
            idle={name: Idle() for name in self._records.snapshot.environments},
        )

    def run(self, submissions: Iterable[Submission], seconds: float = inf) -> Results:
        """Replay all of them, given in the order in which they come, up to their last end or for so many seconds."""
        coming = iter(submissions)
        upcoming = next(coming, None)
        self.results.began_at = self._counted_to = upcoming.submitted_at if upcoming else 0
        until = self.results.began_at + seconds
        while (moment := min(self._next_end(), self._look_at, upcoming.submitted_at if upcoming else inf)) < inf:
            now = int(moment)
            if now > until:
                self._interrupt(int(until))
                break
            self._advance(now)
            # 1. Jobs end, 2. jobs come, 3. the planner hands out what is free.
            self._end_due(now)
            while upcoming and upcoming.submitted_at <= now:
                self._submit(upcoming)
                upcoming = next(coming, None)
            self._place(now)
            self.results.ended_at = now
        self.results.still_waiting = len(self._records.backlog)
        return self.results

    def _advance(self, now: int) -> None:
        waiting = len(self._records.backlog)
        self.results.timeline.advance(now - self.results.began_at, self._milli_in_use / 1000, waiting)
        seconds, self._counted_to = now - self._counted_to, now
        for name, idle in self.results.idle.items():
            free = self._records.space.total(name).get("cpu", 0)
            idle.advance(seconds, free, self._records.in_pieces[name], self._stranded.get(name, {}))
        self._records.forget_idle_shares(now)

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
        self._submissions[key] = submission
        self._records.submit(job, submission.resolved)
        for tally in self.results.tallies(submission):
            tally.submitted += 1

    def _place(self, now: int) -> None:
        self._look_at, self._stranded = inf, {}
        if not self._records.backlog:
            return
        # `fresh` would have jobs told their positions behind others, which nobody reads here.
        placed = place(self._records.snapshot, (), now)
        for placement in placed.placements:
            self._start(placement, now)
        for preemption in placed.preemptions:
            self._displaced.add(preemption.run.owner)
            self._end_at(preemption.run.owner, now + _MOMENT)
        cancelled = self._enter_statuses(placed)
        for key, hold in placed.holds:
            if hold.stalled and key in self._submissions:  # it never fits, as capacity does not change
                self._reject(key, hold.message)
        self._stranded = stranded(self._records.snapshot, self._records.space, placed.holds)
        self.results.passes += 1
        self.results.most_waiting = max(self.results.most_waiting, len(self._records.backlog))
        self._look_at = now + _MOMENT if cancelled or placed.preemptions else self._next_look(placed, now)

    def _enter_statuses(self, placed: Placed) -> bool:
        """Take over what those who wait are told; returns whether that was the end of any."""
        cancelled = False
        for key, status in placed.statuses.items():
            self._records.statuses[key] = status
            if status.state in TERMINAL:  # it has waited for too long
                cancelled = True
                for tally in self.results.tallies(self._forget(key)):
                    tally.cancelled += 1
        return cancelled

    def _next_look(self, placed: Placed, now: int) -> float:
        """When a job is cancelled that was looked at in vain, or something has run for long enough to be displaced."""
        records, found = self._records, inf
        for key, hold in placed.holds:
            if key in self._submissions:
                queue = records.queues[self._submissions[key].queue]
                if queue.time_limits:
                    found = min(found, cancelled_at(queue, records.statuses[key]))
                if queue.preempts_after is not None and hold.environments:
                    found = min(found, records.next_of_age(queue, hold.environments, now))
        return found

    def _start(self, placement: Placement, now: int) -> None:
        key = placement.key
        submission = self._submissions[key]
        self._records.start(placement, now)
        self._milli_in_use += placement.request.get("cpu", 0)
        self._end_at(key, now + submission.run_seconds)
        if placement.run == 1:
            for tally in self.results.tallies(submission):
                tally.waits.add(now - submission.submitted_at)

    def _reject(self, key: Key, message: str) -> None:
        self.results.rejection = self.results.rejection or message
        for tally in self.results.tallies(self._forget(key)):
            tally.rejected += 1

    def _forget(self, key: Key) -> Submission:
        self._records.forget(key)
        return self._submissions.pop(key)

    def _end_at(self, key: Key, at: int) -> None:
        self._ends_at[key] = at
        heapq.heappush(self._ends, (at, key))

    def _next_end(self) -> float:
        while self._ends and self._ends_at.get(self._ends[0][1]) != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else inf

    def _end_due(self, now: int) -> None:
        """End what has run for its time; what makes room for others goes back to its queue."""
        returned = False
        while self._next_end() <= now:
            _, key = heapq.heappop(self._ends)
            if key in self._displaced:
                self._displaced.remove(key)
                self._displace(key, now)
                returned = True
            else:
                self._end(key, now)
        if returned:
            self._records.renew_positions(now)

    def _end(self, key: Key, now: int) -> None:
        self._stop(key, now)
        self._forget(key)

    def _displace(self, key: Key, now: int) -> None:
        """Put a job back whose run has made room: what that had done is lost."""
        run, lost = self._stop(key, now)
        goes_on = self._records.interrupt(key, run, now)
        for tally in self.results.tallies(self._submissions[key] if goes_on else self._forget(key)):
            tally.displaced += 1
            tally.lost_vcpu_seconds += lost
            tally.given_up += not goes_on

    def _stop(self, key: Key, now: int) -> tuple[Run, float]:
        """Have a run end; returns it, and the vCPU seconds that it has used."""
        run = self._records.stop(key, now)
        del self._ends_at[key]
        milli = run.request.get("cpu", 0)
        self._milli_in_use -= milli
        used = milli / 1000 * (now - run.created)
        self.results.environments[run.environment] += used
        for tally in self.results.tallies(self._submissions[key]):
            tally.vcpu_seconds += used
        return run, used

    def _interrupt(self, now: int) -> None:
        """Count what still runs up to now."""
        self._advance(now)
        for key in list(self._ends_at):
            self._end(key, now)
        self.results.ended_at = now
