"""Queues that compete for what little there is, and capacity that shrinks under load, on simulated nodes."""

import json
from functools import partial

import pytest

from e2e.clusterapi import JOBS, Json, path_of, until
from e2e.harness import WAIT_SECONDS, Harness, started_in_order

pytestmark = pytest.mark.e2e

ENDLESS = {"sim.batchyard.dev/never-finish": "true"}


@pytest.fixture(scope="module", autouse=True)
def definitions(shared: Harness) -> None:
    shared.apply(
        shared.simulated_definition("second", duration="1s"),
        shared.simulated_definition("double", duration="1s", cpu="2"),
        shared.simulated_definition("endless", annotations=ENDLESS),
    )


def test_a_middle_queue_never_comes_between_a_high_one_and_what_a_low_one_holds(shared: Harness) -> None:
    """Priority inversion: the low job holds the place that the high one needs, and the middle ones would fit beside."""
    shared.apply(
        shared.simulated_environment("contested", maxVcpus=2),
        shared.queue("low", "contested", priority=1),
        shared.queue("middle", "contested", priority=50),
        shared.queue("high", "contested", priority=100),
        shared.job("low", "endless", "low"),
    )
    shared.wait_state("low", "Running")
    shared.apply(shared.job("high", "double", "high"))
    shared.wait_reason("high", "InsufficientCapacity")
    middle = [f"middle-{number}" for number in range(5)]
    shared.apply(*(shared.job(name, "second", "middle") for name in middle))
    told = shared.wait_reason("middle-0", "WaitingForHigherPriority")["message"]
    assert f"held for a job of queue {shared.named('high')} (priority 100)" in told
    status = shared.wait_shown("jobqueues", "middle", lambda status: status.get("jobs", {}).get("runnable") == 5)
    assert status["jobs"]["running"] == status["jobs"]["starting"] == 0, "one vCPU is free all the time"
    shared.kubectl("delete", "batchjob", "low")
    statuses = shared.wait_finished(["high", *middle])
    assert {each["state"] for each in statuses.values()} == {"Succeeded"}
    # Two of the middle ones start at a time, and which of these a node starts first is not ours to say.
    assert all(started_in_order(statuses, ["high", name]) for name in middle)


def test_an_environment_that_shrinks_under_load_stops_nothing_and_starts_nothing(shared: Harness) -> None:
    def pods() -> dict[str, str]:
        """Phase of each pod, by its name."""
        jobs = ("array", "single-0", "single-1")
        return {pod["metadata"]["name"]: pod["status"]["phase"] for job in jobs for pod in shared.pods_of(job)}

    def taken(number: int, vcpus: str) -> Json:
        return shared.wait_shown(
            "computeenvironments",
            "shrinking",
            lambda status: status.get("jobs") == number and status.get("capacity", {}).get("cpu") == vcpus,
        )

    def parallelism() -> int:
        return int(shared.api.get(path_of(JOBS, shared.namespace, "array-1"))["spec"]["parallelism"])

    def has_failed(indexes: str, status: Json) -> bool:
        return bool(status["array"].get("failedIndexes") == indexes)

    shared.apply(
        shared.simulated_environment("shrinking", maxVcpus=6),
        shared.queue("shrinking", "shrinking"),
        *(shared.job(f"single-{number}", "endless", "shrinking") for number in range(2)),
    )
    shared.wait_state("single-0", "Running")
    shared.wait_state("single-1", "Running")
    shared.apply(shared.job("array", "endless", "shrinking", array={"size": 20}))
    shared.wait_status("array", lambda status: status.get("array", {}).get("running") == 4)
    before = pods()
    assert list(before.values()) == ["Running"] * 6

    # Far below what runs: all of it goes on, and nobody is let in.
    shared.apply(shared.simulated_environment("shrinking", maxVcpus=2), shared.job("late", "second", "shrinking"))
    assert taken(6, "2")["free"]["cpu"] == "0"
    shared.wait_state("late", "Runnable")
    assert pods() == before
    # Single jobs end: still more runs than may.
    shared.kubectl("delete", "batchjob", "single-0", "single-1")
    taken(4, "2")
    assert shared.statuses()["late"]["state"] == "Runnable"
    assert {name: phase for name, phase in before.items() if name.startswith("array")} == pods()
    # Indexes end, and no others follow them until less runs than may. The Job controller replaces what has ended after
    # a second: on a machine that is busy for longer that moment is missed, and the next end is the next chance.
    stopped: list[Json] = []  # no entry can be taken back or changed
    for last in range(2, 8):
        stopped.append({"indexes": f"{last}" if stopped else f"0-{last}", "reason": "to make room"})
        stop = {"spec": {"stopIndexes": stopped}}
        shared.kubectl("patch", "batchjob", "array", "--type=merge", "-p", json.dumps(stop))
        shown = shared.wait_status("array", partial(has_failed, f"0-{last}"))["array"]
        if shown["running"] + shown["starting"] <= 2:
            break
    else:
        pytest.fail("all places were filled again")
    until(lambda: parallelism() == 2, WAIT_SECONDS, lambda: shared.kubectl("get", "jobs", "-o", "yaml"))
    taken(2, "2")
    assert shared.statuses()["late"]["state"] == "Runnable", "the array came first"
    shared.kubectl("delete", "batchjob", "array")
    assert shared.wait_state("late", "Succeeded")["computeEnvironment"] == shared.named("shrinking")
