"""Machines that a cloud takes back, and zones that fail: nothing is lost or runs twice, and no attempt is spent."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from e2e.clusterapi import PODS, until
from e2e.harness import Harness
from e2e.madenodes import Bound, claims_of, managed, start_karpenter
from e2e.ownnodes import FOREVER
from localcluster import Cluster, LocalClusterError
from localcluster.faults import clear, lose_zone, take, warn
from localcluster.nodes.instance_types import ZONES
from localcluster.state import cluster_dir

pytestmark = pytest.mark.e2e

BOTH = ["OnDemand", "Spot"]
CAPACITY_TYPE, ZONE = "karpenter.sh/capacity-type", "topology.kubernetes.io/zone"
NOTICE = 3.0
SIZE = 21
"""Of the array that loses a zone."""


@pytest.fixture(scope="module", autouse=True)
def karpenter(cluster: Cluster) -> None:
    start_karpenter(cluster)


def labels_of(harness: Harness, label: str) -> dict[str, str]:
    """What each node of the environment is called by a label, by its name."""
    found = {each.get("status", {}).get("nodeName"): each["metadata"]["labels"] for each in claims_of(harness)}
    return {node: labels[label] for node, labels in found.items() if node}


def insistently(harm: Callable[[], object]) -> None:
    """Do harm to machines; again where a pod on them went meanwhile."""

    def done() -> bool:
        try:
            harm()
        except LocalClusterError as error:
            if "NotFound" not in str(error):
                raise
            return False
        return True

    until(done, 30, lambda: "pods go again and again")


def take_back(cluster: Cluster, node: str) -> None:
    """Take a machine back, after a short notice."""
    warn(cluster, [node])
    time.sleep(NOTICE)
    insistently(lambda: take(cluster, [node]))


def busy(harness: Harness) -> Counter[str]:
    """How many pods run on each node."""
    pods = harness.api.list(PODS, harness.namespace)
    return Counter(pod["spec"]["nodeName"] for pod in pods if pod["status"].get("phase") == "Running")


class Loss:
    """A zone that has failed."""

    def __init__(self, bound: Bound, zone: str, nodes: int, pods: int) -> None:
        self.bound, self.zone, self.nodes, self.pods = bound, zone, nodes, pods
        self.at = time.time()


@pytest.fixture(scope="module", autouse=True)
def loss(shared: Harness, cluster: Cluster, karpenter: None) -> Iterator[Loss]:
    """The zone with most of what runs fails, while other tests run: Kubernetes finds that after 40 to 60 seconds."""
    bound, folder = Bound(shared), cluster_dir(cluster.name)
    shared.apply(
        managed(shared, maxVcpus=64, instanceTypes=["m5.2xlarge"]),
        shared.queue("queue", "cloud"),
        shared.simulated_definition("work", annotations=FOREVER),
        shared.job("many", "work", "queue", array={"size": SIZE}),
    )
    until(lambda: busy(shared).total() == SIZE, 60, lambda: shared.kubectl("get", "pods"))
    zones = labels_of(shared, ZONE)
    zone, nodes = Counter(zones.values()).most_common()[0]
    loss = Loss(bound, zone, nodes, sum(count for node, count in busy(shared).items() if zones[node] == zone))
    try:
        insistently(lambda: lose_zone(cluster, folder, zone, gone=True))
        yield loss
    finally:
        clear(folder)


def test_in_a_storm_of_interruptions_nothing_is_lost_doubled_or_charged(harness: Harness, cluster: Cluster) -> None:
    """500 jobs on four spot machines, each of which is taken back, one after the other."""
    bound = Bound(harness)
    singles = [f"job-{number:03}" for number in range(100)]
    harness.apply(
        managed(harness, maxVcpus=64, capacityTypes=["Spot"], instanceTypes=["c5.4xlarge"]),
        harness.queue("queue", "cloud"),
        harness.simulated_definition("work", duration="6s", cpu="500m"),
        harness.job("many", "work", "queue", array={"size": 400}),
        *(harness.job(name, "work", "queue") for name in singles),
    )
    until(lambda: len(busy(harness)) == 4, 60, lambda: harness.kubectl("get", "nodes,pods", "-o", "wide"))
    began, taken = time.time(), set[str]()
    while len(taken) < 4:
        node = until(lambda: next(iter(busy(harness).keys() - taken), None), 30, lambda: "there is still enough to do")
        taken.add(node)
        take_back(cluster, node)
    took = time.time() - began
    ended = harness.wait_finished(["many", *singles], 180)
    print(f"storm of {took:.1f} s; all ended after {time.time() - began:.1f} s")
    assert {status["state"] for status in ended.values()} == {"Succeeded"}
    many = ended["many"]["array"]
    assert (many["succeeded"], many["failed"], many["retries"]) == (400, 0, 0)
    assert bound.succeeded("many") == {str(index): 1 for index in range(400)}
    for name in singles:
        assert bound.succeeded(name) == {"": 1}
        assert {each["attempt"] for each in ended[name]["attempts"]} == {1}
        ends = Counter(each["reason"] for each in ended[name]["attempts"])
        assert ends == {"Completed": 1} | ({"Interrupted": n} if (n := ended[name]["interruptions"]) else {})
    of_array, of_singles = ended["many"]["interruptions"], sum(ended[name]["interruptions"] for name in singles)
    lost = sum(map(len, bound.of("many").values())) - 400
    print(f"interruptions: {of_array} of indexes ({lost} pods beyond the first), {of_singles} of single jobs")
    assert of_array > 0
    shown = harness.wait_shown("computeenvironments", "cloud", lambda status: status["interruptions"]["nodes"] > 0)
    assert shown["interruptions"]["nodes"] <= 4, "one of which all pods end within the notice is none"


def test_half_of_what_runs_is_on_demand_where_that_is_wanted(harness: Harness) -> None:
    harness.apply(
        managed(harness, capacityTypes=BOTH, onDemandPercent=50, instanceTypes=["c5.large"]),
        harness.queue("queue", "cloud"),
        harness.simulated_definition("work", duration="6s", cpu="1500m"),
        *(harness.job(f"job-{number}", "work", "queue") for number in range(8)),
    )
    until(lambda: len(labels_of(harness, CAPACITY_TYPE)) == 8, 60, lambda: harness.kubectl("get", "bj"))
    kinds = Counter(labels_of(harness, CAPACITY_TYPE).values())
    print(kinds)
    assert kinds["on-demand"] >= 4
    assert kinds["spot"] >= 3


def test_a_job_that_was_interrupted_goes_on_on_demand_where_that_is_wanted(harness: Harness, cluster: Cluster) -> None:
    retries = {"onInterruption": {"onDemandAfter": 1}}
    harness.apply(
        managed(harness, capacityTypes=BOTH),
        harness.queue("queue", "cloud"),
        harness.simulated_definition("work", duration="8s", retryStrategy=retries),
        harness.job("job", "work", "queue"),
    )
    harness.wait_state("job", "Running")
    first = harness.pods_of("job")[0]["spec"]["nodeName"]
    assert labels_of(harness, CAPACITY_TYPE)[first] == "spot"
    began = time.time()
    take_back(cluster, first)
    again = harness.wait_status("job", lambda status: len(status["attempts"]) == 2 and status["state"] == "Running")
    print(f"ran again after {time.time() - began:.1f} s")
    second = again["attempts"][1]["nodeName"]
    assert labels_of(harness, CAPACITY_TYPE)[second] == "on-demand"
    ended = harness.wait_state("job", "Succeeded")
    assert [(each["attempt"], each["reason"]) for each in ended["attempts"]] == [(1, "Interrupted"), (1, "Completed")]
    assert ended["interruptions"] == 1


def test_what_ran_in_a_zone_that_has_failed_runs_again_in_others(shared: Harness, loss: Loss) -> None:
    again = shared.wait_status("many", lambda status: status.get("interruptions", 0) == loss.pods, 120)
    until(lambda: busy(shared).total() == SIZE, 60, lambda: shared.kubectl("get", "pods,nodeclaims"))
    took = time.time() - loss.at
    print(f"{loss.zone} with {loss.nodes} nodes and {loss.pods} pods failed; all ran again after {took:.1f} s at most")
    zones = labels_of(shared, ZONE)
    assert {zones[node] for node in busy(shared)} <= set(ZONES) - {loss.zone}
    insistently(
        lambda: shared.kubectl("annotate", "pods", "--all", "--overwrite", "sim.batchyard.dev/never-finish=false")
    )
    ended = shared.wait_finished(["many"])["many"]
    assert (ended["state"], ended["array"]["succeeded"], ended["array"]["retries"]) == ("Succeeded", SIZE, 0)
    assert ended["interruptions"] == again["interruptions"]
    assert loss.bound.succeeded("many") == {str(index): 1 for index in range(SIZE)}
