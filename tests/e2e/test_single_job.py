"""Single jobs in real containers: through every state, with parameters and overrides, with every kind of bad end.

The jobs of one namespace are submitted together and run side by side; each test looks at its own.
"""

import json
from datetime import datetime
from typing import Any

import pytest

from batchyard.api import names
from e2e.harness import Harness, StateRecord, conditions, exit_codes
from localcluster.images import PYTHON, SHELL

pytestmark = pytest.mark.e2e

SHOW_ENVIRONMENT = 'env | sort; echo "words: $*"; echo GREETING=$GREETING COLOUR=$COLOUR'
# The first process of a container does not end on SIGTERM unless it says how.
SLEEP = "trap 'exit Ref::code' TERM; sleep 600 & wait"
ALLOCATE = "print(len(bytearray(300 * 1024 * 1024)))"


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    """Everything but the job of the first test, which brings its objects itself."""
    retries: dict[str, Any] = {"attempts": 3, "backoff": {"initialSeconds": 1, "multiplier": 2}}
    script = ("sh", "-c", SHOW_ENVIRONMENT, "script", "--codec=Ref::codec", "Ref::bucket/Ref::key", "Ref::codec")
    env = [{"name": "GREETING", "value": "hello"}, {"name": "COLOUR", "value": "red"}]
    shared.apply(
        shared.real_environment(),
        shared.queue("queue", "real"),
        shared.definition("show", *script, container={"env": env}, parameters={"codec": "h264", "bucket": "in"}),
        shared.definition("exit", "sh", "-c", "exit Ref::code", parameters={"code": "0"}),
        shared.definition("third", "sh", "-c", "test $AWS_BATCH_JOB_ATTEMPT = 3", retryStrategy=retries),
        shared.definition(
            "greedy", "python3", "-c", ALLOCATE, image=PYTHON, container={"resources": {"limits": {"memory": "64Mi"}}}
        ),
        shared.definition("lost", "true", image="localhost/batchyard/missing:1", startupGraceSeconds=3),
        shared.definition(
            "unconfigured",
            "true",
            container={"envFrom": [{"secretRef": {"name": "missing"}}]},
            startupGraceSeconds=3,
        ),
        shared.definition(
            "slow", "sh", "-c", SLEEP, parameters={"code": "143"}, timeout={"attemptDurationSeconds": 600}
        ),
        shared.object(names.JOB_DEFINITION, "pair", {"template": {"spec": {"containers": _pair()}}}),
    )
    greeting = {"name": "GREETING", "value": "hi"}
    more = {"requests": {"cpu": "60m"}, "limits": {"memory": "48Mi"}}
    shared.apply(
        shared.job("plain", "show", "queue", parameters={"key": "a.csv"}),
        shared.job(
            "changed",
            "show",
            "queue",
            parameters={"key": "b.csv", "codec": "av1"},
            containerOverrides=[{"env": [greeting, {"name": "SIZE", "value": "9"}], "resources": more}],
        ),
        shared.job(
            "replaced", "show", "queue", containerOverrides=[{"command": ["sh", "-c", "echo Ref::codec instead"]}]
        ),
        shared.job("one", "exit", "queue", parameters={"code": "3"}),
        shared.job("second-container", "pair", "queue"),
        shared.job("third-time-lucky", "third", "queue"),
        shared.job("given-up", "third", "queue", retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 0}}),
        shared.job("out-of-memory", "greedy", "queue"),
        shared.job("no-image", "lost", "queue"),
        shared.job("no-secret", "unconfigured", "queue"),
        *(
            shared.job(
                name,
                "slow",
                "queue",
                parameters={"code": code},
                timeout={"attemptDurationSeconds": 2},
                retryStrategy={"attempts": 3},
            )
            for name, code in (("too-long", "143"), ("too-long-but-polite", "0"))
        ),
    )


def _pair() -> list[dict[str, Any]]:
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}}
    commands = {"good": ["true"], "bad": ["sh", "-c", "exit 7"]}
    return [
        {"name": name, "image": SHELL, "command": command, "resources": resources} for name, command in commands.items()
    ]


def test_objects_may_come_in_any_order_and_the_job_goes_through_every_state(harness: Harness) -> None:
    record = StateRecord(harness)
    harness.apply(harness.job("first", "work", "main"))
    waits = harness.wait_reason("first", "JobDefinitionNotFound")
    assert waits["state"] == "Pending"
    assert "JobDefinition work does not exist" in waits["message"]
    harness.apply(harness.definition("work", "sh", "-c", "sleep 2; echo done"))
    assert harness.wait_reason("first", "JobQueueNotFound")["state"] == "Pending"
    harness.apply(harness.queue("main", "real"))
    assert harness.wait_reason("first", "ComputeEnvironmentNotFound")["state"] == "Runnable"
    harness.apply(harness.real_environment())
    harness.kubectl("wait", "--for=condition=Ready", "batchjob/first", "--timeout=90s")

    status = harness.wait_state("first", "Succeeded")
    steps = ["Pending", "Runnable", "Starting", "Running", "Succeeded"]
    shown = [state for state in record.states("first") if state != "Submitted"]
    quick = ["Starting"] if "Starting" not in shown else []  # passed through in less time than statuses are held back
    assert shown == [step for step in steps if step not in quick]
    (attempt,) = status["attempts"]
    (pod,) = harness.pods_of("first")
    (job,) = harness.jobs_of("first")
    assert (attempt["run"], attempt["attempt"], attempt["exitCode"]) == (1, 1, 0)
    assert attempt["podName"] == pod["metadata"]["name"]
    assert attempt["nodeName"] == pod["spec"]["nodeName"]
    assert attempt["jobName"] == status["jobName"] == job["metadata"]["name"] == "first-1"
    assert attempt["computeEnvironment"] == status["computeEnvironment"] == harness.named("real")
    assert status["jobDefinition"] == "work:1"
    assert _seconds(status) >= 2
    assert (status["startedAt"], status["stoppedAt"]) == (attempt["startedAt"], attempt["stoppedAt"])
    assert conditions(status)["Ready"] == "True"
    assert harness.logs_of("first") == "done\n"
    line = harness.kubectl("get", "bj", "first", "--no-headers").split()
    assert line[:4] == ["first", "Succeeded", harness.named("main"), "Completed"]


