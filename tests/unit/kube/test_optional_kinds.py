"""The informer of a kind that may not be there: its CRD is installed later, removed, or must not be read."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from batchyard.kube import errors
from batchyard.kube.backoff import Backoff
from batchyard.kube.informer import MISSING_SECONDS, Informer
from batchyard.kube.protocol import Object
from batchyard.kube.resources import NODE_CLAIMS
from fakes.api import FakeApi
from fakes.clock import run_virtual

FORBIDDEN = errors.Forbidden(403, "Forbidden", 'User "x" cannot list resource "nodeclaims"')
DOWN = errors.Unavailable(503, "ServiceUnavailable", "the API server is down")
UNKNOWN = "the API server does not know nodeclaims.karpenter.sh: install its CRD"


class Follower:
    """Which objects are there, as the informer tells it."""

    def __init__(self, api: FakeApi, *, optional: bool = True) -> None:
        self.there: set[str] = set()
        self.informer = Informer(
            api,
            NODE_CLAIMS,
            self._upsert,
            lambda _, name, __: self.there.remove(name),
            optional=optional,
            backoff=Backoff(rng=lambda: 1.0),
            clock=asyncio.get_running_loop().time,
        )

    def _upsert(self, obj: Object, _: bool) -> None:
        self.there.add(obj["metadata"]["name"])

    def silent_for(self) -> float:
        """For how long it has not heard from the API server."""
        assert self.informer.last_contact is not None
        return asyncio.get_running_loop().time() - self.informer.last_contact


@asynccontextmanager
async def following(api: FakeApi) -> AsyncIterator[Follower]:
    follower = Follower(api)
    task = asyncio.create_task(follower.informer.run())
    try:
        await asyncio.wait_for(follower.informer.synced.wait(), 1)
        await asyncio.sleep(0.1)
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def create(api: FakeApi, name: str) -> None:
    api.store.create(NODE_CLAIMS, {"metadata": {"name": name}})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_missing_kind_counts_as_read_and_is_found_once_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        api = FakeApi()
        api.store.unknown.add(NODE_CLAIMS)
        async with following(api) as follower:
            assert follower.informer.missing == UNKNOWN
            await asyncio.sleep(3600)
            assert follower.silent_for() <= MISSING_SECONDS
            api.store.unknown.clear()
            create(api, "a")
            await asyncio.sleep(MISSING_SECONDS)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")
            create(api, "b")
            await asyncio.sleep(1)
            assert follower.there == {"a", "b"}

    run_virtual(scenario())
    assert warnings(caplog) == []
    assert [record.message for record in caplog.records] == [UNKNOWN, "nodeclaims.karpenter.sh can be followed now"]


def test_of_a_kind_that_is_removed_nothing_is_there_any_more(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        api = FakeApi()
        create(api, "a")
        async with following(api) as follower:
            await asyncio.sleep(5)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")
            api.store.unknown.add(NODE_CLAIMS)
            api.disconnect(NODE_CLAIMS)
            await asyncio.sleep(5)
            assert (follower.there, follower.informer.missing) == (set(), UNKNOWN)
            assert follower.informer.synced.is_set()
            api.store.unknown.clear()
            await asyncio.sleep(MISSING_SECONDS)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")

    run_virtual(scenario())
    assert warnings(caplog) == []


def test_what_may_not_be_listed_is_missing_with_the_api_servers_words() -> None:
    async def scenario() -> None:
        api = FakeApi()
        create(api, "a")
        api.fail_next("list", NODE_CLAIMS, FORBIDDEN)
        async with following(api) as follower:
            assert follower.there == set()
            assert follower.informer.missing == (
                "the operator may not list nodeclaims.karpenter.sh; have a ClusterRole allow that"
                ' (User "x" cannot list resource "nodeclaims")'
            )
            await asyncio.sleep(MISSING_SECONDS)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")

    run_virtual(scenario())


def test_a_resync_ends_while_the_kind_is_missing() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.store.unknown.add(NODE_CLAIMS)
        async with following(api) as follower:
            await asyncio.wait_for(follower.informer.resync(), 1)
            api.store.unknown.clear()
            create(api, "a")
            await asyncio.wait_for(follower.informer.resync(), 1)
            assert follower.there == {"a"}, "and need not wait for the next look"

    run_virtual(scenario())


def test_a_watch_that_may_not_be_makes_nothing_come_and_go() -> None:
    """Where the role allows to list, and not to watch, what is listed is there."""

    async def scenario() -> None:
        api = FakeApi()
        create(api, "a")
        api.fail_next("watch", NODE_CLAIMS, FORBIDDEN, times=5)
        async with following(api) as follower:
            for _ in range(100):
                assert (follower.there, follower.informer.missing) == ({"a"}, "")
                await asyncio.sleep(1)
            assert api.watching(NODE_CLAIMS) == 1

    run_virtual(scenario())


def test_a_watch_that_may_not_be_is_told_once_and_listed_instead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        api = FakeApi()
        api.fail_next("watch", NODE_CLAIMS, FORBIDDEN, times=1000)
        async with following(api) as follower:
            await asyncio.sleep(300)
            create(api, "a")
            await asyncio.sleep(60)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")

    run_virtual(scenario())
    assert [record.message for record in caplog.records] == [
        "Following nodeclaims.karpenter.sh failed, next try in 1.0 s: " + FORBIDDEN.message
    ]


def test_other_failures_are_no_reason_to_think_it_missing() -> None:
    async def scenario() -> None:
        api = FakeApi()
        create(api, "a")
        async with following(api) as follower:
            api.fail_next("list", NODE_CLAIMS, DOWN, times=4)
            resync = asyncio.create_task(follower.informer.resync())
            await asyncio.sleep(5)
            assert (follower.there, follower.informer.missing) == ({"a"}, "")
            assert not resync.done()
            await asyncio.wait_for(resync, 60)

    run_virtual(scenario())


def test_a_kind_that_must_be_there_is_waited_for() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.store.unknown.add(NODE_CLAIMS)
        follower = Follower(api, optional=False)
        task = asyncio.create_task(follower.informer.run())
        await asyncio.sleep(600)
        assert not follower.informer.synced.is_set()
        assert follower.informer.missing == ""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scenario())
