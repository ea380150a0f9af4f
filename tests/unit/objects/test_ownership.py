"""Who controls an object, as its references tell it."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.objects.ownership import controller, own_controller, owner_reference

OURS = owner_reference(names.JOB_DEFINITION, "transcode", "a-uid")
ANOTHER = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x", "uid": "x"}


def owned(*references: dict[str, Any] | None) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": list(references)}}


def test_what_is_written_is_read() -> None:
    assert controller(owned(ANOTHER, OURS)) == own_controller(owned(ANOTHER, OURS), names.JOB_DEFINITION) == OURS


@pytest.mark.parametrize(
    "obj",
    [
        {"metadata": {}},
        {"metadata": {"ownerReferences": None}},
        owned(),
        owned({**OURS, "controller": False}),
    ],
)
def test_an_owner_alone_controls_nothing(obj: dict[str, Any]) -> None:
    assert controller(obj) == own_controller(obj, names.JOB_DEFINITION) == {}


@pytest.mark.parametrize(
    "reference",
    [
        {**ANOTHER, "controller": True},
        {**OURS, "kind": names.BATCH_JOB},
        {**OURS, "apiVersion": "batchyard.dev.example.com/v1"},
    ],
)
def test_what_somebody_else_controls_is_not_ours(reference: dict[str, Any]) -> None:
    assert controller(owned(reference)) == reference
    assert own_controller(owned(reference), names.JOB_DEFINITION) == {}
