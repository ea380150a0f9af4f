"""Marks: right for one Job of one namespace as it was made, and for nothing else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from batchyard.api import names
from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.mark import is_signed, signed
from unit.samples import make_environment, make_job, make_resolved

KEY = b"k" * 32


def made() -> dict[str, Any]:
    return signed(build_job(make_job(), make_resolved(), make_environment(), 1, 1), KEY)


def change(part: str, name: str, value: str) -> Callable[[Any], None]:
    def carry_out(metadata: Any) -> None:
        metadata[part][name] = value

    return carry_out


def test_a_job_that_was_signed_is_known_by_the_key() -> None:
    job = made()
    assert is_signed(job, KEY)
    assert not is_signed(job, b"x" * 32)


def test_what_others_put_on_a_job_does_not_matter() -> None:
    job = made()
    job["metadata"]["labels"]["team"] = "a"
    job["metadata"]["annotations"]["example.org/batchyard.dev"] = "b"
    job["metadata"]["resourceVersion"] = "7"
    assert is_signed(job, KEY)


@pytest.mark.parametrize(
    "forge",
    [
        change("labels", names.QUEUE, "another"),
        change("labels", names.ENVIRONMENT, "another"),
        change("labels", names.JOB_UID, "another"),
        change("labels", names.RUN, "2"),
        change("labels", names.ARRAY, "true"),
        change("annotations", names.REQUEST, '{"cpu": 1000000}'),
        change("annotations", names.ATTEMPT, "2"),
        change("annotations", names.CONSUMABLES, '{"licence": -5}'),
        change("annotations", names.MARK, "bogus"),
        lambda metadata: metadata["labels"].pop(names.QUEUE),
        lambda metadata: metadata["annotations"].pop(names.MARK),
        lambda metadata: metadata.pop("annotations"),
        lambda metadata: metadata.update(name="videos-2"),
        lambda metadata: metadata.update(namespace="mallory"),
    ],
)
def test_a_mark_is_of_no_use_where_anything_of_it_was_changed(forge: Callable[[Any], Any]) -> None:
    job = copy.deepcopy(made())
    forge(job["metadata"])
    assert not is_signed(job, KEY)


def test_a_mark_that_is_no_text_of_letters_is_wrong_and_no_error() -> None:
    job = made()
    job["metadata"]["annotations"][names.MARK] = "é"
    assert not is_signed(job, KEY)
