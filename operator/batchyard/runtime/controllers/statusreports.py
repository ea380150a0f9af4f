"""The statuses of queues, environments and consumable resources: counts, capacity, whether they can start jobs.

Written through the work queue at most every few seconds and only when something has changed, since every job that
starts or ends changes the counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from batchyard.api import names
from batchyard.core.insight.madenodes import MadeNodes
from batchyard.core.insight.nodesview import free_on
from batchyard.core.insight.visibility import Visibility
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.core.planner.results import Placed
from batchyard.kube.errors import Conflict, NotFound
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import OWN
from batchyard.objects.kinds.computeenvironment import render_environment_status
from batchyard.objects.kinds.consumableresource import render_consumable_status
from batchyard.objects.kinds.jobqueue import render_queue_status
from batchyard.objects.meta import Object
from batchyard.runtime.controllers.madenodes.nodecounts import NodeCounts
from batchyard.runtime.controllers.madenodes.nodesviews import NodesViews
from batchyard.runtime.controllers.queuefronts import QueueFronts
from batchyard.runtime.loop.actions import Performers, WriteReport
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.kinds.store import Named

REPORT_SECONDS = 2.0
"""How often queues, environments and consumable resources are looked at for statuses to write."""

_Report = tuple[Mapping[str, Named], Callable[[str, Object], dict[str, Any]]]
"""The records of a kind, and the status of one of them, by its name and the status that it has."""


class StatusReporter:
    """Writes the statuses of all kinds but BatchJobs and definitions, which are written as they change."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        containment: Containment,
        counts: NodeCounts,
        visibility: Visibility,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._containment = containment
        self._cache = cache
        self._clock = clock
        self.fronts = QueueFronts(cache, visibility)
        self._nodes_views = NodesViews(cache, counts)
        catalogue = cache.catalogue
        self._reports: Mapping[str, _Report] = {
            names.JOB_QUEUE: (catalogue.queues, self._queue),
            names.COMPUTE_ENVIRONMENT: (catalogue.environments, self._environment),
            names.CONSUMABLE_RESOURCE: (catalogue.consumables, self._consumable),
        }
        """By kind."""

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(WriteReport, self.write)

    def observe_pass(self, placed: Placed, now: float) -> Iterable[Action]:
        """Take in what a pass has decided."""
        self._containment.attempt(Stage.FRONTS, "", partial(self.fronts.note, placed, now), None)
        return ()

    def outdated(self, _: float) -> Iterator[WriteReport]:
        """Return the writing of each status that says something else than the cache."""
        for kind, name in [(kind, name) for kind, (records, _) in self._reports.items() for name in records]:
            written = self._written(kind, name)
            if (
                self._containment.attempt(Stage.OVERVIEW, (kind, name), partial(self._render, kind, name), written)
                != written
            ):
                yield WriteReport(kind, name)

    def made_nodes(self) -> dict[str, MadeNodes]:
        """Return what is to be said of nodes that are made, by environment."""
        of_each = {name: self._nodes_views.made(name) for name in self._cache.catalogue.environments}
        return {name: made for name, made in of_each.items() if made is not None}

    async def write(self, action: WriteReport) -> None:
        """Write one status, if the object is still there and its status still differs."""
        kind, name = action.kind, action.name
        records, _ = self._reports[kind]
        if name not in records:
            return
        new = self._render(kind, name)
        if new == self._written(kind, name):
            return
        try:
            await self._api.replace_status(OWN[kind], name, new, uid=records[name].uid)
        except (NotFound, Conflict):
            return
        self._cache.catalogue.statuses[kind, "", name] = new

    def _written(self, kind: str, name: str) -> Object:
        return self._cache.catalogue.statuses.get((kind, "", name), {})

    def _render(self, kind: str, name: str) -> dict[str, Any]:
        _, render = self._reports[kind]
        return render(name, self._written(kind, name))

    def _queue(self, name: str, previous: Object) -> dict[str, Any]:
        cache, catalogue = self._cache, self._cache.catalogue
        queue = catalogue.queues[name]
        missing = [each for each in queue.environments if each not in catalogue.environments]
        waiting = {share: len(share_queue) for share, share_queue in cache.backlog.share_queues(name).items()}
        shares = cache.accounts.shares.count(name, waiting, previous)
        recount = shares != previous.get("fairShare")
        front = self.fronts.render(name, previous, recount=recount, now=self._clock())
        return render_queue_status(queue, cache.counts.of(name), missing, previous, self._clock(), shares, front)

    def _environment(self, name: str, previous: Object) -> dict[str, Any]:
        pool = self._cache.catalogue.pools()[name]
        used, space, now = self._cache.used.get(name, {}), self._cache.catalogue.space(), self._clock()
        return render_environment_status(
            pool.environment,
            nodes=pool.nodes if pool.serverless is None else pool.serverless.virtual_nodes,
            view=self._nodes_views.of(name, now),
            capacity=pool.capacity,
            used=used,
            free=free_on(space.of(name, node) for node in pool.members),
            previous=previous,
            now=now,
        )

    def _consumable(self, name: str, previous: Object) -> dict[str, Any]:
        accounts, catalogue = self._cache.accounts, self._cache.catalogue
        book = accounts.consumptions.books(catalogue).get(name)
        in_use = accounts.limit_usage.amounts["consumable", name]
        return render_consumable_status(
            catalogue.consumables[name],
            in_use=in_use,
            taken=in_use if book is None else book.taken,
            count=None if book is None else book.count(),
            previous=previous,
            now=self._clock(),
        )
