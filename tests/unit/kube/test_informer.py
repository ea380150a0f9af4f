"""The informer against an API server that breaks off, expires and forgets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.kube import errors
from batchyard.kube.backoff import Backoff
from batchyard.kube.informer import Informer
from batchyard.kube.protocol import Object, Selection
from batchyard.kube.resources import JOBS
from fakes.api import FakeApi
from fakes.clock import run_virtual

UNWANTED = errors.ApiError(500, "Unexpected", "nobody should have listed")
DOWN = errors.Unavailable(503, "ServiceUnavailable", "the API server is down")


def _job(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "spec": {}}


class Follower:
    """A mirror of the collection, kept from what the informer says."""

    def __init__(self, api: FakeApi, **options: Any) -> None:
        self.mirror: dict[tuple[str, str], str] = {}
        self.told: list[str] = []
        loop = asyncio.get_running_loop()
        self.informer = Informer(
            api,
            JOBS,
            self._upsert,
            self._delete,
            backoff=Backoff(rng=lambda: 1.0),
            clock=loop.time,
            **options,
        )

    def _upsert(self, obj: Object, initial: bool) -> None:
        metadata = obj["metadata"]
        self.mirror[metadata["namespace"], metadata["name"]] = metadata["uid"]
        self.told.append(f"{'initial' if initial else 'upsert'} {metadata['name']}")
        if metadata["name"] == "poison":
            raise KeyError("spec")

    def _delete(self, namespace: str, name: str, uid: str) -> None:
        assert self.mirror.pop((namespace, name)) == uid
        self.told.append(f"delete {name}")


@asynccontextmanager
async def _following(api: FakeApi, **options: Any) -> AsyncIterator[Follower]:
    follower = Follower(api, **options)
    task = asyncio.create_task(follower.informer.run())
    try:
        await follower.informer.synced.wait()
        await asyncio.sleep(0.01)
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _mirror(api: FakeApi) -> dict[tuple[str, str], str]:
    return {
        (job["metadata"]["namespace"], job["metadata"]["name"]): job["metadata"]["uid"]
        for job in api.store.objects(JOBS)
    }


def test_list_then_watch() -> None:
    async def scenario() -> None:
        api = FakeApi()
        for number in range(501):
            api.store.create(JOBS, _job(f"old-{number:03}"), "ns")
        async with _following(api) as follower:
            assert follower.told == [f"initial old-{number:03}" for number in range(501)]
            follower.told.clear()
            api.store.create(JOBS, _job("new"), "ns")
            api.store.update(JOBS, {**api.store.get(JOBS, "new", "ns"), "spec": {"parallelism": 2}})
            api.store.delete(JOBS, "old-000", "ns")
            await asyncio.sleep(1)
            assert follower.told == ["upsert new", "upsert new", "delete old-000"]
            assert follower.mirror == _mirror(api)

    run_virtual(scenario())


def test_only_what_the_selector_matches() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.store.create(JOBS, _job("mine", app="batchyard"), "ns")
        api.store.create(JOBS, _job("other"), "ns")
        async with _following(api, selection=Selection(labels="app=batchyard")) as follower:
            job = api.store.get(JOBS, "mine", "ns")
            job["metadata"]["labels"] = {}
            api.store.update(JOBS, job)
            await asyncio.sleep(1)
            assert follower.told == ["initial mine", "delete mine"]

    run_virtual(scenario())


def test_what_vanished_during_a_gap_is_reported_deleted() -> None:
    async def scenario() -> None:
        api = FakeApi()
        for name in "abc":
            api.store.create(JOBS, _job(name), "ns")
        async with _following(api) as follower:
            follower.told.clear()
            api.disconnect(JOBS, DOWN)
            await asyncio.sleep(0.1)
            api.store.delete(JOBS, "b", "ns")
            api.store.delete(JOBS, "c", "ns")
            api.store.create(JOBS, _job("c"), "ns")
            api.store.compact()
            await asyncio.sleep(5)
            assert sorted(follower.told) == ["delete b", "delete c", "upsert a", "upsert c"]
            assert follower.told.index("delete c") < follower.told.index("upsert c")
            assert follower.mirror == _mirror(api)

    run_virtual(scenario())


def test_a_short_break_resumes_without_another_list() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.store.create(JOBS, _job("a"), "ns")
        async with _following(api) as follower:
            api.fail_next("list", JOBS, UNWANTED)
            await asyncio.sleep(2)
            api.disconnect(JOBS)
            api.store.create(JOBS, _job("b"), "ns")
            await asyncio.sleep(0.01)
            assert follower.told == ["initial a", "upsert b"]

    run_virtual(scenario())


def test_bookmarks_carry_a_quiet_watch_over_a_compaction() -> None:
    async def scenario() -> None:
        api = FakeApi()
        async with _following(api, selection=Selection(labels="app=batchyard")) as follower:
            api.store.create(JOBS, _job("foreign"), "ns")
            api.bookmark(JOBS)
            await asyncio.sleep(2)
            assert follower.informer.last_contact is not None
            assert follower.informer.last_contact < 1
            api.store.compact()
            api.fail_next("list", JOBS, UNWANTED)
            api.disconnect(JOBS)
            await asyncio.sleep(0.01)
            assert api.watching(JOBS) == 1

    run_virtual(scenario())


def test_failures_are_retried_ever_more_slowly_and_forgotten_after_success() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.fail_next("list", JOBS, DOWN, times=3)
        loop = asyncio.get_running_loop()
        async with _following(api) as follower:
            assert loop.time() == pytest.approx(1 + 2 + 4, abs=0.1)
            api.store.create(JOBS, _job("a"), "ns")
            await asyncio.sleep(1)
            api.fail_next("watch", JOBS, DOWN)
            api.disconnect(JOBS)
            api.store.create(JOBS, _job("b"), "ns")
            await asyncio.sleep(0.9)
            assert "upsert b" not in follower.told
            await asyncio.sleep(0.2)
            assert "upsert b" in follower.told

    run_virtual(scenario())


def test_watches_that_end_at_once_do_not_spin() -> None:
    async def scenario() -> None:
        api = FakeApi()
        async with _following(api):
            started = api.watches
            for _ in range(100):
                api.disconnect(JOBS)
                await asyncio.sleep(0.1)
            assert api.watches - started <= 5

    run_virtual(scenario())


def test_an_object_that_cannot_be_taken_in_does_not_stop_the_feed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.store.create(JOBS, _job("poison"), "ns")
        api.store.create(JOBS, _job("sound"), "ns")
        async with _following(api) as follower:
            assert follower.told == ["initial poison", "initial sound"]

    run_virtual(scenario())
    assert "jobs.batch ns/poison could not be taken in" in caplog.text


STEPS = st.one_of(
    st.tuples(st.sampled_from(["create", "delete", "recreate", "update"]), st.sampled_from("abcd")),
    st.tuples(st.sampled_from(["disconnect", "break", "compact", "fail list", "fail watch", "bookmark"])),
    st.tuples(st.just("wait"), st.floats(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_the_mirror_is_true_after_any_history(steps: list[tuple[Any, ...]]) -> None:
    async def scenario() -> None:
        api = FakeApi()
        async with _following(api) as follower:
            for step in steps:
                await _take(api, *step)
            await asyncio.sleep(40 * 30 + 10)  # the longest pause after each failure
            assert follower.mirror == _mirror(api)

    run_virtual(scenario())


async def _take(api: FakeApi, what: str, argument: Any = None) -> None:
    store = api.store
    exists = isinstance(argument, str) and ("ns", argument) in _mirror(api)
    match what:
        case "create" if not exists:
            store.create(JOBS, _job(argument), "ns")
        case "delete" if exists:
            store.delete(JOBS, argument, "ns")
        case "recreate" if exists:
            store.delete(JOBS, argument, "ns")
            store.create(JOBS, _job(argument), "ns")
        case "update" if exists:
            store.update(JOBS, {**store.get(JOBS, argument, "ns"), "spec": {"version": store.version}})
        case "disconnect":
            api.disconnect(JOBS)
        case "break":
            api.disconnect(JOBS, DOWN)
        case "compact":
            store.compact()
        case "fail list" | "fail watch":
            api.fail_next(what.removeprefix("fail "), JOBS, DOWN)
        case "bookmark":
            api.bookmark(JOBS)
        case "wait":
            await asyncio.sleep(argument)


def test_backoff_grows_to_its_maximum_and_stays() -> None:
    low, high = Backoff(rng=lambda: 0.0), Backoff(rng=lambda: 1.0)

    assert [high.delay(failures) for failures in (1, 2, 3, 6, 10_000)] == [1, 2, 4, 30, 30]
    assert [low.delay(failures) for failures in (1, 2, 10_000)] == [0.5, 1, 15]
