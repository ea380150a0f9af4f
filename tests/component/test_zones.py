"""Zones: single jobs and arrays are spread over them, a multi-node job stays in one, and one may be lost."""

import random
from collections import Counter
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.managed import ZONE
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, NODES
from batchyard.objects.kubernetes.steering import HOSTNAME
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from fakes.nodepools import with_a_pool
from fakes.scheduler import Scheduler
from objects.specs import asking_container, multi_node, overrides_asking

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def add_nodes(cluster: Cluster, **sizes: str) -> None:
    """Nodes of so many vCPUs by zone: `b="2 2"` are two, and `none` have no label."""
    for zone, several in sizes.items():
        for number, cpu in enumerate(several.split(), start=1):
            name = f"{zone}{number}"
            cluster.add_node(name, cpu=cpu, **{HOSTNAME: name, **({} if zone == "none" else {ZONE: zone})})


def furnish(cluster: Cluster, *, size: int = 4, **sizes: str) -> Scheduler:
    """Nodes, an environment of all of them, a queue, and definitions: one that is spread, one of so many nodes."""
    add_nodes(cluster, **sizes)
    cluster.put("ComputeEnvironment", "on-prem")
    cluster.put("JobQueue", "urgent")
    cluster.define()
    cluster.define("spread", zonePolicy="Spread")
    cluster.put("JobDefinition", "gang", **multi_node(size, asking_container()), zonePolicy="Single")
    return Scheduler(cluster)


def where(cluster: Cluster, prefix: str) -> dict[str, int]:
    """How many pods of jobs whose names begin so are in each zone and have not ended."""
    zones = {
        node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE, "") for node in cluster.store.objects(NODES)
    }
    pods = [pod for pod in cluster.pods() if pod["metadata"]["labels"][names.JOB].startswith(prefix)]
    live = [pod for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")]
    return dict(Counter(zones[node] for pod in live if (node := pod["spec"].get("nodeName"))))


def preferred(cluster: Cluster, kube_job: str) -> Counter[str]:
    """In how many nodes of each zone the pods of a Kubernetes Job would rather be."""
    (wish,) = cluster.pod_spec(kube_job)["affinity"]["nodeAffinity"][PREFERRED]
    (term,) = wish["preference"]["matchExpressions"]
    return Counter(name[0] for name in term["values"])


def zone_of(cluster: Cluster, kube_job: str) -> str | None:
    """The zone that is noted on a Kubernetes Job."""
    found: str | None = cluster.kube_job(kube_job)["metadata"]["annotations"].get(names.ZONE)
    return found


def required(cluster: Cluster, kube_job: str) -> dict[str, Any]:
    """What its pods require of zones: of their nodes, or of other pods."""
    affinity = cluster.pod_spec(kube_job).get("affinity") or {}
    return {kind: affinity[kind][REQUIRED] for kind in affinity if REQUIRED in affinity[kind]}


def in_zone(zone: str) -> dict[str, Any]:
    asked = {"key": ZONE, "operator": "In", "values": [zone]} if zone else {"key": ZONE, "operator": "DoesNotExist"}
    return {"nodeAffinity": {"nodeSelectorTerms": [{"matchExpressions": [asked]}]}}


async def start_all(cluster: Cluster, scheduler: Scheduler) -> list[str]:
    """Have the main nodes of multi-node jobs run, then the others; returns the pods that find no node."""
    left: list[str] = []
    for _ in range(2):
        left = scheduler.run()
        await cluster.pass_time(1)
    return left


async def lose_zone(cluster: Cluster, zone: str) -> None:
    """Its nodes are cordoned, and then gone with all that runs there."""
    lost = [node for node in cluster.store.objects(NODES) if node["metadata"]["labels"].get(ZONE) == zone]
    for node in lost:
        cluster.store.update(NODES, {**node, "spec": {"unschedulable": True}})
    await cluster.pass_time(2)
    gone = {node["metadata"]["name"] for node in lost}
    for name in gone:
        cluster.store.delete(NODES, name)
    for pod in cluster.pods():
        if pod["spec"].get("nodeName") in gone and pod["status"]["phase"] == "Running":
            job = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
            if names.COMPLETION_INDEX in pod["metadata"]["labels"]:
                cluster.jobs.indexed.disrupt(job, int(pod["metadata"]["labels"][names.COMPLETION_INDEX]))
            elif cluster.active_jobs(job):
                cluster.jobs.disrupt(job, "DeletionByTaintManager", "node is gone")
    await cluster.pass_time(2)


# What is spread.


@in_cluster()
async def test_an_array_has_as_many_indexes_in_each_zone(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="16", b="16", c="16")
    await cluster.start_operator()
    cluster.submit("packed", array={"size": 12})
    await cluster.pass_time(2)
    assert len(preferred(cluster, "packed-1")) == 1
    cluster.submit("array", jobDefinition="spread", array={"size": 30})
    await cluster.pass_time(2)
    assert cluster.parallelism("array-1") == 30
    assert scheduler.run() == []
    assert where(cluster, "packed") == {"a": 12}
    assert where(cluster, "array") == {"a": 4, "b": 13, "c": 13}, "there is no more room in the first"


@in_cluster()
async def test_an_array_is_spread_evenly_over_zones_of_several_nodes(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="4 4 4", b="4 4 4", c="12")
    await cluster.start_operator()
    cluster.submit("array", jobDefinition="spread", array={"size": 30})
    await cluster.pass_time(2)
    assert preferred(cluster, "array-1") == {"a": 3, "b": 3, "c": 1}
    assert scheduler.run() == []
    assert where(cluster, "array") == {"a": 10, "b": 10, "c": 10}
    (wish,) = cluster.pod_spec("array-1")["topologySpreadConstraints"]
    assert (wish["topologyKey"], wish["whenUnsatisfiable"]) == (ZONE, "ScheduleAnyway")


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_single_jobs_of_one_definition_are_divided(cluster: Cluster, restarted: bool) -> None:
    """What runs already counts, whoever has started it; jobs of other definitions do not."""
    scheduler = furnish(cluster, a="6", b="6", c="6")
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"job-{number}", jobDefinition="spread")
        cluster.submit(f"other-{number}")
        await cluster.pass_time(1)
        assert scheduler.run() == []
    assert where(cluster, "job") == {"a": 2, "b": 1, "c": 1}
    assert where(cluster, "other") == {"a": 4}
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(25)
    for number in range(4, 9):
        cluster.submit(f"job-{number}", jobDefinition="spread")
    await cluster.pass_time(2)
    assert scheduler.run() == []
    assert where(cluster, "job") == {"a": 2, "b": 4, "c": 3}, "others have filled the first"


