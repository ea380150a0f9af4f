"""Cutting a stream into lines, wherever the network cuts it into chunks."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.kube import errors
from batchyard.kube.watch_decode import LineSplitter, decode


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(
    lines=st.lists(st.binary(min_size=1, max_size=40).map(lambda line: line.replace(b"\n", b"."))),
    cuts=st.lists(st.integers(0, 400)),
)
def test_any_cut_gives_the_same_lines(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    bounds = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    splitter = LineSplitter()

    found = [line for start, end in pairwise(bounds) for line in splitter.feed(stream[start:end])]

    assert found == lines


async def test_an_unfinished_last_line_is_dropped() -> None:
    events = decode(_chunks(b'{"type":"ADDED","obj', b'ect":{}}\n\n{"type":"ADD'))

    assert [event async for event in events] == [("ADDED", {})]


@pytest.mark.parametrize("line", [b"<html>\n", b"[]\n", b'{"type":"ADDED"}\n', b"\xff\xfe\n"])
async def test_a_stream_of_something_else_is_unavailable(line: bytes) -> None:
    with pytest.raises(errors.Unavailable, match="other than events"):
        await anext(decode(_chunks(line)))


async def test_an_object_nested_too_deeply_is_an_event_like_others() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    events = decode(_chunks(b'{"type":"ADDED","object":{"metadata":{"name":"x"},"spec":' + deep + b"}}\n"))

    kind, obj = await anext(events)

    assert (kind, obj["metadata"], len(obj["spec"])) == ("ADDED", {"name": "x"}, 1)


async def test_an_error_event_without_code_is_unavailable() -> None:
    with pytest.raises(errors.Unavailable, match="etcd is slow"):
        await anext(decode(_chunks(b'{"type":"ERROR","object":{"message":"etcd is slow"}}\n')))
