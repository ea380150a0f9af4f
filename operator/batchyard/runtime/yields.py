"""Lets arrays give places back without an index of theirs being killed. Told by the loop which ones are to.

The Job controller reacts to the end of a pod after a second, and to a change of the Job at once. So the pods of such an
array are watched, and a moment after one has ended the parallelism is lowered to the number of those that are left: the
controller finds nothing to replace, and nothing to delete. Had it made another pod in that moment, it deletes that one.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from batchyard.core.records import Key
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import PODS
from batchyard.manifests.times import parse_time
from batchyard.runtime.arrays import NOT_ENDED, ArrayKeeper, pods_of
from batchyard.runtime.cache import Cache
from batchyard.runtime.feed import Feed

HOMELESS_SECONDS = 10.0
"""A pod that has no node for this long is not about to start: its place can be taken back."""


class Yields:
    """The arrays that give places back, and the pods that each of them still needs."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        arrays: ArrayKeeper,
        clock: Callable[[], float],
        changed: Callable[[Key], None],
    ) -> None:
        self._api = api
        self._cache = cache
        self._arrays = arrays
        self._clock = clock
        self._changed = changed
        """Called when an array has fewer pods than places: it is to be resized soon."""
        self._watches: dict[Key, _Watch] = {}

    def want(self, keys: set[Key]) -> None:
        """Have exactly these arrays give places back from now on."""
        for key in self._watches.keys() - keys:
            self._watches.pop(key).task.cancel()
        for key in keys - self._watches.keys():
            self._watches[key] = _Watch(self._api, self._cache.jobs[key].uid, key, self._changed)
        for key in keys:
            self._changed(key)

    async def resize(self, key: Key) -> None:
        """Lower the parallelism of an array to the pods that it has; nothing happens where it has no more places."""
        watch, run = self._watches.get(key), self._cache.runs.arrays.get(key)
        if watch is None or run is None or run.indexed is None or run.deleting or not watch.feed.synced.is_set():
            return
        parallelism = watch.needed(self._clock())
        if parallelism < run.indexed.parallelism:
            await self._arrays.set_parallelism(run, parallelism)


class _Watch:
    """The pods of one array that have not ended."""

    def __init__(self, api: KubeApi, uid: str, key: Key, changed: Callable[[Key], None]) -> None:
        self._pods: dict[str, float | None] = {}
        """When each pod was made; None once it has a node."""
        self._key = key
        self._changed = changed
        self.feed = Feed(
            api,
            PODS,
            lambda obj, _: self._put(obj),
            lambda _, name, __: self._remove(name),
            namespace=key[0],
            label_selector=pods_of(uid),
            field_selector=NOT_ENDED,
        )
        self.task = asyncio.create_task(self._follow())

    def needed(self, now: float) -> int:
        """How many places the pods take that run, or may be about to."""
        return sum(made is None or now - made < HOMELESS_SECONDS for made in self._pods.values())

    async def _follow(self) -> None:
        async def report() -> None:
            await self.feed.synced.wait()
            self._changed(self._key)

        async with asyncio.TaskGroup() as group:
            group.create_task(report())
            group.create_task(self.feed.run())

    def _put(self, pod: Object) -> None:
        metadata: dict[str, Any] = pod["metadata"]
        if "deletionTimestamp" in metadata:
            self._remove(metadata["name"])
        else:
            homeless = not pod["spec"].get("nodeName")
            self._pods[metadata["name"]] = parse_time(metadata["creationTimestamp"]) if homeless else None

    def _remove(self, name: str) -> None:
        self._pods.pop(name, None)
        self._changed(self._key)
