"""One place sets the state of a job, and clears what does not hold in it."""

import ast
from pathlib import Path

import pytest

import batchyard
from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle import transitions
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.queue import WaitingSince
from batchyard.core.model.status import TERMINAL, Status

PACKAGE = Path(batchyard.__file__).parent
WAITED = Status(
    JobState.RUNNABLE,
    "InsufficientCapacity",
    "next in queue urgent",
    queue_position=1,
    stalled=True,
    not_before=60.0,
    waiting_since=WaitingSince("InsufficientCapacity", 5.0),
    head_since=4.0,
)


def test_nobody_else_sets_the_state() -> None:
    setters = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "_replace"
        and any(keyword.arg == "state" for keyword in call.keywords)
    }
    assert setters == {"core/lifecycle/transitions.py"}


def test_every_state_is_in_the_table_and_the_ends_are_final() -> None:
    assert transitions.TRANSITIONS.keys() == set(JobState)
    assert {state for state, ways in transitions.TRANSITIONS.items() if not ways} == TERMINAL


def test_what_runs_or_has_ended_waits_for_nothing() -> None:
    starting = transitions.to_starting(WAITED, "CreatingPod", "")
    running = transitions.to_running(starting, "ContainerRunning", "", 70.0)
    end = transitions.ended(running, JobState.SUCCEEDED, "Completed", "", 80.0)
    for status in (starting, running, end, transitions.failed(WAITED, "Cancelled", "", 80.0)):
        assert (status.queue_position, status.stalled, status.waiting_since) == (None, False, None)
    assert (end.started_at, end.stopped_at, end.not_before, end.head_since) == (70.0, 80.0, None, None)


def test_the_first_start_counts() -> None:
    assert transitions.to_running(WAITED._replace(started_at=50.0), "ContainerRunning", "", 70.0).started_at == 50.0


def test_a_job_that_waits_again_has_no_run() -> None:
    status = transitions.to_runnable(Status(JobState.RUNNING, environment="pool", job_name="a-1"), "RetryBackoff", "")
    assert (status.environment, status.job_name, status.not_before) == ("", "", None)


def test_whoever_leaves_the_head_of_a_queue_begins_there_anew() -> None:
    assert transitions.to_pending(WAITED, "JobDefinitionNotFound", "").head_since is None
    assert transitions.to_runnable(WAITED, "CreateFailed", "").head_since is None


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_the_indexes_of_an_array_end_with_it(state: JobState) -> None:
    array = ArrayStatus(3, succeeded=IndexSet.of([0]), active=IndexSet.of([1]), running=1, hold="waits")
    ended = transitions.ended(Status(JobState.RUNNING, array=array), state, "IndexesFailed", "", 80.0).array
    assert ended is not None
    assert (ended.failed, ended.active, ended.running, ended.hold) == (IndexSet.of([1, 2]), IndexSet(), 0, "")
