"""What Kopf does with an object, by its own processing: it tells the handler of it, and writes nothing to it."""

import asyncio
import re
from typing import Any

import kopf
import pytest
from kopf._cogs.clients import patching
from kopf._cogs.configs.configuration import OperatorSettings
from kopf._cogs.structs.references import Resource
from kopf._core.actions.lifecycles import all_at_once
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.reactor.inventory import ResourceMemories
from kopf._core.reactor.processing import process_resource_event

from batchyard.api import names
from batchyard.handlers import kinds, setup
from batchyard.runtime.state.cache import Cache
from objects.api import manifest

KOPF = "kopf.zalando.org"
BEFORE = "batchyard.dev/unused"
"""What was taken for Kopf's finalizer before, and what a user may well have left on an object."""
MARKED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "finalizers": {"finalizers": [BEFORE, f"{KOPF}/KopfFinalizerMarker", "kopf.dev/x", "example.com/mine"]},
    "deleted": {"finalizers": [BEFORE], "deletionTimestamp": "2026-01-01T00:00:00Z"},
    "annotations": {
        "annotations": {
            f"{KOPF}/last-handled-configuration": '{"spec": {}}',
            f"{KOPF}/touch-dummy": "x",
            f"{KOPF}/batchjob": '{"started": "2026-01-01T00:00:00"}',
        }
    },
}
"""Metadata by which Kopf could take an object for one that it has handled."""


async def processed(settings: OperatorSettings, metadata: dict[str, Any], kind: str | None) -> Cache:
    """Feed an event of a BatchJob to Kopf, as its watch does."""
    registry = kopf.OperatorRegistry()
    kinds.register(registry)
    obj = manifest("BatchJob", name="job")
    obj["metadata"] |= {"namespace": "media", "uid": "u", "resourceVersion": "1", **metadata}
    cache = Cache()
    await process_resource_event(
        lifecycle=all_at_once,
        indexers=OperatorIndexers(),
        registry=registry,
        settings=settings,
        memories=ResourceMemories(),
        memobase=kopf.Memo(cache=cache),  # type: ignore[arg-type]  # a protocol that it says it meets
        resource=Resource(names.GROUP, names.VERSION, "batchjobs", "BatchJob", namespaced=True),
        raw_event={"type": kind, "object": obj},  # type: ignore[typeddict-item]
        event_queue=asyncio.Queue(),
        no_throttling=True,
    )
    return cache


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Kopf writes to objects."""
    written: list[Any] = []

    async def patch_obj(*, patch: Any, **_: Any) -> tuple[None, None]:
        written.append(patch)
        return None, None

    monkeypatch.setattr(patching, "patch_obj", patch_obj)
    return written


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
@pytest.mark.parametrize("marks", MARKED)
async def test_kopf_writes_to_no_object(patches: list[Any], marks: str, kind: str | None) -> None:
    cache = await processed(setup.configure(), MARKED[marks], kind)
    assert list(cache.jobs) == [("media", "job")]
    assert patches == []


async def test_it_would_remove_a_finalizer_that_an_object_can_have(patches: list[Any]) -> None:
    settings = setup.configure()
    settings.persistence.finalizer = BEFORE
    await processed(settings, MARKED["finalizers"], "MODIFIED")
    assert len(patches) == 1


def test_kopf_gives_up_a_watch_that_has_fallen_silent() -> None:
    """A live one brings a bookmark every minute; our own are tried against a silent server with the client."""
    assert 60 < setup.configure().watching.inactivity_timeout < 120


def test_no_object_can_have_the_one_that_it_looks_for() -> None:
    """The API server's rule, to which an end-to-end test holds it: a qualified name."""
    assert not re.fullmatch(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", setup.NO_FINALIZER)
