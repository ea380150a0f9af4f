"""Real containers on the real node: they run, can be looked into, reach each other, and die when they take too much."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import Cluster
from localcluster.images import PYTHON, SHELL

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def real(cluster: Cluster) -> Cluster:
    if not cluster.has_real_node:
        pytest.skip("this cluster has no real node")
    return cluster


@pytest.fixture
def namespace(real: Cluster) -> Iterator[str]:
    name = f"real-node-{time.time_ns()}"
    real.kubectl("create", "namespace", name)
    yield name
    real.kubectl("delete", "namespace", name, "--wait=false")


def _pod(name: str, image: str, command: list[str], **container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": image, "command": command, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [main],
            "restartPolicy": "Never",
            "nodeSelector": {"batchyard.dev/node": "real"},
            "terminationGracePeriodSeconds": 0,
        },
    }


def _apply(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> None:
    documents = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(documents))


def _wait(cluster: Cluster, namespace: str, what: str, condition: str) -> None:
    cluster.kubectl("-n", namespace, "wait", what, f"--for={condition}", "--timeout=60s")


def test_indexed_job_runs_real_containers_and_its_logs_can_be_read(real: Cluster, namespace: str) -> None:
    template = {"spec": _pod("", SHELL, ["sh", "-c", "echo index $JOB_COMPLETION_INDEX"])["spec"]}
    spec = {"completionMode": "Indexed", "completions": 5, "parallelism": 5, "template": template}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "count"}, "spec": spec}
    _apply(real, namespace, job)
    _wait(real, namespace, "job/count", "condition=Complete")
    logs = real.kubectl("-n", namespace, "logs", "-l", "batch.kubernetes.io/job-name=count")
    assert sorted(logs.splitlines()) == [f"index {index}" for index in range(5)]


def test_exec_runs_a_command_in_a_running_container(real: Cluster, namespace: str) -> None:
    _apply(real, namespace, _pod("idle", PYTHON, ["sleep", "600"]))
    _wait(real, namespace, "pod/idle", "condition=Ready")
    version = real.kubectl("-n", namespace, "exec", "idle", "--", "python3", "-c", "print(6 * 7)")
    assert version == "42\n"


def test_services_answer_by_name_and_the_api_is_reachable_from_pods(real: Cluster, namespace: str) -> None:
    serve = "mkdir /www && echo hello > /www/index.html && httpd -f -p 8080 -h /www"
    ports = [{"port": 80, "targetPort": 8080}]
    web = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    headless = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "headless"}}
    _apply(
        real,
        namespace,
        _pod("server", SHELL, ["sh", "-c", serve]),
        web | {"spec": {"selector": {"app": "server"}, "ports": ports}},
        headless | {"spec": {"clusterIP": "None", "selector": {"app": "server"}}},
        _pod("client", SHELL, ["sleep", "600"]),
    )
    _wait(real, namespace, "pod/server", "condition=Ready")
    _wait(real, namespace, "pod/client", "condition=Ready")
    attempt = "for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- {} && exit 0; sleep 1; done; exit 1"
    for url in ("http://web", f"http://web.{namespace}.svc.cluster.local", "http://headless:8080"):
        shell = attempt.format(url)
        assert real.kubectl("-n", namespace, "exec", "client", "--", "sh", "-c", shell) == "hello\n"
    api = "nc -w 5 kubernetes.default 443 </dev/null && echo reached"
    assert real.kubectl("-n", namespace, "exec", "client", "--", "sh", "-c", api) == "reached\n"


def test_container_above_its_memory_limit_is_oom_killed(real: Cluster, namespace: str) -> None:
    allocate = ["python3", "-c", "print(len(bytearray(300 * 1024 * 1024)))"]
    _apply(real, namespace, _pod("greedy", PYTHON, allocate, resources={"limits": {"memory": "64Mi"}}))
    _wait(real, namespace, "pod/greedy", "jsonpath={.status.phase}=Failed")
    pod = json.loads(real.kubectl("-n", namespace, "get", "pod", "greedy", "-o", "json"))
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (137, "OOMKilled")


def test_an_image_nobody_has_ends_in_a_pull_error(real: Cluster, namespace: str) -> None:
    _apply(real, namespace, _pod("lost", "localhost/batchyard/missing:1", ["true"]))
    waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    _wait(real, namespace, "pod/lost", f"{waiting}=ErrImagePull")
