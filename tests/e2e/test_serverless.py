"""Pods without nodes of their environment: on a simulated Fargate, and on virtual nodes."""

from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.resources import parse_resources
from e2e.clusterapi import PODS, Json, until
from e2e.harness import Harness
from e2e.ownnodes import FOREVER
from localcluster import Cluster
from localcluster.images import SHELL
from localcluster.nodes.fargate import Fargate, Profile, fargate

pytestmark = pytest.mark.e2e

PROFILE = {"batchyard.dev/e2e-compute": "fargate"}
WAIT = 10
"""Seconds that a pod waits for capacity, and that pods alike are left alone."""


@pytest.fixture(scope="module")
def cloud(cluster: Cluster) -> Iterator[Fargate]:
    """A Fargate whose nodes stay until the pod is deleted, as the real one's do."""
    if cluster.backend != "local":
        pytest.skip("only a local cluster has a simulated Fargate")
    with fargate(cluster, [Profile("e2e", "e2e-*", PROFILE)], keep_nodes=True) as simulated:
        yield simulated


def serverless(harness: Harness, name: str = "fargate", **spec: Any) -> Json:
    """Return an environment on Fargate for this namespace; fields that `spec.serverless` has go there."""
    fields = (
        "labels",
        "endedPodSeconds",
        "leaveAloneSeconds",
        "namespaces",
        "provisioner",
        "nodeSelector",
        "tolerations",
        "sizes",
    )
    own = {
        "provisioner": "fargate",
        "labels": PROFILE,
        **{each: spec.pop(each) for each in fields if each in spec},
    }
    return harness.object(
        names.COMPUTE_ENVIRONMENT, name, {"type": "Serverless", "maxVcpus": 2, "serverless": own, **spec}
    )


def template(requests: Json, *, annotations: Json, **container: Any) -> Json:
    main = {"name": "main", "image": SHELL, "resources": {"requests": requests}, **container}
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [main]}}


def definition(harness: Harness, name: str, requests: Json, duration: str = "2s", **container: Any) -> Json:
    own = template(requests, annotations={"sim.batchyard.dev/duration": duration}, **container)
    return harness.object(names.JOB_DEFINITION, name, {"template": own})


SMALL = {"cpu": "300m", "memory": "1Gi"}
"""Of 0.3 vCPU and 1 GiB: half a vCPU with 2 GiB on Fargate."""


class Provisioned:
    """What Fargate has given to the pods of a namespace that ran at the same time, at most."""

    def __init__(self, harness: Harness) -> None:
        self.most, self._now = 0, dict[str, int]()
        self.sizes: set[str] = set()
        harness.api.watch(PODS, harness.namespace, self._note)

    def _note(self, event: str, pod: Json) -> None:
        own, size = pod["metadata"]["name"], pod["metadata"].get("annotations", {}).get("CapacityProvisioned")
        if event == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed"):
            self._now.pop(own, None)
        elif size:
            self.sizes.add(size)
            self._now[own] = parse_resources({"cpu": size.partition("vCPU")[0]})["cpu"]
            self.most = max(self.most, sum(self._now.values()))


def test_jobs_and_arrays_run_in_the_sizes_that_they_are_charged_for(harness: Harness, cloud: Fargate) -> None:
    """The ceiling has room for four at a time, by their size and not by what they ask for."""
    provisioned = Provisioned(harness)
    two = {"numNodes": 2, "nodeRanges": [{"targetNodes": "0:", **definition(harness, "", SMALL)["spec"]}]}
    harness.apply(
        serverless(harness, endedPodSeconds=0),
        harness.queue("queue", "fargate"),
        definition(harness, "small", SMALL),
        harness.object(names.JOB_DEFINITION, "two", {"multiNode": two}),
        harness.job("one", "small", "queue"),
        harness.job("many", "small", "queue", array={"size": 8}),
        harness.job("gang", "two", "queue"),
    )
    harness.wait_condition("computeenvironments", "fargate", "Serverless")
    ended = harness.wait_finished()
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    size = "0.5 vCPU, 2 GiB memory"
    assert [each["chargedAs"] for name in ("one", "gang") for each in ended[name]["attempts"]] == [size, size]
    assert ended["many"]["array"]["chargedAs"] == size
    assert provisioned.sizes == {"0.5vCPU 2GB"}
    assert provisioned.most <= 2000
    # Each machine is paid for until its pod is deleted; the statuses know what there is to know.
    until(
        lambda: not harness.api.list(PODS, harness.namespace),
        60,
        lambda: f"no pods: {harness.kubectl('get', 'pods', '-o', 'wide')}",
    )
    assert {name: status["state"] for name, status in harness.statuses().items()} == dict.fromkeys(ended, "Succeeded")
    assert len(harness.jobs_of("many")) == 1


