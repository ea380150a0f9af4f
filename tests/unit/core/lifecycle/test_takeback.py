"""When a run gives its place back, and when it is tried again."""

import math
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending.outcome import RunResult
from batchyard.core.lifecycle.single import next_run
from batchyard.core.lifecycle.takeback import (
    FIRST_WAIT_SECONDS,
    LOOK_SECONDS,
    PROMPT_SECONDS,
    Holdup,
    NoNodes,
    Patience,
    again,
    holdup,
    lacks_pods,
    patience,
    wait_seconds,
)
from batchyard.core.model.array import IndexedJob
from batchyard.core.model.run import Pod, Refusal, Run
from batchyard.core.model.status import NO_NODE_CAME, TAKEN_BACK, Status
from unit.samples import NOW, VIRTUAL, make_attempt, make_environment, make_managed, make_pod, make_run, make_serverless

PATIENCE = Patience(grace_seconds=30, unschedulable_seconds=300)
STUCK = make_run(1)._replace(active=0, started_at=NOW + 1)
REFUSED = STUCK._replace(refusal=Refusal("exceeded quota", NOW + 2, NOW + 2))


@pytest.mark.parametrize(
    ("run", "pod"),
    [
        (make_run(1)._replace(active=1, started_at=NOW), None),
        (STUCK._replace(deleting=True), None),
        (STUCK._replace(condition="Failed"), None),
        (STUCK, make_pod()),
        (REFUSED, make_pod(node_name="node-1")),
        (STUCK, make_pod(unschedulable="0/1", gone=True)),
    ],
    ids=["pod not seen yet", "goes", "ended", "pod", "pod after all", "pod gone"],
)
def test_nothing_holds_it_up(run: Run, pod: Pod | None) -> None:
    assert holdup(run, pod, PATIENCE) is None


@pytest.mark.parametrize(
    ("run", "pod", "reason", "due"),
    [
        (REFUSED, None, Reason.CREATE_FAILED, NOW + 2 + PROMPT_SECONDS),
        (STUCK._replace(refusal=Refusal("503", NOW + 2, definite=False)), None, Reason.CREATE_FAILED, NOW + 32),
        (STUCK, None, Reason.CREATE_FAILED, NOW + 31),
        (make_run(1, created=NOW), None, Reason.CREATE_FAILED, NOW + 300),
        (make_run(1)._replace(suspended_at=NOW + 5), None, Reason.CREATE_FAILED, NOW + 35),
        (make_run(1), make_pod(created=NOW + 3, unschedulable="0/1 nodes"), Reason.UNSCHEDULABLE, NOW + 303),
    ],
    ids=["refused", "not answered", "unknown", "not looked at", "suspended", "no node"],
)
def test_what_holds_it_up_is_borne_for_a_while(run: Run, pod: Pod | None, reason: str, due: float) -> None:
    found = holdup(run, pod, PATIENCE)
    assert found is not None
    assert (found.reason, found.due) == (reason, due)
    assert found.outcome().result is RunResult.TAKEN_BACK


def test_while_a_node_is_made_it_says_the_same_all_the_time() -> None:
    scaling = patience(30, make_managed(unschedulable_seconds=600))
    pod = make_pod(created=NOW + 3, unschedulable="0/1 nodes", request={"cpu": 2000, "memory": 2**30, "pods": 1})
    found = holdup(make_run(1), pod, scaling)
    assert found is not None
    assert (found.reason, found.due) == (Reason.SCALING_UP, NOW + 603)
    assert found.message == (
        "environment pool is getting a node for a pod (2 vCPU, 1 GiB memory), asked for since 00:00:03Z"
    )
    later = holdup(make_run(1), pod._replace(unschedulable="0/2 nodes"), scaling)
    assert later is not None
    assert later.message == found.message


def test_a_node_that_was_not_made_in_time_is_what_the_run_ends_with() -> None:
    scaling = patience(30, make_managed())
    found = holdup(make_run(1), make_pod(created=NOW, unschedulable="0/1 nodes", request={"cpu": 1000}), scaling)
    assert found is not None
    ended = found.outcome()
    assert (ended.result, ended.reason) == (RunResult.TAKEN_BACK, Reason.INSUFFICIENT_INSTANCE_CAPACITY)
    assert ended.message == "environment pool got no node for a pod (1 vCPU), asked for since 00:00:00Z: 0/1 nodes"


OUT = NoNodes(60, "InsufficientCapacityError: there is none", NOW + 3)
"""Heard three seconds after the first second of the year."""


