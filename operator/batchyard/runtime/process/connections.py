"""The port of the web server: few connections, each for a short time only, and TLS where there is a certificate.

aiohttp waits for the first request of a connection for ever, and takes as many connections as come. Whoever can reach
the port must not be able to take memory and file descriptors that way, nor to keep the kubelet's probes out, whose
failure would restart the operator: so it is the oldest connection that makes room for a new one.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import cast

from batchyard.runtime.process.certificate import Certificate

_log = logging.getLogger(__name__)

SECONDS = 15.0
"""How long a connection lasts at most, from its beginning (that of the TLS handshake) to the end of the answer."""
MOST = 64
"""How many there are at most: probes and scrapers need one or two, and an answer takes milliseconds."""


class Connections:
    """Listens, and hands connections over to protocols that `serve` makes."""

    def __init__(
        self,
        serve: Callable[[], asyncio.Protocol],
        *,
        certificate: Certificate | None = None,
        most: int = MOST,
        seconds: float = SECONDS,
    ) -> None:
        self.serve = serve
        self.certificate = certificate
        self.seconds = seconds
        self._most = most
        self._open: dict[_Connection, None] = {}
        """In the order in which they came."""
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin; returns the port, which the system chooses when 0 was asked for."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """End those that are there."""
        for connection in list(self._open):
            connection.end()

    def admit(self, new: "_Connection") -> None:
        """Note a new connection; ends the oldest one if there are too many."""
        if len(self._open) >= self._most:
            next(iter(self._open)).end()
        self._open[new] = None

    def forget(self, ended: "_Connection") -> None:
        """Note that one has ended."""
        self._open.pop(ended, None)


class _Connection(asyncio.Protocol):
    """One connection: passes on what happens to it, and ends it when its time is over."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._served: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False
        self._early = b""
        """What came right behind the handshake, before anybody was there to be given it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = raw = cast("asyncio.Transport", transport)
        self._connections.admit(self)
        self._timer = asyncio.get_running_loop().call_later(self._connections.seconds, self.end)
        if self._connections.certificate is None:
            self._begin(raw)
        else:
            raw.pause_reading()  # the first bytes are for the handshake
            context = self._connections.certificate.context()
            self._handshake = asyncio.create_task(self._secure(raw, context))

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        loop, secured = asyncio.get_running_loop(), None
        try:
            secured = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self._connections.seconds
            )
        except OSError as error:
            _log.debug("TLS handshake failed: %s", error)
        if secured is None or self._lost:
            self.end()
        else:
            self._begin(secured)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._served = self._connections.serve()
        self._served.connection_made(transport)
        if self._early:
            self._served.data_received(self._early)

    def end(self) -> None:
        """Cut the connection, whatever it is about."""
        if self._handshake is not None:
            self._handshake.cancel()
        if self._raw is not None:
            self._raw.abort()
        self._forget()

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connections.forget(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._forget()
        if self._served is not None:
            self._served.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._served is not None:
            self._served.data_received(data)
        else:
            self._early += data

    def eof_received(self) -> bool | None:
        return self._served.eof_received() if self._served is not None else None

    def pause_writing(self) -> None:
        if self._served is not None:
            self._served.pause_writing()

    def resume_writing(self) -> None:
        if self._served is not None:
            self._served.resume_writing()
