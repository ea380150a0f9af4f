"""Lets arrays give slots back without an index of theirs being killed.

The Job controller reacts to the end of a pod after a second, and to a change of the Job at once. So the pods of such an
array are watched, and a moment after one has ended the parallelism is lowered to the number of those that are left: the
controller finds nothing to replace, and nothing to delete. That moment is chosen with care. Nothing is lowered while
slots that were just given have no pods yet, while the watch shows fewer pods than the Job's status, before the
controller has heard of an end, or when it is about to make the next pod. Then the next end is waited for.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from batchyard.api.names import COMPLETION_INDEX
from batchyard.core.lifecycle.stopping import termination
from batchyard.core.model.array import IndexedJob
from batchyard.core.model.job import Key
from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL
from batchyard.core.model.timers import is_recent
from batchyard.core.planner.actions import Action
from batchyard.core.planner.results import Placed
from batchyard.core.scheduling.arrays.slots import settling
from batchyard.kube.informer import Informer
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import PODS
from batchyard.objects.kubernetes.pod import controlling_job, disruption
from batchyard.objects.times import parse_time
from batchyard.runtime.controllers.arrays import NOT_ENDED, ArrayController, pods_of
from batchyard.runtime.loop.actions import Performers, ResizeArray
from batchyard.runtime.state.cache import Cache

HOMELESS_SECONDS = 10.0
"""A pod that has no node for this long is not about to start: its slot can be taken back."""

HEARD_SECONDS = 0.3
"""Within which the Job controller hears of the end of a pod. A slot taken back before costs another pod its life.

A longer time would be worse: the write has to arrive before the controller acts, a second after the end, and an API
server that is busy answers late."""

REPLACED_SECONDS = 0.8
"""After which the Job controller may be making the next pod, until the Job's status tells of the end."""

FORGOTTEN_SECONDS = 30.0
"""For how long an end is remembered that no status tells of."""

LATE_SECONDS = 30.0
"""For how long after its parallelism was lowered the Job controller may stop pods that it has made in the meantime."""


class ArrayReclaimer:
    """The arrays that give slots back, and the pods that each of them still needs."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        arrays: ArrayController,
        clock: Callable[[], float],
        ask_for: Callable[[Action], None],
    ) -> None:
        self._api = api
        self._cache = cache
        self._arrays = arrays
        self._clock = clock
        self._ask_for = ask_for
        self._watches: dict[Key, _Watch] = {}
        self._wanted: set[Key] = set()

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(ResizeArray, self.resize)

    def observe_pass(self, placed: Placed, now: float) -> Iterable[Action]:
        """Have exactly the arrays that a pass has decided on give slots back from now on.

        One that was lowered a moment ago is watched on: what it loses by that is still to be counted.
        """
        keys = placed.reclaims
        for key, watch in list(self._watches.items()):
            job = self._cache.jobs.get(key)
            if job is None or job.uid != watch.uid or not (key in keys or watch.lowered_lately(now)):
                self._watches.pop(key).task.cancel()
        for key in keys - self._watches.keys():
            self._arrays.shrunk.pop(key, None)
            self._watches[key] = _Watch(
                self._api, self._cache.jobs[key].uid, key, self._changed, self._surplus, self._is_ours, self._clock
            )
        self._wanted = keys
        return map(ResizeArray, keys)

    def close(self) -> None:
        """Watch nothing any more."""
        for watch in self._watches.values():
            watch.task.cancel()
        self._watches.clear()

    def _changed(self, key: Key) -> None:
        """An array has fewer pods than slots: it is to be resized soon."""
        self._ask_for(ResizeArray(key))

    async def resize(self, action: ResizeArray) -> None:
        """Lower the parallelism of an array to the pods that it has; nothing happens where it has no more slots."""
        key = action.job
        watch, run = self._watches.get(key), self._cache.runs.arrays.get(key)
        if key not in self._wanted or watch is None or not watch.informer.synced.is_set():
            return
        if run is None or run.indexed is None or run.deleting:
            return
        now = self._clock()
        if key in self._cache.granted or settling(run, self._cache.accounts.array_slots.raised.get(key), now):
            return  # it is being given slots, or they have no pods yet
        if watch.unheard(now):
            self._changed(key)
        parallelism = watch.needed(run, run.indexed, now)
        if parallelism is not None and parallelism < run.indexed.parallelism:
            watch.lowered_at = now
            await self._arrays.set_parallelism(run, parallelism)

    def _is_ours(self, key: Key, pod: Object) -> bool:
        """Whether the array's Indexed Job has made a pod: anybody can give one of theirs its labels."""
        run = self._cache.runs.arrays.get(key)
        return run is not None and controlling_job(pod) == run.uid

    def _surplus(self, key: Key, index: int) -> bool:
        """Whether a pod with a node is told to stop because the Job controller found one too many; that is counted."""
        job, run, status = self._cache.jobs.get(key), self._cache.runs.arrays.get(key), self._cache.statuses.get(key)
        if job is None or job.array is None or run is None or run.deleting or status is None:
            return False
        if self._arrays.shrunk[key] > 0:
            self._arrays.shrunk[key] -= 1  # counted by who asked for it
            return True
        if status.state in TERMINAL or termination(job) is not None or index in job.array.stopped:
            return False
        self._arrays.count_restarts(key, job.uid, 1)
        return True


