"""Revisions as ControllerRevisions."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.revisions import digest
from batchyard.manifests.revision import build_revision, read_revision
from unit.manifests.conftest import Golden
from unit.samples import NOW, make_content, make_definition, make_revision

CREATED = "2026-01-01T00:00:00Z"


def test_the_controller_revision_of_a_definition(golden: Golden) -> None:
    content = make_content()
    golden("revision", build_revision(make_definition(), 3, content, digest(content)))


def test_what_was_written_is_read_back() -> None:
    content = make_content()
    written = build_revision(make_definition(), 3, content, digest(content))
    stored = {**written, "metadata": {**written["metadata"], "creationTimestamp": CREATED}}
    assert read_revision(stored) == replace(make_revision(3), owner_uid=make_definition().uid)
    assert read_revision(stored).created == NOW


def test_a_forged_label_does_not_change_the_hash() -> None:
    content = make_content()
    written = build_revision(make_definition(), 3, content, "forged")
    stored = {**written, "metadata": {**written["metadata"], "creationTimestamp": CREATED}}
    assert read_revision(stored).digest == digest(content)


@pytest.mark.parametrize(
    "change",
    [{"kind": "StatefulSet"}, {"apiVersion": "apps/v1"}, {"name": "another"}, {"controller": False}],
)
def test_only_its_definition_owns_a_revision(change: dict[str, Any]) -> None:
    content = make_content()
    made = build_revision(make_definition(), 3, content, digest(content))
    made["metadata"]["creationTimestamp"] = CREATED
    made["metadata"]["ownerReferences"][0].update(change)
    assert read_revision(made).owner_uid == ""
