"""A JobDefinition: read as a record; and its status, with its revisions and whether new jobs can be made from it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from batchyard.api import names
from batchyard.api.models.jobdefinition import JobDefinition
from batchyard.api.reasons import Reason
from batchyard.api.sizes import too_large
from batchyard.core.definition import revisions
from batchyard.core.definition.memoryunits import DOUBTFUL_MEMORY, doubts_about_definition
from batchyard.core.definition.revisions import latest_active
from batchyard.core.model.definition import Definition, Revision
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.checked import checked
from batchyard.objects.meta import Object, key_of, spec_of
from batchyard.objects.times import format_time


def read_definition(obj: Object) -> Definition:
    """Read a JobDefinition. Of the spec of one that is too large nothing is kept."""
    metadata = obj["metadata"]
    spec = spec_of(obj)
    if refusal := too_large(names.JOB_DEFINITION, spec):
        return replace(read_definition({**obj, "spec": {}}), refusal=refusal)
    definition = Definition(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=spec,
        digest=revisions.digest(revisions.content(spec)),
    )
    found = checked(JobDefinition, obj)
    if isinstance(found, str):
        return replace(definition, refusal=found)
    inactive, limit = frozenset(found.spec.inactive_revisions), found.spec.revision_history_limit
    return replace(definition, inactive=inactive, history_limit=limit)


class Rejection(NamedTuple):
    """What speaks against a pod template: a word and a sentence."""

    reason: str
    message: str

    @classmethod
    def by_api_server(cls, words: str) -> Self:
        """In the API server's words."""
        return cls("TemplateRejected", f"the API server refuses the pod template: {words}")


def render_definition_status(
    definition: Definition,
    revisions: Collection[Revision],
    rejection: Rejection | None,
    previous: Mapping[str, Any],
    now: float,
    unrecorded: str = "",
    protected: str = "",
) -> dict[str, Any]:
    """The whole status; `rejection` is what speaks against the pod template.

    `unrecorded` is why it does not take the revision of the present spec, `protected` why no job runs in its namespace.
    """
    latest = latest_active(revisions, definition.inactive)
    state = _ready_state(definition, revisions, latest, rejection, unrecorded)
    if protected:
        state = ReadyState(False, Reason.NAMESPACE_PROTECTED, protected, stalled=True)
    if doubts := "" if definition.refusal or protected else doubts_about_definition(definition.spec):
        state = replace(state, doubt=(DOUBTFUL_MEMORY, doubts))
    status = {
        "observedGeneration": definition.generation,
        "revisions": [
            {
                "revision": revision.number,
                "active": revision.number not in definition.inactive,
                "createdAt": format_time(revision.created),
            }
            for revision in sorted(revisions, key=lambda revision: revision.number, reverse=True)
        ],
        "conditions": render_conditions(state, definition.generation, previous, now),
    }
    return presentable({**status, "latestRevision": latest.number} if latest else status)


def _ready_state(
    definition: Definition,
    revisions: Collection[Revision],
    latest: Revision | None,
    rejection: Rejection | None,
    unrecorded: str,
) -> ReadyState:
    if definition.refusal:
        return ReadyState(False, "InvalidSpec", definition.refusal, stalled=True)
    if unrecorded:
        message = f"the API server does not take the ControllerRevision of this spec; it is tried again: {unrecorded}"
        return ReadyState(False, "CreateFailed", message)
    if rejection:
        return ReadyState(False, rejection.reason, rejection.message, stalled=True)
    if not revisions:
        return ReadyState(False, "Progressing", "the first revision is being made")
    if latest is None:
        return ReadyState(
            False,
            "NoActiveRevision",
            "every revision is inactive: take one out of spec.inactiveRevisions so that jobs can use it",
        )
    return ReadyState(True, "TemplateAccepted", f"new jobs use revision {latest.number}")
