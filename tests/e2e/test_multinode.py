"""Multi-node jobs in real containers: what the nodes know of each other, and what their ends mean."""

import json
from typing import Any

import pytest

from batchyard.api import names
from e2e.harness import Harness, exit_codes
from localcluster.images import PYTHON, SHELL

pytestmark = pytest.mark.e2e

OWN = {"requests": {"cpu": "50m", "memory": "32Mi"}}

# DNS learns of a pod soon after the pod has its address, not at once.
RESOLVE = """
import json, os, signal, socket, sys, time
def resolve(host):
    while True:
        try:
            return socket.gethostbyname(host)
        except socket.gaierror:
            time.sleep(0.2)
"""
# The main node collects what the others send, with the names and addresses by which they reached it and it them.
MAIN = f"""{RESOLVE}
server = socket.create_server(("", 9000))
own = os.environ
print(json.dumps({{key: own[key] for key in own if key.startswith("AWS_BATCH_JOB") or key == "FLAVOUR"}}))
for _ in range(int(own["AWS_BATCH_JOB_NUM_NODES"]) - 1):
    connection, (address, _) = server.accept()
    said = json.loads(connection.makefile().readline())
    host = "node-" + said["AWS_BATCH_JOB_NODE_INDEX"] + "." + own["BATCHYARD_JOB_NODE_DOMAIN"]
    print(json.dumps({{**said, "named": resolve(host) == address}}))
"""
CHILD = f"""{RESOLVE}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
own = os.environ
said = {{key: own[key] for key in own if key.startswith("AWS_BATCH_JOB") or key == "FLAVOUR"}}
main, address = own["BATCHYARD_JOB_MAIN_NODE_HOST"], own["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"]
said["reached"] = resolve(main) == address
connection = socket.create_connection((main, 9000))
connection.sendall(json.dumps(said).encode() + b"\\n")
time.sleep(600)
"""
SLEEP = "trap 'exit 143' TERM; sleep 600 & wait"


def multi_node(shared: Harness, name: str, nodes: int, *ranges: dict[str, Any], **spec: Any) -> dict[str, Any]:
    form = {"numNodes": nodes, "nodeRanges": list(ranges)}
    return shared.object(names.JOB_DEFINITION, name, {"multiNode": form, **spec})


def shell(targets: str, script: str, **container: Any) -> dict[str, Any]:
    main = {"image": SHELL, "command": ["sh", "-c", script], "resources": OWN, **container}
    return {"targetNodes": targets, "container": main}


def python(targets: str, script: str) -> dict[str, Any]:
    main = {"image": PYTHON, "command": ["python3", "-uc", script], "resources": OWN}
    return {"targetNodes": targets, "container": main}


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    """All jobs at once: they have nothing to do with each other."""
    retries = {"attempts": 2, "backoff": {"initialSeconds": 0}}
    main_fails_once = "sleep 1; test $AWS_BATCH_JOB_ATTEMPT = 2"
    shared.apply(
        shared.real_environment(),
        shared.queue("queue", "real"),
        multi_node(shared, "meeting", 2, python("0", MAIN), python("1:", CHILD)),
        multi_node(shared, "stumbling", 2, shell("0:", SLEEP), shell("0", main_fails_once), retryStrategy=retries),
        multi_node(shared, "child-fails", 2, shell("0", "sleep 15"), shell("1", "exit 9")),
        multi_node(shared, "sleeping", 2, shell("0:", SLEEP)),
        multi_node(shared, "crowd", 400, shell("0:", SLEEP, resources={"requests": {"cpu": "1"}})),
        shared.definition("single", "true"),
    )
    flavour = [{"env": [{"name": "FLAVOUR", "value": "vanilla"}]}]
    more = {"numNodes": 3, "nodeRanges": [{"targetNodes": "1:", "containerOverrides": flavour}]}
    shared.apply(
        shared.job("meeting", "meeting", "queue", nodeOverrides=more),
        shared.job("stumbling", "stumbling", "queue"),
        shared.job("child-fails", "child-fails", "queue"),
        shared.job("evicted", "sleeping", "queue"),
        shared.job("crowd", "crowd", "queue"),
    )
    shared.apply(shared.job("behind", "single", "queue"))


def test_nodes_know_each_other_and_the_main_nodes_end_stops_the_others(shared: Harness) -> None:
    status = shared.wait_state("meeting", "Succeeded")
    assert exit_codes(status) == [0]
    uid = shared.batchjobs()["meeting"]["metadata"]["uid"]
    main = status["attempts"][0]["podName"]
    said = {
        int(each["AWS_BATCH_JOB_NODE_INDEX"]): each
        for each in map(json.loads, shared.kubectl("logs", main).split("\n")[:-1])
    }
    assert sorted(said) == [0, 1, 2]
    for node, each in said.items():
        assert each["AWS_BATCH_JOB_ID"] == f"{uid}#{node}"
        assert (each["AWS_BATCH_JOB_NUM_NODES"], each["AWS_BATCH_JOB_MAIN_NODE_INDEX"]) == ("3", "0")
        if node == 0:
            assert "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS" not in each
            assert "FLAVOUR" not in each
        else:
            assert each["reached"]
            assert each["named"]
            assert each["FLAVOUR"] == "vanilla"
    shared.wait_pods("meeting", 1)


def test_the_main_nodes_failure_repeats_the_whole(shared: Harness) -> None:
    status = shared.wait_state("stumbling", "Succeeded")
    assert exit_codes(status) == [1, 0]


def test_another_nodes_failure_decides_nothing(shared: Harness) -> None:
    status = shared.wait_state("child-fails", "Succeeded")
    assert exit_codes(status) == [0]
    failed = [pod["status"]["phase"] for pod in shared.pods_of("child-fails")]
    assert sorted(failed) == ["Failed", "Succeeded"]


def test_the_loss_of_another_node_repeats_the_whole_at_no_cost(shared: Harness) -> None:
    shared.wait_status("evicted", lambda status: "1 of 1 other nodes run" in status.get("message", ""))
    [pod] = [each["metadata"]["name"] for each in shared.pods_of("evicted") if "-n1-" in each["metadata"]["name"]]
    shared.evict(pod)
    status = shared.wait_status("evicted", lambda status: len(status.get("attempts", ())) == 2)
    first, second = status["attempts"]
    assert (first["reason"], first["attempt"], second["attempt"]) == ("Interrupted", 1, 1)
    assert "node 1: the pod was disrupted" in first["message"]
    shared.wait_status("evicted", lambda status: "1 of 1 other nodes run" in status.get("message", ""))
    shared.kubectl("delete", "batchjob", "evicted")
    shared.wait_gone("evicted")
    assert "nodes-evicted" not in shared.kubectl("get", "services")


def test_a_job_of_too_many_nodes_says_so_and_holds_nobody_up(shared: Harness) -> None:
    shared.wait_state("behind", "Succeeded")
    status = shared.wait_reason("crowd", "ExceedsCapacity")
    assert "the job needs 400 nodes at once (1 vCPU each, 400 vCPU, 400 pods in all)" in status["message"]
    assert shared.jobs_of("crowd") == []
