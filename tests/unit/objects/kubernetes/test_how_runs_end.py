"""The table in docs/failure-modes.md of how runs end: each cell, from what a kubelet writes to the reason in status.

The same pods are read as that of a single job, of an index of an array, and of another node of a multi-node job.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from batchyard.api import names
from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.core.admission.admitted import Admitted
from batchyard.core.lifecycle import multinode, single
from batchyard.core.lifecycle.array import observation
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.array import ArrayShape, ArrayStatus, IndexedJob, IndexRun, IndexStop
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import Stop
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, PodReport, Run
from batchyard.core.model.status import Status
from batchyard.objects.kubernetes.pod import read_pod
from unit.docs.tables import code, rows
from unit.samples import (
    NOW,
    exited,
    failed,
    interrupted,
    job_runs,
    make_attempt,
    make_job,
    make_resolved,
    make_run,
    succeeded,
)

STAGES = ("no container had run", "exit code 0", "another exit code", "no exit code is told")
STARTED, ASKED, ENDED, LATER = NOW + 5, NOW + 30, NOW + 31, NOW + 1000
FREE = ("Interrupted", "JobDeleted")


@dataclass(frozen=True)
class Who:
    """What Kubernetes shows of a run that somebody has ended."""

    disruption: str = ""
    deleted: bool = True
    """Whether the pod is."""
    reason: str = ""
    """What the pod's own status says."""
    exit_code: int = 143


_SHOWN = {
    "The program": Who(deleted=False, exit_code=3),
    "The kernel, as memory ran out": Who(deleted=False, exit_code=137),
    "Its timeout": Who(deleted=False, reason="DeadlineExceeded"),
    "Batchyard, as it could not be started in time": Who(),
    "`spec.stop` with `Terminate`": Who(),
    "An eviction: `kubectl drain`, Batchyard's own preemption": Who("EvictionByEvictionAPI"),
    "A preemption by the Kubernetes scheduler": Who("PreemptionByScheduler"),
    "A `NoExecute` taint of the node": Who("DeletionByTaintManager"),
    "The kubelet, short of memory or disk": Who("TerminationByKubelet", deleted=False, reason="Evicted"),
    "The kubelet, which refuses the pod": Who(deleted=False, reason="OutOfcpu"),
    "The control plane, as the node is gone or out of service": Who("DeletionByPodGC"),
    "A person who deleted the pod": Who(),
    "A person who deleted the Kubernetes Job": Who(),
}


def cells() -> Iterator[tuple[str, str, str]]:
    """Who, stage and reason of each cell that is not empty."""
    for who, *reasons in rows("failure-modes.md", "who ended it"):
        yield from ((who, stage, code(reason)) for stage, reason in zip(STAGES, reasons, strict=True) if reason != "-")


CELLS = list(cells())
OF_ONE_POD = [cell for cell in CELLS if cell[2] not in ("JobDeleted", "Terminated")]
"""Those that are not of the job as a whole."""


def test_every_row_of_the_table_is_tried() -> None:
    assert {who for who, _, _ in CELLS} == set(_SHOWN)


def ends_well(who: str, stage: str) -> bool:
    """Whether the kubelet calls the pod succeeded: not if it has ended it itself."""
    return stage == "exit code 0" and not _SHOWN[who].reason


def pod_of(who: str, stage: str, run: str, index: int | None = None) -> Pod:
    """Read the pod as a kubelet, the control plane and people leave it."""
    shown, cannot_start = _SHOWN[who], who.startswith("Batchyard, as")
    conditions: list[dict[str, Any]] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(NOW)}]
    if shown.disruption:
        disruption = {"type": "DisruptionTarget", "status": "True", "reason": shown.disruption, "message": "so it is"}
        conditions.append({**disruption, "lastTransitionTime": at(ASKED)})
    metadata: dict[str, Any] = {
        "name": f"{run}-x",
        "namespace": "media",
        "uid": f"uid-pod-{run}",
        "creationTimestamp": at(NOW),
        "labels": {names.JOB: "videos", names.JOB_UID: make_job().uid, "batch.kubernetes.io/job-name": run},
    }
    if index is not None:
        metadata["labels"][names.COMPLETION_INDEX] = str(index)
    if shown.deleted and not cannot_start:
        metadata |= {"deletionTimestamp": at(ASKED + 30), "deletionGracePeriodSeconds": 30}
    phase = "Succeeded" if ends_well(who, stage) else "Pending" if cannot_start else "Failed"
    status: dict[str, Any] = {"phase": phase, "conditions": conditions, "startTime": at(NOW)}
    if shown.reason:
        status |= {"reason": shown.reason, "message": "so it is"}
    if not who.startswith("The kubelet, which"):
        status["containerStatuses"] = [{"name": "main", "state": container_state(who, stage)}]
    spec = {"nodeName": "node-1", "containers": [{"name": "main"}], "activeDeadlineSeconds": 30}
    pod = read_pod({"metadata": metadata, "spec": spec, "status": status})
    assert pod is not None
    return pod


