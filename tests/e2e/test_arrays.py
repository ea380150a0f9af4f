"""Arrays on a real cluster: real containers by index, retries of single indexes, capacity, ends from outside, sizes."""

import json
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import EVENTS, JOBS, Json, path_of, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from localcluster import LocalClusterError

pytestmark = pytest.mark.e2e

QUICKLY = {"initialSeconds": 1, "multiplier": 1, "jitter": 0}


def wait_array(harness: Harness, job: str, seconds: float = 90, **wanted: Any) -> Json:
    def holds(status: Json) -> bool:
        shown = status.get("array", {})
        return all(shown.get(field, 0) >= least for field, least in wanted.items())

    return harness.wait_status(job, holds, seconds, f"{wanted}")["array"]  # type: ignore[no-any-return]


def test_each_index_runs_and_only_what_failed_runs_again(harness: Harness) -> None:
    script = (
        "echo $AWS_BATCH_JOB_ARRAY_INDEX/$AWS_BATCH_JOB_ARRAY_SIZE $JOB $1;"
        " [ $AWS_BATCH_JOB_ARRAY_INDEX-$AWS_BATCH_JOB_ATTEMPT != 2-1 ] && [ $AWS_BATCH_JOB_ARRAY_INDEX != 4 ]"
    )
    command = ("sh", "-c", script, "sh", "arg-$(AWS_BATCH_JOB_ARRAY_INDEX)")
    env = {"env": [{"name": "JOB", "value": "$(AWS_BATCH_JOB_ID)"}]}
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("show", *command, container=env, retryStrategy={"attempts": 2, "backoff": QUICKLY}),
        harness.job("all", "show", "queue", array={"size": 6}),
    )
    status = harness.wait_finished({"all"})["all"]
    assert (status["state"], status["reason"]) == ("Failed", "IndexesFailed")
    assert harness.kubectl("get", "bj", "all", "--no-headers").split()[3:5] == ["IndexesFailed", "6/6"]
    shown = status["array"]
    assert (shown["succeededIndexes"], shown["failedIndexes"], shown["retries"]) == ("0-3,5", "4", 2)
    (failure,) = shown["firstFailures"]
    assert (failure["index"], failure["attempt"], failure["exitCode"], failure["nodeName"]) == (4, 2, 1, "real")
    assert sorted(job["metadata"]["name"] for job in harness.jobs_of("all")) == ["all-1", "all-2-i2", "all-2-i4"]
    uid = harness.batchjobs()["all"]["metadata"]["uid"]
    lines = Counter(harness.logs_of("all").splitlines())
    wanted = {f"{index}/6 {uid}:{index} arg-{index}": 2 if index in (2, 4) else 1 for index in range(6)}
    assert lines == wanted


def test_failing_low_indexes_hold_nobody_back_as_they_do_in_a_bare_job(harness: Harness) -> None:
    """Kubernetes' own retries count an index that rests after a failure against the parallelism."""
    script = "[ $JOB_COMPLETION_INDEX -ge 2 ]"
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("low", "sh", "-c", script, retryStrategy={"attempts": 3, "backoff": {"initialSeconds": 30}}),
        harness.job("ours", "low", "queue", array={"size": 8, "maxConcurrency": 2}),
    )
    shown = wait_array(harness, "ours", succeeded=6)
    assert (shown["succeededIndexes"], shown["failed"]) == ("2-7", 0)
    (job,) = harness.jobs_of("ours")
    bare = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "bare"},
        "spec": {
            **{field: job["spec"][field] for field in ("completions", "parallelism", "completionMode")},
            "backoffLimitPerIndex": 2,
            "template": {"spec": {**job["spec"]["template"]["spec"]}},
        },
    }
    began = time.monotonic()
    harness.apply(bare)
    path = path_of(JOBS, harness.namespace, "bare")
    until(lambda: harness.api.get(path).get("status", {}).get("failed", 0) >= 2 or None, 60, lambda: "no pod failed")
    while time.monotonic() < began + 9:  # the first back-off of the Job controller is 10 s
        assert not harness.api.get(path)["status"].get("completedIndexes")
        time.sleep(0.5)
    harness.kubectl("delete", "job", "bare")


def test_an_image_that_does_not_exist_fails_the_whole(harness: Harness) -> None:
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("lost", "true", image="localhost/batchyard/none:1", startupGraceSeconds=3),
        harness.job("lost", "lost", "queue", array={"size": 3}),
    )
    status = harness.wait_finished({"lost"})["lost"]
    assert (status["state"], status["reason"]) == ("Failed", "CannotStartContainer")
    assert "localhost/batchyard/none:1" in status["message"]
    until(lambda: not harness.jobs_of("lost") or None, 60, lambda: "its Kubernetes Job is still there")


