"""A full environment and thousands of jobs that wait for it, as the operator's cache would show them to the planner.

`Operator` does with the planner's answers what the cache does, and nothing else: it
reads nothing and writes nothing, so what is measured is the planner.
"""

from collections.abc import Hashable, Iterable, Sequence
from math import ceil
from typing import Any

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Definition, Resolved, Revision
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.queue import FairShare, Queue
from batchyard.core.model.resources import Resources, add, subtract, vcpus_of
from batchyard.core.model.run import Run
from batchyard.core.model.status import Status
from batchyard.core.planner.results import Placed, Settled
from batchyard.core.planner.schedule import place
from batchyard.core.planner.settle import settle
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge, with_pods
from batchyard.core.scheduling.capacity.pools import pool, space_of
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.snapshot import Snapshot

BEGAN = 1_767_225_600.0
NAMESPACE, POOL = "bench", "pool"

Sizes = Sequence[tuple[int, int]]
"""Sizes of jobs: vCPUs and GiB of memory."""
ALIKE: Sizes = ((1, 1),)
MIXED: Sizes = ((1, 1), (2, 8), (1, 4), (4, 4), (2, 2), (8, 16))
_NODES = (1, 2, 3, 6)
"""How large the nodes are, in turn, where the jobs are not alike."""
_SPARE = 1.1
"""How much more there is than the jobs need together where these are not alike, as nodes are not filled to the brim."""


def _definition(size: tuple[int, int]) -> dict[str, Any]:
    vcpus, memory = size
    return {
        "container": {
            "name": "main",
            "image": "busybox",
            "command": ["sleep", "Ref::seconds"],
            "resources": {"requests": {"cpu": f"{vcpus}", "memory": f"{memory}Gi"}},
        },
        "parameters": {"seconds": "60"},
        "retryStrategy": {"attempts": 3},
    }


def _nodes(slots: int, nodes: int, sizes: Sizes) -> list[Node]:
    """Nodes for so many jobs of these sizes at a time: alike if the jobs are, else of several sizes."""
    if len(sizes) == 1:
        each, more = divmod(slots, nodes)
        carries = [float(each + (number < more)) for number in range(nodes)]
    else:
        weights = [_NODES[number % len(_NODES)] for number in range(nodes)]
        carries = [_SPARE * slots * weight / sum(weights) for weight in weights]
    vcpus, memory = (sum(column) / len(sizes) for column in zip(*sizes, strict=True))
    return [
        Node(
            f"node-{number:05}",
            {},
            {"cpu": ceil(1000 * vcpus * jobs), "memory": ceil(memory * jobs * 2**30), "pods": ceil(4 * jobs)},
        )
        for number, jobs in enumerate(carries)
    ]