def container_state(who: str, stage: str) -> dict[str, Any]:
    if stage == "no container had run":
        reason = "ErrImagePull" if who.startswith("Batchyard, as") else "ContainerCreating"
        return {"waiting": {"reason": reason, "message": "no such image"}}
    if stage == "no exit code is told":
        return {"running": {"startedAt": at(STARTED)}}
    exit_code = 0 if stage == "exit code 0" else _SHOWN[who].exit_code
    killed = who.startswith("The kernel")
    reason = "OOMKilled" if killed else "Completed" if exit_code == 0 else "Error"
    end = {"exitCode": exit_code, "reason": reason, "startedAt": at(STARTED), "finishedAt": at(ENDED)}
    return {"terminated": end}


def run_of(who: str, stage: str, **fields: Any) -> Run | None:
    """Read the Job of one pod as the Job controller leaves it."""
    if who.startswith("Batchyard, as"):
        return make_run(**fields)
    if who.endswith("Kubernetes Job"):
        return None
    if who.startswith("`spec.stop`"):
        return make_run(deleting=True, **fields)
    return _ended_run_of(who, stage, **fields)


def _ended_run_of(who: str, stage: str, **fields: Any) -> Run:
    if ends_well(who, stage):
        return succeeded(**fields)
    if _SHOWN[who].disruption:
        return interrupted(**fields)
    if stage == "another exit code":
        return exited(code=_SHOWN[who].exit_code, **fields)
    return failed(1, "BackoffLimitExceeded", "Job has reached the specified backoff limit", **fields)


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("who", "stage", "reason"), CELLS)
def test_a_single_job(who: str, stage: str, reason: str) -> None:
    job = make_job()
    if who.startswith("`spec.stop`"):
        job = replace(job, stop=Stop(StopMode.TERMINATE, "enough"))
    run = run_of(who, stage)
    status = Status(JobState.RUNNING, attempts=(make_attempt(),), environment="pool")
    runs = job_runs([run], [pod_of(who, stage, "videos-1")]) if run is not None else JobRuns()
    progress = single.observe(job, Admitted(status, make_resolved()), runs, Surroundings(), LATER)
    (attempt,) = progress.status.attempts
    assert attempt.reason == reason
    number = single.next_run(progress.status)
    assert number == ((2, 1) if reason in FREE else (2, 2))
    told = stage in ("exit code 0", "another exit code")
    if told and reason == "Interrupted":
        assert "container main answered with exit code" in attempt.message


@pytest.mark.parametrize(("who", "stage", "reason"), CELLS)
def test_an_index_of_an_array(who: str, stage: str, reason: str) -> None:
    pod = pod_of(who, stage, "videos-1", index=0)
    ended = IndexSet.of([0])
    well = ends_well(who, stage)
    shown = IndexedJob(2, 2, 0, ended if well else IndexSet(), IndexSet() if well else ended)
    main = None if who.endswith("Kubernetes Job") else make_run(indexed=shown, active=1, ready=1)
    abandoned = {pod.uid: pod} if reason == "CannotStartContainer" else {}
    leaving = [0] if pod.asked_to_stop_at is not None and stage != STAGES[0] else []
    stops = (IndexStop(ended, "enough"),) if reason == "Terminated" else ()
    observed = observation.observe(
        make_job(),
        ArrayShape(2, stops=stops),
        Admitted(Status(JobState.RUNNING, environment="pool", started_at=NOW, array=ArrayStatus(2)), make_resolved()),
        job_runs(
            [main] if main is not None else [],
            report=PodReport({0: pod}, (), LATER, (), abandoned),
            leaving=frozenset(leaving),
        ),
        Surroundings(),
        LATER,
    )
    array = observed.status.array
    assert array is not None
    assert (IndexRun(0, 2, 1) in observed.demand.retries) == (reason in FREE)
    assert (0 in array.succeeded) == (reason == "Completed")
    assert [each.reason for each in array.first_failures] == ([] if reason in (*FREE, "Completed") else [reason])


@pytest.mark.parametrize(("who", "stage", "reason"), OF_ONE_POD)
def test_another_node_of_a_multi_node_job(who: str, stage: str, reason: str) -> None:
    child = run_of(who, stage, node=1)
    assert child is not None
    outcome, _ = multinode.trouble([child], {child.name: pod_of(who, stage, child.name)}, {}, 300, LATER)
    shown = outcome.reason if outcome is not None else ""
    assert shown == (reason if reason in ("Interrupted", "CannotStartContainer") else "")


def test_what_had_ended_before_it_was_asked_to_stop_has_ended_by_itself() -> None:
    pod = pod_of("A person who deleted the pod", "exit code 0", "videos-1")._replace(asked_to_stop_at=ENDED + 1)
    status = Status(JobState.RUNNING, attempts=(make_attempt(),), environment="pool")
    progress = single.observe(
        make_job(), Admitted(status, make_resolved()), job_runs([succeeded()], [pod]), Surroundings(), LATER
    )
    assert progress.status.state is JobState.SUCCEEDED
