"""The HTTP session of Kopf, which decodes by itself what it is given."""

from collections.abc import AsyncIterator, Mapping
from ssl import SSLContext
from typing import Any, cast

import aiohttp

from batchyard.kube.depth import decode, shallow
from batchyard.kube.watch_decode import LineSplitter


def open_session(ssl: SSLContext, headers: Mapping[str, str], proxy: str | None) -> aiohttp.ClientSession:
    """Return a session as Kopf would make it, but for answers that have no more levels than can be decoded."""
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl)
    return aiohttp.ClientSession(connector=connector, headers=headers, proxy=proxy, response_class=ShallowResponse)


class ShallowResponse(aiohttp.ClientResponse):
    """An answer whose JSON, and each line of whose stream, has no more levels than can be decoded."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Begin to read the answer."""
        response = await super().start(connection)
        self.content = cast("aiohttp.StreamReader", _ShallowLines(self.content))
        return response

    async def json(self, **_: Any) -> Any:
        """Return the decoded body."""
        return decode(await self.read())


class _ShallowLines:
    """A stream that gives whole lines where chunks are asked for."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        splitter = LineSplitter()
        async for chunk in self._content.iter_chunked(size):
            for line in splitter.feed(chunk):
                yield shallow(line) + b"\n"