def test_what_needs_a_machine_is_told_so_and_goes_where_there_are_some(harness: Harness, cloud: Fargate) -> None:
    harness.apply(
        serverless(harness),
        serverless(harness, "others", namespaces=["team-*"]),
        harness.simulated_environment("nodes"),
        harness.queue("queue", "fargate"),
        harness.queue("both", "fargate", "nodes"),
        harness.queue("closed", "others"),
        definition(harness, "small", SMALL),
        definition(harness, "root", SMALL, securityContext={"privileged": True}),
        definition(harness, "device", SMALL, resources={"limits": {"nvidia.com/gpu": "1"}}),
        definition(harness, "bursts", SMALL, resources={"requests": SMALL, "limits": {"cpu": "2", "memory": "1Gi"}}),
        definition(harness, "huge", {"cpu": "1", "memory": "200Gi"}),
        *(harness.job(f"a-{name}", name, "queue") for name in ("root", "device", "bursts", "huge")),
        harness.job("elsewhere", "root", "both"),
        harness.job("foreign", "small", "closed"),
        harness.job("small", "small", "queue"),
    )
    assert harness.wait_state("small", "Succeeded")["attempts"][0]["computeEnvironment"] == harness.named("fargate")
    assert harness.wait_state("elsewhere", "Succeeded")["computeEnvironment"] == harness.named("nodes")
    told = {
        name: harness.wait_state(name, "Runnable") for name in ("a-root", "a-device", "a-bursts", "a-huge", "foreign")
    }
    assert {name: status["reason"] for name, status in told.items()} == {
        **dict.fromkeys(("a-root", "a-device", "a-bursts"), "NotWithoutNodes"),
        "a-huge": "ExceedsCapacity",
        "foreign": "NamespaceNotAllowed",
    }
    for name, words in {
        "a-root": "container main is privileged",
        "a-device": "it asks for nvidia.com/gpu",
        "a-bursts": "requests 0.3 vCPU and may use 2 vCPU",
        "a-huge": "largest size 16 vCPU, 120 GiB memory",
        "foreign": f"takes no jobs of namespace {harness.namespace}",
    }.items():
        assert words in told[name]["message"]


def test_without_capacity_the_next_environment_is_tried(harness: Harness, cloud: Fargate) -> None:
    cloud.out_of_capacity = True
    try:
        harness.apply(
            serverless(harness, unschedulableSeconds=WAIT, leaveAloneSeconds=WAIT),
            harness.simulated_environment("nodes"),
            harness.queue("queue", "fargate", "nodes"),
            definition(harness, "small", SMALL),
            harness.job("first", "small", "queue"),
        )
        assert "is getting capacity for a pod (0.3 vCPU" in harness.wait_reason("first", "ScalingUp")["message"]
        ended = harness.wait_state("first", "Succeeded")
        assert [(each["attempt"], each["reason"]) for each in ended["attempts"]] == [
            (1, "InsufficientInstanceCapacity"),
            (1, "Completed"),
        ]
        assert "Fargate capacity is unavailable" in ended["attempts"][0]["message"]
        harness.apply(harness.job("second", "small", "queue"))
        assert len(harness.wait_state("second", "Succeeded")["attempts"]) == 1, "it is left alone"
    finally:
        cloud.out_of_capacity = False

    def runs_there_again() -> bool:
        harness.kubectl("delete", "batchjob", "third", "--ignore-not-found")
        harness.apply(harness.job("third", "small", "queue"))
        ended = harness.wait_state("third", "Succeeded")
        return bool(ended["computeEnvironment"] == harness.named("fargate"))

    until(runs_there_again, 60, lambda: harness.kubectl("get", "bj", "-o", "yaml"))


def test_virtual_nodes_take_pods_under_the_ceiling_alone(harness: Harness, cloud: Fargate) -> None:
    """They say that they have room for thousands. Before there is one, nothing starts."""
    own = {"batchyard.dev/e2e-virtual": harness.namespace}
    harness.apply(
        serverless(
            harness,
            "virtual",
            provisioner="virtualNodes",
            labels={},
            nodeSelector={"type": "virtual-kubelet", **own},
            tolerations=[{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
            sizes=[{"vcpus": 1, "memory": ["1Gi", "2Gi"]}],
        ),
        harness.queue("queue", "virtual"),
        harness.object(names.JOB_DEFINITION, "stays", {"template": template(SMALL, annotations=FOREVER)}),
        *(harness.job(f"job-{number}", "stays", "queue") for number in range(3)),
    )
    assert (
        "no ready virtual node has the labels"
        in harness.wait_condition("computeenvironments", "virtual", "NoNodes")["message"]
    )
    assert not harness.api.list(PODS, harness.namespace)
    (node,) = harness.cluster.add_virtual_nodes(labels=own, prefix=harness.named("virtual"))
    try:
        until(
            lambda: sum(len(harness.running_pods_of(f"job-{number}")) for number in range(3)) == 2,
            60,
            lambda: harness.kubectl("get", "bj,pods", "-o", "wide"),
        )
        waiting = harness.wait_reason("job-2", "InsufficientCapacity")
        assert waiting["state"] == "Runnable"
        shown = harness.wait_shown("computeenvironments", "virtual", lambda status: status["used"].get("cpu") == "2")
        assert (shown["nodes"], shown["capacity"]["cpu"], shown["free"]["cpu"]) == (1, "2", "0")
        assert harness.statuses()["job-0"]["attempts"][0]["chargedAs"] == "1 vCPU, 1 GiB memory"
    finally:
        harness.kubectl("delete", "batchjob", "--all")
        harness.cluster.kubectl("delete", "node", node, "--wait=false")
