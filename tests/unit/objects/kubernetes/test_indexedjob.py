"""The Jobs of an array, and its part of the status."""

from dataclasses import replace

from batchyard.api import names
from batchyard.core.model.array import ArrayShape, ArrayStatus, FailedIndex, IndexRun
from batchyard.core.model.indexset import IndexSet
from batchyard.objects.kinds.arraystatus import read_array, render_array
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from unit.objects.conftest import Golden
from unit.samples import make_environment, make_job, make_resolved

SHAPE = ArrayShape(1000, max_concurrency=50)
RUN = IndexRun(17, 3, 2)
STATUS = ArrayStatus(
    1000,
    succeeded=IndexSet.parse("0-41,43"),
    failed=IndexSet.parse("42"),
    active=IndexSet.parse("44-46"),
    running=2,
    retries=5,
    first_failures=(FailedIndex(42, 3, 1, "NonZeroExit", "container main ended with exit code 1", "a-42-x", "node-1"),),
)


def test_the_job_of_all_indexes(golden: Golden) -> None:
    resolved = make_resolved(timeout={"attemptDurationSeconds": 600})
    golden("job-indexed", build_indexed_job(make_job(), resolved, SHAPE, make_environment(), 50))


def test_the_job_of_one_index(golden: Golden) -> None:
    golden("job-of-index", build_index_job(make_job(), make_resolved(), SHAPE, make_environment(), RUN))


def test_only_the_pods_of_the_indexed_job_are_left_out_of_the_feed() -> None:
    indexed = build_indexed_job(make_job(), make_resolved(), SHAPE, make_environment(), 50)
    alone = build_index_job(make_job(), make_resolved(), SHAPE, make_environment(), RUN)
    assert names.ARRAY in indexed["spec"]["template"]["metadata"]["labels"]
    assert names.ARRAY not in alone["spec"]["template"]["metadata"]["labels"]


def test_the_status_is_read_back_as_it_was_rendered() -> None:
    rendered = render_array(STATUS)
    assert rendered["progress"] == "44/1000"
    assert (rendered["starting"], rendered["waiting"]) == (1, 953)
    assert rendered["succeededIndexes"] == "0-41,43"
    assert read_array(rendered) == STATUS


def test_the_status_of_a_rerun_counts_what_was_chosen() -> None:
    array = replace(STATUS, chosen=IndexSet.parse("0-60"), succeeded_before=IndexSet.parse("61-999"))
    rendered = render_array(array)
    assert (rendered["progress"], rendered["waiting"], rendered["chosenIndexes"]) == ("44/61", 14, "0-60")
    assert read_array(rendered) == array
    nothing = ArrayStatus(3, chosen=IndexSet())
    assert read_array(render_array(nothing)) == nothing


def test_sets_of_no_index_are_left_out() -> None:
    assert "failedIndexes" not in render_array(ArrayStatus(3))
    assert read_array(render_array(ArrayStatus(3))) == ArrayStatus(3)


def test_what_each_index_counts_for_is_known_to_a_restarted_operator() -> None:
    array = replace(STATUS, charged_as="0.5 vCPU, 1 GiB memory")
    rendered = render_array(array)
    assert rendered["chargedAs"] == "0.5 vCPU, 1 GiB memory"
    assert read_array(rendered) == array
    assert "chargedAs" not in render_array(STATUS)
