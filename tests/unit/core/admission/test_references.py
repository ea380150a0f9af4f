"""What a job refers to, and what is said while it is not there."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.admission.references import Pending, Unsatisfiable, program, refused_by_queue
from batchyard.core.definition.revisions import digest
from batchyard.core.model.definition import Origin, Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import FairShare, Selector
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    make_content,
    make_definition,
    make_job,
    make_queue,
    make_resolved,
    make_revision,
    make_snapshot,
)

JOB = make_job()
KEY = ("media", "transcode")
SHARING = make_queue(fair_share=FairShare())
VIDEO_ONLY = Selector((("team", "video"),))
OTHER = make_content(parameters={"codec": "av1"})


def check(job: BatchJob, objects: Snapshot) -> Resolved | Pending | Unsatisfiable:
    answer = program(job, None, None, objects)
    return (refused_by_queue(job, objects) or answer) if isinstance(answer, Resolved) else answer


def test_a_job_with_everything_there_is_resolved() -> None:
    answer = check(JOB, make_snapshot())
    assert isinstance(answer, Resolved)
    assert answer.revision == 3


def test_a_job_of_a_share_goes_with_a_queue_that_shares() -> None:
    assert isinstance(check(replace(JOB, share="red"), make_snapshot(queues=[SHARING])), Resolved)


@pytest.mark.parametrize(
    ("fields", "job", "reason", "words"),
    [
        (
            {"definitions": {}},
            JOB,
            "JobDefinitionNotFound",
            "JobDefinition transcode does not exist in namespace media",
        ),
        ({"revisions": {}}, JOB, "RevisionNotFound", "is being recorded"),
        ({}, replace(JOB, pinned_revision=7), "RevisionNotFound", "has no revision 7: it has 3"),
        ({"definitions": {KEY: make_definition(inactive=frozenset({3}))}}, JOB, "NoActiveRevision", "inactive"),
        ({"queues": []}, JOB, "JobQueueNotFound", "JobQueue urgent does not exist; the job is queued once it does"),
        ({"queues": [make_queue(namespaces=VIDEO_ONLY)]}, JOB, "NamespaceNotAllowed", "namespace media"),
        (
            {"queues": [make_queue(namespaces=VIDEO_ONLY)], "namespaces": {}},
            JOB,
            "NamespaceNotAllowed",
            "does not match the namespace's labels",
        ),
    ],
)
def test_what_may_still_come_is_waited_for(fields: dict[str, Any], job: BatchJob, reason: str, words: str) -> None:
    answer = check(job, make_snapshot(**fields))
    assert isinstance(answer, Pending)
    assert answer.reason == reason
    assert words in answer.message


@pytest.mark.parametrize(
    ("fields", "job", "reason", "words"),
    [
        ({}, replace(JOB, refusal="array jobs are not supported"), "InvalidSpec", "array jobs are not supported"),
        ({"queues": [SHARING]}, JOB, "ShareIdentifierMissing", "submit the job with spec.shareIdentifier"),
        ({}, replace(JOB, share="red"), "ShareIdentifierNotAllowed", "submit the job without spec.shareIdentifier"),
        (
            {"definitions": {KEY: make_definition(refusal="spec.container is required")}},
            JOB,
            "InvalidSpec",
            "JobDefinition transcode: spec.container is required",
        ),
        (
            {"revisions": {KEY: {3: make_revision(3, parameters={})}}},
            replace(JOB, pinned_revision=3),
            "MissingParameter",
            "parameter 'codec'",
        ),
        (
            {},
            make_job(containerOverrides=[{"name": "side", "image": "x"}]),
            "UnknownContainer",
            "names container 'side'",
        ),
    ],
)
def test_what_can_never_be_right_ends_the_job(fields: dict[str, Any], job: BatchJob, reason: str, words: str) -> None:
    answer = check(job, make_snapshot(**fields))
    assert isinstance(answer, Unsatisfiable)
    assert answer.reason == reason
    assert words in answer.message


def test_a_namespace_with_the_labels_is_let_in() -> None:
    objects = make_snapshot(queues=[make_queue(namespaces=VIDEO_ONLY)], namespaces={"media": {"team": "video"}})
    assert isinstance(check(JOB, objects), Resolved)


def test_what_was_resolved_is_not_resolved_again() -> None:
    resolved = make_resolved()
    assert program(JOB, None, resolved, make_snapshot()) is resolved


def test_an_operator_that_starts_anew_takes_the_revision_the_job_had() -> None:
    """Neither a newer revision, nor its deactivation, nor a spec that is refused now changes what was submitted."""
    objects = make_snapshot(
        definitions={KEY: make_definition(inactive=frozenset({3}), refusal="spec.container is required")},
        revisions={KEY: {3: make_revision(3), 4: make_revision(4)}},
    )
    answer = program(JOB, Origin(3), None, objects)
    assert isinstance(answer, Resolved)
    assert answer.revision == 3


def anew(content: dict[str, Any] | None = None, number: int = 1) -> Snapshot:
    """The definition was deleted and made anew."""
    spec = content or make_content()
    made = replace(make_revision(number), content=spec, digest=digest(spec), owner_uid="new")
    definition = make_definition(uid="new", spec=spec, digest=digest(spec))
    return make_snapshot(definitions={KEY: definition}, revisions={KEY: {number: made}})


FIRST = Origin(3, "old", digest(make_content()))


@pytest.mark.parametrize("ran", [False, True])
def test_a_definition_made_anew_with_the_same_content_is_the_same_program(ran: bool) -> None:
    answer = program(JOB, FIRST, None, anew(), ran=ran)
    assert isinstance(answer, Resolved)
    assert (answer.revision, answer.definition_uid) == (1, "new")


def test_what_has_not_run_takes_the_definition_made_anew() -> None:
    answer = program(JOB, FIRST, None, anew(OTHER))
    assert isinstance(answer, Resolved)
    assert answer.parameters["codec"] == "av1"


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("known", [False, True])
def test_what_has_run_never_runs_another_program(number: int, known: bool) -> None:
    """Whether the operator still knows what the job ran makes no difference."""
    resolved = replace(make_resolved(), definition_uid="old") if known else None
    answer = program(JOB, FIRST, resolved, anew(OTHER, number), ran=True)
    assert isinstance(answer, Unsatisfiable)
    assert answer.reason == "DefinitionReplaced"
    assert "submit the job again" in answer.message


def test_a_job_of_an_earlier_operator_goes_on_with_the_number_it_has() -> None:
    answer = program(JOB, Origin(3), None, anew(OTHER, 3), ran=True)
    assert isinstance(answer, Resolved)


@pytest.mark.parametrize("ran", [False, True])
def test_what_is_known_of_a_definition_that_is_gone_counts_no_more(ran: bool) -> None:
    """An operator that starts anew could not know it."""
    answer = program(JOB, FIRST, make_resolved(), make_snapshot(definitions={}, revisions={}), ran=ran)
    assert isinstance(answer, Pending)
    assert answer.reason == "JobDefinitionNotFound"
    assert ("with the same content" in answer.message) == ran


def test_the_same_content_is_waited_for_while_it_is_being_recorded() -> None:
    snapshot = anew()
    answer = program(JOB, FIRST, None, replace(snapshot, revisions={}), ran=True)
    assert isinstance(answer, Pending)
    assert answer.reason == "RevisionNotFound"
