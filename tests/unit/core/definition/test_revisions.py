"""Numbering, choosing and expiring revisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.definition.revisions import (
    Missing,
    content,
    digest,
    expendable,
    latest_active,
    next_revision,
    same_program,
    select,
)
from batchyard.core.model.definition import Origin, Revision
from unit.samples import NOW, make_definition

numbers = st.sets(st.integers(1, 30), max_size=12)


def revision(number: int, hash_: str = "") -> Revision:
    return Revision(("media", "transcode"), number, {}, hash_ or f"hash-{number}", NOW)


def by_number(*existing: int) -> dict[int, Revision]:
    return {number: revision(number) for number in existing}


def test_managing_revisions_is_not_part_of_a_revision() -> None:
    spec = {"container": {"image": "a"}, "inactiveRevisions": [1], "revisionHistoryLimit": 3}
    assert content(spec) == {"container": {"image": "a"}}


def test_equal_content_has_one_digest_whatever_its_order() -> None:
    assert digest({"a": 1, "b": {"c": [1, 2], "d": "ü"}}) == digest({"b": {"d": "ü", "c": [1, 2]}, "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert len(digest({})) <= 63


def test_a_default_that_the_api_server_adds_makes_no_other_content() -> None:
    bare = {"container": {"image": "busybox"}, "retryStrategy": {"attempts": 3}}
    filled = {
        "container": {"image": "busybox"},
        "startupGraceSeconds": 300,
        "retryStrategy": {"attempts": 3, "maxInterruptions": 20},
    }
    assert digest(bare) == digest(filled)
    assert digest(bare) != digest({**bare, "startupGraceSeconds": 301})
    assert digest(bare) != digest({**bare, "retryStrategy": {"attempts": 3, "onOutOfMemory": {}}}), "this turns it on"


def test_the_digest_stays_what_it_is() -> None:
    """Jobs remember it: with another one they would take every definition made anew for another program."""
    assert digest({"container": {"image": "busybox", "command": ["é"]}}) == "5b6e3c7d847ed7f2a38f325f2e54904f"


def test_the_revision_of_the_same_content_goes_before_one_of_the_same_number() -> None:
    made = [revision(1, "a"), revision(2, "b"), revision(3, "a")]
    assert same_program(Origin(2, "old", "a"), made) == made[2]
    assert same_program(Origin(1, "old", "a"), made) == made[0]
    assert same_program(Origin(2, "old", "c"), made) is None


@pytest.mark.parametrize(
    ("existing", "hash_", "at_least", "expected"),
    [
        ([], "x", 0, 1),
        ([1, 2], "hash-2", 0, None),
        ([1, 2], "new", 0, 3),
        ([1, 2], "hash-1", 0, 3),
        ([2, 1], "hash-2", 0, None),
        ([1, 2], "new", 7, 8),
        ([], "new", 7, 8),
        ([1, 2], "hash-2", 7, None),
    ],
)
def test_the_next_number(existing: list[int], hash_: str, at_least: int, expected: int | None) -> None:
    assert next_revision([revision(number) for number in existing], hash_, at_least) == expected


def test_an_unnumbered_reference_means_the_latest_active_revision() -> None:
    revisions = by_number(1, 2, 3)
    assert latest_active(revisions.values(), frozenset({3})) == revisions[2]
    assert select(make_definition(digest="hash-3", inactive=frozenset({3})), revisions, None) == revisions[2]
    assert select(make_definition(), revisions, 1) == revisions[1]


@pytest.mark.parametrize(
    ("existing", "inactive", "number", "reason", "words"),
    [
        ((), (), None, "RevisionNotFound", "is being recorded"),
        ((1,), (), None, "RevisionNotFound", "is being recorded"),
        ((1, 2), (1, 2), None, "NoActiveRevision", "take one out of its spec.inactiveRevisions"),
        ((1, 2), (), 5, "RevisionNotFound", "has no revision 5: it has 1, 2"),
        ((), (), 5, "RevisionNotFound", "has no revision 5: it has none yet"),
        ((1, 2), (1,), 1, "RevisionInactive", "take 1 out of its spec.inactiveRevisions"),
    ],
)
def test_why_there_is_no_revision(
    existing: tuple[int, ...], inactive: tuple[int, ...], number: int | None, reason: str, words: str
) -> None:
    definition = make_definition(digest="hash-2", inactive=frozenset(inactive))
    found = select(definition, by_number(*existing), number)
    assert isinstance(found, Missing)
    assert found.reason == reason
    assert "JobDefinition media/transcode" in found.message
    assert words in found.message


def test_a_job_keeps_the_revision_it_got_before_it_was_deactivated() -> None:
    revisions = by_number(1, 2)
    definition = make_definition(inactive=frozenset({1}))
    assert select(definition, revisions, 1, already_resolved=True) == revisions[1]


def test_the_oldest_go_first() -> None:
    revisions = [revision(number) for number in (4, 1, 3, 2)]
    gone = expendable(revisions, 1, frozenset(), frozenset())
    assert [each.number for each in gone] == [1, 2]


def test_revisions_in_use_and_the_one_that_new_jobs_get_are_kept() -> None:
    revisions = [revision(number) for number in range(1, 7)]
    gone = expendable(revisions, 1, {2}, {4, 5, 6})
    assert [each.number for each in gone] == [1, 4, 5]


@given(numbers, st.integers(1, 10), numbers, numbers)
def test_nothing_needed_expires_and_no_more_than_asked_for(
    existing: set[int], limit: int, in_use: set[int], inactive: set[int]
) -> None:
    revisions = [revision(number) for number in existing]
    gone = {each.number for each in expendable(revisions, limit, in_use, inactive)}
    assert not gone & in_use
    assert not existing or max(existing) not in gone
    latest = latest_active(revisions, inactive)
    assert latest is None or latest.number not in gone
    assert len(existing - gone) >= min(len(existing), limit + 1)


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_numbers_only_grow_and_the_same_content_twice_is_one_revision(changes: list[str]) -> None:
    existing: list[Revision] = []
    for hash_ in changes:
        number = next_revision(existing, hash_)
        if number is None:
            assert existing[-1].digest == hash_
        else:
            assert number == len(existing) + 1
            existing.append(revision(number, hash_))
