"""Holding, cancelling and terminating real jobs with kubectl, also while the operator is down."""

import json
import threading
import time
from datetime import datetime

import pytest

from batchyard.api import names
from e2e.harness import Harness, conditions, exit_codes
from e2e.operatorprocess import OperatorProcess
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

# Each says on SIGTERM that it heard it; the first process of a container does not end by itself then.
POLITE = "trap 'echo heard SIGTERM; sleep 2; echo tidied up; exit 143' TERM; echo started; sleep 600 & wait"
DEAF = "trap 'echo heard SIGTERM' TERM; echo started; while true; do sleep 1; done"
GRACE_SECONDS = 4


def stop(harness: Harness, job: str, mode: str, reason: str) -> str:
    """Patch as the docs say."""
    patch = {"spec": {"stop": {"mode": mode, "reason": reason}}}
    return harness.kubectl("patch", "bj", job, "--type=merge", "-p", json.dumps(patch))


def suspend(harness: Harness, job: str, wish: bool) -> None:
    harness.kubectl("patch", "bj", job, "--type=merge", "-p", json.dumps({"spec": {"suspend": wish}}))


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@pytest.fixture(scope="module", autouse=True)
def furnished(shared: Harness) -> None:
    container = {"name": "main", "image": SHELL, "command": ["sh", "-c", DEAF]}
    deaf = {"terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [container]}
    shared.apply(
        shared.real_environment(maxVcpus=2),
        shared.real_environment("none", maxVcpus=0.001),
        shared.queue("queue", "real"),
        shared.queue("full", "none"),
        shared.definition("polite", "sh", "-c", POLITE, retryStrategy={"attempts": 3}),
        shared.object(names.JOB_DEFINITION, "deaf", {"template": {"spec": deaf}}),
        shared.definition("quick", "true"),
        shared.definition("failing", "sh", "-c", "sleep 4; exit 1", retryStrategy={"attempts": 3}),
        shared.job("polite", "polite", "queue"),
        shared.job("deaf", "deaf", "queue"),
        shared.job("failing", "failing", "queue"),
        shared.job("queued", "quick", "full"),
        shared.job("done", "quick", "queue"),
        shared.job("held", "quick", "queue", suspend=True),
    )


class Log:
    """What a job's container writes, followed while it runs: it goes with the pod."""

    def __init__(self, harness: Harness, job: str) -> None:
        (pod,) = harness.pods_of(job)
        self._text = ""
        self._following = threading.Thread(target=self._follow, args=(harness, pod["metadata"]["name"]), daemon=True)
        self._following.start()

    def _follow(self, harness: Harness, pod: str) -> None:
        self._text = harness.kubectl("logs", "--follow", pod, check=False)

    def lines(self) -> list[str]:
        """All of it, once the container has ended."""
        self._following.join(30)
        return self._text.splitlines()


def test_a_queued_job_is_cancelled(shared: Harness) -> None:
    shared.wait_reason("queued", "ExceedsCapacity")
    stop(shared, "queued", "Cancel", "no longer needed")
    status = shared.wait_state("queued", "Failed")
    assert (status["reason"], status["message"]) == ("Cancelled", "cancelled: no longer needed")
    assert (status["attempts"], shared.jobs_of("queued")) == ([], [])
    assert conditions(status)["Failed"] == "True"
    assert status["observedGeneration"] == 2


def test_a_running_job_is_terminated_with_sigterm_and_time_to_tidy_up(shared: Harness) -> None:
    shared.wait_state("polite", "Running")
    log = Log(shared, "polite")
    stop(shared, "polite", "Terminate", "wrong input")
    status = shared.wait_state("polite", "Failed")
    assert (status["reason"], status["message"]) == ("Terminated", "terminated: wrong input")
    assert exit_codes(status) == [143], "it was retried, or killed"
    assert log.lines() == ["started", "heard SIGTERM", "tidied up"]
    shared.wait_status("polite", lambda _: not shared.jobs_of("polite") and not shared.pods_of("polite"))
    stop(shared, "polite", "Terminate", "wrong input")  # the same again is no change
    assert shared.statuses()["polite"] == status


def test_a_container_that_does_not_heed_sigterm_is_killed_after_its_grace_period(shared: Harness) -> None:
    shared.wait_state("deaf", "Running")
    log = Log(shared, "deaf")
    began = time.monotonic()
    stop(shared, "deaf", "Terminate", "wrong input")
    assert shared.wait_reason("deaf", "Stopping")["state"] == "Running"
    status = shared.wait_state("deaf", "Failed")
    assert GRACE_SECONDS - 1 <= time.monotonic() - began < 30
    assert (status["reason"], exit_codes(status)) == ("Terminated", [137])
    assert seconds_between(status["startedAt"], status["stoppedAt"]) >= GRACE_SECONDS - 1
    assert log.lines() == ["started", "heard SIGTERM"]


def test_a_running_job_that_is_cancelled_goes_on_and_is_not_retried(shared: Harness) -> None:
    stop(shared, "failing", "Cancel", "last try")
    status = shared.wait_state("failing", "Failed")
    assert (status["reason"], status["message"]) == ("Cancelled", "cancelled: last try")
    (attempt,) = status["attempts"]
    assert (attempt["reason"], attempt["exitCode"]) == ("NonZeroExit", 1)


def test_a_job_that_has_ended_stays_as_it_is(shared: Harness) -> None:
    before = shared.wait_state("done", "Succeeded")
    stop(shared, "done", "Terminate", "too late")
    status = shared.wait_status("done", lambda status: status["observedGeneration"] == 2)
    assert {**status, "observedGeneration": 1, "conditions": before["conditions"]} == before
    (kubernetes_job,) = shared.jobs_of("done")
    assert "deletionTimestamp" not in kubernetes_job["metadata"]


def test_a_job_is_held_and_released(shared: Harness) -> None:
    status = shared.wait_reason("held", "Suspended")
    assert (status["state"], shared.jobs_of("held")) == ("Runnable", [])
    assert "queuePosition" not in status
    suspend(shared, "held", False)
    status = shared.wait_state("held", "Succeeded")
    assert len(status["attempts"]) == 1


def test_what_is_asked_while_the_operator_is_down_is_done_when_it_is_back(
    shared: Harness, operator: OperatorProcess
) -> None:
    shared.apply(
        *(shared.job(f"down-{number}", "polite", "queue") for number in range(2)),
        shared.job("down-queued", "quick", "full"),
    )
    for number in range(2):
        shared.wait_state(f"down-{number}", "Running")
    shared.wait_reason("down-queued", "ExceedsCapacity")
    operator.stop()
    for name in ("down-0", "down-1", "down-queued"):
        stop(shared, name, "Terminate", "nobody is here")
    # The Kubernetes Job of one goes meanwhile, as if an operator had died right after it deleted that.
    shared.kubectl("delete", "job", "down-0-1", "--cascade=foreground")
    assert shared.statuses()["down-0"]["state"] == "Running"
    operator.start()
    for name in ("down-0", "down-1", "down-queued"):
        status = shared.wait_state(name, "Failed")
        assert (status["reason"], status["message"]) == ("Terminated", "terminated: nobody is here")
        assert len(status["attempts"]) == (name != "down-queued")
    assert shared.jobs_of("down-queued") == []
    shared.wait_status("down-1", lambda _: not shared.pods_of("down-0") and not shared.pods_of("down-1"))
