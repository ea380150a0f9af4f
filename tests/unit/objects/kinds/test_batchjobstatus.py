"""A BatchJob's status: rendered, read back, and sent as a difference."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from batchyard.api.models.batchjob import BatchJobStatus, JobState
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.status import Attempt, EndedDependency, Status
from batchyard.objects.brevity import legible
from batchyard.objects.kinds.batchjobstatus import MAX_ATTEMPTS, read_status, render_status
from unit.objects.conftest import Golden
from unit.samples import NOW, make_job

FIRST = Attempt(
    1, 1, "videos-1", "pool", "videos-1-abcde", "node-a", NOW, NOW + 60, 137, "OOMKilled", "killed", 2**32, ("main",)
)
SECOND = Attempt(2, 2, "videos-2", "pool", "videos-2-fghij", "node-b", NOW + 90)

STATUSES = {
    "submitted": Status(),
    "runnable": Status(
        JobState.RUNNABLE,
        "WaitingInQueue",
        "position 3 in queue urgent: 2 jobs are ahead (at 00:00:00Z)",
        revision=3,
        queue_position=3,
    ),
    "stalled": Status(
        JobState.RUNNABLE,
        "ExceedsCapacity",
        "the job needs 64 vCPU, more than any environment of queue urgent could ever give one pod",
        revision=3,
        stalled=True,
    ),
    "depending": Status(
        JobState.PENDING,
        "WaitingForDependencies",
        "waits for BatchJob index to succeed",
        revision=3,
        dependencies=(EndedDependency("fetch", JobState.SUCCEEDED), EndedDependency("sort", JobState.FAILED, "scan")),
    ),
    "retrying": Status(
        JobState.RUNNABLE,
        "RetryBackoff",
        "attempt 1 of 3 failed; next one in 30 s",
        revision=3,
        started_at=NOW,
        attempts=(FIRST,),
        interruptions=1,
        not_before=NOW + 90,
        queued_at=NOW + 80,
    ),
    "running": Status(
        JobState.RUNNING,
        "ContainerRunning",
        "runs on node node-b",
        revision=3,
        environment="pool",
        job_name="videos-2",
        started_at=NOW,
        attempts=(FIRST, SECOND),
    ),
    "succeeded": Status(
        JobState.SUCCEEDED,
        "Completed",
        "the container ended with exit code 0",
        revision=3,
        environment="pool",
        job_name="videos-2",
        started_at=NOW,
        stopped_at=NOW + 120,
        attempts=(FIRST, SECOND._replace(stopped_at=NOW + 120, exit_code=0, reason="Completed")),
    ),
    "failed": Status(
        JobState.FAILED,
        "OOMKilled",
        "container main used more memory than its limit and was killed (exit code 137)",
        revision=3,
        environment="pool",
        job_name="videos-1",
        started_at=NOW,
        stopped_at=NOW + 60,
        attempts=(FIRST,),
    ),
}


def render(status: Status, previous: dict[str, Any] | None = None, now: float = NOW) -> dict[str, Any]:
    return render_status(make_job(), status, previous or {}, now)


@pytest.mark.parametrize("name", STATUSES)
def test_the_status_of_each_kind_of_job(name: str, golden: Golden) -> None:
    golden(f"status-{name}", render(STATUSES[name]))


@pytest.mark.parametrize("name", STATUSES)
def test_each_is_read_back_as_it_was(name: str) -> None:
    assert read_status(render(STATUSES[name])) == STATUSES[name]


def test_an_object_without_a_status_was_submitted() -> None:
    assert read_status({}) == Status()


def fields(model: type[BaseModel]) -> dict[str, bool]:
    """Each field as it stands in JSON, and whether the API server would fill in a default."""
    return {
        str(field.alias): not field.is_required() and field.get_default(call_default_factory=True) is not None
        for field in model.model_fields.values()
    }


@pytest.mark.parametrize("name", STATUSES)
def test_the_status_fits_its_model_and_leaves_nothing_to_default(name: str) -> None:
    rendered = render(STATUSES[name])
    BatchJobStatus.model_validate(rendered)
    known = fields(BatchJobStatus)
    assert set(rendered) <= set(known)
    assert {field for field, defaulted in known.items() if defaulted} <= set(rendered)


def test_attempts_leave_nothing_to_default_either() -> None:
    rendered = render(Status(attempts=(Attempt(1, 1, "videos-1", ""),)))["attempts"][0]
    assert rendered == {"run": 1, "attempt": 1, "jobName": "videos-1", "computeEnvironment": ""}


def test_only_the_last_attempts_are_kept() -> None:
    attempts = tuple(Attempt(number, 1, f"videos-{number}", "pool") for number in range(1, 81))
    kept = render(Status(attempts=attempts))["attempts"]
    assert [attempt["run"] for attempt in kept] == list(range(81 - MAX_ATTEMPTS, 81))


def test_older_attempts_that_ran_out_of_memory_are_kept_too() -> None:
    attempts = tuple(
        Attempt(number, 1, f"videos-{number}", "pool", out_of_memory=("main",) if number in (2, 20, 60) else ())
        for number in range(1, 81)
    )
    kept = render(Status(attempts=attempts))["attempts"]
    assert [attempt["run"] for attempt in kept] == [2, 20, *range(81 - MAX_ATTEMPTS, 81)]


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    before = render(STATUSES["runnable"], now=NOW)
    running = render(STATUSES["running"], before, NOW + 60)
    done = render(STATUSES["succeeded"], running, NOW + 120)
    assert [each["conditions"][0]["lastTransitionTime"] for each in (before, running, done)] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:02:00Z",
    ]


def test_an_unchanged_status_needs_no_write() -> None:
    before = render(STATUSES["running"], now=NOW)
    assert render(STATUSES["running"], before, NOW + 500) == before


texts = st.text(max_size=5).map(legible)
times = st.none() | st.integers(0, 2**32).map(float)
attempts_ = st.builds(
    Attempt,
    run=st.integers(1, 99),
    attempt=st.integers(1, 10),
    job_name=texts,
    environment=texts,
    pod_name=texts,
    node_name=texts,
    started_at=times,
    stopped_at=times,
    exit_code=st.none() | st.integers(-1, 255),
    reason=texts,
    message=texts,
    charged_as=texts,
    memory=st.none() | st.integers(0, 2**60),
    out_of_memory=st.lists(texts, max_size=2).map(tuple),
)
statuses = st.builds(
    Status,
    state=st.sampled_from(JobState),
    reason=texts,
    message=texts,
    revision=st.none() | st.integers(1, 10**6),
    queue_position=st.none() | st.integers(1, 10**5),
    environment=texts,
    job_name=texts,
    started_at=times,
    stopped_at=times,
    attempts=st.lists(attempts_, max_size=3).map(tuple),
    interruptions=st.integers(0, 20),
    stalled=st.booleans(),
    not_before=times,
    queued_at=times,
    head_since=times,
    refusals=st.just(0),  # not stored
    definition_uid=texts,
    digest=texts,
    estimated_start=times | st.just(inf),
    array=st.none(),
    waiting_since=st.none(),
    dependencies=st.lists(
        st.builds(EndedDependency, texts.filter(bool), st.sampled_from([JobState.SUCCEEDED, JobState.FAILED]), texts),
        max_size=3,
    ).map(tuple),
).filter(lambda status: not (status.stalled and status.state is JobState.FAILED))


@pytest.mark.parametrize("moved", [True, False])
def test_that_an_array_has_left_its_environment_is_known_to_a_restarted_operator(*, moved: bool) -> None:
    status = Status(JobState.RUNNING, environment="pool", array=ArrayStatus(10, IndexSet.parse("0-2"), moved=moved))
    rendered = render(status)
    BatchJobStatus.model_validate(rendered)
    assert ("moved" in rendered["array"]) is moved, "few have"
    assert read_status(rendered).array == status.array


@given(statuses, st.floats(0, 2**32))
def test_a_restarted_operator_goes_on_where_it_was(status: Status, now: float) -> None:
    rendered = render(status, now=now)
    assert read_status(rendered) == status
    assert render(read_status(rendered), rendered, now + 1000) == rendered


@given(st.floats(0, 2**32))
def test_times_are_kept_to_the_second(time: float) -> None:
    read = read_status(render(Status(started_at=time))).started_at
    assert read is not None
    assert time - 1 < read <= time
