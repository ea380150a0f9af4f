"""The statuses of queues and environments: counts, capacity, whether they can start jobs.

Written through the work queue at most every few seconds and only when something has changed, since every job that
starts or ends changes the counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.environment import Environment
from batchyard.core.model.queue import Queue
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.core.planner.results import Placed
from batchyard.kube.errors import Conflict, NotFound
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import COMPUTEENVIRONMENTS, CONSUMABLERESOURCES, JOBQUEUES, Resource
from batchyard.objects.kinds.computeenvironment import render_environment_status
from batchyard.objects.kinds.consumableresource import render_consumable_status
from batchyard.objects.kinds.jobqueue import render_queue_status
from batchyard.runtime.controllers.queuefronts import QueueFronts
from batchyard.runtime.loop.actions import Performers, WriteReport
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

REPORT_SECONDS = 2.0
"""How often queues and environments are looked at for statuses to write."""


class StatusReporter:
    """Writes the statuses of JobQueues and ComputeEnvironments."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        containment: Containment,
        visibility: Visibility,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._containment = containment
        self._cache = cache
        self._clock = clock
        self.fronts = QueueFronts(cache, visibility)

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(WriteReport, self.write)

    def observe_pass(self, placed: Placed, now: float) -> Iterable[Action]:
        """Take in what a pass has decided."""
        self._containment.attempt(Stage.FRONTS, "", partial(self.fronts.note, placed, now), None)
        return ()

    def outdated(self, _: float) -> Iterator[WriteReport]:
        """Return the writing of each status that says something else than the cache."""
        catalogue = self._cache.catalogue
        everything = [("JobQueue", name) for name in catalogue.queues]
        everything += [("ComputeEnvironment", name) for name in catalogue.environments]
        everything += [("ConsumableResource", name) for name in catalogue.consumables]
        for kind, name in everything:
            written = catalogue.statuses.get((kind, "", name), {})
            if (
                self._containment.attempt(Stage.OVERVIEW, (kind, name), partial(self._render, kind, name), written)
                != written
            ):
                yield WriteReport(kind, name)

    async def write(self, action: WriteReport) -> None:
        """Write one status, if the object is still there and its status still differs."""
        kind, name = action.kind, action.name
        catalogue = self._cache.catalogue
        obj = self._records(kind).get(name)
        if obj is None:
            return
        new = self._render(kind, name)
        if new == catalogue.statuses.get((kind, "", name), {}):
            return
        try:
            await self._api.replace_status(_RESOURCES[kind], name, new, uid=obj.uid)
        except (NotFound, Conflict):
            return
        catalogue.statuses[kind, "", name] = new

    def _records(self, kind: str) -> Mapping[str, Queue | Environment | Consumable]:
        catalogue = self._cache.catalogue
        if kind == "JobQueue":
            return catalogue.queues
        return catalogue.environments if kind == "ComputeEnvironment" else catalogue.consumables

    def _render(self, kind: str, name: str) -> dict[str, Any]:
        cache, catalogue = self._cache, self._cache.catalogue
        previous = catalogue.statuses.get((kind, "", name), {})
        if kind == "JobQueue":
            queue = catalogue.queues[name]
            missing = [each for each in queue.environments if each not in catalogue.environments]
            waiting = {share: len(share_queue) for share, share_queue in cache.backlog.share_queues(name).items()}
            shares = cache.accounts.shares.count(name, waiting, previous)
            recount = shares != previous.get("fairShare")
            front = self.fronts.render(name, previous, recount=recount, now=self._clock())
            return render_queue_status(queue, cache.counts.of(name), missing, previous, self._clock(), shares, front)
        if kind == "ConsumableResource":
            consumable = catalogue.consumables[name]
            book, in_use = (
                cache.accounts.consumptions.books(catalogue).get(name),
                cache.accounts.limit_usage.amounts["consumable", name],
            )
            return render_consumable_status(
                consumable,
                in_use=in_use,
                taken=in_use if book is None else book.taken,
                count=None if book is None else book.count(),
                previous=previous,
                now=self._clock(),
            )
        pool = catalogue.pools()[name]
        used = cache.used.get(name, {})
        return render_environment_status(
            pool.environment,
            nodes=pool.nodes,
            capacity=pool.capacity,
            used=used,
            jobs=used.get("pods", 0),
            previous=previous,
            now=self._clock(),
        )


_RESOURCES: dict[str, Resource] = {
    "JobQueue": JOBQUEUES,
    "ComputeEnvironment": COMPUTEENVIRONMENTS,
    "ConsumableResource": CONSUMABLERESOURCES,
}
