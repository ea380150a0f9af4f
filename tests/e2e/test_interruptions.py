"""What nobody's program did: pods evicted, nodes lost, Jobs and BatchJobs deleted. None of it costs an attempt."""

from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import EVENTS, JOBS, PODS, Json, until
from e2e.harness import Harness, StateRecord
from localcluster.images import SHELL
from localcluster.nodes.simulated import TAINT

pytestmark = pytest.mark.e2e

# The first process of a container does not end on SIGTERM unless it says how.
SLEEP = ("sh", "-c", "trap 'exit 143' TERM; sleep Ref::seconds & wait")


@pytest.fixture(scope="module", autouse=True)
def environments(shared: Harness) -> None:
    shared.apply(
        shared.real_environment(),
        shared.real_environment("narrow", maxVcpus=0.05),
        shared.queue("queue", "real"),
        shared.queue("one-at-a-time", "narrow"),
        shared.definition("sleep", *SLEEP, parameters={"seconds": "600"}),
    )


def _attempts(status: dict[str, Any]) -> list[tuple[int, int]]:
    return [(attempt["run"], attempt["attempt"]) for attempt in status["attempts"]]


@pytest.mark.usefixtures("vanished", "silent")
def test_an_evicted_pod_or_a_deleted_kubernetes_job_is_replaced_and_costs_no_attempt(shared: Harness) -> None:
    shared.apply(
        *(shared.job(name, "sleep", "queue", parameters={"seconds": "4"}) for name in ("evicted", "meddled-with"))
    )
    shared.evict(shared.wait_state("evicted", "Running")["attempts"][0]["podName"])
    shared.wait_state("meddled-with", "Running")
    shared.kubectl("delete", "job", "meddled-with-1", "--wait=false")
    statuses = shared.wait_finished(["evicted", "meddled-with"])
    for name, reason in (("evicted", "Interrupted"), ("meddled-with", "JobDeleted")):
        status = statuses[name]
        assert (status["state"], status["interruptions"], _attempts(status)) == ("Succeeded", 1, [(1, 1), (2, 1)])
        first, second = status["attempts"]
        assert (first["reason"], second["reason"]) == (reason, "Completed")
        assert first["stoppedAt"] <= second["startedAt"], "two runs of one job at the same time"
    assert "EvictionByEvictionAPI" in statuses["evicted"]["attempts"][0]["message"]


def test_a_job_that_is_interrupted_too_often_fails(shared: Harness) -> None:
    shared.apply(shared.job("unlucky", "sleep", "queue", retryStrategy={"maxInterruptions": 0}))
    shared.evict(shared.wait_state("unlucky", "Running")["attempts"][0]["podName"])
    status = shared.wait_state("unlucky", "Failed")
    assert (status["reason"], status["interruptions"]) == ("TooManyInterruptions", 1)


def test_an_index_that_is_evicted_again_and_again_fails_and_the_others_go_on(shared: Harness) -> None:
    script = "[ $AWS_BATCH_JOB_ARRAY_INDEX = 1 ] && exit; trap 'exit 143' TERM; sleep 600 & wait"
    retries = {"attempts": 3, "maxInterruptions": 1}
    shared.apply(
        shared.definition("chosen", "sh", "-c", script, retryStrategy=retries),
        shared.job("haunted", "chosen", "queue", array={"size": 2}),
    )
    for run in (1, 2):
        shared.evict(_running_pod_of_index_0(shared, "haunted", run))
    status = shared.wait_finished(["haunted"])["haunted"]
    assert (status["state"], status["reason"], status["interruptions"]) == ("Failed", "IndexesFailed", 2)
    assert (status["array"]["succeededIndexes"], status["array"]["failedIndexes"]) == ("1", "0")
    (failure,) = status["array"]["firstFailures"]
    assert (failure["reason"], failure["attempt"]) == ("TooManyInterruptions", 1)
    assert failure["message"].startswith("interrupted 2 times, more than the 1 allowed; last: ")
    assert "EvictionByEvictionAPI" in failure["message"]
    (event,) = shared.api.list(EVENTS, shared.namespace, fieldSelector="reason=Interrupted,involvedObject.name=haunted")
    assert event["message"].startswith("indexes were interrupted; they run again at no cost")


def _running_pod_of_index_0(shared: Harness, job: str, run: int) -> str:
    selector = f"{names.JOB}={job},{names.RUN}={run}"

    def found() -> str:
        pods = shared.api.list(PODS, shared.namespace, labelSelector=selector, fieldSelector="status.phase=Running")
        of_index = (each["metadata"] for each in pods if _index(each) == "0")
        return next((str(metadata["name"]) for metadata in of_index), "")

    return until(found, 60, lambda: f"no pod of run {run} runs")


