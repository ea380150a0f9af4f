"""How runs end on a real kubelet: what cannot start, what is stopped from outside, and sidecars.

All jobs run side by side; each test looks at its own.
"""

from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import PODS, Json, until
from e2e.harness import Harness, exit_codes
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

POLITE = ("sh", "-c", 'trap "echo tidy; exit 0" TERM; echo start; sleep 600 & wait; echo WORK DONE')
"""Tidies up on SIGTERM and ends with 0, as many servers and training loops do."""
SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}}
KEYS = {"volumes": [{"name": "keys", "secret": {"secretName": "none"}}]}
DATA = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "none"}}]}
TOKEN = {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "none", "key": "token"}}}]}


def container(name: str, *command: str, **fields: Any) -> Json:
    return {"name": name, "image": SHELL, "command": list(command), "resources": SMALL, **fields}


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    sidecar = container("proxy", "sh", "-c", 'trap "exit 77" TERM; while :; do sleep 1; done', restartPolicy="Always")
    deaf = container("proxy", "sleep", "1000", restartPolicy="Always")
    fails = container("main", "sh", "-c", "sleep 2; exit 3")
    crashing = container("proxy", "false", restartPolicy="Always", startupProbe={"exec": {"command": ["false"]}})

    def pod(name: str, *containers: Json, inits: tuple[Json, ...] = (), **spec: Any) -> Json:
        body = {"terminationGracePeriodSeconds": 2, "initContainers": list(inits), "containers": list(containers)}
        return shared.object(names.JOB_DEFINITION, name, {"template": {"spec": body}, **spec})

    shared.apply(
        shared.real_environment(unschedulableSeconds=10),
        shared.queue("queue", "real"),
        shared.real_environment("narrow", maxVcpus=0.05),
        shared.queue("low", "narrow", priority=1),
        shared.queue("high", "narrow", priority=9, preemption={"policy": "LowerPriority"}),
        shared.definition("polite", *POLITE),
        shared.definition("quick", "true"),
        shared.definition("no-volume", "true", container=mounted(KEYS), startupGraceSeconds=8),
        shared.definition("no-claim", "true", container=mounted(DATA), startupGraceSeconds=8),
        shared.definition("no-variable", "true", container=TOKEN, startupGraceSeconds=8),
        shared.definition(
            "tiny", "true", container={"resources": {"limits": {"memory": "2048"}}}, startupGraceSeconds=8
        ),
        pod("native", fails, inits=(sidecar,)),
        pod("deaf", fails, inits=(deaf,)),
        pod("crashing", fails, inits=(crashing,), startupGraceSeconds=8),
        pod(
            "meshed",
            container("main", "sh", "-c", "exit 0"),
            container("mesh", "sleep", "1000"),
            timeout={"attemptDurationSeconds": 25},
        ),
        pod("mesh-fails", container("main", "sh", "-c", "exit 4"), container("mesh", "sleep", "1000")),
    )
    again = {"attempts": 3, "evaluateOnExit": [{"onExitCode": "3", "action": "Exit"}]}
    shared.apply(
        *(shared.job(name, name, "queue") for name in ("no-volume", "no-claim", "no-variable", "tiny", "crashing")),
        shared.job("no-volumes", "no-volume", "queue", array={"size": 2}),
        *(shared.job(name, name, "queue") for name in ("native", "deaf", "mesh-fails")),
        shared.job("natives", "native", "queue", array={"size": 2}, retryStrategy=again),
        shared.job("polite", "polite", "queue"),
        shared.job("polites", "polite", "queue", array={"size": 2}),
        shared.job("late", "polite", "queue", timeout={"attemptDurationSeconds": 5}),
        shared.job("displaced", "polite", "low"),
    )


def mounted(volumes: Json) -> Json:
    return {**volumes, "volumeMounts": [{"name": each["name"], "mountPath": "/x"} for each in volumes["volumes"]]}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("no-volume", 'FailedMount: MountVolume.SetUp failed for volume "keys" : secret "none" not found'),
        ("no-variable", 'rror: secret "none" not found'),  # CreateContainerConfigError, or an Event's "Failed: Error"
        ("tiny", "resources.limits.memory of container main is 2048 bytes: did you mean 2048Mi?"),
        ("crashing", "estarting failed container"),
    ],
)
def test_what_cannot_start_says_why_and_fails_after_the_grace_time(shared: Harness, job: str, words: str) -> None:
    status = shared.wait_state(job, "Failed")
    assert status["reason"] == "CannotStartContainer"
    assert words in status["message"]
    assert exit_codes(status) == [None]


