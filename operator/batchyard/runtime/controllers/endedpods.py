"""Deletes pods a while after their end, in environments where they cost money as long as they are there.

What is to be done follows from the pods that there are and the statuses that are stored, so that a process that takes
over goes on with it. Jobs stay: they, and the statuses, tell how everything ended.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from math import inf
from typing import NamedTuple

from batchyard.api import names
from batchyard.core.lifecycle.endedpods import is_accounted_for, last_runs
from batchyard.core.model.job import Key
from batchyard.core.model.status import Status
from batchyard.core.model.timers import is_recent, lies_ahead
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.core.planner.results import Placed
from batchyard.kube.errors import Conflict, NotFound
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import PODS
from batchyard.objects.kinds.batchjobstatus import read_status
from batchyard.objects.kubernetes.pod import read_pod
from batchyard.objects.meta import created_at, timestamp
from batchyard.runtime.loop.actions import ClearEndedPods, Performers
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

CLEAR_SECONDS = 10.0
"""How often it is looked for such pods."""
SLACK = 0.1
"""By which part of their time pods may stay longer. Where that is long, all pods of it are listed each time."""
ENDED = "status.phase!=Pending,status.phase!=Running"
"""The field selector of pods that have ended."""
_TRACKED = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods that the Job controller has yet to count."""
_AT_ONCE = 16


class _Record(NamedTuple):
    """What is known of a job without its pods."""

    status: Status
    """As it is stored."""
    last_runs: Mapping[int, int]


class EndedPodController:
    """Clears environments of pods that have ended."""

    def __init__(self, api: KubeApi, cache: Cache, containment: Containment, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._containment = containment
        self._clock = clock
        self._clear: set[str] = set()
        """The environments where nothing was left the last time, and nothing has run since."""
        self._granted: set[str] = set()
        """Those where something was to run since it was looked for pods."""
        self._looked_at: dict[str, float] = {}
        """When that was."""

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(ClearEndedPods, self.clear)

    def observe_pass(self, placed: Placed, _: float) -> Iterable[Action]:
        """Note where there will be pods, however short they run."""
        self._granted.update(each.environment for each in placed.placements)
        return ()

    def outdated(self, now: float) -> Iterable[Action]:
        """Return the clearing of each environment where there may be such pods."""
        return self._containment.attempt(Stage.OTHER, "ended pods", partial(self._due, now), ())

    def _due(self, now: float) -> tuple[Action, ...]:
        kept = {name: self._kept_seconds(name) for name in self._cache.catalogue.environments}
        self._clear = {name for name in self._clear - self._granted if name in kept and not self._cache.used.get(name)}
        self._granted &= kept.keys()
        self._looked_at = {name: at for name, at in self._looked_at.items() if name in kept}
        due = [
            name
            for name, seconds in kept.items()
            if seconds is not None
            and name not in self._clear
            and not is_recent(self._looked_at.get(name, -inf), now, seconds * SLACK)
        ]
        self._looked_at.update(dict.fromkeys(due, now))
        return tuple(map(ClearEndedPods, due))

    def _kept_seconds(self, environment: str) -> int | None:
        """How long ended pods stay; None where that is as long as their job."""
        found = self._cache.catalogue.environments.get(environment)
        return None if found is None or found.serverless is None else found.serverless.ended_pod_seconds

    async def clear(self, action: ClearEndedPods) -> None:
        """Delete what has ended long enough ago, and is accounted for."""
        kept, name = self._kept_seconds(action.environment), action.environment
        if kept is None:
            return
        idle = not self._cache.used.get(name)  # then the list has all pods but those of what is granted meanwhile
        self._granted.discard(name)
        found, due = await self._find(name, kept)
        await self._delete_all(due, name)
        if idle and len(due) == found:
            self._clear.add(name)

    async def _find(self, environment: str, kept: int) -> tuple[int, list[Object]]:
        """How many pods have ended, and the metadata of those that are to go."""
        found, due = 0, []
        record = lru_cache(maxsize=None)(self._record)  # of each job once, at one moment
        selection = Selection(labels=f"{names.JOB_UID},{names.JOB},{names.ENVIRONMENT}={environment}", fields=ENDED)
        async for page, _ in self._api.list_pages(PODS, selection):
            found += len(page)
            due += [each["metadata"] for each in page if self._is_due(each, kept, record)]
        return found, due

    async def _delete_all(self, pods: list[Object], environment: str) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def delete(metadata: Object) -> None:
            async with free:
                with suppress(NotFound, Conflict):
                    await self._api.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])

        ends = await asyncio.gather(*map(delete, pods), return_exceptions=True)
        failures = [each for each in ends if each is not None]
        if len(failures) < len(pods):
            _log.info(
                "%d pods were deleted a while after their end in environment %s", len(pods) - len(failures), environment
            )
        if failures:
            raise failures[0]

    def _is_due(self, obj: Object, kept: int, record: Callable[[Key, str], _Record | None]) -> bool:
        pod = read_pod(obj)
        if pod is None or pod.live or pod.deleting or _TRACKED in (obj["metadata"].get("finalizers") or ()):
            return False
        wait = max(kept, 1)  # deleted in the second of its end, it would pass for one that has ended by that
        if lies_ahead(_ended_at(obj) + wait, self._clock(), 2 * wait):  # clocks of machines differ
            return False
        run, known = self._cache.runs.find((pod.owner[0], pod.run)), record(pod.owner, pod.owner_uid)
        if run is None or run.uid != pod.job_uid or known is None:
            return False
        return is_accounted_for(pod, run, *known)

    def _record(self, key: Key, uid: str) -> _Record | None:
        """What the API server holds of a job; None while that is not all that is known.

        Of jobs that are gone nothing is known: their pods go with them.
        """
        cache, persistence = self._cache, self._cache.persistence
        if not cache.exists(key, uid):
            return None
        if (written := persistence.written.get(key)) is not None:
            status = read_status(written)
        elif key in persistence.unpersisted_ends:
            return None
        else:
            status = cache.statuses[key]
        return _Record(status, last_runs(cache.runs.of(uid)))


def _ended_at(obj: Object) -> float:
    """When the last container of a pod ended; where none says so there is nothing to be read, and it is as old as it
    is."""
    status = obj.get("status") or {}
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    ends = [timestamp(((each.get("state") or {}).get("terminated") or {}).get("finishedAt")) for each in containers]
    return max((end for end in ends if end is not None), default=created_at(obj))
