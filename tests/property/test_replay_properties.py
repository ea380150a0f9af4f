"""Whoever decides next decides the same: an operator that goes on, and one that has only what the API server holds.

The real operator in virtual time, with queues by priority and by fair share, backfill, arrays, two environments. After
every few events, and wherever its writes are cut off, what it wants to be running is compared with what an operator
wants that begins at this moment. With arrays nothing is cut off: while one that was granted places has yet to get them,
it asks for no more, and somebody else may have those. Nor do arrays share fairly: what they have used since the last
count, as their places changed, is only roughly known to a successor.
"""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import CONTROLLER_REVISIONS, JOBS, NAMESPACES, NODES, PODS
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process.acting import Rules
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.process.operator import Operator
from batchyard.runtime.state.marks import MarkKey
from fakes.clock import START, run_virtual
from fakes.cluster import Cluster
from fakes.process import Connection
from objects.specs import asking_container

QUEUES: dict[str, dict[str, Any]] = {
    "urgent": {"priority": 5, "computeEnvironments": ["on-prem", "spare"], "queueing": {"policy": "Strict"}},
    "sharing": {
        "priority": 3,
        "computeEnvironments": ["on-prem"],
        "schedulingPolicy": {"type": "FairShare"},
        "queueing": {"policy": "Bypass"},
    },
    "patient": {"priority": 0, "computeEnvironments": ["on-prem"]},
}
SHARES = ("red", "blue")
DEFINITIONS = {"small": "1", "large": "3"}
BACKOFF = {"initialSeconds": 3600, "maxSeconds": 3600, "jitter": 0}
"""Longer than any story: a status keeps whole seconds, so a successor may end a wait up to a second earlier."""

Event = tuple[str, int, int]
Round = tuple[list[Event], tuple[int, bool] | None, float]
Wanted = dict[str, tuple[str, int]]
"""Environment and parallelism of each Kubernetes Job, by its name."""


