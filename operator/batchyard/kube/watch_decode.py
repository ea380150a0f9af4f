"""The JSON-lines stream of a WATCH, cut into events.

Lines may be any length (an object can exceed 1 MiB) and arrive in chunks of any size; the pieces of an
unfinished line are kept apart until its end arrives: a long line costs one join, not one copy per chunk.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from batchyard.kube import errors
from batchyard.kube.depth import decode as decode_json
from batchyard.kube.protocol import WatchEvent


class LineSplitter:
    """Gathers chunks and gives back complete lines."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk; yield every line it completes, without its newline."""
        head, *tail = chunk.split(b"\n")
        self._pieces.append(head)
        for piece in tail:
            line = b"".join(self._pieces)
            self._pieces = [piece]
            if line:
                yield line


async def decode(chunks: AsyncIterable[bytes]) -> AsyncGenerator[WatchEvent, None]:
    """Turn chunks into events; an ERROR event is raised (`Gone` for an expired resourceVersion).

    An unfinished last line is dropped: the stream was cut, and the caller resumes from the last whole event.
    """
    splitter = LineSplitter()
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            try:
                event = decode_json(line)
                kind, obj = event["type"], event["object"]
            except (ValueError, KeyError, TypeError) as error:
                raise errors.Unavailable(
                    0, "MalformedStream", "the watch stream held something other than events; watching again"
                ) from error
            if kind == "ERROR":
                raise errors.from_status(int(obj.get("code") or 500), obj)
            yield kind, obj
