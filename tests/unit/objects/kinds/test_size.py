"""A status stays small enough for the API server, and forgets nothing that decides."""

import base64
import json
import re
import zlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.api.models.batchjob import DependencyType, JobState
from batchyard.core.admission.dependencies import entered, remember
from batchyard.core.model.array import ArrayStatus, FailedIndex
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import Dependency
from batchyard.core.model.status import EndedDependency, Status
from batchyard.objects.brevity import brief
from batchyard.objects.indextext import MAX_RANGES_TEXT, read_indexes, render_indexes
from batchyard.objects.kinds.batchjobstatus import read_status, render_status
from unit.samples import NOW, make_attempt, make_job

SIZE = 100_000
LIMIT = 256 * 1024
WORDS = "\N{GRINNING FACE}" * 20_000
EVIL = [WORDS, "<" * 20_000, "\x00" * 20_000, '"' * 20_000, "x" * 20_000]
CHANCE = Random(1)  # noqa: S311 - the same pieces each time


def fragments() -> IndexSet:
    bits = f"{CHANCE.getrandbits(SIZE):b}"
    return IndexSet(tuple((run.start(), run.end() - 1) for run in re.finditer("1+", bits)))


def size_of(status: Status) -> int:
    """Bytes of the JSON that an API server makes of it, which escapes these three as well."""
    text = json.dumps(render_status(make_job(), status, {}, NOW), ensure_ascii=False)
    return len(text.encode()) + 5 * sum(map(text.count, "<>&"))


@settings(max_examples=30)
@given(st.frozensets(st.integers(0, 20_000), max_size=60), st.booleans())
def test_a_set_is_read_as_it_was(some: frozenset[int], many: bool) -> None:
    indexes = IndexSet.of([*some, *(range(0, 20_000, 3) if many else ())])
    text = render_indexes(indexes)
    assert text.startswith("bits:") == (len(str(indexes)) > MAX_RANGES_TEXT)
    assert read_indexes(text) == indexes


def packed(raw: bytes) -> str:
    return "bits:" + base64.b64encode(zlib.compress(raw)).decode()


WHOLE = packed(b"\x01" * 100)


@pytest.mark.parametrize(
    "text",
    [
        *("bits:", "bits:%%", "bits:AAAA", "bits:\N{GRINNING FACE}", "x", "9" * 4000),
        *(WHOLE[:-8], packed(b""), packed(b"\x00"), packed(b"\xff" * 10**8)),
    ],
    ids=lambda text: text[:12],
)
def test_a_memory_that_makes_no_sense_is_not_taken_for_none(text: str) -> None:
    """The job is left alone: to run what has succeeded once more would be worse."""
    with pytest.raises(ValueError, match=r"."):
        read_indexes(text)
    with pytest.raises(ValueError, match=r"."):
        read_status({"state": "Pending", "array": {"size": 5, "succeededIndexes": text}})


def test_what_an_older_operator_wrote_is_read() -> None:
    text = ",".join(f"{index}" for index in range(0, SIZE, 2))
    ends = [{"job": "a", "state": "Failed", "succeededIndexes": text, "size": SIZE}, {"job": "b", "state": "Succeeded"}]
    read = read_status({"state": "Pending", "dependencies": ends, "array": {"size": SIZE, "succeededIndexes": text}})
    evens = IndexSet.of(range(0, SIZE, 2))
    assert read.array is not None
    assert read.array.succeeded == evens
    assert [end.succeeded for end in read.dependencies] == [evens, IndexSet()]
    assert read_status(render_status(make_job(), read, {}, NOW)) == read


def test_indexes_that_no_array_has_take_no_room() -> None:
    indexes = IndexSet.of([*range(0, 20_000, 2), 999_999_999])
    assert read_indexes(render_indexes(indexes)) == IndexSet.of(range(0, 20_000, 2))


def test_an_array_in_pieces_that_waited_for_twenty_others_in_pieces() -> None:
    names = [f"{number:02}{'x' * 50}" for number in range(20)]
    partners = tuple(Dependency(name, DependencyType.N_TO_N) for name in names)
    job, status = replace(make_job(), depends_on=partners), Status(JobState.PENDING)
    everywhere = IndexSet.below(SIZE)
    for name in names:
        good = fragments()
        everywhere &= good
        status = remember(job, status, name, Status(JobState.FAILED, array=ArrayStatus(SIZE, succeeded=good)))
    succeeded = fragments()
    array = ArrayStatus(
        SIZE,
        succeeded=succeeded,
        failed=fragments() - succeeded,
        active=fragments() - succeeded,
        chosen=fragments(),
        succeeded_before=fragments(),
        first_failures=tuple(FailedIndex(index, 1, 1, "PodFailed", WORDS) for index in range(10)),
    )
    status = status._replace(message=WORDS, array=array)
    assert size_of(status) < LIMIT
    read = read_status(render_status(job, status, {}, NOW))
    assert read.array is not None
    assert (read.array.succeeded, read.array.failed) == (array.succeeded, array.failed)
    assert read.dependencies == status.dependencies
    kept = [end for end in read.dependencies if not end.merged_into]
    assert len(kept) < 4
    for end in kept:
        everywhere -= end.succeeded
    assert not everywhere, "what is in all of them is in each that is kept"


@pytest.mark.parametrize("words", EVIL, ids=lambda words: ascii(words[0]))
def test_many_attempts_with_long_words(words: str) -> None:
    names = {"pod_name": "p" * 253, "node_name": "n" * 253, "environment": "e" * 253}
    killed = tuple(f"{number:063}" for number in range(20))
    attempts = tuple(
        make_attempt(run, reason=words, message=words, out_of_memory=killed if run < 10 else (), **names)
        for run in range(1, 1001)
    )
    assert size_of(Status(JobState.FAILED, words, words, attempts=attempts)) < LIMIT


def test_only_those_that_wait_index_by_index_keep_which_indexes_succeeded() -> None:
    other = Status(JobState.FAILED, array=ArrayStatus(4, succeeded=IndexSet.parse("0,2")))
    job = replace(make_job(), depends_on=(Dependency("other", DependencyType.FINISHED),))
    assert remember(job, Status(), "other", other).dependencies == (EndedDependency("other", JobState.FAILED, size=4),)
    job = replace(make_job(), depends_on=(Dependency("other", DependencyType.FINISHED, rerun=True),))
    assert str(remember(job, Status(), "other", other).dependencies[0].succeeded) == "0,2"


def test_short_lists_stay_with_those_they_are_of() -> None:
    job = replace(make_job(), depends_on=tuple(Dependency(name, DependencyType.N_TO_N) for name in "ab"))
    status = Status()
    for name in "ab":
        status = entered(job, status, EndedDependency(name, JobState.FAILED, "", IndexSet.parse("0,2"), 4))
    assert [str(end.succeeded) for end in status.dependencies] == ["0,2", "0,2"]


def test_what_is_shortened_says_so() -> None:
    assert brief("short", 100) == "short"
    assert brief("x" * 100, 100) == "x" * 100
    assert brief("x" * 101, 100) == "x" * 85 + "… (shortened)"


@pytest.mark.parametrize("words", EVIL, ids=lambda words: ascii(words[0]))
def test_what_was_shortened_stays_as_it_is(words: str) -> None:
    once = brief(words, 1024)
    assert len(json.dumps(once, ensure_ascii=False).encode()) + 5 * once.count("<") <= 1024 + 2
    assert brief(once, 1024) == once
