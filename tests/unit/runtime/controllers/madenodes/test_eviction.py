"""Which pods are asked to go, and what the API server may answer."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from batchyard.kube.errors import ApiError, Forbidden, Unavailable
from batchyard.kube.protocol import Object
from batchyard.kube.resources import PODS
from batchyard.runtime.controllers.madenodes.eviction import AT_ONCE, evict
from fakes.api import FakeApi
from fakes.store import Store


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(Store(now=lambda: datetime(2026, 1, 1, tzinfo=UTC)))


def pod(api: FakeApi, name: str, phase: str = "Running", **metadata: Any) -> Object:
    return api.store.seed(
        PODS, {"metadata": {"name": name, "namespace": "media", **metadata}, "status": {"phase": phase}}
    )


def asked(api: FakeApi) -> list[str]:
    return [name.removesuffix("/eviction") for _, resource, name in api.writes if resource == PODS]


def test_those_that_have_ended_or_were_asked_already_are_not_asked(api: FakeApi) -> None:
    pods = [pod(api, "runs"), pod(api, "waits", "Pending"), pod(api, "done", "Succeeded"), pod(api, "died", "Failed")]
    pods.append({**pod(api, "going"), "metadata": {"name": "going", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert asyncio.run(evict(api, pods)) == 0
    assert asked(api) == ["runs", "waits"]


def test_one_that_is_gone_is_done_and_one_that_has_changed_is_looked_at_again(api: FakeApi) -> None:
    gone, other, ended = pod(api, "gone"), pod(api, "other"), pod(api, "ended")
    for name in "gone", "other":
        api.store.delete(PODS, name, "media")
    pod(api, "other")
    api.store.update(PODS, {**api.store.get(PODS, "ended", "media"), "status": {"phase": "Succeeded"}}, status=True)
    assert asyncio.run(evict(api, [gone, other, ended])) == 2
    assert api.store.get(PODS, "other", "media")
    assert "conditions" not in api.store.get(PODS, "ended", "media")["status"]


def test_protected_and_refused_ones_are_counted_and_hold_up_no_others(api: FakeApi) -> None:
    pods = [pod(api, f"p{number:02}") for number in range(3 * AT_ONCE)]
    api.store.guarded |= {"p01", "p07"}
    api.fail_next("evict", PODS, Forbidden(403, "Forbidden", "no"))
    assert asyncio.run(evict(api, pods)) == 3
    assert len(asked(api)) == 3 * AT_ONCE
    assert [each["metadata"]["name"] for each in api.store.objects(PODS)] == ["p00", "p01", "p07"]


def test_no_answer_is_raised_once_all_were_asked(api: FakeApi) -> None:
    pods = [pod(api, "first"), pod(api, "second")]
    api.fail_next("evict", PODS, Unavailable(500, "InternalError", "more than one PodDisruptionBudget"))
    with pytest.raises(ApiError, match="more than one"):
        asyncio.run(evict(api, pods))
    assert asked(api) == ["first", "second"]
