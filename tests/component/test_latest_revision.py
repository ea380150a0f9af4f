"""A job that asks for the latest revision gets the latest that was applied before it, whatever the watches show."""

from batchyard.core.model.status import Status
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBDEFINITIONS, Resource
from batchyard.runtime.controllers.definitions import DefinitionController
from batchyard.runtime.loop.actions import ConfirmDefinition
from batchyard.runtime.state.cache import Cache
from fakes.api import FakeApi

CONTAINER = {"name": "main", "image": "busybox"}


def make_keeper() -> tuple[FakeApi, Cache, DefinitionController]:
    api, cache = FakeApi(), Cache()
    return api, cache, DefinitionController(api, cache, lambda: 0.0)


async def create_definition(api: FakeApi, image: str) -> None:
    body = {"metadata": {"name": "transcode"}, "spec": {"container": {**CONTAINER, "image": image}}}
    await api.create(JOBDEFINITIONS, body, "media")


async def submit(api: FakeApi, name: str, definition: str = "transcode") -> Object:
    body = {"metadata": {"name": name}, "spec": {"jobQueue": "urgent", "jobDefinition": definition}}
    return await api.create(BATCHJOBS, body, "media")


async def test_a_new_job_is_not_settled_before_its_definition_was_read() -> None:
    api, cache, keeper = make_keeper()
    await create_definition(api, "busybox:2")
    cache.put_batchjob(await submit(api, "videos"))
    assert cache.take_dirty() == set()
    await keeper.confirm(ConfirmDefinition(("media", "transcode")))
    assert cache.catalogue.definitions["media", "transcode"].spec["container"]["image"] == "busybox:2"
    assert cache.take_dirty() == {("media", "videos")}


async def test_a_definition_that_is_not_there_is_no_reason_to_hold_the_job() -> None:
    api, cache, keeper = make_keeper()
    cache.put_batchjob(await submit(api, "videos"))
    await keeper.confirm(ConfirmDefinition(("media", "transcode")))
    assert cache.take_dirty() == {("media", "videos")}


async def test_a_job_that_comes_during_the_reading_waits_for_the_next_one() -> None:
    api, cache, _ = make_keeper()
    cache.put_batchjob(await submit(api, "videos"))
    late = await submit(api, "late")

    class Slow(FakeApi):
        async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
            cache.put_batchjob(late)
            return await api.get(resource, name, namespace)

    keeper = DefinitionController(Slow(), cache, lambda: 0.0)
    await keeper.confirm(ConfirmDefinition(("media", "transcode")))
    assert cache.take_dirty() == {("media", "videos")}
    assert cache.awaiting_definition == {("media", "transcode"): {("media", "late")}}


async def test_a_pinned_job_and_one_that_has_its_revision_are_not_held() -> None:
    api, cache, _ = make_keeper()
    cache.put_batchjob(await submit(api, "pinned", "transcode:2"))
    stored = await submit(api, "known")
    cache.put_batchjob({**stored, "status": {"state": "Runnable", "jobDefinition": "transcode:1"}})
    assert cache.take_dirty() == {("media", "pinned"), ("media", "known")}


async def test_a_job_deleted_meanwhile_is_forgotten() -> None:
    api, cache, _ = make_keeper()
    stored = await submit(api, "videos")
    cache.put_batchjob(stored)
    cache.remove_batchjob(("media", "videos"), stored["metadata"]["uid"])
    assert not any(cache.awaiting_definition.values())
    assert Status() not in cache.statuses.values()