@in_cluster()
async def test_where_a_zone_is_full_the_rest_goes_to_the_others(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="2", b="9", c="9")
    await cluster.start_operator()
    cluster.submit("array", jobDefinition="spread", array={"size": 30})
    await cluster.pass_time(2)
    assert cluster.parallelism("array-1") == 20
    assert scheduler.run() == []
    assert where(cluster, "array") == {"a": 2, "b": 9, "c": 9}
    cluster.jobs.indexed.finish("array-1", *range(20))
    await cluster.pass_time(3)
    scheduler.run()
    found = where(cluster, "array")
    assert (sum(found.values()), found["a"]) == (10, 2)
    assert abs(found["b"] - found["c"]) <= 1


@in_cluster()
async def test_a_lost_zone_takes_a_part_and_the_rest_goes_on_in_the_others(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="8", b="8", c="8")
    await cluster.start_operator()
    for number in range(3):
        cluster.submit(f"job-{number}", jobDefinition="spread")
    await cluster.pass_time(1)
    cluster.submit("array", jobDefinition="spread", array={"size": 24})
    await cluster.pass_time(2)
    assert scheduler.run() == []
    assert where(cluster, "") == {"a": 8, "b": 8, "c": 8}
    await lose_zone(cluster, "a")
    scheduler.run()
    assert where(cluster, "") == {"b": 8, "c": 8}, "some indexes have to wait"
    for _ in range(6):
        for index in cluster.jobs.indexed.active("array-1"):
            if cluster.jobs.indexed.pod("array-1", index)["status"]["phase"] == "Running":
                cluster.jobs.indexed.finish("array-1", index)
        cluster.finish_all("job-")
        cluster.finish_all("array-2")
        await cluster.pass_time(5)
        scheduler.run()
        assert set(where(cluster, "")) <= {"b", "c"}
    assert cluster.state("array")[0] == "Succeeded"
    assert (cluster.array_status("array")["succeeded"], cluster.status("array")["interruptions"]) == (24, 7)
    ends = [cluster.status(f"job-{number}") for number in range(3)]
    assert [each["state"] for each in ends] == ["Succeeded"] * 3
    assert sorted(len(each["attempts"]) for each in ends) == [1, 1, 2]


