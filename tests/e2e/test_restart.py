"""The operator dies in the middle of work: nothing is lost, nothing runs twice."""

import time
from collections import Counter
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import JOBS, PODS
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

SHORT = 40
WIDTH = 8


class Creations:
    """Every object of a kind ever created in a namespace, counted by the BatchJob it belongs to."""

    def __init__(self, harness: Harness, collection: tuple[str, str]) -> None:
        self._uids: dict[str, str] = {}
        harness.api.watch(collection, harness.namespace, self._note)

    def _note(self, _: str, obj: dict[str, Any]) -> None:
        self._uids[obj["metadata"]["uid"]] = obj["metadata"]["labels"][names.JOB]

    def by_batchjob(self) -> Counter[str]:
        return Counter(self._uids.values())


def test_a_killed_operator_loses_nothing_and_runs_nothing_twice(harness: Harness, operator: OperatorProcess) -> None:
    kubernetes_jobs, pods = Creations(harness, JOBS), Creations(harness, PODS)
    retries = {"attempts": 2, "backoff": {"initialSeconds": 1}}
    harness.apply(
        harness.simulated_environment(maxVcpus=WIDTH),
        harness.real_environment(),
        harness.queue("simulated", "simulated"),
        harness.queue("real", "real"),
        harness.simulated_definition("short", duration="2s"),
        harness.definition("long", "sleep", "20"),
        harness.definition("second", "sh", "-c", "sleep 1; test $AWS_BATCH_JOB_ATTEMPT = 2", retryStrategy=retries),
    )
    short = [f"short-{index:02}" for index in range(SHORT)]
    harness.apply(harness.job("long", "long", "real"))
    harness.wait_state("long", "Running")  # a real container can take longer to start than the others need in all
    harness.apply(*(harness.job(name, "short", "simulated") for name in short))
    harness.wait_state("short-10", "Running", "Succeeded")
    operator.kill()

    # Life goes on without it: pods end, jobs are submitted and withdrawn, and its lease has to run out.
    harness.apply(harness.job("submitted-meanwhile", "second", "real"))
    harness.kubectl("delete", "batchjob", "short-39")
    short.remove("short-39")
    while_dead = kubernetes_jobs.by_batchjob()
    time.sleep(2)
    assert kubernetes_jobs.by_batchjob() == while_dead, "somebody else creates Jobs in this namespace"
    assert while_dead.total() < SHORT, "too fast: nothing was left to do when the operator died"
    operator.start()

    wanted = [*short, "long", "submitted-meanwhile"]
    statuses = harness.wait_finished(wanted)
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    expected = Counter(dict.fromkeys(wanted, 1)) + Counter({"submitted-meanwhile": 1})
    assert kubernetes_jobs.by_batchjob() - Counter({"short-39": 1}) == expected
    assert pods.by_batchjob() - Counter({"short-39": 1}) == expected
    assert [len(statuses[name]["attempts"]) for name in wanted] == [expected[name] for name in wanted]
    assert statuses["long"]["interruptions"] == 0


def test_a_stopped_operator_hands_over_at_once(harness: Harness, operator: OperatorProcess) -> None:
    harness.apply(
        harness.simulated_environment(),
        harness.queue("simulated", "simulated"),
        harness.simulated_definition("short", duration="1s"),
        *(harness.job(f"early-{index}", "short", "simulated") for index in range(5)),
    )
    harness.wait_state("early-0", "Starting", "Running", "Succeeded")
    began = time.monotonic()
    operator.restart()
    assert time.monotonic() - began < 15, "the lease was not given up"
    harness.apply(harness.job("late", "short", "simulated"))
    statuses = harness.wait_finished()
    assert [len(status["attempts"]) for status in statuses.values()] == [1] * 6


def test_what_happened_to_settings_meanwhile_counts(harness: Harness, operator: OperatorProcess) -> None:
    harness.apply(
        harness.simulated_environment(state="Disabled"),
        harness.queue("simulated", "simulated"),
        harness.simulated_definition("short"),
        harness.job("resolved", "short", "simulated"),
    )
    assert harness.wait_reason("resolved", "ComputeEnvironmentDisabled")["jobDefinition"] == "short:1"
    operator.stop()
    harness.apply(
        harness.simulated_definition("short", duration="1s"),
        harness.simulated_environment(),
        harness.job("fresh", "short", "simulated"),
    )
    operator.start()
    statuses = harness.wait_finished()
    assert {name: status["jobDefinition"] for name, status in statuses.items()} == {
        "resolved": "short:1",
        "fresh": "short:2",
    }
