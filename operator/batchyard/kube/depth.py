"""JSON nested deeper than Python decodes, made shallow. Called wherever an answer of the API server is decoded.

The API server takes objects of up to 10,000 levels wherever their schema lets unknown fields through, and Python gives
up at about a thousand: one such object would end every watch and every list that shows it. Nothing that Batchyard or
Kubernetes knows has more than thirty levels, so what is left of such an object is still too deep, and refused as that.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from ssl import SSLContext
from typing import Any, cast

import aiohttp

DEEPEST = 100
"""Levels that are left of an object that is cut."""

HARMLESS = 500
"""How many levels Python certainly decodes. What has no more braces and brackets than that is not looked at."""

TOO_DEEP = "(nested too deeply)"
"""What stands in the place of what is cut off."""

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def decode(text: bytes) -> Any:
    """Decode JSON of any depth. Raises `ValueError` for what is none."""
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(shallow(text))


def shallow(text: bytes) -> bytes:
    """Return JSON with at most `DEEPEST` levels if it may have more than `HARMLESS`; what is none stays none."""
    if text.count(b"{") + text.count(b"[") <= HARMLESS:
        return text
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        match text[token.start() : token.start() + 1]:
            case b"{" | b"[":
                depth += 1
                if depth == DEEPEST + 1:
                    kept += text[begin : token.start()], json.dumps(TOO_DEEP).encode()
            case b"}" | b"]":
                if depth == DEEPEST + 1:
                    begin = token.end()
                depth -= 1
    return b"".join([*kept, text[begin:]])


def open_session(ssl: SSLContext, headers: Mapping[str, str], proxy: str | None) -> aiohttp.ClientSession:
    """Return a session for Kopf, which decodes by itself what it is given."""
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
        rest: list[bytes] = []
        async for chunk in self._content.iter_chunked(size):
            *ended, begun = chunk.split(b"\n")
            for line in ended:
                yield shallow(b"".join([*rest, line])) + b"\n"
                rest = []
            rest.append(begun)