def _own_nodes(harness: Harness, name: str, count: int = 2) -> list[str]:
    """Return simulated nodes that nobody else uses, for jobs of the queue of that name."""
    if harness.cluster.backend != "local":
        pytest.skip("this cluster has no simulated nodes")
    label = {"batchyard.dev/e2e": harness.named(name)}
    unmanaged = {"nodeSelector": label, "tolerations": [{"key": TAINT, "operator": "Exists"}]}
    harness.apply(harness.object(names.COMPUTE_ENVIRONMENT, name, {"unmanaged": unmanaged}), harness.queue(name, name))
    return harness.cluster.add_nodes(count, cpu="2", labels=label)


def _remove_nodes(harness: Harness, name: str) -> None:
    harness.cluster.kubectl("delete", "nodes", "-l", f"batchyard.dev/e2e={harness.named(name)}", "--wait=false")


@pytest.fixture(scope="module")
def vanished(shared: Harness, environments: None) -> Iterator[str]:
    """The node of the job "orphan", deleted early on: Kubernetes takes up to a minute to look for such pods."""
    _own_nodes(shared, "vanishing")
    # It has the highest number from now on, so that no new node gets the name of the one that vanishes: nodes are
    # numbered on from the last, and the lost pod would be at home again.
    shared.cluster.add_nodes(1, cpu="0", labels={"batchyard.dev/e2e": shared.named("vanishing")})
    shared.apply(shared.simulated_definition("endless", annotations={"sim.batchyard.dev/never-finish": "true"}))
    shared.apply(shared.job("orphan", "endless", "vanishing"))
    node = shared.wait_state("orphan", "Running")["attempts"][0]["nodeName"]
    shared.cluster.kubectl("delete", "node", node)
    yield str(node)
    _remove_nodes(shared, "vanishing")


@pytest.fixture(scope="module")
def silent(shared: Harness, environments: None) -> Iterator[str]:
    """The node of the jobs "alone" and "many", from which nothing is heard soon: Kubernetes takes 50 s to notice."""
    (node,) = _own_nodes(shared, "silent", 1)
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
        for key in ("unreachable", "not-ready")
    ]
    main = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": "10m"}}}
    metadata = {"annotations": {"sim.batchyard.dev/never-finish": "true"}}
    spec = {"tolerations": tolerations, "terminationGracePeriodSeconds": 1, "containers": [main]}
    shared.apply(
        shared.object(names.JOB_DEFINITION, "stays", {"template": {"metadata": metadata, "spec": spec}}),
        shared.job("alone", "stays", "silent"),
        shared.job("many", "stays", "silent", array={"size": 2}),
    )
    shared.wait_state("alone", "Running")
    until(lambda: len(shared.running_pods_of("many")) == 2 or None, 60, lambda: "not all indexes run")
    shared.cluster.lose_node(node)
    yield node
    _remove_nodes(shared, "silent")


def test_a_job_leaves_the_node_it_is_evicted_from(shared: Harness) -> None:
    nodes = _own_nodes(shared, "shaky")
    moved = [f"moved-{index}" for index in range(3)]
    shared.apply(
        shared.simulated_definition("three-seconds", duration="3s"),
        *(shared.job(name, "three-seconds", "shaky") for name in moved),
    )
    lost = shared.wait_state(moved[0], "Running")["attempts"][0]["nodeName"]
    shared.cluster.kubectl("taint", "node", lost, "batchyard.dev/e2e=lost:NoExecute")
    statuses = shared.wait_finished(moved)
    first, second = statuses[moved[0]]["attempts"]
    assert [first["nodeName"], second["nodeName"]] == [lost, next(node for node in nodes if node != lost)]
    assert "DeletionByTaintManager" in first["message"]
    assert (first["attempt"], second["attempt"]) == (1, 1)
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    _remove_nodes(shared, "shaky")


def test_deleting_a_running_job_ends_its_container(shared: Harness) -> None:
    shared.apply(shared.job("cancelled", "sleep", "queue"))
    shared.wait_state("cancelled", "Running")
    shared.kubectl("delete", "batchjob", "cancelled")
    shared.wait_gone("cancelled")


def test_deleting_a_queued_job_starts_nothing_and_lets_the_next_one_up(shared: Harness) -> None:
    shared.apply(
        shared.job("a-runs", "sleep", "one-at-a-time"),
        shared.job("b-withdrawn", "sleep", "one-at-a-time"),
        shared.job("c-behind", "sleep", "one-at-a-time", parameters={"seconds": "1"}),
    )
    shared.wait_state("a-runs", "Running")
    assert shared.wait_reason("b-withdrawn", "InsufficientCapacity")["queuePosition"] == 1
    assert shared.wait_reason("c-behind", "WaitingInQueue")["queuePosition"] == 2
    shared.kubectl("delete", "batchjob", "b-withdrawn", "a-runs")
    assert shared.wait_state("c-behind", "Succeeded")["attempts"][0]["run"] == 1
    made = {job["metadata"]["labels"][names.JOB] for job in shared.api.list(JOBS, shared.namespace)}
    assert "b-withdrawn" not in made


