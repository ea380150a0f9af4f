"""Numbering, choosing and expiring the revisions of a JobDefinition."""

import hashlib
import json
from collections.abc import Collection, Mapping, Set
from functools import cache
from typing import Any, NamedTuple

from batchyard.api import names
from batchyard.api.generate.schema import structural_schema
from batchyard.api.models.jobdefinition import JobDefinition
from batchyard.api.reasons import Reason
from batchyard.core.model.definition import Definition, Origin, Revision

_NOT_CONTENT = frozenset({"inactiveRevisions", "revisionHistoryLimit"})


class Missing(NamedTuple):
    """Why a reference to a definition gives no revision now."""

    reason: Reason
    message: str


def content(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a definition's spec that a revision freezes: all but the fields that manage revisions."""
    return {name: value for name, value in spec.items() if name not in _NOT_CONTENT}


def digest(content: Mapping[str, Any]) -> str:
    """A hash that is equal for equal content whatever the order of its fields, short enough for a label.

    It is over what the user wrote: the API server adds defaults, and those of a later version make no other content.
    Jobs remember it, so how it is made may never change.
    """
    canonical = json.dumps(_written(content, _schema()), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@cache
def _schema() -> Mapping[str, Any]:
    schema: Mapping[str, Any] = structural_schema(JobDefinition, names.JOB_DEFINITION)["properties"]["spec"]
    return schema


def _written(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value without what equals its default, which may be there because somebody wrote it or because nobody did."""
    if isinstance(value, Mapping):
        fields, others = schema.get("properties") or {}, schema.get("additionalProperties") or {}
        return {
            name: _written(field, fields.get(name, others))
            for name, field in value.items()
            if "default" not in fields.get(name, ()) or field != fields[name]["default"]
        }
    if isinstance(value, list):
        return [_written(each, schema.get("items") or {}) for each in value]
    return value


def next_revision(existing: Collection[Revision], digest: str, at_least: int = 0) -> int | None:
    """The number of the revision to create, or None when the newest one has this content already.

    `at_least` is the highest number known from elsewhere (the definition's status): a number is never used
    twice, even after its revision was deleted.
    """
    newest = max(existing, key=_number, default=None)
    if newest is not None and newest.digest == digest:
        return None
    return max(newest.number if newest else 0, at_least) + 1


def latest_active(revisions: Collection[Revision], inactive: Set[int]) -> Revision | None:
    """The revision meant by a reference without a number."""
    return max((r for r in revisions if r.number not in inactive), key=_number, default=None)


def select(
    definition: Definition,
    revisions: Mapping[int, Revision],
    number: int | None,
    *,
    already_resolved: bool = False,
) -> Revision | Missing:
    """The revision (of those given, by number) that a job's reference stands for, or why there is none.

    Deactivating a revision refuses new jobs; a job that was resolved to it before keeps it.
    """
    subject = f"JobDefinition {definition.key[0]}/{definition.key[1]}"
    if number is None:
        newest = max(revisions.values(), key=_number, default=None)
        if newest is None or newest.digest != definition.digest:
            return Missing(Reason.REVISION_NOT_FOUND, f"the latest revision of {subject} is being recorded")
        latest = latest_active(revisions.values(), definition.inactive)
        if latest is not None:
            return latest
        return Missing(
            Reason.NO_ACTIVE_REVISION,
            f"every revision of {subject} is inactive: take one out of its spec.inactiveRevisions",
        )
    found = revisions.get(number)
    if found is None:
        return Missing(Reason.REVISION_NOT_FOUND, f"{subject} has no revision {number}: {_there_are(revisions)}")
    if number in definition.inactive and not already_resolved:
        return Missing(
            Reason.REVISION_INACTIVE,
            f"revision {number} of {subject} is inactive: take {number} out of its spec.inactiveRevisions"
            " or submit the job with another revision",
        )
    return found


def same_program(origin: Origin, revisions: Collection[Revision]) -> Revision | None:
    """The revision of a definition made anew that has the content a job got before; of several that of its number."""
    same = [revision for revision in revisions if revision.digest == origin.digest]
    return max(same, key=lambda revision: (revision.number == origin.number, revision.number), default=None)


def expendable(revisions: Collection[Revision], limit: int, in_use: Set[int], inactive: Set[int]) -> list[Revision]:
    """The revisions to delete, oldest first, so that beside the newest `limit` old ones remain.

    Kept beyond the limit: the newest, the latest active one (what an unnumbered reference means) and those in
    use.
    """
    ordered = sorted(revisions, key=_number)
    kept = {*in_use, *(revision.number for revision in ordered[-1:])}
    if latest := latest_active(ordered, inactive):
        kept.add(latest.number)
    deletable = [revision for revision in ordered if revision.number not in kept]
    return deletable[: max(len(ordered) - 1 - limit, 0)]


def _there_are(revisions: Mapping[int, Revision]) -> str:
    return f"it has {', '.join(map(str, sorted(revisions)))}" if revisions else "it has none yet"


def _number(revision: Revision) -> int:
    return revision.number