def test_an_index_that_runs_too_long_fails_and_is_not_tried_again(harness: Harness) -> None:
    script = "[ $AWS_BATCH_JOB_ARRAY_INDEX = 0 ] && exit; trap 'exit 9' TERM; sleep 300 & wait"
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("nap", "sh", "-c", script, retryStrategy={"attempts": 3, "backoff": QUICKLY}),
        harness.job("nap", "nap", "queue", array={"size": 2}, timeout={"attemptDurationSeconds": 8}),
    )
    shown = harness.wait_finished({"nap"})["nap"]["array"]
    assert (shown["succeededIndexes"], shown["failedIndexes"], shown["retries"]) == ("0", "1", 0)
    assert shown["firstFailures"][0]["reason"] == "DeadlineExceeded"


def test_it_grows_with_its_environment_and_a_killed_operator_loses_none(
    harness: Harness, operator: OperatorProcess
) -> None:
    harness.apply(
        harness.simulated_environment("pool", maxVcpus=5),
        harness.queue("queue", "pool"),
        harness.simulated_definition("work", duration="1s"),
        harness.job("many", "work", "queue", array={"size": 120}),
    )
    wait_array(harness, "many", succeeded=5)
    (job,) = harness.jobs_of("many")
    assert job["spec"]["parallelism"] == 5
    assert "needs 1 vCPU, 32 MiB memory on one node" in harness.statuses()["many"]["message"]
    operator.replace()
    harness.apply(harness.simulated_environment("pool", maxVcpus=40))
    status = harness.wait_finished({"many"})["many"]
    assert (status["state"], status["array"]["succeededIndexes"]) == ("Succeeded", "0-119")
    (job,) = harness.jobs_of("many")
    assert (job["spec"]["parallelism"], job["status"]["succeeded"]) == (40, 120)
    pods = Counter(pod["metadata"]["labels"][names.COMPLETION_INDEX] for pod in harness.pods_of("many"))
    assert len(pods) == 120
    assert set(pods.values()) == {1}


def test_a_hundred_thousand_indexes_are_taken_and_progress(harness: Harness) -> None:
    harness.apply(
        harness.simulated_environment("pool"),
        harness.queue("queue", "pool"),
        harness.simulated_definition("work", cpu="10m"),
        harness.job("huge", "work", "queue", array={"size": 100_000, "maxConcurrency": 60}),
    )
    shown = wait_array(harness, "huge", succeeded=100)
    assert shown["progress"].endswith("/100000")
    assert shown["succeededIndexes"].startswith("0-")
    stop = {"stop": {"mode": "Terminate", "reason": "seen enough"}}
    harness.kubectl("patch", "batchjob", "huge", "--type=merge", "-p", json.dumps({"spec": stop}))
    status = harness.wait_finished({"huge"})["huge"]
    assert (status["state"], status["message"]) == ("Failed", "terminated: seen enough")
    assert status["array"]["succeeded"] + status["array"]["failed"] == 100_000
    until(lambda: not harness.pods_of("huge") or None, 60, lambda: "pods are left")


def test_it_makes_way_for_a_higher_queue_without_killing_an_index(harness: Harness) -> None:
    harness.apply(
        harness.simulated_environment("pool", maxVcpus=6),
        harness.queue("low", "pool"),
        harness.queue("high", "pool", priority=10),
        harness.simulated_definition("work", duration="4s"),
        harness.job("large", "work", "low", array={"size": 30}),
    )
    wait_array(harness, "large", running=6)
    harness.apply(harness.job("first", "work", "high"), harness.job("second", "work", "high", array={"size": 2}))
    statuses = harness.wait_finished({"first", "second"})
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    assert harness.statuses()["large"]["state"] == "Pending"
    wait_array(harness, "large", running=6)  # it has its places again
    assert harness.wait_finished({"large"})["large"]["state"] == "Succeeded"
    events = harness.api.list(EVENTS, harness.namespace, fieldSelector="reason=SuccessfulDelete")
    assert not [event["message"] for event in events]


def test_a_cancelled_one_starts_no_more_indexes(harness: Harness) -> None:
    harness.apply(
        harness.simulated_environment("pool", maxVcpus=3),
        harness.queue("queue", "pool"),
        harness.simulated_definition("work", duration="4s"),
        harness.job("many", "work", "queue", array={"size": 30}),
    )
    wait_array(harness, "many", running=3)
    stop = {"stop": {"mode": "Cancel", "reason": "not needed"}}
    harness.kubectl("patch", "batchjob", "many", "--type=merge", "-p", json.dumps({"spec": stop}))
    status = harness.wait_finished({"many"})["many"]
    assert (status["state"], status["message"]) == ("Failed", "cancelled: not needed")
    # Those that ran have ended by themselves; the Job controller may have been quicker to start a few more.
    assert 3 <= status["array"]["succeeded"] <= 9


