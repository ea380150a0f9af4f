"""Makes running work give up its place to a job of higher priority.

An array shrinks: its Job's parallelism is lowered, and the Job controller deletes the pods that became ready last,
which costs their indexes nothing. Everything else is evicted, as by the drain of a node: a PodDisruptionBudget holds,
and the job goes back to its queue as an interrupted one.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from batchyard.core.insight.announcements import Announcement
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Preemption
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.kube.errors import ApiError, Conflict, NotFound
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import PODS
from batchyard.runtime.controllers.arrays import ArrayController
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

HOLD_SECONDS = 10.0
"""How long an eviction may take to be seen; after that, the place may be asked for again."""

LONGEST_SPARE_SECONDS = 600.0
"""What is protected is asked again after twice the time each time, and after this long at most."""

PREEMPTED = "Preempted"
"""Reason of the Event that names the job which takes the place."""


class PreemptionController:
    """What is being displaced, until it can be seen in the Kubernetes Jobs and pods."""

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
        self._ongoing: dict[Key, Preemption] = {}
        self._spared: set[Key] = set()
        self._until: dict[Key, float] = {}
        self._refusals: dict[Key, int] = {}
        """How often in a row what was to go turned out to be protected."""

    def enter(self, snapshot: Snapshot, now: float) -> Snapshot:
        """Return the snapshot with what is known here."""
        for name in [name for name, until in self._until.items() if not now < until <= now + LONGEST_SPARE_SECONDS]:
            self._forget(name)
        for name in [name for name in self._refusals if self._cache.runs.find(name) is None]:
            del self._refusals[name]
        being_preempted = {name: each.places for name, each in self._ongoing.items()}
        return replace(snapshot, being_preempted=being_preempted, spared=self._spared)

    def want(self, preemptions: list[Preemption], now: float) -> list[Key]:
        """Note what is to go; returns the namespaces and names by which `carry_out` does it.

        What was protected before may be so again, and the others would go in vain: so it goes first, and they stay
        until it has.
        """
        wishes = {(each.run.owner[0], each.run.name): each for each in preemptions}
        doubtful = {each.by for name, each in [*self._ongoing.items(), *wishes.items()] if name in self._refusals}
        told = [name for name, each in wishes.items() if each.by not in doubtful or name in self._refusals]
        for name in told:
            self._ongoing[name] = wishes[name]
            self._until[name] = now + HOLD_SECONDS
        return told

    async def carry_out(self, name: Key) -> None:
        """Take the places away. Nothing happens where the run has ended meanwhile."""
        wish, run = self._ongoing.get(name), self._cache.runs.find(name)
        if wish is None or run is None or run.uid != wish.run.uid or run.ended or run.deleting:
            return
        winner = self._cache.jobs.get(wish.by)
        queue = self._cache.catalogue.queues.get(winner.queue) if winner is not None else None
        if winner is None or queue is None or queue.preempts_after is None:
            return
        try:
            if run.indexed is None:
                gone = await self._evict(run)
            elif gone := await self._arrays.shrink(run, wish.places, queue.preempts_after):
                self._forget(name)  # the answer has told the cache
        except ApiError as error:  # whatever it is, others can be chosen
            _log.info("Kubernetes Job %s/%s keeps its place for now: %s", *name, error.message)
            gone = False
        if gone:
            self._refusals.pop(name, None)
            self._announce(run, winner)
        else:
            self._ongoing.pop(name, None)
            self._spare(name, run)

    def _spare(self, name: Key, run: Run) -> None:
        """Leave alone what is protected now; an array is not for longer than its newest pod is young."""
        refusals = self._refusals[name] = self._refusals.get(name, 0) + 1
        seconds = HOLD_SECONDS if run.indexed is not None else HOLD_SECONDS * 2 ** min(refusals - 1, 10)
        self._spared.add(name)
        self._until[name] = self._clock() + min(seconds, LONGEST_SPARE_SECONDS)

    async def _evict(self, run: Run) -> bool:
        pod = self._cache.runs.of(run.owner_uid).pods.get(run.name)
        if pod is None or not pod.live:
            return False
        try:
            await self._api.evict(PODS, pod.name, pod.owner[0], uid=pod.uid)
        except (NotFound, Conflict):
            return False
        return True

    def _forget(self, name: Key) -> None:
        self._ongoing.pop(name, None)
        self._spared.discard(name)
        self._until.pop(name, None)

    def _announce(self, run: Run, winner: BatchJob) -> None:
        if run.owner in self._cache.jobs:
            to = self._visibility.named(winner.key, run.owner[0])
            message = f"it makes room for {to} of queue {winner.queue}, which has a higher priority"
            self._cache.changes.announcements.append((run.owner, Announcement(PREEMPTED, message, run.number)))
            self._cache.changed.set()
