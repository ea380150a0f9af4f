"""The running operator: informers fill the cache, the lease says who acts, and what acts decides and writes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

from prometheus_client.core import Metric

from batchyard.api.models.batchjob import JobState
from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import KubeApi
from batchyard.runtime.metrics import Metrics, gauges, node_metrics
from batchyard.runtime.process.acting import Acting, Rules
from batchyard.runtime.process.informers import (
    informer_of_index_pods,
    informer_of_other_pods,
    informers,
    informers_of_failures,
    informers_of_provisioner,
)
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.marks import MarkKey

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 300.0
"""A live informer hears from the API server at least every minute; after this long it counts as dead."""
LOOK_SECONDS = 5.0
"""How often it is looked whether there is anything that can fail to get nodes."""
FAILURES_SECONDS = 10.0
"""How long whoever begins to act waits for the Events that tell of it."""


class Operator:
    """All parts, wired. `stopped` is called when the process should end: the lease is lost, or a part has died."""

    def __init__(
        self,
        api: KubeApi,
        election: LeaderElection,
        metrics: Metrics,
        mark_key: MarkKey,
        rules: Rules,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        stopped: Callable[[str], None],
    ) -> None:
        self.cache = Cache(clock)
        self.cache.catalogue.protection = rules.protection
        self.acting = Acting(api, self.cache, metrics, rules, lambda: election.is_leader, clock, monotonic)
        self._election = election
        self._mark_key = mark_key
        self._clock = clock
        self._monotonic = monotonic
        self._stopped = stopped
        self._index_pods = informer_of_index_pods(api, self.cache, metrics, monotonic)
        self._other_pods = informer_of_other_pods(api, self.cache, metrics, monotonic)
        self._informers = [
            *informers(api, self.cache, metrics, monotonic),
            *informers_of_provisioner(api, self.cache, metrics, monotonic),
            self._index_pods,
            self._other_pods,
        ]
        self._failures = informers_of_failures(api, self.cache, metrics, monotonic)
        self._tasks: list[asyncio.Task[None]] = []
        self._leading: asyncio.Task[None] | None = None
        self._unread = False
        """Whether this process leads, and has yet to read what it is to decide on."""
        metrics.show(self._gauges)

    async def start(self) -> None:
        """Follow the cluster and stand for election; returns at once."""
        for informer in self._informers:
            self._spawn(informer.run(), "an informer")
        self._spawn(self._election.run(self._begin, self._end), "the election")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda done: self._ended(done, name))
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None], name: str) -> None:
        if not task.cancelled():
            _log.critical("%s ended unexpectedly", name, exc_info=task.exception())
            self._stopped(f"{name} ended unexpectedly")

    def _begin(self) -> None:
        self._leading = self._spawn(self._act(), "the scheduling loop")

    def _end(self) -> None:
        """Stop acting at once: whoever leads next decides from what the API server holds."""
        if self._leading is not None:
            self._leading.cancel()
            self._leading = None
            self._stopped("the lease is lost or given up")

    async def _act(self) -> None:
        """Decide and write. What this process saw before it led may be behind what the last leader wrote."""
        self._unread = True
        for informer in self._informers:
            await informer.synced.wait()
        await self._read_all()
        # Only now: a status may speak of a run that a watch has not shown yet, and such a run would count as lost.
        # No status speaks of other pods, and there may be too many to list them twice.
        apart = (self._index_pods, self._other_pods)
        await asyncio.gather(*(informer.resync() for informer in self._informers if informer not in apart))
        # What this one shows is taken of Jobs that are known, and these are since the key to their marks has been read.
        await self._index_pods.resync()
        self.cache.accounts.reset()
        self._unread = False
        await self._begin_with_failures()
        _log.info("Acting on %d BatchJobs", len(self.cache.jobs))
        await self.acting.run()

    async def _begin_with_failures(self) -> None:
        """Follow the Events that tell of failures. What failed before is known at once, if they are there soon."""
        self._spawn(self._follow_failures(), "the watch for failures")
        if self.cache.catalogue.provisioned.needed:
            read = asyncio.gather(*(informer.synced.wait() for informer in self._failures))
            with suppress(TimeoutError):
                await asyncio.wait_for(read, FAILURES_SECONDS)

    async def _follow_failures(self) -> None:
        """Follow them once there are environments that they can be about: runs are known by now.

        There are many others, which the API server looks through for each LIST, and each watch.
        """
        while not self.cache.catalogue.provisioned.needed:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.gather(*(informer.run() for informer in self._failures))

    async def _read_all(self) -> None:
        """Read everything, as often as it takes: an API server that cannot answer now will do so later."""
        backoff, failures = Backoff(), 0
        while True:
            try:
                await self._mark_key.load(self.cache.marks)
                await self.acting.resync.prime()
            except ApiError as error:
                failures += 1
                delay = backoff.delay(failures)
                _log.warning("Reading what exists failed, again in %.1f s: %s", delay, error.message)
                await asyncio.sleep(delay)
            else:
                return

    async def stop(self) -> None:
        """End all parts; the lease is given up last, when nothing writes any more."""
        election = self._tasks[len(self._informers) :][:1]
        if self._leading is not None:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        for task in [*self._tasks, *election]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def healthy(self) -> str:
        """What is wrong with this process, if anything: a restart would help."""
        now = self._monotonic()
        for informer in [*self._informers, *self._failures]:
            if informer.last_contact is not None and now - informer.last_contact > SILENCE_SECONDS:
                return f"an informer has not heard from the API server for {now - informer.last_contact:.0f} s"
        return ""

    def ready(self) -> str:
        """What this process still waits for, if anything."""
        if not all(informer.synced.is_set() for informer in self._informers):
            return "the first LIST is not through yet"
        return "the BatchJobs are not read yet" if self._unread else ""

    def _gauges(self) -> Iterator[Metric]:
        cache = self.cache
        yield from gauges(
            jobs={
                queue: {state.value: states[state] for state in JobState}
                for queue, states in cache.counts.by_queue(cache.catalogue.queues).items()
            },
            backlog=len(cache.backlog),
            work=len(self.acting.work),
            leader=self._election.is_leader,
            index_restarts=cache.accounts.array_slots.restarts,
            used=cache.used,
            capacity={name: pool.capacity for name, pool in cache.catalogue.pools().items()},
        )
        yield from node_metrics(self.acting.reports.made_nodes(), self._clock())