def test_single_indexes_are_terminated(harness: Harness) -> None:
    script = "trap 'exit 9' TERM; [ $AWS_BATCH_JOB_ARRAY_INDEX = 0 ] && sleep 5 && exit; sleep 300 & wait"
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("wait", "sh", "-c", script, retryStrategy={"attempts": 3}),
        harness.job("some", "wait", "queue", array={"size": 3}),
    )
    wait_array(harness, "some", running=3)
    stop = {"stopIndexes": [{"indexes": "1-2", "reason": "bad input"}]}
    harness.kubectl("patch", "batchjob", "some", "--type=merge", "-p", json.dumps({"spec": stop}))
    shown = harness.wait_finished({"some"})["some"]["array"]
    assert (shown["succeededIndexes"], shown["failedIndexes"], shown["retries"]) == ("0", "1-2", 0)
    assert {each["message"] for each in shown["firstFailures"]} == {"terminated: bad input"}
    refused = "an entry cannot be taken back"
    with pytest.raises(LocalClusterError, match=refused):
        harness.kubectl("patch", "batchjob", "some", "--type=merge", "-p", '{"spec": {"stopIndexes": []}}')


def test_two_arrays_go_index_by_index_at_the_same_time(harness: Harness) -> None:
    harness.apply(
        harness.simulated_environment("pool"),
        harness.queue("queue", "pool"),
        harness.simulated_definition("work", duration="2s", cpu="100m"),
        harness.job("second", "work", "queue", array={"size": 40}, dependsOn=[{"job": "first", "type": "NToN"}]),
        harness.job("first", "work", "queue", array={"size": 40, "maxConcurrency": 8}),
    )
    statuses = harness.wait_finished({"first", "second"})
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    # The first takes five rounds; the second has begun after one of them, and is through about one after the last.
    began, ended = _times(statuses["first"])
    second_began, second_ended = _times(statuses["second"])
    assert second_began < ended
    assert second_ended - ended < (ended - began) / 2
    indexes = Counter(job["metadata"]["labels"][names.INDEX] for job in harness.jobs_of("second"))
    assert indexes == {str(index): 1 for index in range(40)}
    partner = {_index(pod): _ended(pod) for pod in harness.pods_of("first")}
    for pod in harness.pods_of("second"):
        assert pod["metadata"]["creationTimestamp"] >= partner[_index(pod)]


def test_the_indexes_of_a_sequence_run_one_after_the_other(harness: Harness) -> None:
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("step", "sh", "-c", "[ $AWS_BATCH_JOB_ARRAY_INDEX -lt 2 ]"),
        harness.job("steps", "step", "queue", array={"size": 4}, dependsOn=[{"type": "Sequential"}]),
    )
    shown = harness.wait_finished({"steps"})["steps"]["array"]
    assert (shown["succeededIndexes"], shown["failedIndexes"]) == ("0-1", "2-3")
    assert [each["message"] for each in shown["firstFailures"]] == [
        "container main ended with exit code 1",
        "index 2 failed",
    ]
    pods = sorted(harness.pods_of("steps"), key=lambda pod: int(_index(pod)))
    for before, after in pairwise(pods):
        assert after["metadata"]["creationTimestamp"] >= _ended(before)


def test_failed_indexes_run_again_in_a_new_array_once_the_program_is_mended(harness: Harness) -> None:
    line = "echo $AWS_BATCH_JOB_ARRAY_INDEX/$AWS_BATCH_JOB_ARRAY_SIZE"
    again = {"size": 6, "rerun": {"job": "first"}}
    broken = harness.definition("fussy", "sh", "-c", f"{line}; [ $(($AWS_BATCH_JOB_ARRAY_INDEX % 3)) != 1 ]")
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        broken,
        harness.job("too-many", "fussy", "queue", array={**again, "size": 7}),
        harness.job("first", "fussy", "queue", array={"size": 6}),
    )
    assert harness.wait_finished({"first"})["first"]["array"]["failedIndexes"] == "1,4"
    harness.apply(harness.definition("fussy", "sh", "-c", line))
    harness.apply(harness.job("second", "fussy", "queue", array=again))
    harness.wait_status("second", lambda status: bool(status.get("array", {}).get("chosenIndexes")))
    harness.kubectl("delete", "batchjob", "first")
    status = harness.wait_finished({"second"})["second"]
    assert (status["state"], status["message"]) == ("Succeeded", "all 2 chosen indexes succeeded")
    assert status["jobDefinition"] == "fussy:2"
    shown = status["array"]
    assert (shown["chosenIndexes"], shown["progress"], shown["succeededIndexes"]) == ("1,4", "2/2", "1,4")
    assert shown["succeededBeforeIndexes"] == "0,2-3,5"
    assert sorted(harness.logs_of("second").split()) == ["1/6", "4/6"]
    harness.apply(harness.job("third", "fussy", "queue", array={**again, "rerun": {"job": "second"}}))
    statuses = harness.wait_finished({"third", "too-many"})
    assert statuses["third"]["reason"] == "NothingToRerun"
    assert "BatchJob first has 6 indexes and this one 7" in statuses["too-many"]["message"]


def _times(status: Json) -> tuple[float, float]:
    return tuple(datetime.fromisoformat(status[field]).timestamp() for field in ("startedAt", "stoppedAt"))  # type: ignore[return-value]


def _index(pod: Json) -> str:
    found: str = pod["metadata"]["annotations"][names.COMPLETION_INDEX]
    return found


def _ended(pod: Json) -> str:
    found: str = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    return found