# What is to be in one.


@in_cluster()
async def test_a_multi_node_job_runs_where_one_zone_has_room_for_all_of_it(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="3", b="2 2", c="3")
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}
    assert zone_of(cluster, "gang-1") == "b"
    assert [required(cluster, job) for job in cluster.kube_jobs("gang")] == [in_zone("b")] * 4
    cluster.jobs.finish("gang-1")
    await cluster.pass_time(2)
    assert cluster.state("gang") == ("Succeeded", "Completed")


@in_cluster()
async def test_nodes_of_another_kind_are_tried_as_they_will_be_made(cluster: Cluster) -> None:
    """The API server is asked about them before any runs."""
    furnish(cluster, a="1", b="4")
    containers = [asking_container(image=image) for image in ("first", "other")]
    ranges = [{"targetNodes": f"{index}", "container": each} for index, each in enumerate(containers)]
    mixed = {"container": None, "multiNode": {"numNodes": 2, "nodeRanges": ranges}, "zonePolicy": "Single"}
    cluster.put("JobDefinition", "gang", **mixed)
    tried: dict[str, Any] = {}

    def note(job: Object, _: Object | None) -> None:
        spec = job["spec"]["template"]["spec"]
        if names.RUN in job["metadata"].get("labels", {}):
            tried[spec["containers"][0]["image"]] = spec["affinity"]["nodeAffinity"][REQUIRED]

    cluster.store.validate(JOBS, note)
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["gang-1"]
    assert tried == dict.fromkeys(("first", "other"), in_zone("b")["nodeAffinity"])


@in_cluster()
async def test_one_that_may_be_anywhere_asks_for_no_zone(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="3", b="3")
    cluster.put("JobDefinition", "wide", **multi_node(5))
    await cluster.start_operator()
    cluster.submit("wide", jobDefinition="wide")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert sum(where(cluster, "wide").values()) == 5
    assert len(where(cluster, "wide")) == 2
    assert zone_of(cluster, "wide-1") is None
    assert [required(cluster, job) for job in cluster.kube_jobs("wide")] == [{}] * 5


@in_cluster()
async def test_where_none_has_room_it_waits_and_says_that_all_are_to_be_in_one(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="2 2", b="2 2")
    await cluster.start_operator()
    for number, node in enumerate(("a1", "b1", "b2")):
        cluster.submit(f"job-{number}")
        await cluster.pass_time(1)
        cluster.jobs.start(f"job-{number}-1", node)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(15)
    assert cluster.state("gang") == ("Runnable", "InsufficientCapacity")
    message = cluster.status("gang")["message"]
    assert "needs 4 nodes at once in one zone (1 vCPU each, 4 vCPU in all) of environment on-prem" in message
    assert message.endswith(
        "all of its nodes are to be in one zone; in zone a, which has the most room, there is room for 3 of its 4"
        " nodes, and for the next (1 vCPU) of 4 nodes, node affinity on topology.kubernetes.io/zone in (a) excludes 2;"
        " of the other 2, none has vCPU free; free in all: no vCPU"
    )
    cluster.jobs.finish("job-1-1")
    await cluster.pass_time(2)
    assert cluster.state("gang")[0] == "Runnable"
    cluster.jobs.finish("job-2-1")
    await cluster.pass_time(2)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}


@in_cluster()
async def test_what_no_zone_could_hold_says_so_until_one_can(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="3", b="3", c="1 1")
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    cluster.submit("job")
    await cluster.pass_time(2)
    assert cluster.state("gang") == ("Runnable", "ExceedsCapacity")
    message = cluster.status("gang")["message"]
    assert "the job needs 4 nodes at once in one zone (1 vCPU each, 4 vCPU, 4 pods in all), more than any" in message
    assert "environment on-prem could hold it in several zones (zonePolicy Any)" in message
    assert cluster.state("job")[0] == "Starting"
    add_nodes(cluster, d="1 1 2")
    await cluster.pass_time(2)
    await start_all(cluster, scheduler)
    assert where(cluster, "gang") == {"d": 4}


