"""Which Kubernetes Jobs are believed, and where the key comes from."""

from base64 import b64encode
from typing import Any

import pytest

from batchyard.kube.errors import ApiError, Forbidden
from batchyard.kube.protocol import Object
from batchyard.kube.resources import SECRETS
from batchyard.objects.kubernetes.job import build_job
from batchyard.runtime.state.marks import MarkKey, Marks
from fakes.api import FakeApi
from unit.samples import NOW, make_environment, make_job, make_resolved

MARKS = Marks(b"k" * 32, NOW)


def job(created: str = "2026-01-01T00:00:01Z", *, marks: Marks | None = MARKS, controller: bool = True) -> Object:
    """A Job made a second after the key."""
    body = build_job(make_job(), make_resolved(), make_environment(), 1, 1)
    if marks is not None:
        body = marks.sign(body)
    body["metadata"]["creationTimestamp"] = created
    if not controller:
        body["metadata"]["ownerReferences"] = []
    return body


@pytest.mark.parametrize(
    ("found", "owner_exists", "believed"),
    [
        (job(), True, True),
        (job(), False, True),  # garbage collection is on its way
        (job(controller=False), True, True),
        (job(controller=False), False, False),  # nothing would ever end it
        (job(marks=None), True, False),
        (job(marks=Marks(b"another")), True, False),
        (job("2025-12-31T23:59:59Z", marks=None), True, True),  # of an operator without marks
        (job("2026-01-01T00:00:00Z", marks=None), True, True),
        (job("2025-12-31T23:59:59Z", marks=None), False, False),
        (job("2025-12-31T23:59:59Z", marks=None, controller=False), True, False),
        (job("2025-12-31T23:59:59Z", marks=Marks(b"lost")), True, True),  # the key was lost, and made anew after it
    ],
)
def test_what_is_believed(found: Object, owner_exists: bool, believed: bool) -> None:
    assert MARKS.believes(found, owner_exists=owner_exists) == believed


@pytest.mark.parametrize(
    "change", [{"uid": "another"}, {"name": "another"}, {"kind": "CronJob"}, {"controller": False}]
)
def test_an_old_job_must_have_its_batchjob_as_the_controller(change: dict[str, Any]) -> None:
    old = job("2025-12-31T23:59:59Z", marks=None)
    old["metadata"]["ownerReferences"][0].update(change)
    assert not MARKS.believes(old, owner_exists=True)


def test_without_a_key_nothing_is_believed() -> None:
    assert not Marks().believes(job("2025-12-31T23:59:59Z"), owner_exists=True)


def key_of(api: FakeApi, value: bytes = b"a" * 32) -> MarkKey:
    return MarkKey(api, "system", "operator-marks", lambda count: value[:count])


async def test_the_first_that_acts_makes_the_key_and_the_next_one_uses_it() -> None:
    api, first, second = FakeApi(), Marks(), Marks()
    await key_of(api).load(first)
    await key_of(api, b"b" * 32).load(second)
    [secret] = api.store.objects(SECRETS)
    assert secret["data"] == {"key": b64encode(b"a" * 32).decode()}
    assert secret["immutable"] is True
    assert second.believes(first.sign(job("2100-01-01T00:00:00Z", marks=None)), owner_exists=True)


async def test_of_two_that_make_a_key_at_once_both_use_the_same() -> None:
    api, ours = FakeApi(), Marks()
    theirs = {"metadata": {"name": "operator-marks"}, "data": {"key": b64encode(b"b" * 32).decode()}}

    class Raced(FakeApi):
        async def create(self, *args: Any, **kwargs: Any) -> Object:
            api.store.create(SECRETS, theirs, "system")
            return await super().create(*args, **kwargs)

    await key_of(Raced(api.store)).load(ours)
    signed = ours.sign(job("2100-01-01T00:00:00Z", marks=None))
    assert Marks(b"b" * 32).believes(signed, owner_exists=True)


@pytest.mark.parametrize("data", [None, {}, {"key": ""}, {"key": b64encode(b"short").decode()}])
async def test_a_secret_without_a_key_is_named(data: Any) -> None:
    api = FakeApi()
    api.store.create(SECRETS, {"metadata": {"name": "operator-marks"}, "data": data}, "system")
    with pytest.raises(ApiError, match="Secret operator-marks in namespace system has no key of 32 bytes; delete it"):
        await key_of(api).load(Marks())


async def test_a_key_that_may_not_be_read_is_the_api_servers_error() -> None:
    api = FakeApi()
    api.fail_next("get", SECRETS, Forbidden(403, "Forbidden", "secrets is forbidden"))
    with pytest.raises(Forbidden):
        await key_of(api).load(Marks())