@pytest.mark.parametrize(
    ("created", "unschedulable_seconds", "due"),
    [(NOW, 300, NOW + 60), (NOW + 3, 300, NOW + 63), (NOW + 4, 300, NOW + 304), (NOW, 45, NOW + 45)],
    ids=["heard later", "heard at once", "heard before", "sooner anyway"],
)
def test_a_failure_counts_for_pods_that_were_there_by_then(
    created: float, unschedulable_seconds: int, due: float
) -> None:
    managed = make_managed(unschedulable_seconds=unschedulable_seconds)
    found = holdup(make_run(1), make_pod(created=created, unschedulable="0/1 nodes"), patience(30, managed, OUT))
    assert found is not None
    assert found.due == due
    assert ("there is none" in found.message) is ("there is none" in found.last_words) is (created <= NOW + 3)


def test_the_provider_words_stand_for_those_of_the_scheduler() -> None:
    """Else a status would be written anew for each node that comes or goes elsewhere, and each time it fails again."""
    managed, pod = make_managed(), make_pod(created=NOW, unschedulable="0/1 nodes", request={"cpu": 1000})
    first = holdup(make_run(1), pod, patience(30, managed, OUT))
    later = OUT._replace(last=NOW + 50, pods=7)
    again = holdup(make_run(1), pod._replace(unschedulable="0/9 nodes"), patience(30, managed, later))
    assert first == again
    assert first is not None
    assert first.message == (
        "environment pool is getting a node for a pod (1 vCPU), asked for since 00:00:00Z; none has come so far:"
        " InsufficientCapacityError: there is none"
    )
    assert first.last_words == (
        "environment pool got no node for a pod (1 vCPU), asked for since 00:00:00Z: InsufficientCapacityError: there"
        " is none"
    )


def test_where_nodes_are_not_made_nothing_of_that_counts() -> None:
    found = holdup(make_run(1), make_pod(unschedulable="0/1 nodes"), patience(30, make_environment(), OUT))
    assert found is not None
    assert (found.due, found.outcome().reason) == (NOW + 300, Reason.UNSCHEDULABLE)


def on_fargate(**pod: Any) -> Holdup | None:
    environment = make_serverless(name="fargate", unschedulable_seconds=120)
    asking = make_pod(**{"created": NOW + 3, "request": {"cpu": 300, "memory": 600 * 2**20, "pods": 1}, **pod})
    return holdup(make_run(1), asking, patience(30, environment))


def test_a_pod_that_needs_no_node_of_the_environment_waits_for_capacity() -> None:
    found = on_fargate(unschedulable="0/3 nodes are available")
    assert found is not None
    assert (found.reason, found.due) == (Reason.SCALING_UP, NOW + 123)
    assert found.message == (
        "environment fargate is getting capacity for a pod (0.3 vCPU, 600 MiB memory), asked for since 00:00:03Z"
    )
    ended = found.outcome()
    assert (ended.result, ended.reason) == (RunResult.TAKEN_BACK, Reason.INSUFFICIENT_INSTANCE_CAPACITY)
    assert ended.message == (
        "environment fargate got no capacity for a pod (0.3 vCPU, 600 MiB memory), asked for since 00:00:03Z:"
        " 0/3 nodes are available"
    )


def test_on_fargate_its_scheduler_may_say_nothing_of_it() -> None:
    found = on_fargate()
    assert found is not None
    assert (found.reason, found.due) == (Reason.SCALING_UP, NOW + 123)
    assert found.last_words.endswith("asked for since 00:00:03Z: no scheduler says why")


@pytest.mark.parametrize("pod", [{"node_name": "fargate-ip-10-0-0-1"}, {"gone": True}, {"phase": "Failed"}])
def test_one_that_has_got_capacity_or_has_ended_waits_for_none(pod: dict[str, Any]) -> None:
    assert on_fargate(**pod) is None


def test_of_one_for_virtual_nodes_the_scheduler_says_that_it_waits() -> None:
    virtual = patience(30, make_serverless(offer=VIRTUAL))
    assert holdup(make_run(1), make_pod(), virtual) is None
    found = holdup(make_run(1), make_pod(unschedulable="0/3 nodes"), virtual)
    assert found is not None
    assert found.message.startswith("environment pool is getting capacity for a pod")
    withheld = replace(virtual, no_nodes=NoNodes(300, "no ready virtual node has the labels", math.inf))
    found = holdup(make_run(1), make_pod(unschedulable="0/3 nodes"), withheld)
    assert found is not None
    assert found.due == NOW + 300
    assert found.message.endswith("; none has come so far: no ready virtual node has the labels")
    assert found.last_words.endswith(": no ready virtual node has the labels")