@in_cluster()
async def test_nodes_that_name_no_zone_are_in_one(cluster: Cluster) -> None:
    scheduler = furnish(cluster, none="2 2")
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"": 4}
    assert zone_of(cluster, "gang-1") == ""
    assert [required(cluster, job) for job in cluster.kube_jobs("gang")] == [in_zone("")] * 4


@pytest.mark.parametrize("orderly", [True, False])
@in_cluster()
async def test_an_operator_that_takes_over_makes_the_others_beside_the_main_node(
    cluster: Cluster, orderly: bool
) -> None:
    """Meanwhile their room is kept, though another job waits, and other zones have room by then."""
    scheduler = furnish(cluster, a="1", b="2 2", c="1")
    await cluster.start_operator()
    cluster.submit("before")
    await cluster.pass_time(1)
    cluster.jobs.start("before-1", "a1")
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    await cluster.process.end(orderly=orderly)
    assert scheduler.run() == []
    for name in ("later-0", "later-1", "later-2"):
        cluster.submit(name)
    add_nodes(cluster, d="1")
    await cluster.start_operator()
    await cluster.pass_time(20)
    assert sorted(cluster.kube_jobs("gang")) == ["gang-1", "gang-1-n1", "gang-1-n2", "gang-1-n3"]
    assert [required(cluster, job) for job in cluster.kube_jobs("gang")] == [in_zone("b")] * 4
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}
    assert where(cluster, "later") == {"c": 1, "d": 1}
    assert cluster.state("later-2")[0] == "Runnable"


@in_cluster()
async def test_while_nodes_come_the_room_of_those_that_are_still_to_start_is_kept(cluster: Cluster) -> None:
    scheduler = furnish(cluster, size=2, a="1", b="1 1")
    await cluster.start_operator()
    cluster.submit("before")
    await cluster.pass_time(1)
    cluster.jobs.start("before-1", "a1")
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    cluster.jobs.schedule("gang-1", "b1")
    cluster.jobs.finish("before-1")
    add_nodes(cluster, c="500m")
    await cluster.pass_time(1)
    for name in ("later-0", "later-1"):
        cluster.submit(name)
    await cluster.pass_time(2)
    cluster.jobs.start("gang-1", "b1")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "") == {"a": 1, "b": 2}
    assert where(cluster, "gang") == {"b": 2}


@in_cluster()
async def test_when_its_zone_is_lost_the_next_run_is_in_another(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="2 2", b="4")
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"a": 4}
    await lose_zone(cluster, "a")
    await cluster.pass_time(10)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}
    assert zone_of(cluster, "gang-2") == "b"
    attempts = cluster.status("gang")["attempts"]
    assert [(each["run"], each["attempt"]) for each in attempts] == [(1, 1), (2, 1)]
    assert (attempts[0]["reason"], cluster.status("gang")["interruptions"]) == ("Interrupted", 1)


@pytest.mark.parametrize("bound", [0, 1], ids=["before any of it runs", "once its main node runs"])
@in_cluster()
async def test_where_its_zone_takes_no_pods_any_more_it_gives_its_slot_back_and_goes_elsewhere(
    cluster: Cluster, bound: int
) -> None:
    scheduler = furnish(cluster, a="2 2", b="4")
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    for _ in range(bound):
        assert scheduler.run() == []
    for node in cluster.store.objects(NODES):
        if node["metadata"]["labels"][ZONE] == "a":
            cluster.store.update(NODES, {**node, "spec": {"unschedulable": True}})
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) != []
    await cluster.pass_time(340)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}
    assert zone_of(cluster, "gang-2") == "b"
    assert cluster.status("gang")["attempts"][0]["reason"] == "Unschedulable"


