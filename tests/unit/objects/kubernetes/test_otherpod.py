"""What a pod that is not Batchyard's takes on its node."""

from typing import Any

import pytest

from batchyard.core.model.cluster.otherpod import OtherPod
from batchyard.core.model.pods.constraints import ANY_ADDRESS
from batchyard.objects.kubernetes.otherpod import read_other_pod

GI = 2**30


def container(name: str = "main", *, cpu: str = "500m", memory: str = "1Gi", **fields: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}, **fields}


def pod(*containers: dict[str, Any], status: Any = None, metadata: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "web", "name": "shop-0", "uid": "uid-1", **(metadata or {})},
        "spec": {"nodeName": "n1", "containers": list(containers) or [container()], **spec},
        "status": {"phase": "Running", **(status or {})},
    }


def read(*containers: dict[str, Any], **fields: Any) -> OtherPod:
    found = read_other_pod(pod(*containers, **fields))
    assert found is not None
    return found


def test_a_pod_takes_its_requests_and_a_slot_on_its_node() -> None:
    assert read(container(), container("second")) == OtherPod("n1", {"cpu": 1000, "memory": 2 * GI, "pods": 1})


def test_a_pod_that_asks_for_nothing_takes_a_slot() -> None:
    assert read({"name": "main"}).request == {"pods": 1}
    assert read(container(cpu="0", memory="0")).request == {"pods": 1}


def test_sidecars_initialisation_and_overhead_count_as_for_the_scheduler() -> None:
    found = read(
        container(),
        initContainers=[container("mesh", restartPolicy="Always"), container("load", cpu="3")],
        overhead={"cpu": "250m"},
    )
    assert found.request == {"cpu": 500 + 3000 + 250, "memory": 2 * GI, "pods": 1}


@pytest.mark.parametrize(
    "fields",
    [{"nodeName": ""}, {"nodeName": None}, {"status": {"phase": "Succeeded"}}, {"status": {"phase": "Failed"}}],
)
def test_a_pod_that_is_not_bound_or_has_ended_takes_nothing(fields: dict[str, Any]) -> None:
    assert read_other_pod(pod(**fields)) is None


def test_a_pod_that_terminates_takes_room_until_it_is_gone() -> None:
    assert read(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}).request["cpu"] == 500


@pytest.mark.parametrize(
    ("metadata", "fixed"),
    [
        ({"ownerReferences": [{"kind": "DaemonSet", "name": "x", "uid": "u", "controller": True}]}, True),
        ({"ownerReferences": [{"kind": "Node", "name": "n1", "uid": "u", "controller": True}]}, True),
        ({"annotations": {"kubernetes.io/config.mirror": "abc"}}, True),
        ({"ownerReferences": [{"kind": "DaemonSet", "name": "x", "uid": "u"}]}, False),
        ({"ownerReferences": [{"kind": "ReplicaSet", "name": "x", "uid": "u", "controller": True}]}, False),
    ],
)
def test_pods_of_daemonsets_and_static_ones_stay_on_their_node(metadata: dict[str, Any], fixed: bool) -> None:
    assert read(metadata=metadata).fixed is fixed


def test_host_ports_are_those_of_containers_and_sidecars() -> None:
    found = read(
        container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]),
        initContainers=[
            container(
                "mesh", restartPolicy="Always", ports=[{"hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}]
            ),
            container("load", ports=[{"hostPort": 99}]),
        ],
    )
    assert found.ports == (("TCP", 8080, ANY_ADDRESS), ("UDP", 53, "10.0.0.1"))


@pytest.mark.parametrize("part", ["allocatedResources", "resources"])
@pytest.mark.parametrize(("given", "counted"), [("2", 2000), ("100m", 500), ("0.5", 500)])
def test_while_a_pod_is_resized_the_larger_amount_counts(part: str, given: str, counted: int) -> None:
    amounts: dict[str, Any] = {"cpu": given, "memory": "1Gi"}
    status = {"name": "main", part: amounts if part == "allocatedResources" else {"requests": amounts}}
    for resources in "requests", "limits":
        asked = {"name": "main", "resources": {resources: {"cpu": "500m", "memory": "1Gi"}}}
        found = read(asked, status={"containerStatuses": [status]})
        assert found.request == {"cpu": counted, "memory": GI, "pods": 1}


@pytest.mark.parametrize("odd", ["-1", "lots", "1.5.2", None])
def test_what_makes_no_sense_counts_as_nothing_and_the_rest_counts(odd: Any) -> None:
    found = read(container(cpu=odd), container("second"))
    assert found.request == {"cpu": 500, "memory": 2 * GI, "pods": 1}
    assert found.ignored == "pod web/shop-0: the request of container main for cpu is no amount"


def test_odd_amounts_anywhere_leave_at_least_the_slot() -> None:
    odd = {"cpu": "x"}
    found = read(
        {"name": "main", "resources": {"limits": odd}},
        initContainers=[{"name": "load", "resources": {"requests": odd}}],
        resources={"requests": odd},
        overhead=odd,
        status={"containerStatuses": [{"name": "main", "allocatedResources": odd}]},
    )
    assert found.request == {"pods": 1}
    assert found.ignored == (
        "pod web/shop-0: the limit of container main for cpu, the request of container load for cpu,"
        " the request of the whole pod for cpu and 1 more are no amounts"
    )


def test_equal_requests_are_one_object_and_so_are_node_names() -> None:
    one, other = read(), read(metadata={"name": "shop-1", "uid": "uid-2"}, nodeName="".join(["n", "1"]))
    assert one.request is other.request
    assert one.node is other.node
