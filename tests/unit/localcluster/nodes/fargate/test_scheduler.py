"""What becomes of pods and nodes, look by look."""

from typing import Any

import pytest

from localcluster.api import ApiRefusedError
from localcluster.nodes.fargate.scheduler import COMPUTE_TYPE, Fargate
from unit.localcluster.nodes.fargate.pods import PROFILES, container, pod


class Server:
    """Pods, and nodes that are Ready as they are made; what is said of pods is in `events`."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {each["metadata"]["name"]: each for each in pods}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[str, str, str]] = []
        self.annotations: dict[str, dict[str, str]] = {}

    def list(self, path: str, **query: str) -> list[dict[str, Any]]:
        assert query in ({"labelSelector": f"{COMPUTE_TYPE}=fargate"}, {"fieldSelector": SELECTOR})
        return list((self.nodes if path.endswith("nodes") else self.pods).values())

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        match path.split("/")[3:]:
            case ["nodes"]:
                body["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
                self.nodes[body["metadata"]["name"]] = body
            case ["namespaces", "etl-1", "pods", name, "binding"]:
                if name not in self.pods:
                    raise ApiRefusedError("not found", 404)
                self.pods[name]["spec"]["nodeName"] = body["target"]["name"]
                self.annotations[name] = body["metadata"]["annotations"]
            case ["namespaces", "etl-1", "events"]:
                self.events.append((body["involvedObject"]["name"], body["reason"], body["message"]))
        return body

    def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        *_, name, subresource = path.split("/")
        assert subresource == "status"
        self.pods[name]["status"] |= change["status"]
        return self.pods[name]

    def delete(self, path: str) -> None:
        del self.nodes[path.rpartition("/")[2]]


SELECTOR = "spec.schedulerName=fargate-scheduler"


def said_of(server: Server, name: str) -> dict[str, str]:
    [condition] = server.pods[name]["status"].get("conditions") or [{}]
    return {key: value for key, value in condition.items() if key != "lastTransitionTime"}


def test_a_pod_gets_a_node_of_its_own_after_the_delay() -> None:
    server = Server(pod("one", container(cpu="1", memory="2Gi")), pod("two"))
    fargate = Fargate(server, PROFILES, delay=5)
    fargate.look(100)
    fargate.look(104)
    assert server.nodes == {}
    fargate.look(105)
    assert len(server.nodes) == 2
    fargate.look(106)
    assert {each["spec"]["nodeName"] for each in server.pods.values()} == set(server.nodes)
    assert server.annotations["one"] == {"CapacityProvisioned": "1vCPU 3GB"}
    assert [(name, reason) for name, reason, _ in server.events] == [("one", "Scheduled"), ("two", "Scheduled")]


def test_a_node_is_as_aws_registers_it() -> None:
    server = Server(pod("one"), pod("two", nodeSelector={"topology.kubernetes.io/zone": "test-zone-a"}))
    fargate = Fargate(server, PROFILES, delay=0)
    fargate.look(0)
    one, two = server.nodes.values()
    assert one["metadata"]["name"].startswith("fargate-")
    assert one["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "fargate"
    assert one["spec"]["taints"] == [
        {"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}
    ]
    assert one["status"]["allocatable"] == {
        "cpu": "2000m",
        "memory": str(4 * 2**30),
        "ephemeral-storage": "20Gi",
        "pods": "1",
    }
    assert two["metadata"]["labels"]["topology.kubernetes.io/zone"] == "test-zone-a"


def test_zones_take_turns() -> None:
    server = Server(*(pod(str(number)) for number in range(6)))
    Fargate(server, PROFILES, delay=0).look(0)
    zones = [each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in server.nodes.values()]
    assert zones == ["test-zone-a", "test-zone-b", "test-zone-c"] * 2


def test_a_refused_pod_is_told_why_once() -> None:
    server = Server(pod("odd", hostNetwork=True))
    fargate = Fargate(server, PROFILES, delay=0)
    fargate.look(0)
    fargate.look(1)
    message = "Pod not supported on Fargate: fields not supported: HostNetwork"
    assert said_of(server, "odd") == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    assert server.events == [("odd", "FailedScheduling", message)]
    assert server.nodes == {}


def test_without_capacity_pods_wait_until_it_is_back() -> None:
    server = Server(pod("one"))
    fargate = Fargate(server, PROFILES, delay=1, out_of_capacity=True)
    for moment in range(4):
        fargate.look(moment)
    [(_, reason, message)] = server.events
    assert reason == "FailedScheduling"
    assert message.startswith("Fargate capacity is unavailable at this time")
    assert said_of(server, "one")["message"] == message
    fargate.out_of_capacity = False
    fargate.look(3.5)
    assert server.nodes == {}
    fargate.look(4)
    fargate.look(5)
    assert server.pods["one"]["spec"]["nodeName"] in server.nodes


@pytest.mark.parametrize(
    ("keep", "metadata", "phase", "stays"),
    [
        (False, {}, "Running", True),
        (False, {}, "Succeeded", False),
        (False, {"deletionTimestamp": "now"}, "Failed", True),
        (True, {}, "Succeeded", True),
    ],
)
def test_a_node_goes_with_its_pod(keep: bool, metadata: dict[str, Any], phase: str, stays: bool) -> None:
    server = Server(pod("one"))
    fargate = Fargate(server, PROFILES, delay=0, keep_nodes=keep)
    fargate.look(0)
    fargate.look(1)
    server.pods["one"]["metadata"] |= metadata
    server.pods["one"]["status"]["phase"] = phase
    fargate.look(2)
    assert bool(server.nodes) is stays
    del server.pods["one"]
    fargate.look(3)
    assert server.nodes == {}


def test_the_node_of_a_pod_that_went_before_it_came_is_removed() -> None:
    server = Server(pod("one"))
    fargate = Fargate(server, PROFILES, delay=0)
    fargate.look(0)
    del server.pods["one"]
    fargate.look(1)
    assert server.nodes == {}


def test_a_pod_whose_node_vanished_before_it_came_gets_another() -> None:
    server = Server(pod("one"))
    fargate = Fargate(server, PROFILES, delay=0)
    fargate.look(0)
    [lost] = server.nodes
    server.delete(lost)
    fargate.look(1)
    fargate.look(2)
    assert server.pods["one"]["spec"]["nodeName"] in server.nodes


def test_pods_that_are_held_or_deleted_are_left_alone() -> None:
    deleted = pod("deleted")
    deleted["metadata"]["deletionTimestamp"] = "now"
    server = Server(deleted, pod("held", schedulingGates=[{"name": "gate"}]))
    fargate = Fargate(server, PROFILES, delay=0)
    fargate.look(0)
    assert (server.nodes, server.events) == ({}, [])


def test_in_the_end_only_pods_that_run_keep_their_nodes() -> None:
    server = Server(pod("runs"), pod("ended"))
    fargate = Fargate(server, PROFILES, delay=0, keep_nodes=True)
    fargate.look(0)
    fargate.look(1)
    server.pods["ended"]["status"]["phase"] = "Succeeded"
    server.pods["waits"] = pod("waits")
    fargate.look(2)
    assert len(server.nodes) == 3
    fargate.clear()
    assert list(server.nodes) == [server.pods["runs"]["spec"]["nodeName"]]