def test_on_nodes_a_pod_of_which_no_scheduler_says_anything_is_about_to_get_one() -> None:
    for environment in (make_environment(), make_managed()):
        assert holdup(make_run(1), make_pod(), patience(30, environment)) is None


def test_what_keeps_its_pod_from_being_made_is_told_there_as_anywhere() -> None:
    found = holdup(REFUSED, None, patience(30, make_serverless()))
    assert found is not None
    assert (found.reason, found.due) == (Reason.CREATE_FAILED, NOW + 2 + PROMPT_SECONDS)


def test_an_environment_that_is_gone_has_no_nodes_made() -> None:
    assert patience(30, None) == PATIENCE
    assert patience(30, make_environment()) == PATIENCE


def test_a_short_grace_time_holds_for_refused_pods_too() -> None:
    found = holdup(REFUSED, None, Patience(1, 300))
    assert found is not None
    assert found.due == NOW + 3


def test_it_is_asked_why_until_that_is_known() -> None:
    first, second = holdup(STUCK, None, PATIENCE), holdup(STUCK._replace(refusal=Refusal("", NOW, NOW)), None, PATIENCE)
    told = holdup(REFUSED, None, PATIENCE)
    assert first is not None
    assert second is not None
    assert told is not None
    assert first.asks(NOW + 1)
    assert (second.asks(NOW + 1), second.wake_at(NOW + 1)) == (False, NOW + LOOK_SECONDS)
    assert not told.asks(math.inf)


@pytest.mark.parametrize(("active", "terminating", "lacks"), [(3, 0, False), (2, 0, True), (2, 1, False)])
def test_an_array_lacks_pods(active: int, terminating: int, lacks: bool) -> None:
    indexed = IndexedJob(size=10, parallelism=3, terminating=terminating)
    assert lacks_pods(STUCK._replace(indexed=indexed, active=active), None) is lacks


def test_the_wait_grows_with_the_runs_taken_back_in_a_row() -> None:
    back = [make_attempt(run, attempt=1, stopped_at=NOW, reason="CreateFailed") for run in (2, 3)]
    failed = make_attempt(1, stopped_at=NOW, reason="NonZeroExit")
    outcome = holdup(REFUSED, None, PATIENCE).outcome()  # type: ignore[union-attr]
    first = again([failed, back[0]], "uid", outcome, NOW)
    second = again([failed, *back], "uid", outcome, NOW)
    assert FIRST_WAIT_SECONDS / 2 <= first.not_before - NOW <= FIRST_WAIT_SECONDS
    assert FIRST_WAIT_SECONDS <= second.not_before - NOW <= 2 * FIRST_WAIT_SECONDS
    assert "exceeded quota" in first.message
    assert wait_seconds(10**6, 0.0) == 300


@pytest.mark.parametrize("reason", ["CreateFailed", "Unschedulable"])
def test_it_costs_no_attempt_and_its_turn_is_that_of_one_submitted_then(reason: str) -> None:
    status = Status(attempts=(make_attempt(4, attempt=2, stopped_at=NOW + 7, reason=reason),))
    assert next_run(status) == (5, 2)
    assert status.given_back_at == NOW + 7
    assert Status().given_back_at is None
    assert Status(refusals=2, not_before=NOW + 9).given_back_at == NOW + 9


def test_one_for_which_no_node_came_is_tried_again_at_once_and_keeps_its_turn() -> None:
    """However often: its environment is what is left alone meanwhile."""
    scaling = patience(30, make_managed(), OUT)
    outcome = holdup(make_run(1), make_pod(unschedulable="0/1 nodes"), scaling).outcome()  # type: ignore[union-attr]
    before = [make_attempt(run, attempt=2, stopped_at=NOW, reason=NO_NODE_CAME) for run in (2, 3, 4)]
    retry = again(before, "uid", outcome, NOW + 60)
    assert (retry.not_before, retry.reason) == (NOW + 60, "InsufficientInstanceCapacity")
    assert retry.message.endswith("there is none (run 4 gave its slot back)")
    status = Status(attempts=tuple(before))
    assert next_run(status) == (5, 2)
    assert (status.given_back_at, status.queued_since) == (None, None)
    assert NO_NODE_CAME not in TAKEN_BACK
