"""Retry rules and growing memory with real containers: real exit codes, and a kernel that kills.

The jobs of the shared namespace run side by side; each test looks at its own.
"""

from typing import Any

import pytest

from e2e.clusterapi import Json
from e2e.harness import Harness, conditions, exit_codes
from e2e.operatorprocess import OperatorProcess
from localcluster.images import PYTHON

pytestmark = pytest.mark.e2e

ALLOCATE = "print(len(bytearray(Ref::mebibytes * 1024 * 1024)))"
# Only the child is out of memory where the kernel kills one process; the container ends with a code of its own.
IN_A_CHILD = f'python3 -c "{ALLOCATE}" || exit 1'
BACKOFF = {"initialSeconds": 1, "multiplier": 1, "jitter": 0}
GROWTH = {"memoryMultiplier": 2}


def strategy(**fields: Any) -> dict[str, Any]:
    return {"attempts": 4, "backoff": BACKOFF, **fields}


def greedy(harness: Harness, name: str, *command: str) -> Json:
    amounts = {"cpu": "50m", "memory": "48Mi"}
    container = {"resources": {"requests": amounts, "limits": amounts}}
    return harness.definition(name, *command, image=PYTHON, container=container, parameters={"mebibytes": "100"})


def memories(status: Json) -> list[str]:
    return [attempt["memory"] for attempt in status["attempts"]]


def reasons(status: Json) -> list[str]:
    return [attempt["reason"] for attempt in status["attempts"]]


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    by_code = [{"onExitCode": "75", "action": "Retry"}, {"onExitCode": "*", "action": "Exit"}]
    not_for_memory = [
        {"onExitCode": "137", "onReason": "OutOfMemoryError*", "action": "Retry"},
        {"onExitCode": "13*", "onStatusReason": "Essential container in task exited", "action": "Exit"},
    ]
    not_started = [
        {"onStatusReason": "Essential container in task exited", "action": "Retry"},
        {"onReason": "CannotStartContainerError:*", "onStatusReason": "Task failed to start", "action": "Exit"},
        {"onReason": "CannotPullContainerError:*", "onStatusReason": "Task failed to start", "action": "Exit"},
    ]
    too_small = strategy(attempts=3, onOutOfMemory={**GROWTH, "maxMemory": "64Mi"})
    shared.apply(
        shared.real_environment(),
        shared.real_environment("small", maxMemory="80Mi"),
        shared.queue("queue", "real"),
        shared.queue("small", "small"),
        # 75 at first, then 66: the first rule lets it go on, the second one ends it.
        shared.definition("fail", "sh", "-c", "test $AWS_BATCH_JOB_ATTEMPT = 1 && exit 75; exit 66"),
        shared.definition("kill", "sh", "-c", "exit 137"),
        shared.definition("no-program", "/no/such/program"),
        shared.definition("no-image", "true", image="localhost/batchyard/missing:1", startupGraceSeconds=3),
        greedy(shared, "allocate", "python3", "-c", ALLOCATE),
        greedy(shared, "allocate-in-a-child", "sh", "-c", IN_A_CHILD),
        shared.job("by-code", "fail", "queue", retryStrategy=strategy(evaluateOnExit=by_code)),
        shared.job("no-program", "no-program", "queue", retryStrategy=strategy(evaluateOnExit=not_started)),
        shared.job("no-image", "no-image", "queue", retryStrategy=strategy(evaluateOnExit=not_started)),
        shared.job("not-for-memory", "kill", "queue", retryStrategy=strategy(evaluateOnExit=not_for_memory)),
        shared.job(
            "growing", "allocate", "queue", retryStrategy=strategy(evaluateOnExit=not_for_memory, onOutOfMemory=GROWTH)
        ),
        shared.job("child", "allocate-in-a-child", "queue", retryStrategy=strategy(onOutOfMemory=GROWTH)),
        shared.job("bounded", "allocate", "queue", retryStrategy=too_small),
        shared.job("beyond", "allocate", "small", retryStrategy=strategy(onOutOfMemory=GROWTH)),
    )


