"""Who may read the metrics, by the answers of the API server."""

import asyncio
from typing import Any

import pytest

from batchyard.kube.errors import Unavailable
from batchyard.kube.protocol import Object
from batchyard.kube.resources import Resource
from batchyard.runtime.process import metricsaccess
from batchyard.runtime.process.metricsaccess import MOST_ANSWERS, MOST_QUESTIONS, MetricsAccess
from fakes.api import FakeApi

READER = {"username": "system:serviceaccount:monitoring:prometheus", "uid": "u", "groups": ["a"], "extra": {"k": ["v"]}}


class Reviews(FakeApi):
    """An API server that knows tokens by their users, and who may read."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, Any] = {"good": READER, "other": {"username": "eve"}}
        self.asked: list[Object] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.error: Unavailable | None = None

    async def create(self, resource: Resource, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        self.asked.append(body["spec"])
        await self.let_go.wait()
        if self.error is not None:
            raise self.error
        if resource.plural == "tokenreviews":
            user = self.users.get(body["spec"]["token"])
            return {"status": {"authenticated": True, "user": user} if user else {"error": "invalid"}}
        return {"status": {"allowed": body["spec"]["user"] == READER["username"]}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def api() -> Reviews:
    return Reviews()


async def code(access: MetricsAccess, authorization: str) -> int:
    refusal = await access.refusal(authorization)
    return refusal.code if refusal else 200


@pytest.mark.parametrize(
    ("authorization", "answer", "words"),
    [
        ("Bearer good", 200, ""),
        ("bearer  good ", 200, ""),
        ("", 401, "Authorization: Bearer <token>"),
        ("Bearer", 401, "Authorization: Bearer <token>"),
        ("Basic good", 401, "Authorization: Bearer <token>"),
        ("Bearer bad", 401, "does not know this token"),
        ("Bearer \ud800", 401, "does not know this token"),
        ("Bearer other", 403, "eve may not read the metrics: bind them to a ClusterRole"),
    ],
)
async def test_who_is_let_in(api: Reviews, authorization: str, answer: int, words: str) -> None:
    refusal = await MetricsAccess(api, Clock()).refusal(authorization)
    assert (refusal.code if refusal else 200) == answer
    assert words in (refusal.message if refusal else "")


async def test_the_api_server_is_asked_about_the_path_and_all_that_it_knows_of_the_user(api: Reviews) -> None:
    await MetricsAccess(api, Clock()).refusal("Bearer good")
    fields = {key: value for key, value in READER.items() if key != "username"}
    attributes = {"path": "/metrics", "verb": "get"}
    assert api.asked == [
        {"token": "good"},
        {"user": READER["username"], "nonResourceAttributes": attributes, **fields},
    ]


async def test_an_answer_holds_for_a_while(api: Reviews) -> None:
    clock = Clock()
    access = MetricsAccess(api, clock)
    for _ in range(3):
        assert await code(access, "Bearer good") == 200
        assert await code(access, "Bearer bad") == 401
    assert len(api.asked) == 3
    api.users = {"bad": READER}
    clock.now = metricsaccess.REFUSED_SECONDS
    assert [await code(access, "Bearer good"), await code(access, "Bearer bad")] == [200, 200]
    clock.now = metricsaccess.ALLOWED_SECONDS
    assert await code(access, "Bearer good") == 401


async def test_made_up_tokens_take_bounded_room(api: Reviews) -> None:
    access = MetricsAccess(api, Clock())
    for number in range(MOST_ANSWERS + 10):
        await access.refusal(f"Bearer made-up-{number}")
    assert len(access._answers) == MOST_ANSWERS


async def test_few_are_asked_about_at_a_time(api: Reviews) -> None:
    api.let_go.clear()
    access = MetricsAccess(api, Clock())
    asking = [asyncio.create_task(code(access, f"Bearer {number}")) for number in range(MOST_QUESTIONS)]
    await asyncio.sleep(0)
    assert await code(access, "Bearer good") == 429
    api.let_go.set()
    assert await asyncio.gather(*asking) == [401] * MOST_QUESTIONS
    assert await code(access, "Bearer good") == 200


async def test_without_an_answer_nobody_is_let_in_and_nothing_is_remembered(
    api: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = MetricsAccess(api, Clock())
    api.error = Unavailable(503, "ServiceUnavailable", "the API server is down")
    refusal = await access.refusal("Bearer good")
    assert refusal is not None
    assert (refusal.code, "the API server is down" in refusal.message) == (503, True)
    monkeypatch.setattr(metricsaccess, "QUESTION_SECONDS", 0.01)
    api.error = None
    api.let_go.clear()
    assert await code(access, "Bearer good") == 503
    api.let_go.set()
    assert await code(access, "Bearer good") == 200
