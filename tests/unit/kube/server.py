"""A real HTTP server on the loopback interface that answers as a test tells it to."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers with the handlers given, in turn; the last one stays."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.raw_path, headers, await request.text()))
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return await handler(request)

    def answer(self, *answers: tuple[int, object] | tuple[int, object, dict[str, str]]) -> None:
        for status, body, *rest in answers:
            self.handlers.append(fixed(status, body, rest[0] if rest else {}))


def fixed(status: int, body: object, headers: dict[str, str]) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    return handler


def streamed(*chunks: bytes, hang: bool = False, abort: bool = False) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if hang:
            await asyncio.sleep(5)
        if abort and request.transport:
            request.transport.close()
        return response

    return handler
