"""Pods on simulated nodes end as their annotations say, and look as a kubelet would have left them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import Cluster

pytestmark = pytest.mark.e2e


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    if cluster.backend != "local":
        pytest.skip("only a local cluster has simulated nodes")
    name = f"simulated-{time.time_ns()}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def run_job(cluster: Cluster, namespace: str, *, until: str, annotations: dict[str, str], **spec: Any) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job", "namespace": namespace},
        "spec": {
            "backoffLimit": 0,
            **spec,
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {
                    "restartPolicy": "Never",
                    "tolerations": [{"key": "batchyard.dev/simulated", "operator": "Exists"}],
                    "nodeSelector": {"batchyard.dev/node": "simulated"},
                    "containers": [{"name": "main", "image": "any"}],
                },
            },
        },
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(job))
    cluster.kubectl("-n", namespace, "wait", "job/job", f"--for=condition={until}", "--timeout=30s")


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    return items


def main_container(pod: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    return state


@pytest.mark.parametrize(
    ("annotations", "exit_code", "reason"),
    [
        ({}, 0, "Completed"),
        ({"sim.batchyard.dev/exit-code": "3"}, 3, "Error"),
        ({"sim.batchyard.dev/reason": "OOMKilled"}, 137, "OOMKilled"),
    ],
)
def test_a_container_ends_as_asked(
    cluster: Cluster, namespace: str, annotations: dict[str, str], exit_code: int, reason: str
) -> None:
    until = "Complete" if exit_code == 0 else "Failed"
    run_job(cluster, namespace, until=until, annotations=annotations)
    (pod,) = pods(cluster, namespace)
    ended = main_container(pod)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (exit_code, reason)
    assert ended["startedAt"] <= ended["finishedAt"]
    assert pod["status"]["phase"] == ("Succeeded" if exit_code == 0 else "Failed")
    assert pod["status"]["podIP"]
    assert pod["status"]["startTime"]
    conditions = {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}
    assert (conditions["PodScheduled"], conditions["Initialized"], conditions["Ready"]) == ("True", "True", "False")


def test_a_container_runs_for_the_given_time(cluster: Cluster, namespace: str) -> None:
    began = time.monotonic()
    run_job(cluster, namespace, until="Complete", annotations={"sim.batchyard.dev/duration": "3s"})
    assert 3 <= time.monotonic() - began < 10


def test_every_index_of_a_job_ends(cluster: Cluster, namespace: str) -> None:
    run_job(
        cluster,
        namespace,
        until="Complete",
        annotations={},
        completionMode="Indexed",
        completions=20,
        parallelism=20,
    )
    job = json.loads(cluster.kubectl("-n", namespace, "get", "job/job", "-o", "json"))
    assert job["status"]["completedIndexes"] == "0-19"


def test_a_job_over_its_deadline_leaves_no_pod(cluster: Cluster, namespace: str) -> None:
    forever = {"sim.batchyard.dev/never-finish": "true"}
    run_job(cluster, namespace, until="Failed", annotations=forever, activeDeadlineSeconds=2)
    assert pods(cluster, namespace) == []


def test_a_node_can_be_added_with_what_it_is_said_to_hold(cluster: Cluster, namespace: str) -> None:
    assert namespace
    (name,) = cluster.add_nodes(1, cpu="3", gpu=1, labels={"pool": "extra"})
    try:
        node = json.loads(cluster.kubectl("get", "node", name, "-o", "json"))
        assert node["metadata"]["labels"]["pool"] == "extra"
        assert node["status"]["allocatable"]["cpu"] == "3"
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    finally:
        cluster.kubectl("delete", "node", name)