@in_cluster()
async def test_a_failed_attempt_is_repeated_in_whichever_zone_has_room_then(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="4", b="4")
    retries: dict[str, Any] = {"attempts": 2, "backoff": {"initialSeconds": 20}}
    cluster.put(
        "JobDefinition", "gang", **multi_node(4, asking_container()), zonePolicy="Single", retryStrategy=retries
    )
    await cluster.start_operator()
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    cluster.jobs.finish("gang-1", 1)
    await cluster.pass_time(2)
    cluster.submit("other")
    await cluster.pass_time(1)
    assert scheduler.run() == []
    await cluster.pass_time(30)
    assert await start_all(cluster, scheduler) == []
    assert (zone_of(cluster, "gang-1"), zone_of(cluster, "gang-2")) == ("a", "b")


# Where nodes are made.


async def with_managed(cluster: Cluster, size: int = 3) -> None:
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    cluster.define()
    cluster.define("spread", zonePolicy="Spread")
    cluster.put("JobDefinition", "gang", **multi_node(size, asking_container()), zonePolicy="Single")
    await with_a_pool(cluster)


def make_node(cluster: Cluster, name: str, zone: str, cpu: str = "4") -> None:
    """Have a node come that Karpenter has made."""
    size = {"cpu": cpu, "memory": "16Gi", "pods": "110"}
    cluster.karpenter.claim(f"burst-{name}", capacity=size, node=name, zone=zone, instance_type="c-4x")
    cluster.add_node(name, cpu=cpu, **{names.NODE_ENVIRONMENT: "burst", ZONE: zone, HOSTNAME: name})


def beside(cluster: Cluster, kube_job: str) -> dict[str, str]:
    """The labels of the pods in whose zone those of a Kubernetes Job are to be."""
    (term,) = required(cluster, kube_job)["podAffinity"]
    assert term["topologyKey"] == ZONE
    found: dict[str, str] = term["labelSelector"]["matchLabels"]
    return found


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_from_no_node_at_all_the_zone_is_that_of_the_first(cluster: Cluster, restarted: bool) -> None:
    await with_managed(cluster, size=4)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(2)
    assert zone_of(cluster, "gang-1") is None
    uid = cluster.get("BatchJob", "gang")["metadata"]["uid"]
    assert beside(cluster, "gang-1") == {names.JOB_UID: uid, names.RUN: "1"}
    scheduler = Scheduler(cluster)
    assert len(scheduler.run()) == 1
    make_node(cluster, "made-1", "b", cpu="2")
    make_node(cluster, "made-2", "c")
    assert scheduler.run() == []
    (zone,) = where(cluster, "gang")
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(20)
    await cluster.pass_time(2)
    assert sorted(cluster.kube_jobs()) == ["gang-1", "gang-1-n1", "gang-1-n2", "gang-1-n3"]
    assert [beside(cluster, job) for job in cluster.kube_jobs()] == [{names.JOB_UID: uid, names.RUN: "1"}] * 4
    assert len(scheduler.run()) == 2, "of the zone of the main node, two vCPUs are there"
    make_node(cluster, "made-3", zone)
    await cluster.pass_time(2)
    assert scheduler.run() == []
    assert where(cluster, "gang") == {zone: 4}


@in_cluster()
async def test_while_the_zone_is_that_of_the_first_the_room_beside_it_is_kept(cluster: Cluster) -> None:
    """A node that comes elsewhere changes nothing of that."""
    await with_managed(cluster, size=2)
    cluster.put_managed(max_vcpus=8)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(2)
    make_node(cluster, "made-1", "b", cpu="2")
    scheduler = Scheduler(cluster)
    cluster.jobs.schedule("gang-1", "made-1")
    await cluster.pass_time(1)
    make_node(cluster, "made-2", "a", cpu="1")
    await cluster.pass_time(1)
    cluster.submit("later", jobDefinition="transcode")
    await cluster.pass_time(2)
    cluster.jobs.start("gang-1", "made-1")
    await cluster.pass_time(1)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 2}
    assert where(cluster, "later") == {"a": 1}


@in_cluster()
async def test_nodes_that_are_there_or_on_their_way_say_the_zone(cluster: Cluster) -> None:
    await with_managed(cluster, size=4)
    make_node(cluster, "made-1", "a", cpu="2")
    cluster.karpenter.claim("burst-2", capacity={"cpu": "4", "memory": "16Gi", "pods": "110"}, zone="b")
    await cluster.pass_time(2)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(2)
    assert zone_of(cluster, "gang-1") == "b"
    assert required(cluster, "gang-1") == in_zone("b")


