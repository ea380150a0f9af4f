"""JSON of any depth is decoded, by the operator's own client and by Kopf."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kopf._cogs.clients.api import iter_jsonlines

from batchyard.kube.depth import DEEPEST, HARMLESS, TOO_DEEP, decode, shallow
from batchyard.kube.kopf_session import ShallowResponse
from unit.kube.server import Server, streamed

API_SERVERS_LIMIT = 10_000


def nested(levels: int, inner: str = "1", opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + inner + closing * levels


def innermost(value: Any) -> tuple[Any, int]:
    """What is at the bottom, and how many levels are above it."""
    depth = 0
    while isinstance(value, dict | list):
        value, depth = (value["a"] if isinstance(value, dict) else value[0]), depth + 1
    return value, depth


def test_what_is_as_deep_as_objects_are_stays_as_it_is() -> None:
    for text in (nested(40), nested(HARMLESS), "[]", '"{[{["', json.dumps({"a": "}" * 1000})):
        assert shallow(text.encode()) == text.encode()
        assert decode(text.encode()) == json.loads(text)


def trees(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )


@given(trees(st.text(st.characters())), st.booleans())
def test_what_is_decoded_is_what_python_decodes(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace")
    assert _typed(decode(text)) == _typed(json.loads(text))


@pytest.mark.parametrize(
    "text", ['"\\ud800"', nested(201), nested(499), "-0", "-0.0", "1E5", "1" * 40, '{"a":1,"a":2}']
)
def test_so_it_is_in_all_corners(text: str) -> None:
    assert _typed(decode(text.encode())) == _typed(json.loads(text))


def _typed(value: Any) -> str:
    """The value with what comparing does not see: types of numbers, signs of zeros, the order of names."""
    return repr(value)


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]"), ('[{"a":', "}]")])
def test_what_is_deeper_is_cut_and_what_stands_beside_it_is_kept(opening: str, closing: str) -> None:
    deep = nested(API_SERVERS_LIMIT // len(closing), '{"b":"]}"}', opening, closing)
    text = f'{{"metadata":{{"name":"x"}},"spec":{{"a":{deep},"c":"\\"{{"}},"status":[{deep},2]}}'
    found = decode(text.encode())
    assert found["metadata"] == {"name": "x"}
    assert found["spec"]["c"] == '"{'
    assert found["status"][1] == 2
    assert innermost(found["spec"]["a"]) == (TOO_DEEP, DEEPEST - 2)
    assert innermost(found["status"][0])[0] == TOO_DEEP


@given(trees(st.text()), st.integers(HARMLESS, 3000))
def test_a_deep_neighbour_changes_nothing_else(tree: Any, levels: int) -> None:
    text = f'{{"tree":{json.dumps(tree)},"deep":{nested(levels)}}}'
    found = json.loads(shallow(text.encode()))
    assert found["tree"] == tree
    assert innermost(found["deep"]) == (TOO_DEEP, DEEPEST - 1)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 5000, b'{"a":' * 5000, b"]" * 5000, b'"' + b"[" * 5000])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"line 1|char 0"):
        decode(text)


DEEP, PLAIN = f'{{"object":{nested(5000)}}}', '{"object":{"a":"é"}}'


@pytest.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A session as Kopf is given one."""
    async with aiohttp.ClientSession(server.url, response_class=ShallowResponse) as session:
        yield session


async def test_kopf_lists_what_is_too_deep(server: Server, session: aiohttp.ClientSession) -> None:
    server.answer((200, f"[{PLAIN},{DEEP}]"))
    async with await session.get("/list") as response:
        plain, deep = await response.json()
    assert (plain, innermost(deep["object"])[0]) == ({"object": {"a": "é"}}, TOO_DEEP)


async def test_kopf_watches_what_is_too_deep(server: Server, session: aiohttp.ClientSession) -> None:
    text = "\n".join([PLAIN, DEEP, PLAIN, ""]).encode()
    server.handlers.append(streamed(*(text[start : start + 4099] for start in range(0, len(text), 4099))))
    async with await session.get("/watch") as response:
        seen = [json.loads(line.decode()) async for line in iter_jsonlines(response.content)]
    assert [innermost(each["object"])[0] for each in seen] == ["é", TOO_DEEP, "é"]