class Story:
    """A cluster in which things happen."""

    def __init__(self, *, arrays: bool) -> None:
        self.arrays = arrays
        self.cluster = Cluster()
        self.cluster.add_node("node-0", cpu="3", pool="on-prem")
        self.cluster.add_node("node-1", cpu="1", pool="spare")
        for pool in ("on-prem", "spare"):
            self.cluster.put("ComputeEnvironment", pool, unmanaged={"nodeSelector": {"pool": pool}})
        for name, spec in QUEUES.items():
            self.cluster.put("JobQueue", name, **spec)
        for name, cpu in DEFINITIONS.items():
            container = asking_container(cpu)
            strategy = {"retryStrategy": {"attempts": 2, "backoff": BACKOFF}}
            self.cluster.put("JobDefinition", name, container=container, **strategy)
        self.submitted = 0

    # What can happen. Each picks among what is there.

    def submit(self, which: int, kind: int) -> None:
        queue = list(QUEUES)[which % len(QUEUES)]
        share = {"shareIdentifier": SHARES[kind % 2]} if queue == "sharing" else {}
        array = {"array": {"size": 4}} if self.arrays and kind % 5 == 4 and not share else {}
        definition = "large" if kind % 3 == 2 and not array else "small"
        name = f"job-{self.submitted:03}"
        # Each has another limit: whether one ends before another is not to hang on fractions of a second, which the
        # times of the API server do not have.
        limit = {"timeout": {"attemptDurationSeconds": max(600 - 7 * self.submitted, 60)}}
        self.submitted += 1
        self.cluster.submit(name, jobQueue=queue, jobDefinition=f"{definition}:1", **limit, **share, **array)

    def live(self) -> list[Object]:
        return [
            job
            for job in self.cluster.store.objects(JOBS)
            if not any(each["type"] in ("Complete", "Failed") for each in job.get("status", {}).get("conditions", ()))
        ]

    def finish(self, which: int, code: int) -> None:
        if job := self._pick(which):
            if job["spec"].get("completionMode") == "Indexed":
                name = job["metadata"]["name"]
                for index in self.cluster.jobs.indexed.active(name)[: 1 + code]:
                    self.cluster.jobs.indexed.finish(name, index)
            else:
                self.cluster.jobs.finish(job, code % 2)

    def begin(self, which: int, _: int) -> None:
        if (job := self._pick(which)) and job["spec"].get("completionMode") != "Indexed":
            self.cluster.jobs.start(job)

    def disrupt(self, which: int, _: int) -> None:
        if (job := self._pick(which)) and job["spec"].get("completionMode") != "Indexed":
            self.cluster.jobs.disrupt(job)

    def toggle(self, which: int, state: int) -> None:
        name = list(QUEUES)[which % len(QUEUES)]
        self.cluster.put("JobQueue", name, **QUEUES[name], state=("Enabled", "Disabled")[state % 2])

    def _pick(self, which: int) -> Object | None:
        live = self.live()
        return live[which % len(live)] if live else None

    # Who wants what.

    async def play(self, rounds: list[Round]) -> None:
        await self.cluster.start_operator()
        await self.cluster.pass_time(2)
        for events, cut, pause in rounds:
            if cut is not None and not self.arrays:
                writes, takes_effect = cut
                self.cluster.api.cut_at_write(writes, takes_effect=takes_effect)
            for verb, which, how in events:
                getattr(self, verb)(which, how)
            await self.cluster.pass_time(0.5)
            await self.compare()
            if cut is not None:
                await self.cluster.restart_operator()
                await self.cluster.pass_time(20)
                await self.compare()
            await self.cluster.pass_time(pause)

    async def compare(self) -> None:
        """Ask both. Where nothing is decided and not yet done, there is more room first, which both see at once."""
        going_on = self.cluster.process.operator
        if not going_on.cache.granted:
            name = f"node-{len(self.cluster.store.objects(NODES))}"
            self.cluster.add_node(name, cpu="2", pool="on-prem")
            going_on.cache.catalogue.put_node(self.cluster.store.get(NODES, name))
        # Both decide at the same moment: while the one was made, the other may have written what it had decided before.
        beginning = await self.begun()
        going_on.acting.loop.run_pass()
        beginning.acting.loop.run_pass()
        assert self.wanted(going_on) == self.wanted(beginning)

    async def begun(self) -> Operator:
        """An operator that has read everything, as one that has just got the lease, and has not decided yet."""
        loop, store = asyncio.get_running_loop(), self.cluster.store
        api = Connection(store)
        election = LeaderElection(api, "batchyard-system", "operator", "next", clock=loop.time, rng=lambda: 0.5)
        operator = Operator(
            api,
            election,
            Metrics(),
            MarkKey(api, "batchyard-system", "operator-marks", bytes),
            Rules(),
            clock=lambda: START + loop.time(),
            monotonic=loop.time,
            stopped=lambda _: None,
        )
        cache, catalogue = operator.cache, operator.cache.catalogue
        await operator._mark_key.load(cache.marks)
        await operator.acting.resync.prime()
        for node in store.objects(NODES):
            catalogue.put_node(node)
        for namespace in store.objects(NAMESPACES):
            catalogue.put_namespace(namespace)
        for revision in store.objects(CONTROLLER_REVISIONS):
            catalogue.put_revision(revision)
        for job in store.objects(JOBS):
            cache.put_run(job)
        for pod in store.objects(PODS):
            if names.ARRAY not in pod["metadata"]["labels"]:
                cache.put_pod(pod)
        cache.accounts.reset()
        api.cut()
        return operator

    def wanted(self, operator: Operator) -> Wanted:
        """What runs once everything is carried out that an operator has decided."""
        found: Wanted = {
            job["metadata"]["name"]: (job["metadata"]["labels"][names.ENVIRONMENT], job["spec"].get("parallelism", 1))
            for job in self.cluster.store.objects(JOBS)
        }
        for (_, name), placement in operator.cache.granted.items():
            parallelism = placement.array.parallelism if placement.array is not None else 1
            found[f"{name}-{placement.run}"] = (placement.environment, parallelism)
        return found


numbers = st.integers(0, 9)
events = st.tuples(
    st.sampled_from(
        ("submit", "submit", "submit", "submit", "submit", "finish", "finish", "begin", "disrupt", "toggle")
    ),
    numbers,
    numbers,
)
cuts = st.one_of(st.none(), st.tuples(st.integers(1, 8), st.booleans()))
# What a comparison has both decide is written before the next round: who comes in between, and goes before it, would
# get what was granted there to another only from the successor, if that write is the one that is cut off.
pauses = st.sampled_from((1.0, 3.0, 40.0))
rounds = st.tuples(st.lists(events, min_size=1, max_size=12), cuts, pauses)


async def _play(story: list[Round], *, arrays: bool) -> None:
    teller = Story(arrays=arrays)
    try:
        await teller.play(story)
    finally:
        await teller.cluster.stop_operators()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rounds, max_size=8), st.booleans())
def test_a_successor_wants_what_the_operator_would_have_done_next(story: list[Round], arrays: bool) -> None:
    run_virtual(_play(story, arrays=arrays))