def _seconds(times: dict[str, Any]) -> float:
    start, stop = (datetime.fromisoformat(times[name]) for name in ("startedAt", "stoppedAt"))
    return (stop - start).total_seconds()


def test_the_container_sees_parameters_and_the_variables_of_aws_batch(shared: Harness) -> None:
    shared.wait_state("plain", "Succeeded")
    log = shared.logs_of("plain")
    assert "words: --codec=h264 in/a.csv h264\n" in log
    assert "GREETING=hello COLOUR=red\n" in log
    seen = dict(line.split("=", 1) for line in log.splitlines() if line.startswith("AWS_BATCH"))
    assert seen == {
        "AWS_BATCH_JOB_ID": shared.batchjobs()["plain"]["metadata"]["uid"],
        "AWS_BATCH_JQ_NAME": shared.named("queue"),
        "AWS_BATCH_CE_NAME": shared.named("real"),
        "AWS_BATCH_JOB_ATTEMPT": "1",
    }


def test_parameters_and_overrides_of_the_job_win_over_the_definition(shared: Harness) -> None:
    shared.wait_state("changed", "Succeeded")
    log = shared.logs_of("changed")
    assert "words: --codec=av1 in/b.csv av1\n" in log
    assert "GREETING=hi COLOUR=red\n" in log
    assert "SIZE=9\n" in log
    (pod,) = shared.pods_of("changed")
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "60m", "memory": "32Mi"}, "limits": {"memory": "48Mi"}}
    shared.wait_state("replaced", "Succeeded")
    assert shared.logs_of("replaced") == "h264 instead\n"


def test_an_exit_code_other_than_zero_fails_the_job(shared: Harness) -> None:
    status = shared.wait_state("one", "Failed")
    assert status["reason"] == "NonZeroExit"
    assert status["message"] == "container main ended with exit code 3"
    assert exit_codes(status) == [3]
    assert conditions(status) == {"Ready": "False", "Failed": "True", "Stalled": "True"}
    status = shared.wait_state("second-container", "Failed")
    assert (status["message"], exit_codes(status)) == ("container bad ended with exit code 7", [7])


def test_failed_attempts_are_repeated_after_a_growing_wait(shared: Harness) -> None:
    status = shared.wait_state("third-time-lucky", "Succeeded")
    assert exit_codes(status) == [1, 1, 0]
    assert [attempt["attempt"] for attempt in status["attempts"]] == [1, 2, 3]
    assert [attempt["jobName"] for attempt in status["attempts"]] == [f"third-time-lucky-{run}" for run in (1, 2, 3)]
    ends = [datetime.fromisoformat(attempt["stoppedAt"]) for attempt in status["attempts"]]
    jobs = {job["metadata"]["name"]: job["metadata"]["creationTimestamp"] for job in shared.jobs_of("third-time-lucky")}
    waits = [
        (datetime.fromisoformat(jobs[f"third-time-lucky-{run}"]) - ends[run - 2]).total_seconds() for run in (2, 3)
    ]
    assert waits[0] >= 1, waits
    assert waits[1] >= 2, waits
    assert (status["interruptions"], len(status["attempts"])) == (0, 3)


def test_a_job_fails_when_its_attempts_are_used_up(shared: Harness) -> None:
    status = shared.wait_state("given-up", "Failed")
    assert (status["reason"], exit_codes(status)) == ("NonZeroExit", [1, 1])


def test_a_container_that_takes_too_much_memory_is_reported_as_such(shared: Harness) -> None:
    status = shared.wait_state("out-of-memory", "Failed")
    assert (status["reason"], exit_codes(status)) == ("OOMKilled", [137])
    assert "more memory than its limit" in status["message"]


@pytest.mark.parametrize(
    ("job", "words"), [("no-image", "localhost/batchyard/missing:1"), ("no-secret", 'secret "missing" not found')]
)
def test_a_container_that_cannot_start_ends_after_its_grace_time(shared: Harness, job: str, words: str) -> None:
    status = shared.wait_state(job, "Failed")
    assert status["reason"] == "CannotStartContainer"
    assert words in status["message"]
    assert "exitCode" not in status["attempts"][0]
    shared.wait_status(job, lambda _: not [pod for pod in shared.pods_of(job) if pod["status"]["phase"] == "Pending"])


@pytest.mark.parametrize(("job", "code"), [("too-long", 143), ("too-long-but-polite", 0)])
def test_a_timeout_ends_the_job_without_another_attempt(shared: Harness, job: str, code: int) -> None:
    status = shared.wait_state(job, "Failed")
    assert (status["reason"], exit_codes(status)) == ("DeadlineExceeded", [code])
    assert _seconds(status["attempts"][0]) < 60, json.dumps(status)
