"""When the other nodes of a multi-node job start and stop, and what their ends mean."""

from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle import multinode
from batchyard.core.lifecycle.ending.outcome import RunResult
from batchyard.core.lifecycle.takeback import Patience
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Status
from unit.samples import NOW, exited, failed, interrupted, make_attempt, make_pod, make_run, succeeded

THREE = Gang(1, (NodeGroup((0, 1, 2), {}, {"cpu": 1000}),))
MAIN = make_run(uid="main", node=1)
RUNNING = make_pod(phase="Running", node_name="node-1", started_at=NOW, address="10.0.0.7")
UNDER_WAY = Status(JobState.RUNNING, attempts=(make_attempt(),))
CLOSED = Status(JobState.RUNNABLE, attempts=(make_attempt(stopped_at=NOW),))


def child(node: int, base: Run | None = None, **fields: Any) -> Run:
    defaults = {"name": f"videos-1-n{node}", "uid": f"uid-{node}", "node": node, "main_uid": "main"}
    return (base or make_run())._replace(**{**defaults, **fields})


def named(*children: Run) -> dict[str, Run]:
    return {each.name: each for each in children}


def missing(
    *children: Run, status: Status = UNDER_WAY, main: Run | None = MAIN, pod: Pod | None = RUNNING
) -> list[int]:
    pods = {status.job_name: pod} if pod is not None else {}
    return multinode.missing(THREE, status, JobRuns(mains_of(main), named(*children), pods=pods))


def mains_of(main: Run | None) -> dict[int, Run]:
    return {main.number: main} if main is not None else {}


def test_the_others_start_once_the_main_node_runs() -> None:
    assert missing() == [0, 2]
    assert missing(child(0)) == [2]
    assert missing(child(0), child(2)) == []


@pytest.mark.parametrize(
    "pod",
    [
        None,
        make_pod(),
        RUNNING._replace(started_at=None),
        RUNNING._replace(address=""),
        RUNNING._replace(phase="Succeeded"),
        RUNNING._replace(gone=True),
    ],
)
def test_not_before_it_runs_nor_after(pod: Pod | None) -> None:
    assert missing(pod=pod) == []


@pytest.mark.parametrize(
    ("status", "main"),
    [
        (UNDER_WAY, None),
        (UNDER_WAY, MAIN._replace(deleting=True)),
        (UNDER_WAY, succeeded()._replace(uid="main", node=1)),
        (CLOSED, MAIN),
        (Status(), MAIN),
    ],
)
def test_nothing_starts_for_a_run_that_is_over(status: Status, main: Run | None) -> None:
    assert missing(status=status, main=main) == []


def test_a_node_whose_job_is_in_the_way_waits() -> None:
    assert missing(child(0, deleting=True), child(2, main_uid="of a run that was deleted")) == []


@pytest.mark.parametrize(
    ("main", "left"),
    [
        (MAIN, []),
        (MAIN._replace(deleting=True), ["videos-1-n0"]),
        (succeeded()._replace(uid="main"), ["videos-1-n0"]),
        (exited()._replace(uid="main"), ["videos-1-n0"]),
        (MAIN._replace(uid="another"), ["videos-1-n0", "videos-1-n2"]),
        (None, ["videos-1-n0", "videos-1-n2"]),
    ],
)
def test_what_is_stopped_with_the_main_node(main: Run | None, left: list[str]) -> None:
    children = named(child(0), child(1, deleting=True), child(2, exited()))
    assert [each.name for each in multinode.orphaned_children(JobRuns(mains_of(main), children))] == left


@pytest.mark.parametrize("end", [succeeded(), exited(code=3)])
def test_an_end_decides_nothing(end: Run) -> None:
    assert multinode.trouble([child(0, end), child(2)], {}, {}, 30, NOW) == (None, None)


def test_a_lost_node_is_the_loss_of_the_whole() -> None:
    outcome, _ = multinode.trouble([child(0), child(2, interrupted())], {}, {}, 30, NOW)
    assert outcome is not None
    assert outcome.result is RunResult.INTERRUPTED
    assert outcome.message.startswith("node 2: the pod was disrupted")


def test_a_node_refused_by_the_kubelet_is_lost_too() -> None:
    pod = make_pod(run="videos-1-n0", phase="Failed", reason="OutOfcpu", message="no room")
    outcome, _ = multinode.trouble([child(0, failed(1, "BackoffLimitExceeded"))], {pod.run: pod}, {}, 30, NOW)
    assert outcome is not None
    assert outcome.result is RunResult.INTERRUPTED


def test_a_node_that_cannot_start_is_waited_for_first() -> None:
    waits = {
        f"videos-1-n{node}": make_pod(
            run=f"videos-1-n{node}", created=NOW + node, waiting_reason="ErrImagePull", waiting_message="none"
        )
        for node in (0, 2)
    }
    children = [child(0), child(2)]
    assert multinode.trouble(children, waits, {}, 30, NOW + 29) == (None, NOW + 30)
    outcome, _ = multinode.trouble(children, waits, {}, 30, NOW + 30)
    assert outcome is not None
    assert (outcome.result, outcome.message) == (RunResult.FAILED, "node 0: ErrImagePull: none")


def test_the_message_counts_and_names_the_first_that_waits() -> None:
    pods = {
        "videos-1-n0": RUNNING._replace(run="videos-1-n0"),
        "videos-1-n2": make_pod(run="videos-1-n2", unschedulable="0/1 nodes"),
        "videos-1-n3": make_pod(run="videos-1-n3", waiting_reason="ErrImagePull"),
    }
    children = [child(0), child(2), child(3), child(4, exited()), child(5, succeeded())]
    holdups = multinode.holdups(make_run(1), children, pods, Patience(30, 300))
    assert multinode.described(RUNNING, 6, children, pods, holdups) == (
        "the main node runs on node node-1, 1 of 6 other nodes run, 2 ended (1 failed); node 2: 0/1 nodes"
    )


def test_what_lingers() -> None:
    old = make_pod(run="videos-1-n0", phase="Running")
    assert multinode.lingers("videos-1", JobRuns(children=named(child(0))))
    assert multinode.lingers("videos-1", JobRuns(pods={old.run: old}))
    assert not multinode.lingers("videos-1", JobRuns(children=named(child(0, exited())), pods={"videos-1": RUNNING}))
