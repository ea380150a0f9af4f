"""The port of the web server, over real sockets: nobody holds a connection for long, or keeps a probe out."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process.certificate import Certificate, CertificateError
from batchyard.runtime.process.web import WebServer
from objects.certificates import make_certificate

BODY = b"POST /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"
LONG_LINE = b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n"
LONG = 60.0
"""Seconds that no test waits."""


@asynccontextmanager
async def serving(registry: CollectorRegistry | None = None, **options: Any) -> AsyncIterator[int]:
    """A server on a port."""
    web = WebServer(registry or Metrics().registry, str, str, **options)
    port = await web.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await web.stop()


async def healthy(port: int, context: ssl.SSLContext | None = None) -> bool:
    """Whether a probe is answered well."""
    url = f"{'https' if context else 'http'}://localhost:{port}/healthz"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=context or True, timeout=aiohttp.ClientTimeout(10)) as response,
    ):
        return response.status == 200


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes a connection, sooner or later."""
    try:
        async with asyncio.timeout(10):
            while await reader.read(1 << 16):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def received(client: socket.socket) -> int:
    """How much comes before a connection ends."""
    size = 0
    client.settimeout(5)
    try:
        while chunk := client.recv(1 << 20):
            size += len(chunk)
    except OSError:
        return size
    return size


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "tls.crt"))


@pytest.fixture(params=["plain", "tls"])
def certificate(request: pytest.FixtureRequest, tmp_path: Path) -> Certificate | None:
    return Certificate(make_certificate(tmp_path / "tls")) if request.param == "tls" else None


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: a\r\n", BODY, b"\x16\x03"])
async def test_who_does_not_end_a_request_is_disconnected(sent: bytes, certificate: Certificate | None) -> None:
    async with serving(connection_seconds=0.2, certificate=certificate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await ended(reader)
        writer.close()


async def test_who_says_nothing_after_the_handshake_is_disconnected(tmp_path: Path) -> None:
    folder = make_certificate(tmp_path / "tls")
    async with serving(connection_seconds=0.3, certificate=Certificate(folder)) as port:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=trusting(folder))
        assert await ended(reader)
        writer.close()


async def test_nothing_is_left_of_who_leaves_right_behind_the_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may hear of the end before it has turned to the connection again."""
    start_tls = asyncio.BaseEventLoop.start_tls

    async def late(*arguments: Any, **options: Any) -> asyncio.Transport | None:
        secured = await start_tls(*arguments, **options)
        await asyncio.sleep(0.1)
        return secured

    monkeypatch.setattr(asyncio.BaseEventLoop, "start_tls", late)
    folder = make_certificate(tmp_path / "tls")
    context = trusting(folder)
    web = WebServer(Metrics().registry, str, str, certificate=Certificate(folder), connection_seconds=LONG)
    port = await web.start("127.0.0.1", 0)
    try:
        for _ in range(5):
            _, writer = await asyncio.open_connection("localhost", port, ssl=context)
            writer.transport.abort()
        assert await healthy(port, context)
        served = web._runner.server
        assert served is not None
        for _ in range(500):
            if not web._connections._open and not served.connections:
                return
            await asyncio.sleep(0.02)
        pytest.fail("connections that have ended are still served")
    finally:
        await web.stop()


async def test_who_does_not_read_the_answer_is_disconnected() -> None:
    registry, size = CollectorRegistry(), 32 << 20  # more than the kernel holds for a connection
    Gauge("large", "x" * size, registry=registry)
    async with serving(registry, connection_seconds=0.5) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(1)
            assert await asyncio.to_thread(received, client) < size


async def test_a_connection_is_for_one_request() -> None:
    async with serving(connection_seconds=LONG) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert b"Connection: close" in answer
        writer.close()


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", LONG_LINE])
async def test_what_is_no_request_fills_no_log(junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(connection_seconds=LONG) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(junk)
        assert await ended(reader)
        writer.close()
    assert caplog.records == []


async def test_idle_connections_make_room_for_a_probe(certificate: Certificate | None, tmp_path: Path) -> None:
    """A bound that refuses the newest would let idle clients keep the kubelet out, which then ends the operator."""
    context = trusting(tmp_path / "tls") if certificate else None
    async with serving(connection_seconds=LONG, most_connections=3, certificate=certificate) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(7)]
        first = [asyncio.create_task(ended(reader)) for reader, _ in idle[:4]]
        assert await asyncio.gather(*first) == [True] * 4
        last = [asyncio.create_task(ended(reader)) for reader, _ in idle[4:]]
        assert await healthy(port, context)
        assert await last[0]
        assert [task.done() for task in last[1:]] == [False, False]
        for task in last[1:]:
            task.cancel()
        for _, writer in idle:
            writer.close()


async def test_the_server_stops_though_connections_are_open(certificate: Certificate | None) -> None:
    async with serving(connection_seconds=LONG, certificate=certificate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(reader)
    writer.close()


async def test_tls_is_spoken_and_nothing_else(tmp_path: Path) -> None:
    folder = make_certificate(tmp_path / "tls")
    async with serving(certificate=Certificate(folder)) as port:
        assert await healthy(port, trusting(folder))
        with pytest.raises(aiohttp.ClientError):
            await healthy(port)


async def test_a_new_certificate_is_used_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_certificate(tmp_path / "tls")
    before = trusting(folder)
    async with serving(certificate=Certificate(folder)) as port:
        assert await healthy(port, before)
        key = (folder / "tls.key").read_text()
        (folder / "tls.key").write_text("half of a k")
        assert await healthy(port, before)
        assert "the one before stays in use: cannot use" in caplog.text
        (folder / "tls.key").write_text(key)
        make_certificate(folder)
        assert await healthy(port, trusting(folder))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await healthy(port, before)


def test_without_a_certificate_the_operator_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="the folder must hold both"):
        Certificate(tmp_path)