def test_rules_decide_by_the_exit_code(shared: Harness) -> None:
    status = shared.wait_state("by-code", "Failed")
    assert exit_codes(status) == [75, 66]
    assert status["message"].endswith("attempt 2 of 4, not retried: retryStrategy.evaluateOnExit[1] says Exit")


def test_an_exit_code_of_137_is_not_a_lack_of_memory(shared: Harness) -> None:
    status = shared.wait_state("not-for-memory", "Failed")
    assert (exit_codes(status), reasons(status)) == ([137], ["NonZeroExit"])


@pytest.mark.parametrize(("job", "rule"), [("no-program", 1), ("no-image", 2)])
def test_what_does_not_start_has_the_names_of_aws_batch(shared: Harness, job: str, rule: int) -> None:
    status = shared.wait_state(job, "Failed")
    assert len(status["attempts"]) == 1
    assert status["message"].endswith(f"evaluateOnExit[{rule}] says Exit")


def test_a_container_that_the_kernel_killed_gets_more_memory_until_it_succeeds(shared: Harness) -> None:
    status = shared.wait_state("growing", "Succeeded", "Failed")
    assert (exit_codes(status), reasons(status)) == ([137, 137, 0], ["OOMKilled", "OOMKilled", "Completed"])
    assert memories(status) == ["48Mi", "96Mi", "192Mi"]
    containers = [job["spec"]["template"]["spec"]["containers"][0] for job in shared.jobs_of("growing")]
    amounts = [{side: each["memory"] for side, each in container["resources"].items()} for container in containers]
    assert sorted(amounts, key=lambda each: int(each["limits"][:-2])) == [
        {"requests": amount, "limits": amount} for amount in ("48Mi", "96Mi", "192Mi")
    ]
    assert str(100 * 1024 * 1024) in shared.logs_of("growing")


def test_a_lack_of_memory_is_seen_whatever_the_exit_code(shared: Harness) -> None:
    status = shared.wait_state("child", "Succeeded", "Failed")
    assert reasons(status) == ["OOMKilled", "OOMKilled", "Completed"]
    assert memories(status) == ["48Mi", "96Mi", "192Mi"]


def test_memory_grows_to_its_maximum_and_no_further(shared: Harness) -> None:
    status = shared.wait_state("bounded", "Succeeded", "Failed")
    assert (status["state"], status["reason"]) == ("Failed", "OOMKilled")
    assert memories(status) == ["48Mi", "64Mi", "64Mi"]


def test_a_job_grown_beyond_its_environment_waits_and_says_so(shared: Harness) -> None:
    status = shared.wait_reason("beyond", "ExceedsCapacity")
    assert status["state"] == "Runnable"
    assert conditions(status)["Stalled"] == "True"
    assert "needs 0.05 vCPU, 96 MiB memory" in status["message"]
    assert "its memory has grown since it ran out of it" in status["message"]


def test_an_operator_that_was_killed_meanwhile_comes_to_the_same_amount(
    harness: Harness, operator: OperatorProcess
) -> None:
    slowly = {"attempts": 2, "backoff": {**BACKOFF, "initialSeconds": 4}, "onOutOfMemory": GROWTH}
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        greedy(harness, "allocate", "python3", "-c", ALLOCATE),
        harness.job("growing", "allocate", "queue", retryStrategy=slowly, parameters={"mebibytes": "60"}),
    )
    waits = harness.wait_reason("growing", "RetryBackoff")
    assert waits["message"].endswith("next one in 4 s with 96Mi of memory instead of 48Mi")
    operator.replace()
    status = harness.wait_state("growing", "Succeeded", "Failed")
    assert memories(status) == ["48Mi", "96Mi"]
    assert [attempt["attempt"] for attempt in status["attempts"]] == [1, 2]
