"""Makes running work give up its slot to a job of higher priority.

An array shrinks: its Job's parallelism is lowered, and the Job controller deletes the pods that became ready last,
which costs their indexes nothing. Everything else is evicted, as by the drain of a node: a PodDisruptionBudget holds,
and the job goes back to its queue as an interrupted one.
"""

import logging
from collections.abc import Callable, Iterable

from batchyard.core.insight.announcements import Announcement
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import BatchJob
from batchyard.core.model.run import Run
from batchyard.core.planner.actions import Action
from batchyard.core.planner.results import Placed
from batchyard.kube.errors import ApiError, Conflict, NotFound
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import PODS
from batchyard.runtime.controllers.arrays import ArrayController
from batchyard.runtime.loop.actions import Performers, Preempt
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

PREEMPTED = "Preempted"
"""Reason of the Event that names the job which takes the slot."""


class PreemptionController:
    """Tells victims to go; which those are is kept in the cache."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        arrays: ArrayController,
        visibility: Visibility,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._cache = cache
        self._visibility = visibility
        self._arrays = arrays
        self._clock = clock

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(Preempt, self.carry_out)

    def observe_pass(self, placed: Placed, now: float) -> Iterable[Action]:
        """Take in what a pass has decided; returns what is to be done by that."""
        return map(Preempt, self._cache.preemptions.begin(placed.preemptions, now))

    async def carry_out(self, action: Preempt) -> None:
        """Take the slots away. Nothing happens where the run has ended meanwhile."""
        name, preemptions = action.run, self._cache.preemptions
        wish, run = preemptions.ongoing.get(name), self._cache.runs.find(name)
        if wish is None or run is None or run.uid != wish.run.uid or run.ended or run.deleting:
            return
        winner = self._cache.jobs.get(wish.by)
        queue = self._cache.catalogue.queues.get(winner.queue) if winner is not None else None
        if winner is None or queue is None or queue.preempts_after is None:
            return
        try:
            if run.indexed is None:
                gone = await self._evict(run)
            elif gone := await self._arrays.shrink(run, wish.slots, queue.preempts_after):
                preemptions.forget(name)  # the answer has told the cache
        except ApiError as error:  # whatever it is, others can be chosen
            _log.info("Kubernetes Job %s/%s keeps its slot for now: %s", *name, error.message)
            gone = False
        if gone:
            preemptions.done(name)
            self._announce(run, winner)
        else:  # an array is not protected for longer than its newest pod is young
            preemptions.spare(name, self._clock(), briefly=run.indexed is not None)

    async def _evict(self, run: Run) -> bool:
        pod = self._cache.runs.of(run.owner_uid).pods.get(run.name)
        if pod is None or not pod.live:
            return False
        try:
            await self._api.evict(PODS, pod.name, pod.owner[0], uid=pod.uid)
        except (NotFound, Conflict):
            return False
        return True

    def _announce(self, run: Run, winner: BatchJob) -> None:
        if run.owner in self._cache.jobs:
            to = self._visibility.named(winner.key, run.owner[0])
            message = f"it makes room for {to} of queue {winner.queue}, which has a higher priority"
            self._cache.changes.announcements.append((run.owner, Announcement(PREEMPTED, message, run.number)))
            self._cache.changed.set()
