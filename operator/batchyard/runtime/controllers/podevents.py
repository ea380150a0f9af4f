"""Reads the Events of pods that do not start, where nothing else tells why: volumes, sandboxes, startup probes.

Events are read when somebody needs to know, not followed: there are many, and those of pods that start matter to
nobody. An API server goes through all Events of a namespace for each such request, whatever it selects. So one request
finds out which pods of the namespace are warned of at all, and only of those is more read; on a busy cluster many pods
are slow, and few are stuck.
"""

import asyncio
import re
from collections.abc import Callable, Set
from dataclasses import dataclass

from batchyard.core.lifecycle.startup import ASK_SECONDS
from batchyard.core.model.run import Pod
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import EVENTS
from batchyard.objects.kubernetes.event import last_seen
from batchyard.runtime.loop.actions import Performers, ReadEvents
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.runs import EventReport

_SPEAKERS = frozenset({"kubelet", "attachdetach-controller"})
_WARNINGS = "involvedObject.kind=Pod,type=Warning"

REST_FACTOR = 20.0
"""How much longer than a request for a namespace took there is no other one: it is at most a twentieth of the time."""

ASKS_AT_ONCE = 10
"""Of how many pods more is read at a time."""

_MERE_NAME = re.compile(r"Error: \w+")
"""The message of a warning that only names what another Event has told in words, such as `Error: ErrImagePull`."""

LONGEST_MESSAGE = 500
"""Characters of the kubelet's words that are kept."""


@dataclass(slots=True, frozen=True)
class _Warned:
    """The uids of the pods of a namespace of which there are warnings, and how long that is good for."""

    pods: Set[str]
    until: float


class PodEvents:
    """What the kubelet says of pods in their Events."""

    def __init__(self, api: KubeApi, cache: Cache, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._warned: dict[str, _Warned] = {}
        self._one_at_a_time = asyncio.Lock()

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(ReadEvents, self.ask)

    async def ask(self, action: ReadEvents) -> None:
        """Enter what keeps the silent pods of a namespace from starting, or that nothing is known to."""
        namespace = action.namespace
        runs, warned = self._cache.runs, await self._warnings(namespace)
        pods = runs.unexplained.pop(namespace, {})
        later = [name for name, uid in pods.items() if uid in warned][ASKS_AT_ONCE:]
        for name in pods.keys() - later:
            pod = runs.explain((namespace, name), pods[name], await self._report(namespace, pods[name]))
            if pod is not None:
                self._cache.mark(pod.owner)
        for name in later:  # the pass that looks at them asks again
            if (pod := runs.pod((namespace, name))) is not None:
                self._cache.mark(pod.owner)

    async def explained(self, pod: Pod) -> Pod:
        """Return the record of a silent pod with what its Events say."""
        return (await self._report(pod.owner[0], pod.uid)).on(pod)

    async def _report(self, namespace: str, uid: str) -> EventReport:
        if uid not in await self._warnings(namespace):
            return EventReport(self._clock())
        events, _ = await self._api.list(EVENTS, Selection(namespace, fields=f"involvedObject.uid={uid}"))
        events = list(filter(_is_about_the_start, events))
        in_words = [each for each in events if not _MERE_NAME.fullmatch(each.get("message") or "")]
        newest = max(in_words or events, key=_order, default=None)
        if newest is None or not _is_trouble(newest):
            return EventReport(self._clock())
        return EventReport(self._clock(), newest.get("reason") or "", (newest.get("message") or "")[:LONGEST_MESSAGE])

    async def _warnings(self, namespace: str) -> Set[str]:
        async with self._one_at_a_time:
            began = self._clock()
            self._warned = {name: each for name, each in self._warned.items() if began < each.until}
            if namespace not in self._warned:
                pods: set[str] = set()
                async for events, _ in self._api.list_pages(EVENTS, Selection(namespace, fields=_WARNINGS)):
                    pods.update(each["involvedObject"].get("uid", "") for each in events if _is_about_the_start(each))
                now = self._clock()
                self._warned[namespace] = _Warned(pods, now + max(ASK_SECONDS, REST_FACTOR * (now - began)))
            return self._warned[namespace].pods


def _is_about_the_start(event: Object) -> bool:
    source = event.get("reportingComponent") or (event.get("source") or {}).get("component")
    return source in _SPEAKERS


def _is_trouble(event: Object) -> bool:
    """Whether something is wrong. That an image will be asked for again later is no warning to the kubelet."""
    return event.get("type") == "Warning" or event.get("reason") == "BackOff"


def _order(event: Object) -> tuple[str, bool]:
    """By when an Event happened last, as far as whole seconds go; of two in one second, trouble is the newer."""
    return last_seen(event)[:19], _is_trouble(event)