@in_cluster()
async def test_further_nodes_come_to_the_zone_of_those_that_are_there(cluster: Cluster) -> None:
    await with_managed(cluster, size=4)
    make_node(cluster, "made-1", "c", cpu="2")
    await cluster.pass_time(2)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(2)
    assert (zone_of(cluster, "gang-1"), required(cluster, "gang-1")) == ("c", in_zone("c"))
    scheduler = Scheduler(cluster)
    await start_all(cluster, scheduler)
    assert where(cluster, "gang") == {"c": 2}
    make_node(cluster, "made-2", "c", cpu="2")
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"c": 4}


@in_cluster()
async def test_nodes_are_counted_in_each_zone_for_what_is_spread(cluster: Cluster) -> None:
    """Sixteen vCPUs are four nodes: one in each of three zones, and a further one."""
    await with_managed(cluster)
    cluster.submit("array", jobDefinition="spread", array={"size": 20})
    await cluster.pass_time(2)
    assert cluster.parallelism("array-1") == 12, "each node has three vCPUs for pods until one was seen"
    cluster.submit("job")
    await cluster.pass_time(2)
    assert cluster.state("job")[0] == "Runnable"
    assert "affinity" not in cluster.pod_spec("array-1")
    assert cluster.pod_spec("array-1")["topologySpreadConstraints"]


# Who makes room, and who goes first.


async def run(cluster: Cluster, queue: str, **places: str) -> None:
    """Run a job of one vCPU on each of these nodes."""
    for name, node in places.items():
        cluster.submit(name, jobQueue=queue)
        await cluster.pass_time(1)
        cluster.jobs.start(f"{name}-1", node)
        await cluster.pass_time(1)


def put_queues(cluster: Cluster) -> None:
    cluster.put("JobQueue", "urgent", priority=9, preemption={"policy": "LowerPriority", "minimumRunSeconds": 0})
    cluster.put("JobQueue", "low", priority=1)


@in_cluster()
async def test_lower_priorities_make_room_in_one_zone(cluster: Cluster) -> None:
    scheduler = furnish(cluster, a="4", b="4")
    put_queues(cluster)
    await cluster.start_operator()
    await run(cluster, "low", one="a1", two="a1", three="b1")
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(3)
    assert [cluster.status(name)["interruptions"] for name in ("one", "two", "three")] == [0, 0, 1]
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"b": 4}
    assert len(cluster.process.evicted()) == 1
    assert where(cluster, "three") == {"a": 1}, "it goes on in the other one"


@in_cluster()
async def test_an_array_makes_room_in_one_zone(cluster: Cluster) -> None:
    """One by one as its indexes end: it has two in each, and others keep what is free in zone b."""
    scheduler = furnish(cluster, a="4", b="4")
    cluster.put("JobQueue", "low", priority=1)
    cluster.put("JobQueue", "urgent", priority=9)
    await cluster.start_operator()
    await run(cluster, "urgent", one="b1", two="b1")
    cluster.submit("array", jobDefinition="spread", jobQueue="low", array={"size": 20, "maxConcurrency": 4})
    await cluster.pass_time(2)
    assert scheduler.run() == []
    assert where(cluster, "array") == {"a": 2, "b": 2}
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(3)
    pods = [cluster.jobs.indexed.pod("array-1", index) for index in cluster.jobs.indexed.active("array-1")]
    for pod in [each for each in pods if each["spec"]["nodeName"] == "a1"]:
        assert cluster.state("gang")[0] == "Runnable"
        cluster.jobs.indexed.hesitate("array-1", int(pod["metadata"]["labels"][names.COMPLETION_INDEX]))
        await cluster.pass_time(10)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"a": 4}
    assert where(cluster, "array") == {"b": 2}


