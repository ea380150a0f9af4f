"""How a run ended."""

from typing import Any

import pytest

from batchyard.core.lifecycle.ending.outcome import RunResult, of_run
from batchyard.core.model.run import Pod, Run
from unit.samples import exited, failed, interrupted, make_pod, succeeded


@pytest.mark.parametrize(
    ("run", "pod", "result", "reason", "exit_code", "words"),
    [
        (succeeded(), None, RunResult.SUCCEEDED, "Completed", 0, "exit code 0"),
        (exited(code=3), None, RunResult.FAILED, "NonZeroExit", 3, "container main ended with exit code 3"),
        (exited(code=3), {"message": "no such file"}, RunResult.FAILED, "NonZeroExit", 3, "exit code 3: no such file"),
        (exited(code=137), {"reason": "OOMKilled"}, RunResult.FAILED, "OOMKilled", 137, "more memory than its limit"),
        (exited(code=137), {"reason": "Error"}, RunResult.FAILED, "NonZeroExit", 137, "exit code 137"),
        (interrupted(), None, RunResult.INTERRUPTED, "Interrupted", None, "the pod was disrupted: Pod media/"),
        (
            interrupted(),
            {"disruption": "PreemptionByScheduler: preempted", "node_name": "node-1", "exit_code": 137},
            RunResult.INTERRUPTED,
            "Interrupted",
            None,
            "the pod was disrupted on node node-1: PreemptionByScheduler: preempted",
        ),
        # The kubelet's deadline shows as whatever the stopped container makes of the signal.
        (
            exited(code=143),
            {"reason": "DeadlineExceeded", "exit_code": 143},
            RunResult.TIMED_OUT,
            "DeadlineExceeded",
            143,
            "ran longer than its timeout",
        ),
        (
            failed(1, "BackoffLimitExceeded"),
            {"reason": "DeadlineExceeded", "exit_code": 0},
            RunResult.TIMED_OUT,
            "DeadlineExceeded",
            0,
            "ran longer than its timeout",
        ),
        (failed(1, "DeadlineExceeded"), None, RunResult.TIMED_OUT, "DeadlineExceeded", None, "ran longer"),
        (
            failed(1, "BackoffLimitExceeded", "limit reached"),
            {"reason": "OutOfcpu", "message": "Node didn't have enough resource"},
            RunResult.INTERRUPTED,
            "Interrupted",
            None,
            "the node refused the pod: OutOfcpu: Node didn't have enough resource",
        ),
        (
            failed(1, "BackoffLimitExceeded", "limit reached"),
            None,
            RunResult.FAILED,
            "PodFailed",
            None,
            "BackoffLimitExceeded: limit reached",
        ),
    ],
)
def test_each_way_to_end(
    run: Run, pod: dict[str, Any] | None, result: RunResult, reason: str, exit_code: int | None, words: str
) -> None:
    outcome = of_run(run, None if pod is None else make_pod(**pod))
    assert (outcome.result, outcome.reason, outcome.exit_code) == (result, reason, exit_code)
    assert words in outcome.message


@pytest.mark.parametrize(
    "pod", [make_pod(phase="Failed", reason="Error", exit_code=1), make_pod(reason="OOMKilled"), None]
)
def test_the_job_has_the_last_word_on_success(pod: Pod | None) -> None:
    assert of_run(succeeded(), pod).result is RunResult.SUCCEEDED