def test_an_array_that_cannot_start_fails_with_the_same_words(shared: Harness) -> None:
    status = shared.wait_state("no-volumes", "Failed")
    assert status["reason"] == "CannotStartContainer"
    assert 'secret "none" not found' in status["message"]


def test_a_claim_that_does_not_exist_is_said_and_the_place_taken_back(shared: Harness) -> None:
    status = shared.wait_status("no-claim", lambda status: len(status.get("attempts", ())) > 0)
    status = shared.wait_status("no-claim", lambda status: status["attempts"][0].get("reason") == "Unschedulable")
    assert 'persistentvolumeclaim "none" not found' in status["attempts"][0]["message"]
    assert status.get("interruptions", 0) == 0


@pytest.mark.parametrize("job", ["native", "deaf"])
def test_the_main_container_decides_beside_a_native_sidecar(shared: Harness, job: str) -> None:
    status = shared.wait_state(job, "Failed")
    assert (status["reason"], exit_codes(status)) == ("NonZeroExit", [3])
    assert status["message"] == "container main ended with exit code 3"


def test_so_it_does_for_each_index_of_an_array(shared: Harness) -> None:
    status = shared.wait_state("natives", "Failed")
    assert status["array"]["retries"] == 0, "the program said that it is not to be tried again"
    assert [each["exitCode"] for each in status["array"]["firstFailures"]] == [3, 3]


def test_a_classic_sidecar_that_goes_on_is_named_and_the_timeout_tells_both(shared: Harness) -> None:
    shared.apply(shared.job("meshed", "meshed", "queue"))  # not with the others: it says so only until its timeout
    status = shared.wait_status("meshed", lambda status: "container main has ended with exit code 0" in text(status))
    assert (status["state"], "mesh" in status["message"]) == ("Running", True)
    status = shared.wait_state("meshed", "Failed")
    assert (status["reason"], exit_codes(status)) == ("DeadlineExceeded", [0])
    assert "container main had ended with exit code 0, others still ran" in status["message"]


def test_what_outlasts_a_main_container_that_failed_is_stopped(shared: Harness) -> None:
    status = shared.wait_state("mesh-fails", "Failed")
    assert (status["reason"], exit_codes(status)) == ("NonZeroExit", [4])


def test_a_program_that_answers_an_eviction_with_0_runs_again(shared: Harness) -> None:
    shared.evict(shared.wait_state("polite", "Running")["attempts"][0]["podName"])
    status = shared.wait_status("polite", lambda status: len(status["attempts"]) > 1 and status["state"] == "Running")
    first = status["attempts"][0]
    assert (first["reason"], status["interruptions"]) == ("Interrupted", 1)
    assert "EvictionByEvictionAPI" in first["message"]
    assert "container main answered with exit code 0" in first["message"]


def test_so_does_an_index(shared: Harness) -> None:
    until(lambda: len(shared.running_pods_of("polites")) == 2, 90, lambda: shared.kubectl("get", "pods"))
    pods = shared.running_pods_of("polites")
    shared.evict(next(pod["metadata"]["name"] for pod in pods if index_of(pod) == "1"))
    status = shared.wait_status("polites", lambda status: status["array"].get("interruptedIndexes") == "1")
    assert status["array"]["succeeded"] == 0
    again = f"{names.JOB}=polites,{names.RUN}=2"
    until(
        lambda: shared.api.list(PODS, shared.namespace, labelSelector=again),
        60,
        lambda: f"index 1 did not run again: {shared.kubectl('get', 'bj,jobs,pods')}",
    )


def test_one_that_answers_a_preemption_with_0_runs_again(shared: Harness) -> None:
    shared.wait_state("displaced", "Running")
    shared.apply(shared.job("urgent", "quick", "high"))
    shared.wait_state("urgent", "Succeeded")
    status = shared.wait_status("displaced", lambda status: len(status["attempts"]) > 1)
    assert status["attempts"][0]["reason"] == "Interrupted"


def test_one_that_answers_its_timeout_with_0_has_failed(shared: Harness) -> None:
    status = shared.wait_state("late", "Failed")
    assert (status["reason"], exit_codes(status)) == ("DeadlineExceeded", [0])


def text(status: Json) -> str:
    return str(status.get("message", ""))


def index_of(pod: Json) -> str:
    labels = pod["metadata"]["labels"]
    return str(labels.get(names.COMPLETION_INDEX) or labels.get(names.INDEX))
