"""/metrics, /healthz and /readyz, on a port of their own: Kopf has no metrics and one probe only."""

import logging
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from batchyard.runtime.process.certificate import Certificate
from batchyard.runtime.process.connections import MOST, SECONDS, Connections
from batchyard.runtime.process.metricsaccess import MetricsAccess

_log = logging.getLogger(__name__)
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""aiohttp logs each request that is none with a stack trace, hence as much as anybody cares to send."""

Probe = Callable[[], str]
"""Returns what is wrong, or nothing when all is well."""


class WebServer:
    """A small HTTP server for probes and scrapers: one request for each connection.

    It speaks TLS if there is a certificate, and shows metrics only to whom `access` lets have them, if that is given.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        healthy: Probe,
        ready: Probe,
        *,
        certificate: Certificate | None = None,
        access: MetricsAccess | None = None,
        most_connections: int = MOST,
        connection_seconds: float = SECONDS,
    ) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", _probe(healthy))
        app.router.add_get("/readyz", _probe(ready))
        app.on_response_prepare.append(_one_request)
        self._registry = registry
        self._access = access
        self._runner = web.AppRunner(app, access_log=None, logger=_log)
        self._connections = Connections(
            self._serve, certificate=certificate, most=most_connections, seconds=connection_seconds
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses when 0 was asked for."""
        await self._runner.setup()
        return await self._connections.listen(host, port)

    async def stop(self) -> None:
        """Close the listener and its connections."""
        self._connections.close()
        await self._runner.cleanup()
        self._connections.cut()

    def _serve(self) -> web.RequestHandler:
        return cast("web.Server", self._runner.server)()

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._access is not None:
            refusal = await self._access.refusal(request.headers.get("Authorization", ""))
            if refusal is not None:
                challenge = {"WWW-Authenticate": "Bearer"} if refusal.code == 401 else {}
                return web.Response(text=f"{refusal.message}\n", status=refusal.code, headers=challenge)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _one_request(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()


def _probe(check: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    return answer
