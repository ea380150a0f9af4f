"""Revisions as ControllerRevisions."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.definition.revisions import digest
from batchyard.objects.kubernetes.revision import build_revision, read_revision
from unit.objects.conftest import Golden
from unit.samples import NOW, make_content, make_definition, make_revision

CREATED = "2026-01-01T00:00:00Z"


def test_the_controller_revision_of_a_definition(golden: Golden) -> None:
    content = make_content()
    golden("revision", build_revision(make_definition(), 3, content, digest(content)))


def test_what_was_written_is_read_back() -> None:
    assert read_revision(_stored()) == replace(make_revision(3), owner_uid=make_definition().uid, created=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "StatefulSet"},
        {"apiVersion": "apps/v1"},
        {"name": "another"},
        {"controller": False},
        {"controller": None},
    ],
)
def test_only_what_a_definition_controls_is_a_revision(change: dict[str, Any]) -> None:
    made = _stored()
    made["metadata"]["ownerReferences"][0].update(change)
    assert read_revision(made) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "name"), "other-3"),
        (("metadata", "name"), "transcode-4"),
        (("metadata", "labels", names.REVISION), "4"),
        (("metadata", "labels", names.SPEC_HASH), "forged"),
        (("metadata", "labels", names.DEFINITION), "other"),
        (("metadata", "labels"), None),
        (("metadata", "ownerReferences"), None),
        (("revision",), 4),
        (("revision",), None),
        (("data",), None),
        (("data",), []),
        (("data",), {}),
        (("data", "spec"), "text"),
        (("data", "spec"), {"container": {"image": "another"}}),
    ],
)
def test_what_does_not_agree_with_itself_is_none(path: tuple[str, ...], value: Any) -> None:
    made: Any = _stored()
    assert read_revision(made) is not None
    inner = made
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    assert read_revision(made) is None


def _stored() -> dict[str, Any]:
    content = make_content()
    made = build_revision(make_definition(), 3, content, digest(content))
    made["metadata"]["creationTimestamp"] = CREATED
    return made
