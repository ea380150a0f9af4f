"""An error in a step stays with the object that is the cause of it."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.durations import Durations
from batchyard.core.insight.estimates import Observation, estimates
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.status import Status
from batchyard.core.planner.containment import (
    Contained,
    Fault,
    Stage,
    StageError,
    contain,
    described,
    left_out,
    sentence,
)
from batchyard.core.planner.hiding import Culprit, hide
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    decisions_of,
    make_attempt,
    make_environment,
    make_job,
    make_queue,
    make_run,
    waiting,
)

WORD: Any = "1"
"""Stands where a number belongs."""


def jobs(count: int) -> list[Any]:
    return [replace(make_job(f"job-{number:03}"), created=NOW + number) for number in range(count)]


def poisoned(snapshot: Snapshot, *names: str, **fields: Any) -> Snapshot:
    """The same, where these jobs have come to something that no boundary lets through."""
    changed = {
        key: replace(resolved, **fields) if key[1] in names else resolved for key, resolved in snapshot.resolved.items()
    }
    return replace(snapshot, resolved=changed)


def placed(snapshot: Snapshot) -> Contained[Placed]:
    return contain(Stage.PLACEMENT, partial(place, fresh=(), now=NOW), snapshot)


def started(found: Contained[Placed]) -> list[str]:
    assert found.result is not None
    return sorted(placement.key[1] for placement in found.result.placements)


def blamed(found: Contained[Any]) -> dict[str, Stage]:
    return {str(fault.culprit): fault.stage for fault in found.faults}


def test_a_step_that_does_not_raise_is_run_once() -> None:
    calls: list[Snapshot] = []
    snapshot = waiting(*jobs(2))
    assert contain(Stage.PLACEMENT, calls.append, snapshot) == Contained(None)
    assert calls == [snapshot]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_job_that_cannot_be_placed_is_found_wherever_it_stands(bad: int) -> None:
    snapshot = poisoned(waiting(*jobs(3)), f"job-{bad:03}", request={"cpu": WORD})
    found = placed(snapshot)
    assert started(found) == [f"job-{number:03}" for number in range(3) if number != bad]
    assert blamed(found) == {f"BatchJob media/job-{bad:03}": Stage.PLACEMENT}


def test_several_jobs_are_found_in_one_go_and_nobody_else_is_blamed() -> None:
    names = [f"job-{number:03}" for number in range(1, 20, 2)]
    found = placed(poisoned(waiting(*jobs(20), request={"cpu": 1}), *names, request={"cpu": WORD}))
    assert blamed(found) == dict.fromkeys((f"BatchJob media/{name}" for name in names), Stage.PLACEMENT)
    assert len(started(found)) == 10


def test_of_very_many_some_are_found_in_each_pass() -> None:
    names = [f"job-{number:03}" for number in range(60)]
    snapshot = poisoned(waiting(*jobs(61), request={"cpu": 1}), *names, request={"cpu": WORD})
    found = placed(snapshot)
    assert found.result is None
    assert found.faults
    while found.result is None:
        snapshot = hide(snapshot, [fault.culprit for fault in found.faults if fault.culprit is not None])
        found = placed(snapshot)
    assert started(found) == ["job-060"]


def test_a_running_job_is_found_by_whoever_reads_when_it_ends() -> None:
    """A large job waits, and a small one might go before it."""
    running, large, small = make_job("running"), make_job("large"), replace(make_job("small"), created=NOW + 9)
    snapshot = waiting(large, small, requests={large.key: {"cpu": 4000}, small.key: {"cpu": 1000}})
    snapshot = poisoned(snapshot, "small", timeout_seconds=60)
    charge = Charge("pool", {"cpu": 2000, "pods": 1}, running.key, make_run(owner=running.key))
    snapshot = replace(
        snapshot,
        jobs={**snapshot.jobs, running.key: running},
        statuses={**snapshot.statuses, running.key: Status(JobState.RUNNING)},
        resolved={**snapshot.resolved, running.key: replace(snapshot.resolved[small.key], timeout_seconds=WORD)},
        charges={"run": charge},
        used={"pool": charge.amount},
    )
    found = placed(snapshot)
    assert blamed(found) == {"BatchJob media/running": Stage.BACKFILL}
    assert found.result is not None
    assert [key[1] for key, _ in found.result.holds] == ["large"]


def test_a_queue_at_fault_is_blamed_instead_of_its_jobs() -> None:
    queues = [make_queue("good"), make_queue("bad", priority=WORD)]
    bad = [replace(make_job(f"bad-{number}"), queue="bad") for number in range(3)]
    good = replace(make_job("good"), queue="good")
    found = placed(waiting(*bad, good, queues=queues))
    assert blamed(found) == {"JobQueue bad": Stage.PLACEMENT} or blamed(found) == {"JobQueue good": Stage.PLACEMENT}


def test_an_environment_at_fault_is_blamed_instead_of_the_jobs_that_look_at_it() -> None:
    snapshot = waiting(*jobs(5), environments=[make_environment(), make_environment(name="bad")])
    pools = {**snapshot.pools, "bad": replace(snapshot.pools["bad"], capacity=WORD)}
    queue = make_queue(environments=("bad", "pool"))
    found = placed(replace(snapshot, pools=pools, queues={queue.name: queue}))
    assert blamed(found) == {"ComputeEnvironment bad": Stage.PLACEMENT}
    assert started(found) == ["job-000", "job-001", "job-002", "job-003"]


def test_a_stage_that_fails_for_no_reason_that_can_be_left_out_is_named() -> None:
    def step(_: Snapshot) -> int:
        raise StageError(Stage.ARRAY_RECLAIM, ValueError("whatever"))

    found = contain(Stage.PLACEMENT, step, waiting(*jobs(3)))
    assert (found.result, blamed(found)) == (None, {"None": Stage.ARRAY_RECLAIM})


def test_a_stage_that_rests_is_left_out() -> None:
    snapshot = waiting(*jobs(2))
    result = place(snapshot, (), NOW, resting={Stage.PLACEMENT})
    assert (result.placements, result.holds) == ([], [])


def test_a_job_that_cannot_be_estimated_is_left_out_of_that() -> None:
    first, second, third = jobs(3)
    snapshot = waiting(first, second, third, request={"cpu": 4000})
    durations = Durations()
    for key in snapshot.resolved:
        durations.note(((key[0], "transcode"), 3), 60.0)
    snapshot = poisoned(snapshot, "job-001", timeout_seconds=WORD)
    seen = Observation({}, frozenset(), durations)
    found = contain(Stage.ESTIMATES, partial(estimates, seen=seen, now=NOW), snapshot)
    assert blamed(found) == {"BatchJob media/job-001": Stage.ESTIMATES}
    assert found.result == {third.key: NOW + 60.0}


def test_an_error_that_does_not_come_again_is_told_all_the_same() -> None:
    errors: list[Exception] = [ValueError("once")]

    def step(_: Snapshot) -> int:
        if errors:
            raise errors.pop()
        return 1

    found = contain(Stage.CYCLES, step, waiting(*jobs(2)))
    assert (found.result, blamed(found)) == (1, {"None": Stage.CYCLES})


def test_what_runs_stays_charged_when_its_job_is_hidden() -> None:
    snapshot = waiting(*jobs(2))
    hidden = hide(snapshot, [Culprit("BatchJob", ("media", "job-000"))])
    assert [key[1] for key, _ in decisions_of(hidden)] == ["job-001"]
    assert list(snapshot.backlog.queue("urgent")) == [("media", "job-000"), ("media", "job-001")]
    assert hide(snapshot, []) is snapshot


SENTENCE = (
    "BatchJob media/videos is left out, as the backfill failed on it (TypeError: bad operand); correct what is odd in "
    "its spec or in its JobDefinition, and report this: it should have been refused in words"
)


def test_a_job_at_fault_says_so() -> None:
    fault = Fault(Stage.BACKFILL, TypeError("bad\n  operand"), Culprit("BatchJob", ("media", "videos")))
    assert sentence(fault, Visibility.ALL) == SENTENCE
    assert sentence(fault, Visibility.NAMESPACE) == SENTENCE.replace("TypeError: bad operand", "TypeError")
    status = left_out(Status(JobState.RUNNABLE, "WaitingInQueue", queue_position=3, revision=3), SENTENCE)
    assert (status.state, status.reason, status.message) == (JobState.PENDING, "InvalidSpec", SENTENCE)
    assert (status.stalled, status.queue_position, status.revision) == (True, None, 3)


def test_a_job_that_runs_goes_on_and_one_that_has_ended_says_nothing_else() -> None:
    running = Status(JobState.RUNNING, "ContainerRunning", attempts=(make_attempt(),))
    assert left_out(running, "odd").state is JobState.RUNNING
    done = Status(JobState.FAILED, "NonZeroExit")
    assert left_out(done, "odd") is done


def test_an_error_is_described_on_one_short_line() -> None:
    assert described(KeyError("spec")) == "KeyError: 'spec'"
    assert described(ValueError()) == "ValueError"
    assert len(described(ValueError("x" * 1000))) < 250