def test_a_job_deleted_and_created_anew_under_its_name_runs_anew(shared: Harness) -> None:
    shared.apply(shared.job("again", "sleep", "queue", parameters={"seconds": "0"}))
    first = shared.wait_state("again", "Succeeded")
    shared.kubectl("delete", "batchjob", "again")
    shared.apply(shared.job("again", "sleep", "queue", parameters={"seconds": "1"}))
    second = shared.wait_state("again", "Succeeded")
    assert len(second["attempts"]) == 1
    assert second["attempts"][0]["podName"] != first["attempts"][0]["podName"]


def test_a_finished_job_goes_when_its_time_is_over(shared: Harness) -> None:
    record = StateRecord(shared)
    shared.apply(
        shared.job("short-lived", "sleep", "queue", parameters={"seconds": "0"}, ttlSecondsAfterFinished=0),
        shared.job("kept", "sleep", "queue", parameters={"seconds": "0"}),
    )
    shared.wait_state("kept", "Succeeded")
    shared.wait_gone("short-lived")
    assert record.states("short-lived")[-1] == "Succeeded"
    assert shared.pods_of("kept"), "the pod of a job without a time to live is gone"


def test_a_job_whose_node_is_gone_starts_elsewhere(shared: Harness, vanished: str) -> None:
    def moved(status: dict[str, Any]) -> bool:
        return len(status["attempts"]) == 2 and status["state"] == "Running"

    first, second = shared.wait_status("orphan", moved, seconds=150, describe="runs again")["attempts"]
    assert first["nodeName"] == vanished != second["nodeName"]
    noticed_by = ("DeletionByPodGC", "DeletionByTaintManager")  # whichever of Kubernetes' controllers is first
    assert any(cause in first["message"] for cause in noticed_by), first["message"]
    assert (first["attempt"], second["attempt"]) == (1, 1)


def test_an_array_loses_only_the_indexes_on_a_lost_node(shared: Harness) -> None:
    nodes = _own_nodes(shared, "drained")
    shared.apply(
        shared.simulated_definition("six-seconds", duration="6s"),
        shared.job("spread", "six-seconds", "drained", array={"size": 4}),
    )
    until(lambda: len(shared.running_pods_of("spread")) == 4 or None, 30, lambda: "not all indexes run")
    before = _pods_by_index(shared, "spread")
    shared.cluster.kubectl("taint", "node", nodes[0], "batchyard.dev/e2e=lost:NoExecute")
    status = shared.wait_finished(["spread"])["spread"]
    after = _pods_by_index(shared, "spread")
    replaced = {index for index, pod in before.items() if after[index] != pod}
    assert replaced == {index for index, (_, node) in before.items() if node == nodes[0]}
    assert len(replaced) == 2
    assert (status["state"], status["interruptions"], status["array"]["retries"]) == ("Succeeded", 2, 0)
    _remove_nodes(shared, "drained")


def test_a_silent_node_is_named_and_its_jobs_go_on_once_their_pods_are_deleted_by_force(
    shared: Harness, silent: str
) -> None:
    def moved(status: dict[str, Any]) -> bool:
        return bool(status["state"] == "Running" and status["attempts"][-1].get("nodeName") == other)

    for job in ("alone", "many"):
        message = shared.wait_reason(job, "NodeLost", 150)["message"]
        assert f"node {silent} has not been heard from since 20" in message
        assert f"kubectl taint nodes {silent} node.kubernetes.io/out-of-service" in message
    pods = [pod["metadata"]["name"] for job in ("alone", "many") for pod in shared.pods_of(job)]
    assert len(pods) == 3, "nothing is started in their place"
    shared.kubectl("delete", "pods", "--force", *pods)
    (other,) = shared.cluster.add_nodes(1, cpu="2", labels={"batchyard.dev/e2e": shared.named("silent")})
    status = shared.wait_status("alone", moved)
    assert (status["attempts"][0]["reason"], status["interruptions"]) == ("Interrupted", 1)
    again = f"{names.JOB}=many,{names.RUN}=2"

    def all_again() -> bool:
        found = shared.api.list(PODS, shared.namespace, labelSelector=again, fieldSelector="status.phase=Running")
        return {pod["metadata"]["labels"][names.INDEX] for pod in found} == {"0", "1"}

    until(all_again, 60, lambda: f"not all run again: {shared.kubectl('get', 'bj,jobs,pods')}")
    assert shared.statuses()["many"]["array"]["failed"] == 0


def _pods_by_index(shared: Harness, job: str) -> dict[str, tuple[str, str]]:
    """Name and node of the pod of each index; the one that succeeded, if there are several."""
    pods = sorted(shared.pods_of(job), key=lambda pod: pod["status"].get("phase") == "Succeeded")
    return {_index(pod): (pod["metadata"]["name"], pod["spec"].get("nodeName", "")) for pod in pods}


def _index(pod: Json) -> str:
    return str(pod["metadata"]["annotations"][names.COMPLETION_INDEX])
