"""HTTP to the API server: one pooled session, credentials, retries and errors.

The session is the one the Kubernetes client opens for its configuration (TLS, client certificates, pool), but
requests go to it directly as bytes: the client's typed path costs several times the CPU per write.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from batchyard import __version__
from batchyard.api import names
from batchyard.kube import errors
from batchyard.kube.depth import decode

OnRequest = Callable[[str, str, int, float], None]
"""Told of every request sent: verb, resource, HTTP status (0 when there was no answer), seconds."""

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 70.0
"""A watch with bookmarks hears from a live server about once a minute."""
TRIES = 3
LONGEST_WAIT_SECONDS = 10.0
"""If the server asks for a longer pause than this, the caller is told instead of being kept waiting."""

_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class _Pool(RESTClientObject):
    """The Kubernetes client's HTTP layer, asked for its session before any request."""

    def open(self) -> aiohttp.ClientSession:
        return self._create_pool_manager()


class Transport:
    """Sends requests; must be created inside the running event loop it serves."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        connections: int = 32,
        on_request: OnRequest | None = None,
        user_agent: str = names.USER_AGENT,
        rng: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        configuration.connection_pool_maxsize = connections
        configuration.client_session_kwargs = {
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "headers": {
                "User-Agent": f"{user_agent}/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        }
        self._configuration = configuration
        self._session = _Pool(configuration).open()
        self._host = str(configuration.host).rstrip("/")
        self._on_request = on_request
        self._rng = rng
        self._sleep = sleep
        self._fixed: dict[str, Any] = {"allow_redirects": False, "proxy": configuration.proxy}
        if configuration.proxy_headers:
            self._fixed["proxy_headers"] = configuration.proxy_headers
        if configuration.tls_server_name:
            self._fixed["server_hostname"] = configuration.tls_server_name

    async def request(
        self,
        verb: str,
        resource: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
    ) -> Any:
        """Send a request and decode the answer; a failed one is tried again if that cannot do it twice."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        for attempt in range(1, TRIES + 1):
            try:
                async with self._answer(
                    verb, resource, method, path, data=data, headers=headers, seconds=REQUEST_SECONDS
                ) as response:
                    return decode(await response.read())
            except errors.ApiError as error:
                harmless = isinstance(error, errors.TooManyRequests | errors.Unreachable)
                again = harmless or (repeatable and isinstance(error, errors.Unavailable))
                pause = max(error.retry_after or 0.0, 0.1 * 2**attempt * (0.5 + self._rng()))
                if not again or attempt == TRIES or pause > LONGEST_WAIT_SECONDS:
                    raise
                await self._sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    async def stream(self, verb: str, resource: str, path: str) -> AsyncGenerator[bytes, None]:
        """Send a GET and give its body in chunks as they arrive, for as long as some do."""
        async with self._answer(verb, resource, "GET", path) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    @asynccontextmanager
    async def _answer(
        self,
        verb: str,
        resource: str,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """One try: the answer if it is a success, otherwise an `ApiError`, even while its body is read."""
        timeout = aiohttp.ClientTimeout(
            total=seconds, sock_connect=CONNECT_SECONDS, sock_read=None if seconds else IDLE_SECONDS
        )
        sent_headers = dict(headers) if headers else {}
        token = (await self._configuration.auth_settings()).get("BearerToken")
        if token and token["value"]:
            sent_headers[token["key"]] = token["value"]
        started, code = time.perf_counter(), 0
        try:
            async with self._session.request(
                method,
                URL(self._host + path, encoded=True),
                data=data,
                headers=sent_headers,
                timeout=timeout,
                **self._fixed,
            ) as response:
                code = response.status
                if not 200 <= code < 300:
                    raise await _refusal(response, resource)
                if seconds is None and self._on_request:
                    self._on_request(verb, resource, code, time.perf_counter() - started)
                yield response
        except _NEVER_CONNECTED as error:
            message = f"cannot connect to the API server at {self._host}: {error}"
            raise errors.Unreachable(0, "Unreachable", message) from error
        except TimeoutError as error:
            message = f"the API server at {self._host} fell silent during {verb} {resource}"
            raise errors.Unavailable(0, "Timeout", message) from error
        except (aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
            message = f"the connection to {self._host} broke during {verb} {resource}: {error!r}"
            raise errors.Unavailable(0, "ConnectionBroken", message) from error
        finally:
            if self._on_request and (seconds is not None or not 200 <= code < 300):
                self._on_request(verb, resource, code, time.perf_counter() - started)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


async def _refusal(response: aiohttp.ClientResponse, resource: str) -> errors.ApiError:
    text = await response.text(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        unknown = f"the API server does not know {resource}; install the CRDs"
        status = {
            "reason": response.reason,
            "message": unknown if response.status == 404 else text.strip()[:300],
        }
    after = response.headers.get("Retry-After", "")
    return errors.from_status(response.status, status, float(after) if after.isdecimal() else None)
