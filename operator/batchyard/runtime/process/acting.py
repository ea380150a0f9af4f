"""What runs while this process leads: the loop, its controllers and observers, and the work queue, wired.

A further controller, observer or routine is entered here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.core.insight.visibility import Visibility
from batchyard.core.lifecycle.ending.retries import LONGEST_POSTPONEMENT
from batchyard.core.planner.actions import Action
from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import KubeApi
from batchyard.runtime.controllers.creation import InTheWayError
from batchyard.runtime.controllers.definitions import DefinitionController
from batchyard.runtime.controllers.endedpods import CLEAR_SECONDS, EndedPodController
from batchyard.runtime.controllers.forecast import RENEWAL_SECONDS, Forecast
from batchyard.runtime.controllers.jobs import BatchJobController
from batchyard.runtime.controllers.madenodes.interruptions import NOTICE_SECONDS, InterruptionController
from batchyard.runtime.controllers.madenodes.nodecounts import NodeCounts
from batchyard.runtime.controllers.madenodes.nodepools import LOOK_SECONDS, NodePoolController
from batchyard.runtime.controllers.preemption import PreemptionController
from batchyard.runtime.controllers.reclaim import ArrayReclaimer
from batchyard.runtime.controllers.resync import Resync
from batchyard.runtime.controllers.statusreports import REPORT_SECONDS, StatusReporter
from batchyard.runtime.loop.actions import ActionQueue, Performers
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.loop.loop import Loop
from batchyard.runtime.loop.observers import Routine
from batchyard.runtime.loop.pacing import Pacer
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.finishedjobs import FinishedJobs

WRITES_AT_ONCE = 16
"""Concurrent writes: enough to hide the round trips, few enough to leave the API server to others."""


class NotLeadingError(Exception):
    """Raised for a write that came up after the lease was lost; another process will decide on it."""


@dataclass(slots=True, frozen=True)
class Rules:
    """What the installation asks of the operator."""

    visibility: Visibility = Visibility.ALL
    protection: Protection = NOTHING_PROTECTED
    resync_seconds: float = 300.0


class Acting:
    """All that decides and writes. `may_write` is asked before each action."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        metrics: Metrics,
        rules: Rules,
        may_write: Callable[[], bool],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._may_write = may_write
        self._rules = rules
        self.resync = Resync(api, cache)
        self._containment = Containment(cache, metrics, rules.visibility, clock)
        self.performers = Performers()
        self.work = ActionQueue(
            self.perform,
            concurrency=WRITES_AT_ONCE,
            backoff=Backoff(initial=0.5, maximum=30.0),
            pacer=Pacer(share=0.2, burst_seconds=0.2),
            clock=monotonic,
        )
        batchjobs = BatchJobController(api, cache, clock, Backoff(initial=2.0, maximum=LONGEST_POSTPONEMENT))
        definitions = DefinitionController(api, cache, clock)
        counts = NodeCounts(cache)
        self.reports = StatusReporter(api, cache, self._containment, counts, rules.visibility, clock)
        preemptions = PreemptionController(api, cache, batchjobs.arrays, rules.visibility, clock)
        node_pools = NodePoolController(api, cache, self._containment, clock)
        interruptions = InterruptionController(api, cache, counts, self._containment, clock)
        ended_pods = EndedPodController(api, cache, self._containment, clock)
        self._reclaimer = ArrayReclaimer(api, cache, batchjobs.arrays, clock, self.work.ask_for)
        forecast = Forecast(cache, self._containment)
        for each in (
            batchjobs,
            definitions,
            self.reports,
            preemptions,
            self._reclaimer,
            node_pools,
            interruptions,
            ended_pods,
        ):
            each.register(self.performers)
        cache.observers += [FinishedJobs(metrics, cache.catalogue.queues), forecast]
        self.loop = Loop(
            cache,
            self.work,
            self._containment,
            [self.reports, forecast, self._reclaimer, preemptions, ended_pods],
            [
                Routine(LOOK_SECONDS, node_pools.outdated),
                Routine(NOTICE_SECONDS, interruptions.outdated),  # before statuses tell what it has counted
                Routine(REPORT_SECONDS, self.reports.outdated),
                Routine(RENEWAL_SECONDS, forecast.renew),
                Routine(CLEAR_SECONDS, ended_pods.outdated),
            ],
            metrics,
            clock,
            monotonic,
        )

    async def run(self) -> None:
        """Decide and write until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.loop.run())
                group.create_task(self.work.run())
                group.create_task(self.resync.run(self._rules.resync_seconds))
        finally:
            self._reclaimer.close()

    async def perform(self, action: Action) -> None:
        """Perform an action, if this process leads. Whatever is raised means: the same again, later."""
        if not self._may_write():
            raise NotLeadingError("this process does not hold the lease")
        try:
            await self.performers.perform(action)
        except (ApiError, InTheWayError):
            raise
        except Exception as error:
            if not self._containment.unwritten(action, error):
                raise
