"""What the planner looks at: the records that the operator's cache would hold of the jobs that wait or run.

A job that is placed runs at once, so its Kubernetes Job and its pod exist as soon as it has its place. A job is
forgotten when it ends: however many there are in all, only those that wait or run take memory.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from math import inf

from batchyard.api.reasons import Reason
from batchyard.core.definition.runterms import terms_of
from batchyard.core.insight.queueposition import renewals
from batchyard.core.lifecycle import attempts
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.lifecycle.transitions import to_runnable
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, add, subtract, vcpus_of
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.capacity.pools import Pool, space_of
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.limits import Name, needs
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.simulator.fragmentation import in_pieces

_QUEUED = to_runnable(Status(), "", "")


class Records:
    """The records, and how each event changes them. The snapshot is made once and shows them as they are."""

    def __init__(self, pools: Iterable[Pool], queues: Iterable[Queue], consumables: Iterable[Consumable]) -> None:
        self.jobs: dict[Key, BatchJob] = {}
        self.statuses: dict[Key, Status] = {}
        """Of a job that runs, as it was when it started: the planner does not look at it."""
        self.resolved: dict[Key, Resolved] = {}
        self.backlog = Backlog()
        self.runs: dict[str, JobRuns] = {}
        self.running: dict[Key, Run] = {}
        self.queues = {queue.name: queue for queue in queues}
        self._charges: dict[Hashable, Charge] = {}
        self._used: dict[str, Resources] = {}
        self._limit_usage: Counter[Name] = Counter()
        self._used_up: Counter[str] = Counter()
        self._usage = {
            name: Usage(queue.fair_share.decay_seconds) for name, queue in self.queues.items() if queue.fair_share
        }
        self._counted_at = dict.fromkeys(self._usage, -inf)
        self._consumables = {resource.name: resource for resource in consumables}
        by_name = {pool.environment.name: pool for pool in pools}
        self.space = space_of(by_name)
        self.in_pieces = dict.fromkeys(by_name, 0)
        """Of each environment, what is free of vCPUs (in thousandths) on nodes on which something runs."""
        self.snapshot = Snapshot(
            jobs=self.jobs,
            statuses=self.statuses,
            resolved=self.resolved,
            runs=self.runs,
            granted={},
            queues=self.queues,
            environments={name: pool.environment for name, pool in by_name.items()},
            pools=by_name,
            used=self._used,
            definitions={},
            revisions={},
            namespaces={},
            backlog=self.backlog,
            dependents={},
            unpersisted_ends=(),
            limit_usage=self._limit_usage,
            consumables=self._consumables,
            used_up=self._used_up,
            usage=self._usage,
            charges=self._charges,
            space=self.space,
        )

    def submit(self, job: BatchJob, resolved: Resolved) -> None:
        """Put a job into its queue."""
        self.jobs[job.key], self.resolved[job.key], self.statuses[job.key] = job, resolved, _QUEUED
        self.backlog.add(job, resolved.priority)

    def start(self, placement: Placement, now: int) -> None:
        """Have a job run where it was placed."""
        key, environment = placement.key, placement.environment
        job, resolved = self.jobs[key], self.resolved[key]
        name = placement.job_names[0]
        run = Run(
            name,
            name,
            key,
            job.uid,
            placement.run,
            placement.attempt,
            job.queue,
            environment,
            resolved.revision,
            placement.request,
            now,
            started_at=now,
        )
        pod = Pod(name, name, key, job.uid, name, now, phase="Running", ran=True, started_at=now)
        charge = Charge(environment, with_pods(placement.request), key, run, expected=placement.nodes)
        self.backlog.remove(key)
        self.running[key] = run
        self.runs[job.uid] = JobRuns({run.number: run}, pods={name: pod})
        self._charges[key] = charge
        self._change_nodes(charge, -1)
        self._used[environment] = add(self._used.get(environment, {}), charge.amount)
        self._limit_usage.update(needs(job.queue, job.share, resolved.consumables))
        for resource, amount in resolved.consumables.items():
            if not self._consumables[resource].replenishable:
                self._used_up[resource] += amount
        if usage := self._usage.get(job.queue):
            usage.start(key, job.share, environment, vcpus_of(placement.request), now)

    def stop(self, key: Key, now: int) -> Run:
        """Have the run of a job end, and return it; the job is still known."""
        job, charge = self.jobs[key], self._charges.pop(key)
        self._change_nodes(charge, 1)
        self._used[charge.environment] = subtract(self._used[charge.environment], charge.amount)
        self._limit_usage.subtract(needs(job.queue, job.share, self.resolved[key].consumables))
        if usage := self._usage.get(job.queue):
            usage.stop(key, now)
        del self.runs[job.uid]
        return self.running.pop(key)

    def _change_nodes(self, charge: Charge, sign: int) -> None:
        """Take what a run takes off its nodes, or give it back (`sign` 1)."""
        name, members = charge.environment, self.snapshot.pools[charge.environment].members
        for node, takes in charge.expected:
            before = in_pieces(self.space.of(name, node), members[node])
            self.space.change(node, takes, sign)
            self.in_pieces[name] += in_pieces(self.space.of(name, node), members[node]) - before

    def interrupt(self, key: Key, run: Run, now: int) -> bool:
        """Put a job whose run was displaced back into its queue, at its old place; returns whether it may go on.

        Like the operator, this lets a job be interrupted so many times and no more.
        """
        job, resolved = self.jobs[key], self.resolved[key]
        outcome = Outcome(RunResult.INTERRUPTED, Reason.INTERRUPTED, "a job of a queue of higher priority displaced it")
        terms = attempts.Terms(job.uid, resolved, now, terms_of(resolved))
        status = attempts.closed(attempts.adopted(self.statuses[key], run), outcome, run, None, terms)
        self.statuses[key] = status
        if status.state in TERMINAL:
            return False
        self.backlog.add(job, resolved.priority, status.queued_since)
        return True

    def renew_positions(self, now: int) -> None:
        """Tell those who are not first any more, as others came back before them: time limits are not for them now."""
        if any(queue.time_limits for queue in self.queues.values()):
            renewed = renewals(self.jobs, self.statuses, self.backlog, limit=len(self.backlog), now=now)
            self.statuses.update(renewed)

    def next_of_age(self, queue: Queue, environments: Collection[str], now: int) -> float:
        """When the next run in these environments has run for as long as the queue does not displace it."""
        times = (
            run.created + (queue.preempts_after or 0)
            for run in self.running.values()
            if run.environment in environments and self.queues[run.queue].priority < queue.priority
        )
        return min((at for at in times if at > now), default=inf)

    def forget(self, key: Key) -> None:
        """Drop a job that neither waits nor runs any more."""
        self.backlog.remove(key)
        del self.jobs[key], self.resolved[key], self.statuses[key]

    def forget_idle_shares(self, now: int) -> None:
        """Close the books of usage now and then, as the operator's counts do: shares that are long idle are dropped."""
        for name, usage in self._usage.items():
            if now - self._counted_at[name] >= usage.window:
                usage.count(now)
                self._counted_at[name] = now
