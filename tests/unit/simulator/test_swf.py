"""The Standard Workload Format, as traces have it and as it should not be."""

import gzip
from pathlib import Path

import pytest

from batchyard.simulator.submission import LeftOut, Submission
from batchyard.simulator.swf import InvalidTrace, Trace, read_trace

HEADER = "; Version: 2.2\n; MaxProcs: 64\n\n"
TRACE = Trace(file="t.swf", queue="batch", queues={0: "interactive"}, processors_per_pod=16, memory_per_processor="1Gi")


def line(**changes: object) -> str:
    """A job by the names of the fields that are used; the others are not known."""
    fields = {"number": 1, "submitted": 0, "ran": 60, "user": 7, "group": 2, "queue": 1} | changes
    names = ["number", "submitted", "", "ran", "allocated", "", "used_kib", "wanted", "", "wanted_kib", "", "user"]
    names += ["group", "", "queue", "", "", ""]
    return " ".join(str(fields.get(name, -1)) for name in names) + "\n"


def read(tmp_path: Path, text: str, trace: Trace = TRACE) -> tuple[list[Submission], int]:
    (tmp_path / "t.swf").write_text(text)
    left_out = LeftOut()
    return list(read_trace(tmp_path / "t.swf", trace, {"batch"}, left_out)), left_out.jobs


def test_fields_become_a_job(tmp_path: Path) -> None:
    text = HEADER + line(submitted=5, ran=90, allocated=8, wanted=4, wanted_kib=1024, used_kib=7)
    (job,), _ = read(tmp_path, text)
    assert (job.submitted_at, job.run_seconds, job.queue, job.share) == (5, 90, "batch", "user7")
    assert job.resolved.request == {"cpu": 4000, "memory": 4 * 2**20}


def test_what_is_not_known_has_a_substitute(tmp_path: Path) -> None:
    text = line(allocated=2, used_kib=2048) + line(wanted=2, user=-1) + line(wanted=1, ran=0.4)
    (used, bare, short), _ = read(tmp_path, text)
    assert used.resolved.request == {"cpu": 2000, "memory": 2 * 2048 * 1024}
    assert bare.resolved.request == {"cpu": 2000, "memory": 2 * 2**30}
    assert bare.share == "userUnknown"
    assert short.run_seconds == 1


def test_queue_numbers_and_groups(tmp_path: Path) -> None:
    by_group = TRACE.model_copy(update={"share_by": "Group"})
    (batch, interactive), _ = read(tmp_path, line(wanted=1) + line(wanted=1, queue=0), by_group)
    assert (batch.queue, batch.share) == ("batch", "group2")
    assert (interactive.queue, interactive.share) == ("interactive", "")  # that queue does not share


def test_a_large_job_becomes_a_multi_node_job(tmp_path: Path) -> None:
    (job, exact), _ = read(tmp_path, line(wanted=40) + line(wanted=16))
    assert job.resolved.gang is not None
    assert [len(group.nodes) for group in job.resolved.gang.groups] == [2, 1]
    assert job.resolved.request == {"cpu": 40_000, "memory": 40 * 2**30, "pods": 3}
    assert exact.resolved.gang is None


def test_jobs_that_did_not_run_are_left_out(tmp_path: Path) -> None:
    jobs, left_out = read(tmp_path, line(ran=-1, wanted=4) + line(wanted=-1) + line(wanted=0, allocated=1))
    assert (len(jobs), left_out) == (1, 2)


def test_compressed(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "t.swf.gz", "wt") as stream:
        stream.write(HEADER + line(wanted=1))
    assert len(list(read_trace(tmp_path / "t.swf.gz", TRACE, (), LeftOut()))) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEADER + "1 2 3\n", "t.swf line 4 has 3 fields, and the format has 18; correct or remove the line"),
        (line(ran="soon"), 't.swf line 1: field 4 is "soon", not a number; write -1 if it is not known'),
        (line(ran="nan"), 't.swf line 1: field 4 is "nan", not a number; write -1 if it is not known'),
        (
            line(submitted=9, wanted=1) + line(submitted=3, wanted=1),
            "t.swf line 2: the submit time (field 2) goes back from 9 to 3; sort the trace by it",
        ),
    ],
)
def test_bad_lines(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidTrace) as refused:
        read(tmp_path, text)
    assert str(refused.value) == f"{tmp_path}/{sentence}"


def test_a_trace_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrace, match=r"none\.swf cannot be read: No such file or directory; swf\.file names"):
        list(read_trace(tmp_path / "none.swf", TRACE, (), LeftOut()))
    (tmp_path / "t.swf.gz").write_bytes(gzip.compress(line(wanted=1).encode())[:-9])
    with pytest.raises(InvalidTrace, match="cannot be read: it is damaged"):
        list(read_trace(tmp_path / "t.swf.gz", TRACE, (), LeftOut()))
