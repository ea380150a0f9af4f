"""What a job refers to, and what is said while it is not there."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.queuerecords import FairShare, Selector
from batchyard.core.records import BatchJob, Resolved
from batchyard.core.references import Never, Waits, check
from unit.samples import make_definition, make_job, make_queue, make_resolved, make_revision, make_snapshot

JOB = make_job()
KEY = ("media", "transcode")
SHARING = make_queue(fair_share=FairShare())
VIDEO_ONLY = Selector((("team", "video"),))


def test_a_job_with_everything_there_is_resolved() -> None:
    answer = check(JOB, None, None, make_snapshot())
    assert isinstance(answer, Resolved)
    assert answer.revision == 3


def test_a_job_of_a_share_goes_with_a_queue_that_shares() -> None:
    assert isinstance(check(replace(JOB, share="red"), None, None, make_snapshot(queues=[SHARING])), Resolved)


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
    answer = check(job, None, None, make_snapshot(**fields))
    assert isinstance(answer, Waits)
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
    answer = check(job, None, None, make_snapshot(**fields))
    assert isinstance(answer, Never)
    assert answer.reason == reason
    assert words in answer.message


def test_a_namespace_with_the_labels_is_let_in() -> None:
    objects = make_snapshot(queues=[make_queue(namespaces=VIDEO_ONLY)], namespaces={"media": {"team": "video"}})
    assert isinstance(check(JOB, None, None, objects), Resolved)


def test_what_was_resolved_is_not_resolved_again() -> None:
    resolved = make_resolved()
    assert check(JOB, 3, resolved, make_snapshot(definitions={}, revisions={})) is resolved


def test_an_operator_that_starts_anew_takes_the_revision_the_job_had() -> None:
    """Neither a newer revision, nor its deactivation, nor a spec that is refused now changes what was submitted."""
    objects = make_snapshot(
        definitions={KEY: make_definition(inactive=frozenset({3}), refusal="spec.container is required")},
        revisions={KEY: {3: make_revision(3), 4: make_revision(4)}},
    )
    answer = check(JOB, 3, None, objects)
    assert isinstance(answer, Resolved)
    assert answer.revision == 3