@dataclass(slots=True)
class _LivePod:
    """A pod of an index that has not ended."""

    index: int
    made: float | None
    """When it was made; None once it has a node."""


class _Watch:
    """The pods of one array that have not ended, and the ends that the status of its Job does not tell of yet."""

    def __init__(
        self,
        api: KubeApi,
        uid: str,
        key: Key,
        changed: Callable[[Key], None],
        surplus: Callable[[Key, int], bool],
        is_ours: Callable[[Key, Object], bool],
        clock: Callable[[], float],
    ) -> None:
        self._pods: dict[str, _LivePod] = {}
        self._leaving: dict[str, int] = {}
        """Indexes of pods that are told to stop, and whose index ends by that."""
        self._ends: dict[int, float] = {}
        """When indexes were seen to end, or to be told to."""
        self.lowered_at: float | None = None
        """When the array was last told to do with fewer slots."""
        self.uid = uid
        self._key = key
        self._changed = changed
        self._surplus = surplus
        self._is_ours = is_ours
        self._clock = clock
        self.informer = Informer(
            api,
            PODS,
            lambda obj, _: self._put(obj),
            lambda _, name, __: self._end(name),
            Selection(key[0], pods_of(uid), NOT_ENDED),
        )
        self.task = asyncio.create_task(self._follow())

    def lowered_lately(self, now: float) -> bool:
        """Whether pods may yet be stopped since the array has lost slots."""
        return self.lowered_at is not None and is_recent(self.lowered_at, now, LATE_SECONDS)

    def needed(self, run: Run, shown: IndexedJob, now: float) -> int | None:
        """How many slots the pods take that run, or may be about to; None when that cannot be said now."""
        counted = shown.completed | shown.failed
        self._ends = {
            index: at
            for index, at in self._ends.items()
            if index not in counted and is_recent(at, now, FORGOTTEN_SECONDS)
        }
        if any(now - at > REPLACED_SECONDS for at in self._ends.values()):
            return None
        if len(self._pods) + len(self._ends) < run.active:
            return None
        homed = sum(pod.made is None or now - pod.made < HOMELESS_SECONDS for pod in self._pods.values())
        return homed + self.unheard(now)

    def unheard(self, now: float) -> int:
        """How many pods have ended so lately that the Job controller may not have heard of it."""
        return sum(now - at < HEARD_SECONDS for at in self._ends.values())

    async def _follow(self) -> None:
        async def report() -> None:
            await self.informer.synced.wait()
            self._changed(self._key)

        async with asyncio.TaskGroup() as group:
            group.create_task(report())
            group.create_task(self.informer.run())

    def _put(self, pod: Object) -> None:
        if not self._is_ours(self._key, pod):
            return
        metadata: dict[str, Any] = pod["metadata"]
        index, homeless = int(metadata["labels"][COMPLETION_INDEX]), not pod["spec"].get("nodeName")
        if "deletionTimestamp" in metadata:
            seen = self._pods.pop(metadata["name"], None)
            homed = seen is not None and seen.made is None
            if homed and (disruption(pod) or not self._surplus(self._key, index)):
                self._leaving[metadata["name"]], self._ends[index] = index, self._clock()
            self._changed(self._key)
        else:
            self._ends.pop(index, None)
            made = parse_time(metadata["creationTimestamp"]) if homeless else None
            self._pods[metadata["name"]] = _LivePod(index, made)

    def _end(self, name: str) -> None:
        seen, index = self._pods.pop(name, None), self._leaving.pop(name, None)
        if seen is not None:
            index = seen.index
        if index is not None:
            self._ends[index] = self._clock()
            self._changed(self._key)
