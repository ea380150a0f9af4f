"""Kopf's part, played by plain watches: the operator's own handlers are called with every event of its kinds.

Like Kopf, it does not tell of what vanished while no watch was open: a LIST after a break brings only what is there.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import kopf

from batchyard.handlers import kinds
from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import OWN, Resource
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

Handler = Callable[..., Awaitable[None]]


def handlers() -> dict[str, Handler]:
    """The handlers as registered, by the plural of their kind."""
    registry = kopf.OperatorRegistry()
    kinds.register(registry)
    found: dict[str, Any] = {}
    for handler in registry._watching.get_all_handlers():
        assert handler.selector is not None
        found[str(handler.selector.any_name)] = handler.fn
    return found


async def follow_all(api: KubeApi, cache: Cache) -> None:
    """Follow Batchyard's kinds until cancelled."""
    by_plural = handlers()
    async with asyncio.TaskGroup() as group:
        for resource in OWN.values():
            group.create_task(_follow(api, resource, by_plural[resource.plural], SimpleNamespace(cache=cache)))


async def _follow(api: KubeApi, resource: Resource, handler: Handler, memo: Any) -> None:
    while True:
        try:
            async for kind, obj in _events(api, resource):
                try:
                    await handler(event={"type": kind, "object": obj}, memo=memo)
                except Exception:  # as Kopf does: logged, and never tried again
                    _log.exception("The handler of %s failed", resource)
        except ApiError:
            pass
        await asyncio.sleep(RETRY_SECONDS)


async def _events(api: KubeApi, resource: Resource) -> AsyncGenerator[tuple[str | None, Any], None]:
    items, version = await api.list(resource)
    for obj in items:
        yield None, obj
    async with aclosing(api.watch(resource, version)) as events:
        async for kind, obj in events:
            if kind != "BOOKMARK":
                yield kind, obj