@in_cluster()
async def test_who_delays_it_in_no_zone_goes_first(cluster: Cluster) -> None:
    """All that runs ends within ten minutes: then zone a has room for all of it."""
    scheduler = furnish(cluster, a="4", b="4")
    cluster.put("JobQueue", "urgent", queueing={"policy": "Strict"})
    cluster.define("limited", timeout={"attemptDurationSeconds": 600})
    await cluster.start_operator()
    for name, node in (("one", "a1"), ("two", "b1")):
        cluster.submit(name, jobDefinition="limited", containerOverrides=overrides_asking(2))
        await cluster.pass_time(1)
        cluster.jobs.start(f"{name}-1", node)
    cluster.submit("gang", jobDefinition="gang")
    await cluster.pass_time(1)
    for name in ("first", "second", "third"):
        cluster.submit(name, jobDefinition="transcode")
    await cluster.pass_time(2)
    scheduler.run()
    await cluster.pass_time(1)
    started = [name for name in ("first", "second", "third") if cluster.state(name)[0] == "Running"]
    assert started == ["first", "second"]
    assert where(cluster, "first") == where(cluster, "second") == {"b": 1}
    cluster.jobs.finish("one-1")
    await cluster.pass_time(2)
    assert await start_all(cluster, scheduler) == []
    assert where(cluster, "gang") == {"a": 4}


@pytest.mark.parametrize("seed", range(12))
@in_cluster()
async def test_in_no_cluster_does_one_span_two_zones_or_is_left_waiting(cluster: Cluster, seed: int) -> None:
    """Multi-node jobs and others come, end and are interrupted, nodes come and go, and operators are killed."""
    draw = random.Random(seed)  # noqa: S311 - a test
    sizes = {zone: " ".join(str(draw.randint(1, 4)) for _ in range(draw.randint(1, 3))) for zone in "abc"}
    scheduler = furnish(cluster, size=2, **{**sizes, "a": "4 4"})
    cluster.put("JobDefinition", "larger", **multi_node(draw.randint(3, 7)), zonePolicy="Single")
    await cluster.start_operator()
    for number in range(14):
        definition = draw.choice(["gang", "gang", "larger", "spread", "transcode"])
        cluster.submit(f"job-{number:02}", jobDefinition=definition)
        await cluster.pass_time(draw.choice([0.3, 1, 5]))
        match draw.randint(0, 7):
            case 0:
                await cluster.restart_operator(after=draw.choice([0, 20]))
                await cluster.pass_time(20)
            case 1:
                add_nodes(cluster, **{draw.choice("def") + str(number): "1"})
            case 2 if running := [job for job in cluster.active_jobs() if _runs(cluster, job)]:
                cluster.jobs.disrupt(draw.choice(running))
            case 3 if running := [job for job in cluster.active_jobs() if _runs(cluster, job) and "-n" not in job]:
                cluster.jobs.finish(draw.choice(running))
        scheduler.run()
        _check(cluster)
    for _ in range(60):
        if set(_reasons(cluster)) <= {"Completed", "ExceedsCapacity"}:
            break
        await cluster.pass_time(10)
        scheduler.run()
        _check(cluster)
        for job in cluster.active_jobs():
            if "-n" not in job and _runs(cluster, job) and _is_whole(cluster, job):
                cluster.jobs.finish(job)
    assert set(_reasons(cluster)) <= {"Completed", "ExceedsCapacity"}


def _reasons(cluster: Cluster) -> list[str]:
    return [cluster.state(f"job-{number:02}")[1] for number in range(14)]


def _runs(cluster: Cluster, job: str) -> bool:
    return bool(cluster.jobs.pod(job)["status"]["phase"] == "Running")


def _is_whole(cluster: Cluster, job: str) -> bool:
    """Whether all nodes of a run are there and run."""
    variables = {each["name"]: each.get("value") for each in cluster.container(job)["env"]}
    size = int(variables.get("AWS_BATCH_JOB_NUM_NODES") or 1)
    jobs = [each for each in cluster.active_jobs(job) if each == job or each.startswith(f"{job}-n")]
    return len(jobs) == size and all(_runs(cluster, each) for each in jobs)


def _check(cluster: Cluster) -> None:
    runs: dict[str, set[str]] = {}
    zones = {
        node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE, "") for node in cluster.store.objects(NODES)
    }
    for pod in cluster.pods():
        labels = pod["metadata"]["labels"]
        if names.NODE in labels and pod["spec"].get("nodeName") and pod["metadata"]["namespace"] == NAMESPACE:
            runs.setdefault(f"{labels[names.JOB]}-{labels[names.RUN]}", set()).add(zones[pod["spec"]["nodeName"]])
    assert all(len(found) == 1 for found in runs.values()), runs
