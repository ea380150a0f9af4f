"""Reads the Events of pods that do not start, where nothing else tells why: volumes, sandboxes, startup probes.

Called through the work queue for single pods, and by `arrays`. Events are read when somebody needs to know, not
followed: there are many, and those of pods that start matter to nobody.
"""

from collections.abc import Callable

from batchyard.core.records import Pod
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import EVENTS
from batchyard.runtime.cache import Cache
from batchyard.runtime.runs import Told

_SPEAKERS = frozenset({"kubelet", "attachdetach-controller"})

LONGEST_MESSAGE = 500
"""Characters of the kubelet's words that are kept."""


class PodEvents:
    """What the kubelet says of pods in their Events."""

    def __init__(self, api: KubeApi, cache: Cache, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock

    async def ask(self, namespace: str, name: str, uid: str) -> None:
        """Enter what keeps a pod from starting, or that nothing is known to."""
        pod = self._cache.runs.tell((namespace, name), uid, await self._told(namespace, uid))
        if pod is not None:
            self._cache.mark(pod.owner)

    async def explained(self, pod: Pod) -> Pod:
        """Return the record of a pod with what its Events say."""
        return (await self._told(pod.owner[0], pod.uid)).on(pod) if pod.silent and pod.node_name else pod

    async def _told(self, namespace: str, uid: str) -> Told:
        events, _ = await self._api.list(EVENTS, namespace, field_selector=f"involvedObject.uid={uid}")
        newest = max(filter(_is_about_the_start, events), key=_last_seen, default=None)
        if newest is None or newest.get("type") != "Warning":
            return Told(self._clock())
        return Told(self._clock(), newest.get("reason") or "", (newest.get("message") or "")[:LONGEST_MESSAGE])


def _is_about_the_start(event: Object) -> bool:
    source = event.get("reportingComponent") or (event.get("source") or {}).get("component")
    return source in _SPEAKERS


def _last_seen(event: Object) -> str:
    """When an event happened last, as far as whole seconds go; of two in one second, a warning."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    last = max((str(time) for time in times if time), default=event["metadata"].get("creationTimestamp") or "")
    return f"{last[:19]} {event.get('type') == 'Warning'}"