class Operator:
    """The records of a cluster whose nodes carry so many jobs at a time, and so many queues or shares."""

    def __init__(self, slots: int, queues: int = 1, shares: int = 0, nodes: int = 1, sizes: Sizes = ALIKE) -> None:
        environment = Environment(POOL, POOL, 1, BEGAN, enabled=True)
        pools = {POOL: pool(environment, _nodes(slots, nodes, sizes))}
        self._space = space_of(pools)
        policy = FairShare() if shares else None
        made = [Queue(f"queue-{n}", f"q{n}", 1, BEGAN, n, True, (POOL,), fair_share=policy) for n in range(queues)]
        self.now = BEGAN
        self.statuses: dict[Key, Status] = {}
        self.resolved: dict[Key, Resolved] = {}
        self.jobs: dict[Key, BatchJob] = {}
        self.runs: dict[str, JobRuns] = {}
        self.running: list[Run] = []
        self.used: dict[str, Resources] = {}
        self.backlog = Backlog()
        self.usage = {queue.name: Usage(600) for queue in made} if shares else {}
        self._shares = shares
        specs = {(NAMESPACE, f"task-{number}"): _definition(size) for number, size in enumerate(sizes)}
        self._definitions = [name for _, name in specs]
        self._charges: dict[Hashable, Charge] = {}
        self._snapshot = Snapshot(
            jobs=self.jobs,
            statuses=self.statuses,
            resolved=self.resolved,
            runs=self.runs,
            granted={},
            queues={queue.name: queue for queue in made},
            environments={POOL: environment},
            pools=pools,
            space=self._space,
            used=self.used,
            definitions={key: Definition(key, key[1], 1, spec, key[1]) for key, spec in specs.items()},
            revisions={key: {1: Revision(key, 1, spec, key[1], BEGAN)} for key, spec in specs.items()},
            namespaces={NAMESPACE: {}},
            backlog=self.backlog,
            dependents={},
            unpersisted_ends=(),
            usage=self.usage,
            charges=self._charges,
        )

    def submit(self, count: int) -> list[Key]:
        """New jobs, dealt out to the queues, the shares and the sizes in turn."""
        queues, keys = list(self._snapshot.queues), []
        for number in range(len(self.jobs), len(self.jobs) + count):
            key = (NAMESPACE, f"job-{number:07}")
            share = f"share{number % self._shares}" if self._shares else ""
            queue = queues[number % len(queues)]
            definition = self._definitions[number % len(self._definitions)]
            self.jobs[key] = BatchJob(
                key, f"u{number}", 1, self.now, queue, definition, None, {"jobQueue": queue}, share=share
            )
            keys.append(key)
        return keys

    def finish(self, count: int) -> list[Key]:
        """Let the oldest runs succeed."""
        ended, self.running = self.running[:count], self.running[count:]
        for run in ended:
            self.runs[run.owner_uid] = JobRuns({1: run._replace(condition="Complete", ended_at=self.now)})
            self.used[POOL] = subtract(self.used[POOL], with_pods(run.request))
            for node, takes in self._charges.pop(run.uid).expected:
                self._space.change(node, takes, 1)
            if usage := self.usage.get(run.queue):
                usage.stop(run.uid, self.now)
        return [run.owner for run in ended]

    def settle(self, keys: Iterable[Key]) -> list[Key]:
        """Bring jobs up to date; returns those that came into a queue."""
        settled: Settled = settle(self._snapshot, keys, self.now)
        self.statuses.update(settled.statuses)
        self.resolved.update(settled.resolved)
        for key in settled.unqueued:
            self.backlog.remove(key)
        fresh = [key for key in settled.queued if key not in self.backlog]
        for key in fresh:
            self.backlog.add(self.jobs[key])
        return fresh

    def place(self, fresh: Iterable[Key]) -> Placed:
        """Hand out what is free, without starting anything."""
        return place(self._snapshot, fresh, self.now)

    def start(self, placed: Placed) -> list[Key]:
        """Enter decisions: grants become runs at once."""
        self.statuses.update(placed.statuses)
        for placement in placed.placements:
            self.backlog.remove(placement.key)
            self._run(placement)
        return [placement.key for placement in placed.placements]

    def _run(self, placement: Placement) -> None:
        job = self.jobs[placement.key]
        run = Run(
            f"{job.key[1]}-1",
            f"r{job.uid}",
            job.key,
            job.uid,
            number=1,
            attempt=1,
            queue=job.queue,
            environment=POOL,
            revision=1,
            request=placement.request,
            created=self.now,
            active=1,
            share=job.share,
        )
        self.runs[job.uid] = JobRuns({1: run})
        self.running.append(run)
        self.used[POOL] = add(self.used.get(POOL, {}), with_pods(placement.request))
        amount = with_pods(placement.request)
        self._charges[run.uid] = Charge(POOL, amount, job.key, run, expected=placement.nodes)
        for node, takes in placement.nodes:
            self._space.change(node, takes)
        if usage := self.usage.get(job.queue):
            usage.start(run.uid, job.share, POOL, vcpus_of(placement.request), self.now)
