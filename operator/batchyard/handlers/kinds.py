"""One handler for each of Batchyard's kinds: event in, cache updated, nothing written.

Registered by the app. Only `on.event` is used: the other handlers of Kopf write annotations or finalizers to every
object, and their bookkeeping assumes that nothing is ever missed; the loop behind the cache assumes the opposite.
They are coroutines because Kopf runs plain functions in threads, and the cache belongs to the event loop.
"""

from typing import Any

import kopf

from batchyard.api import names
from batchyard.objects.meta import key_of
from batchyard.runtime.state.cache import Cache


def register(registry: kopf.OperatorRegistry) -> None:
    """Add the handlers to a registry."""

    @kopf.on.event(names.GROUP, names.VERSION, "batchjobs", registry=registry)
    async def batchjob(event: Any, memo: Any, **_: Any) -> None:
        cache: Cache = memo.cache
        obj = event["object"]
        if event["type"] == "DELETED":
            cache.remove_batchjob(key_of(obj), obj["metadata"]["uid"])
        else:
            cache.put_batchjob(obj)

    @kopf.on.event(names.GROUP, names.VERSION, "jobdefinitions", registry=registry)
    async def jobdefinition(event: Any, memo: Any, **_: Any) -> None:
        catalogue = memo.cache.catalogue
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            catalogue.remove_definition(key_of(event["object"]), metadata["uid"])
        else:
            catalogue.put_definition(event["object"])

    @kopf.on.event(names.GROUP, names.VERSION, "jobqueues", registry=registry)
    async def jobqueue(event: Any, memo: Any, **_: Any) -> None:
        catalogue = memo.cache.catalogue
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            catalogue.remove_queue(metadata["name"], metadata["uid"])
        else:
            catalogue.put_queue(event["object"])

    @kopf.on.event(names.GROUP, names.VERSION, "computeenvironments", registry=registry)
    async def computeenvironment(event: Any, memo: Any, **_: Any) -> None:
        catalogue = memo.cache.catalogue
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            catalogue.remove_environment(metadata["name"], metadata["uid"])
        else:
            catalogue.put_environment(event["object"])

    @kopf.on.event(names.GROUP, names.VERSION, "consumableresources", registry=registry)
    async def consumableresource(event: Any, memo: Any, **_: Any) -> None:
        catalogue = memo.cache.catalogue
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            catalogue.remove_consumable(metadata["name"], metadata["uid"])
        else:
            catalogue.put_consumable(event["object"])
