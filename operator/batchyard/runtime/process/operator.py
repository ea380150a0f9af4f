"""The running operator: informers fill the cache, the lease says who acts, the loop decides, the work queue writes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from batchyard.api import names
from batchyard.api.models.batchjob import JobState
from batchyard.core.admission.protection import Protection
from batchyard.core.insight.visibility import Visibility
from batchyard.core.lifecycle.ending.retries import LONGEST_POSTPONEMENT
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import ApiError
from batchyard.kube.informer import Informer, OnDelete
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import CONTROLLER_REVISIONS, JOBS, NAMESPACES, NODES, POD_METADATA, PODS, Resource
from batchyard.runtime.controllers.creation import InTheWayError
from batchyard.runtime.controllers.definitions import DefinitionController
from batchyard.runtime.controllers.forecast import RENEWAL_SECONDS, Forecast
from batchyard.runtime.controllers.jobs import BatchJobController
from batchyard.runtime.controllers.preemption import PreemptionController
from batchyard.runtime.controllers.reclaim import ArrayReclaimer
from batchyard.runtime.controllers.resync import Resync
from batchyard.runtime.controllers.statusreports import REPORT_SECONDS, StatusReporter
from batchyard.runtime.loop.actions import ActionQueue, Performers
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.loop.loop import Loop
from batchyard.runtime.loop.observers import Routine
from batchyard.runtime.loop.pacing import Pacer
from batchyard.runtime.metrics import Metrics, gauges
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.finishedjobs import FinishedJobs
from batchyard.runtime.state.leaving import RUNNING, note
from batchyard.runtime.state.marks import MarkKey

_log = logging.getLogger(__name__)

WRITES_AT_ONCE = 16
"""Concurrent writes: enough to hide the round trips, few enough to leave the API server to others."""

SILENCE_SECONDS = 300.0
"""A live informer hears from the API server at least every minute; after this long it counts as dead."""


class NotLeadingError(Exception):
    """Raised for a write that came up after the lease was lost; another process will decide on it."""


class Operator:
    """All parts, wired. `stopped` is called when the process should end: the lease is lost, or a part has died."""

    def __init__(  # noqa: PLR0913 - all parts, wired
        self,
        api: KubeApi,
        election: LeaderElection,
        metrics: Metrics,
        mark_key: MarkKey,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        resync_seconds: float,
        visibility: Visibility,
        protection: Protection,
        stopped: Callable[[str], None],
    ) -> None:
        self.cache = Cache(clock)
        self.cache.catalogue.protection = protection
        self._election = election
        self._mark_key = mark_key
        self._metrics = metrics
        self._monotonic = monotonic
        self._resync_seconds = resync_seconds
        self._stopped = stopped
        self._resync = Resync(api, self.cache)
        self._containment = Containment(self.cache, metrics, visibility, clock)
        self._performers = Performers()
        self._work = ActionQueue(
            self._perform,
            concurrency=WRITES_AT_ONCE,
            backoff=Backoff(initial=0.5, maximum=30.0),
            pacer=Pacer(share=0.2, burst_seconds=0.2),
            clock=monotonic,
        )
        batchjobs = BatchJobController(api, self.cache, clock, Backoff(initial=2.0, maximum=LONGEST_POSTPONEMENT))
        definitions = DefinitionController(api, self.cache, clock)
        reports = StatusReporter(api, self.cache, self._containment, visibility, clock)
        preemptions = PreemptionController(api, self.cache, batchjobs.arrays, visibility, clock)
        self._reclaimer = ArrayReclaimer(api, self.cache, batchjobs.arrays, clock, self._work.ask_for)
        forecast = Forecast(self.cache, self._containment)
        for each in (batchjobs, definitions, reports, preemptions, self._reclaimer):
            each.register(self._performers)
        self.cache.observers += [FinishedJobs(metrics, self.cache.catalogue.queues), forecast]
        self._loop = Loop(
            self.cache,
            self._work,
            self._containment,
            [reports, forecast, self._reclaimer, preemptions],
            [Routine(REPORT_SECONDS, reports.outdated), Routine(RENEWAL_SECONDS, forecast.renew)],
            metrics,
            clock,
            monotonic,
        )
        self._leaving = self._informer_of_leaving(api)
        self._informers = [*self._make_informers(api), self._leaving]
        self._tasks: list[asyncio.Task[None]] = []
        self._acting: asyncio.Task[None] | None = None
        self._unread = False
        """Whether this process leads, and has yet to read what it is to decide on."""
        metrics.show(self._gauges)

    def _make_informers(self, api: KubeApi) -> list[Informer]:
        cache, catalogue = self.cache, self.cache.catalogue

        def informer(resource: Resource, put: Callable[[Any], None], remove: OnDelete, label: str = "") -> Informer:
            def take_in(obj: Any, _: bool) -> None:
                try:
                    put(obj)
                except Exception:  # the informer logs it
                    self._metrics.contained_errors.labels(Stage.READING.value).inc()
                    raise

            return Informer(api, resource, take_in, remove, Selection(labels=label), clock=self._monotonic)

        return [
            informer(NODES, catalogue.put_node, lambda _, name, __: catalogue.remove_node(name)),
            informer(NAMESPACES, catalogue.put_namespace, lambda _, name, __: catalogue.remove_namespace(name)),
            informer(
                CONTROLLER_REVISIONS,
                catalogue.put_revision,
                lambda namespace, name, uid: catalogue.remove_revision((namespace, name), uid),
                names.DEFINITION,
            ),
            informer(
                JOBS,
                cache.put_run,
                lambda namespace, name, uid: cache.remove_run((namespace, name), uid),
                names.JOB_UID,
            ),
            informer(
                PODS,
                cache.put_pod,
                lambda namespace, name, _: cache.remove_pod((namespace, name)),
                f"{names.JOB_UID},!{names.ARRAY}",
            ),
        ]

    def _informer_of_leaving(self, api: KubeApi) -> Informer:
        return Informer(
            api,
            POD_METADATA,
            lambda pod, _: note(self.cache, pod),
            lambda *_: None,
            Selection(labels=f"{names.JOB_UID},{names.ARRAY}", fields=RUNNING),
            clock=self._monotonic,
        )

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
        self._acting = self._spawn(self._act(), "the scheduling loop")

    def _end(self) -> None:
        """Stop acting at once: whoever leads next decides from what the API server holds."""
        if self._acting is not None:
            self._acting.cancel()
            self._acting = None
            self._stopped("the lease is lost or given up")

    async def _act(self) -> None:
        """Decide and write. What this process saw before it led may be behind what the last leader wrote."""
        self._unread = True
        for informer in self._informers:
            await informer.synced.wait()
        await self._read_all()
        # Only now: a status may speak of a run that a watch has not shown yet, and such a run would count as lost.
        await asyncio.gather(*(informer.resync() for informer in self._informers if informer is not self._leaving))
        # What this one shows is taken of Jobs that are known, and these are since the key to their marks has been read.
        await self._leaving.resync()
        self.cache.accounts.reset()
        self._unread = False
        _log.info("Acting on %d BatchJobs", len(self.cache.jobs))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._loop.run())
                group.create_task(self._work.run())
                group.create_task(self._resync.run(self._resync_seconds))
        finally:
            self._reclaimer.close()

    async def _read_all(self) -> None:
        """Read everything, as often as it takes: an API server that cannot answer now will do so later."""
        backoff, failures = Backoff(), 0
        while True:
            try:
                await self._mark_key.load(self.cache.marks)
                await self._resync.prime()
            except ApiError as error:
                failures += 1
                delay = backoff.delay(failures)
                _log.warning("Reading what exists failed, again in %.1f s: %s", delay, error.message)
                await asyncio.sleep(delay)
            else:
                return

    async def _perform(self, action: Action) -> None:
        if not self._election.is_leader:
            raise NotLeadingError("this process does not hold the lease")
        try:
            await self._performers.perform(action)
        except (ApiError, InTheWayError):
            raise
        except Exception as error:
            if not self._containment.unwritten(action, error):
                raise

    async def stop(self) -> None:
        """End all parts; the lease is given up last, when nothing writes any more."""
        election = self._tasks[len(self._informers) :][:1]
        if self._acting is not None:
            self._acting.cancel()
            await asyncio.gather(self._acting, return_exceptions=True)
        for task in [*self._tasks, *election]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def healthy(self) -> str:
        """What is wrong with this process, if anything: a restart would help."""
        now = self._monotonic()
        for informer in self._informers:
            if informer.last_contact is not None and now - informer.last_contact > SILENCE_SECONDS:
                return f"an informer has not heard from the API server for {now - informer.last_contact:.0f} s"
        return ""

    def ready(self) -> str:
        """What this process still waits for, if anything."""
        if not all(informer.synced.is_set() for informer in self._informers):
            return "the first LIST is not through yet"
        return "the BatchJobs are not read yet" if self._unread else ""

    def _gauges(self) -> Any:
        cache = self.cache
        return gauges(
            jobs={
                queue: {state.value: states[state] for state in JobState}
                for queue, states in cache.counts.by_queue(cache.catalogue.queues).items()
            },
            backlog=len(cache.backlog),
            work=len(self._work),
            leader=self._election.is_leader,
            index_restarts=cache.accounts.array_slots.restarts,
            used=cache.used,
            capacity={name: pool.capacity for name, pool in cache.catalogue.pools().items()},
        )
