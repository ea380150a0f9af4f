"""One handler for each of Batchyard's kinds: event in, cache updated, nothing written.

Registered by the app. Only `on.event` is used: the other handlers of Kopf write annotations or finalizers to every
object, and their bookkeeping assumes that nothing is ever missed; the loop behind the cache assumes the opposite.
They are coroutines because Kopf runs plain functions in threads, and the cache belongs to the event loop.
"""

from typing import Any

import kopf

from batchyard.api import names
from batchyard.api.kinds import KINDS, Kind
from batchyard.objects.meta import key_of
from batchyard.runtime.state.cache import Cache


def register(registry: kopf.OperatorRegistry) -> None:
    """Add the handlers to a registry."""
    for kind in KINDS.values():
        _follow(kind, registry)


def _follow(kind: Kind, registry: kopf.OperatorRegistry) -> None:
    @kopf.on.event(names.GROUP, names.VERSION, kind.plural, id=kind.name.lower(), registry=registry)
    async def take_in(event: Any, memo: Any, **_: Any) -> None:
        cache: Cache = memo.cache
        obj, intake = event["object"], cache.intakes[kind.name]
        if event["type"] == "DELETED":
            intake.remove(key_of(obj), obj["metadata"]["uid"])
        else:
            intake.put(obj)
