"""Who starts in an environment without nodes of its own, and what those are told who cannot."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.shortage import shortage
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus, IndexedJob
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.model.status import Status
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    VIRTUAL,
    decisions_of,
    make_environment,
    make_job,
    make_managed,
    make_node,
    make_pod,
    make_queue,
    make_run,
    make_serverless,
    waiting,
)

GI = 2**30
SMALL = {"cpu": 300, "memory": 600 * 2**20}
"""Half a vCPU and 1 GiB on Fargate."""
HALF: Resources = {"cpu": 500, "memory": GI}
NODES = make_environment(name="nodes", node_selector={"pool": "nodes"})
NODE = make_node(labels={"pool": "nodes"})
BOTH = [make_queue(environments=("pool", "nodes"))]


def job(name: str, created: float = 0, *, namespace: str = "media", **fields: Any) -> BatchJob:
    return replace(make_job(name), key=(namespace, name), created=NOW + created, uid=name, **fields)


def jobs(count: int, **fields: Any) -> list[BatchJob]:
    return [job(f"job-{number:02}", number, **fields) for number in range(count)]


def scene(*waiting_jobs: BatchJob, environments: Any = None, nodes: Any = (), **fields: Any) -> Snapshot:
    environments = [make_serverless(2)] if environments is None else environments
    return waiting(*waiting_jobs, **{"environments": environments, "nodes": nodes, "request": SMALL, **fields})


def asking(snapshot: Snapshot, **asked: Any) -> Snapshot:
    """The same with what some jobs say of their nodes, or with their gangs."""
    resolved = dict(snapshot.resolved)
    for name, said in asked.items():
        key = next(key for key in resolved if key[1] == name)
        change = {"gang": said, "request": said.request} if isinstance(said, Gang) else {"constraints": said}
        resolved[key] = replace(resolved[key], **change)
    return replace(snapshot, resolved=resolved)


def decided(snapshot: Snapshot) -> dict[str, Placement | Hold]:
    return {key[1]: each for key, each in decisions_of(snapshot)}


def where(snapshot: Snapshot) -> dict[str, str]:
    """The environment that each job starts in, or the reason why it does not."""
    return {
        name: each.environment if isinstance(each, Placement) else str(each.reason)
        for name, each in decided(snapshot).items()
    }


def hold(snapshot: Snapshot, name: str) -> Hold:
    found = decided(snapshot)[name]
    assert isinstance(found, Hold)
    return found


def told(snapshot: Snapshot, name: str = "wide", environment: str = "pool") -> str:
    """What a job is told of what is free."""
    pods = snapshot.resolved["media", name].pods
    return shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, [environment], pods)


def gang(*requests: Resources) -> Gang:
    return Gang(0, tuple(NodeGroup((node,), {"spec": {}}, request) for node, request in enumerate(requests)))


def cpus(**sizes: float) -> dict[tuple[str, str], Mapping[str, int]]:
    return {("media", name): {"cpu": int(size * 1000)} for name, size in sizes.items()}


def test_as_many_start_as_the_ceiling_has_sizes_for() -> None:
    """Six could by what they ask for."""
    snapshot = scene(*jobs(20))
    found = decided(snapshot)
    assert [name for name, each in found.items() if isinstance(each, Placement)] == [f"job-0{n}" for n in range(4)]
    assert hold(snapshot, "job-04").reason == "InsufficientCapacity"


def test_who_starts_is_granted_the_size_of_its_pod_and_no_node() -> None:
    (placement,) = place(scene(job("a")), (), NOW).placements
    assert (placement.request, placement.nodes) == (HALF, ())


def test_a_multi_node_job_is_granted_those_of_all_its_pods_or_none() -> None:
    wide = gang(SMALL, SMALL, {"cpu": 900, "memory": GI})
    (placement,) = place(asking(scene(job("gang")), gang=wide), (), NOW).placements
    assert placement.request == {"cpu": 2000, "memory": 4 * GI, "pods": 3}
    less = asking(scene(job("gang"), used={"pool": {"cpu": 500, "pods": 1}}, charges={}), gang=wide)
    assert where(less) == {"gang": "InsufficientCapacity"}


def test_an_array_is_granted_as_many_slots_of_that_size() -> None:
    array = job("array", array=ArrayShape(10))
    (placement,) = place(scene(array, demands={array.key: ArrayDemand(slots=10)}), (), NOW).placements
    assert (placement.request, placement.slots, placement.nodes) == (HALF, 4, ())


def test_who_waits_for_room_is_told_what_he_counts_for() -> None:
    snapshot = scene(job("wide"), requests=cpus(wide=1.5), used={"pool": {"cpu": 500, "pods": 1}}, charges={})
    assert hold(snapshot, "wide").message == "next in queue urgent; needs 1.5 vCPU of environment pool"
    assert told(snapshot) == (
        "spec.maxVcpus of environment pool leaves 1.5 vCPU, and the job counts there as 2 vCPU, 4 GiB memory"
    )


def test_where_it_counts_for_what_it_asks_for_that_goes_without_saying() -> None:
    virtual = make_serverless(2, offer=VIRTUAL)
    snapshot = scene(
        job("wide"),
        environments=[virtual],
        nodes=[make_node()],
        requests=cpus(wide=1.5),
        used={"pool": {"cpu": 1000, "pods": 1}},
        charges={},
    )
    assert told(snapshot) == "spec.maxVcpus of environment pool leaves 1 vCPU"


def test_beside_environments_with_nodes_it_needs_one_node() -> None:
    snapshot = scene(
        job("wide"),
        environments=[make_serverless(2), NODES],
        nodes=[NODE],
        queues=BOTH,
        requests=cpus(wide=1.5),
        used={"pool": {"cpu": 500, "pods": 1}, "nodes": {"cpu": 3000, "pods": 1}},
    )
    assert hold(snapshot, "wide").message == (
        "next in queue urgent; needs 1.5 vCPU on one node of environments pool, nodes"
    )


UNFIT: dict[str, tuple[Constraints, str]] = {
    "privileged": (Constraints(machine="container main is privileged"), "container main is privileged"),
    "unequal": (
        Constraints(unequal="container main requests 1 GiB memory and may use 2 GiB memory"),
        "container main requests 1 GiB memory and may use 2 GiB memory, and there both must be the same",
    ),
    "named": (Constraints(node_name="node-7"), "it names node node-7"),
    "picky": (Constraints(selector=(("disk", "nvme"),)), "its node selector or node affinity asks for labels other"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_who_needs_a_node_is_told_so_and_holds_nobody_up(name: str) -> None:
    constraints, words = UNFIT[name]
    snapshot = asking(scene(job(name), job("next", 1)), **{name: constraints})
    assert where(snapshot) == {name: "NotWithoutNodes", "next": "pool"}
    found = hold(snapshot, name)
    assert found.stalled
    assert f"environment pool of queue urgent is serverless (fargate) and cannot run the pod: {words}" in found.message
    assert found.message.endswith("change the JobDefinition, or add an environment with nodes to queue urgent")


@pytest.mark.parametrize("name", UNFIT)
def test_he_goes_to_the_nodes_that_his_queue_has_beside(name: str) -> None:
    constraints, _ = UNFIT[name]
    node = replace(NODE, name="node-7", labels={"pool": "nodes", "disk": "nvme"})
    snapshot = scene(job(name), job("next", 1), environments=[make_serverless(2), NODES], nodes=[node], queues=BOTH)
    assert where(asking(snapshot, **{name: constraints})) == {name: "nodes", "next": "pool"}


def test_so_does_a_job_with_devices() -> None:
    with_gpu = replace(NODE, allocatable={**NODE.allocatable, "nvidia.com/gpu": 1})
    snapshot = scene(
        job("gpu"),
        environments=[make_serverless(2), NODES],
        nodes=[with_gpu],
        queues=BOTH,
        request={"cpu": 1000, "nvidia.com/gpu": 1},
    )
    assert where(snapshot) == {"gpu": "nodes"}


def test_where_the_nodes_are_not_right_either_both_are_told() -> None:
    snapshot = scene(
        job("gpu"),
        environments=[make_serverless(2), NODES],
        nodes=[NODE],
        queues=BOTH,
        request={"cpu": 1000, "nvidia.com/gpu": 1},
    )
    assert hold(snapshot, "gpu") == Hold(
        "ExceedsCapacity",
        "the job needs 1 vCPU, 1 nvidia.com/gpu, more than any environment of queue urgent could ever give one pod"
        " (nodes: largest node 4 vCPU, 16 GiB memory); lower its requests, or add larger nodes; environment pool of"
        " queue urgent is serverless (fargate) and cannot run the pod: it asks for nvidia.com/gpu",
        stalled=True,
    )


def test_so_is_what_size_there_would_be() -> None:
    snapshot = scene(
        job("wide"), environments=[make_serverless(8), NODES], nodes=[NODE], queues=BOTH, requests=cpus(wide=9)
    )
    assert hold(snapshot, "wide").message.endswith(
        "(nodes: largest node 4 vCPU, 16 GiB memory); lower its requests, or add larger nodes; environment pool:"
        " largest size 16 vCPU, 120 GiB memory, of which its system takes 256 MiB memory, at most 8 vCPU in all, where"
        " it counts as 16 vCPU, 32 GiB memory"
    )


def test_what_is_larger_than_all_sizes_exceeds_the_capacity_and_a_ceiling_would_not_help() -> None:
    snapshot = scene(job("wide"), job("next", 1), environments=[make_serverless(64)], requests=cpus(wide=17, next=1))
    assert where(snapshot) == {"wide": "ExceedsCapacity", "next": "pool"}
    assert hold(snapshot, "wide").message == (
        "the job needs 17 vCPU, more than any environment of queue urgent could ever give (pool: largest size 16 vCPU,"
        " 120 GiB memory, of which its system takes 256 MiB memory, at most 64 vCPU in all); lower its requests, or add"
        " an environment with nodes to queue urgent"
    )


def test_what_counts_for_more_than_the_ceiling_exceeds_it() -> None:
    snapshot = scene(
        job("wide"), environments=[make_serverless(8)], request=parse_resources({"cpu": "8", "memory": "60Gi"})
    )
    assert hold(snapshot, "wide").message == (
        "the job needs 8 vCPU, 60 GiB memory, more than any environment of queue urgent could ever give (pool: largest"
        " size 16 vCPU, 120 GiB memory, of which its system takes 256 MiB memory, at most 8 vCPU in all, where it"
        " counts as 16 vCPU, 64 GiB memory); lower its requests, or raise spec.maxVcpus and the other ceilings of a"
        " ComputeEnvironment"
    )


def test_of_a_multi_node_job_all_pods_count() -> None:
    snapshot = asking(scene(job("gang")), gang=gang(*[SMALL] * 5))
    assert hold(snapshot, "gang").message == (
        "the job needs 5 pods at once, in all 1.5 vCPU, 2.93 GiB memory, more than any environment of queue urgent"
        " could ever give (pool: largest size 16 vCPU, 120 GiB memory, of which its system takes 256 MiB memory, at"
        " most 2 vCPU in all, where it counts as 2.5 vCPU, 5 GiB memory); lower its requests, or raise spec.maxVcpus"
        " and the other ceilings of a ComputeEnvironment"
    )


def test_one_whose_memory_has_grown_too_far_is_told_what_it_was() -> None:
    snapshot = scene(job("grown"), request={"cpu": 1000, "memory": 120 * GI})
    key = ("media", "grown")
    snapshot = replace(snapshot, resolved={key: replace(snapshot.resolved[key], ungrown={"spec": {}})})
    assert hold(snapshot, "grown").message.endswith(
        "; its memory has grown since it ran out of it: add an environment with nodes to queue urgent, or submit it"
        " anew with a lower retryStrategy.onOutOfMemory.maxMemory"
    )


@pytest.mark.parametrize(
    ("environments", "takes"),
    [
        ([make_serverless(2, namespaces=("team-*",))], "environment pool of queue urgent takes"),
        (
            [make_serverless(2, namespaces=("team-*",)), make_serverless(2, name="nodes", namespaces=("audio",))],
            "environments pool, nodes of queue urgent take",
        ),
    ],
)
def test_whose_namespace_is_admitted_nowhere_is_told_so_and_holds_nobody_up(
    environments: list[Environment], takes: str
) -> None:
    snapshot = scene(job("a"), job("b", 1, namespace="team-b"), environments=environments, queues=BOTH)
    assert where(snapshot) == {"a": "NamespaceNotAllowed", "b": "pool"}
    found = hold(snapshot, "a")
    assert found.stalled
    assert found.message == (
        f"{takes} no jobs of namespace media: add it to spec.serverless.namespaces of a ComputeEnvironment, or submit"
        " to another queue"
    )


def test_others_go_to_the_environments_that_are_open_to_them() -> None:
    """Whoever was looked at first: jobs that ask for the same are told apart by their namespaces here."""
    choosy = make_serverless(2, namespaces=("team-*",))
    for first, second in (("media", "team-a"), ("team-a", "media")):
        snapshot = scene(
            job("one", namespace=first),
            job("two", 1, namespace=second),
            environments=[choosy, NODES],
            nodes=[NODE],
            queues=BOTH,
        )
        homes = {"media": "nodes", "team-a": "pool"}
        assert where(snapshot) == {"one": homes[first], "two": homes[second]}


def test_who_waits_closes_nothing_that_is_not_open_to_him() -> None:
    """The large one of another namespace waits for the nodes alone."""
    choosy = make_serverless(2, namespaces=("team-*",))
    snapshot = scene(
        job("large"),
        job("small", 1, namespace="team-a"),
        job("other", 2),
        environments=[choosy, NODES],
        nodes=[NODE],
        queues=BOTH,
        requests={("media", "large"): {"cpu": 4000}},
        used={"nodes": {"cpu": 1000, "pods": 1}},
    )
    assert where(snapshot) == {"large": "InsufficientCapacity", "small": "pool", "other": "InsufficientCapacity"}


def test_what_namespaces_an_environment_takes_is_no_matter_to_other_queues() -> None:
    choosy = make_serverless(2, namespaces=("team-*",))
    open_one = make_serverless(2, name="open")
    queues = [make_queue(), make_queue("other", environments=("open",))]
    snapshot = scene(job("a"), job("b", 1, queue="other"), environments=[choosy, open_one], queues=queues)
    assert where(snapshot) == {"a": "NamespaceNotAllowed", "b": "open"}


def test_where_no_virtual_node_is_ready_nothing_starts_and_why_is_told() -> None:
    virtual = make_serverless(2, offer=VIRTUAL, node_selector={"type": "virtual-kubelet"})
    snapshot = scene(job("a"), environments=[virtual], nodes=[make_node()])
    assert where(snapshot) == {"a": "InsufficientCapacity"}
    assert not hold(snapshot, "a").stalled
    assert told(snapshot, "a").startswith("environment pool: no ready virtual node has the labels type=virtual-kubelet")
    there = scene(job("a"), environments=[virtual], nodes=[make_node(labels={"type": "virtual-kubelet"})])
    assert where(there) == {"a": "pool"}
    second = make_serverless(2, name="nodes")
    beside = scene(job("a"), environments=[virtual, second], nodes=[make_node()], queues=BOTH)
    assert where(beside) == {"a": "nodes"}


PODS = (PodSet(1, SMALL),)
NO_CAPACITY = LeftAlone(NOW - 20, NOW + 160, "environment pool got no capacity: no scheduler says why")


def test_where_none_got_capacity_the_next_environment_is_tried_and_one_finds_out_later() -> None:
    second = make_serverless(2, name="nodes")
    environments, alone = [make_serverless(2), second], {("pool", PODS): NO_CAPACITY}
    found = decided(scene(job("a"), environments=environments, queues=BOTH, left_alone=alone))["a"]
    assert isinstance(found, Placement)
    assert (found.environment, found.finds_out) == ("nodes", False)
    assert "no scheduler says why" in found.instead
    over = {("pool", PODS): replace(NO_CAPACITY, until=NOW)}
    later = place(scene(*jobs(2), environments=environments, queues=BOTH, left_alone=over), (), NOW).placements
    assert [(each.environment, each.finds_out) for each in later] == [("pool", True), ("nodes", False)]


def test_pods_that_ask_for_something_else_are_tried_all_the_same() -> None:
    snapshot = scene(*jobs(1), job("other", 1), left_alone={("pool", PODS): NO_CAPACITY}, requests=cpus(other=1))
    snapshot = replace(
        snapshot,
        resolved={
            **snapshot.resolved,
            ("media", "job-00"): replace(snapshot.resolved["media", "job-00"], request=SMALL),
        },
    )
    assert where(snapshot) == {"job-00": "InsufficientInstanceCapacity", "other": "pool"}


def running(name: str, request: Resources, *, queue: str = "low", started: float = NOW - 600) -> dict[str, Any]:
    """What is in a snapshot of a run without a node that is known."""
    run = make_run(queue=queue, owner=("media", name), owner_uid=name, name=f"{name}-1", request=request)
    amount = {**request, "pods": 1}
    bound = {f"fargate-{name}": amount}
    charges: dict[Hashable, Charge] = {name: Charge("pool", amount, run.owner, run, bound)}
    pod = make_pod(run=f"{name}-1", owner=run.owner, owner_uid=name, node_name=f"fargate-{name}", started_at=started)
    return {"charges": charges, "used": {"pool": amount}, "runs": [run], "pods": [pod]}


def test_work_of_lower_priority_makes_room_under_the_ceiling() -> None:
    queues = [make_queue(priority=5, preempts_after=0), make_queue("low", priority=1)]
    snapshot = scene(job("next"), queues=queues, requests=cpus(next=0.6), **running("old", {"cpu": 2000}))
    placed = place(snapshot, (), NOW)
    assert [each.run.name for each in placed.preemptions] == ["old-1"]
    beside = scene(job("next"), queues=queues, requests=cpus(next=0.6), **running("old", {"cpu": 1000}))
    placed = place(beside, (), NOW)
    assert (placed.preemptions, [each.key[1] for each in placed.placements]) == ([], ["next"])


def test_room_is_made_for_the_size_and_not_for_what_is_asked_for() -> None:
    """There would be 0.6 vCPU, which is no size that holds it: one vCPU is needed."""
    queues = [make_queue(priority=5, preempts_after=0), make_queue("low", priority=1)]
    snapshot = scene(job("next"), queues=queues, requests=cpus(next=0.6), **running("old", {"cpu": 1400}))
    assert [each.run.name for each in place(snapshot, (), NOW).preemptions] == ["old-1"]


def test_for_whom_an_environment_is_not_open_no_room_is_made_there() -> None:
    """Two make room: for the first, and for the last, though another one of that queue came before."""
    old, older = running("old", {"cpu": 1000}), running("older", {"cpu": 1000}, started=NOW - 900)
    both = {name: {**old[name], **older[name]} if name == "charges" else [*old[name], *older[name]] for name in old}
    snapshot = scene(
        job("first", namespace="team-a"),
        job("other", 1),
        job("last", 2, namespace="team-b"),
        environments=[make_serverless(2, namespaces=("team-*",))],
        queues=[make_queue(priority=5, preempts_after=0), make_queue("low", priority=1)],
        request={"cpu": 900},
        **{**both, "used": {"pool": {"cpu": 2000, "pods": 2}}},
    )
    found = {each.run.name: each.by for each in place(snapshot, (), NOW).preemptions}
    assert found == {"old-1": ("team-a", "first"), "older-1": ("team-b", "last")}


def with_array(*waiting_jobs: BatchJob, slots: int = 4, request: Resources = HALF, **fields: Any) -> Snapshot:
    """An array of a queue of low priority has so many slots without nodes, and asks for more."""
    array, one = job("array", -60, array=ArrayShape(20), queue="low"), {**request, "pods": 1}
    run = make_run(
        name="array-1",
        owner=array.key,
        owner_uid="array",
        queue="low",
        request=request,
        indexed=IndexedJob(20, slots),
        active=slots,
        ready=slots,
        started_at=NOW - 60,
    )
    bound = {f"fargate-{number}": one for number in range(slots)}
    charge = Charge("pool", {name: amount * slots for name, amount in one.items()}, array.key, run, bound)
    defaults: dict[str, Any] = {
        "environments": [make_serverless(2)],
        "queues": [make_queue(priority=5), make_queue("low", priority=1)],
        "charges": {"array": charge},
        "used": {"pool": charge.amount},
        "runs": [run],
        "arrays": {array.key: run},
        "demands": {array.key: ArrayDemand(slots=20 - slots, environment="pool")},
    }
    snapshot = scene(*waiting_jobs, array, **{**defaults, **fields})
    begun = Status(JobState.RUNNING, environment="pool", started_at=NOW - 60, array=ArrayStatus(20, running=slots))
    return replace(snapshot, statuses={**snapshot.statuses, array.key: begun})


def test_an_array_keeps_what_it_has_under_a_ceiling_that_is_full() -> None:
    """Its pods are on nodes, and none of these is one of the environment."""
    assert place(with_array(), (), NOW).reclaims == set()
    assert place(with_array(environments=[make_serverless(1)]), (), NOW).reclaims == {("media", "array")}


def test_it_gives_way_to_who_goes_first_and_lacks_room_for_what_he_counts_for() -> None:
    """There are 0.4 vCPUs, and 0.3 count as half a one."""
    snapshot = with_array(job("now"), environments=[make_serverless(ceilings={"cpu": 2400})])
    assert place(snapshot, (), NOW).reclaims == {("media", "array")}
    fits = place(with_array(job("now"), slots=3), (), NOW)
    assert ([each.key[1] for each in fits.placements], fits.reclaims) == (["now"], set())


@pytest.mark.parametrize(("memory", "gives_way"), [(1600, True), (1900, False)])
def test_to_who_lets_others_pass_it_gives_way_if_one_slot_is_enough_for_what_he_counts_for(
    memory: int, gives_way: bool
) -> None:
    """Each of its slots has 1 vCPU and 2 GiB; with 1900 MiB a pod counts as 3 GiB."""
    passing = [make_queue("low", priority=1, bypass_seconds=600)]
    snapshot = with_array(
        job("first", -90, queue="low"),
        slots=2,
        request={"cpu": 1000, "memory": 2 * GI},
        queues=passing,
        environments=[make_serverless(ceilings={"cpu": 2000, "memory": 8 * GI})],
        requests={("media", "first"): {"cpu": 900, "memory": memory * 2**20}},
    )
    assert (("media", "array") in place(snapshot, (), NOW).reclaims) is gives_way


def test_what_it_gives_back_is_kept_by_what_the_other_counts_for() -> None:
    """1.1 vCPUs count as 2, and 1.9 are there: nothing is left for a small one of the lower queue."""
    snapshot = with_array(
        job("now"),
        job("small", 1, queue="low"),
        environments=[make_serverless(ceilings={"cpu": 3900})],
        requests=cpus(now=1.1, small=0.2),
    )
    placed = place(snapshot, (), NOW)
    assert (placed.reclaims, placed.placements) == ({("media", "array")}, [])


@pytest.mark.parametrize(("namespaces", "leaves"), [((), True), (("media",), True), (("team-*",), False)])
def test_an_array_leaves_for_environments_that_are_open_to_it(namespaces: tuple[str, ...], leaves: bool) -> None:
    snapshot = with_array(
        slots=1,
        environments=[make_serverless(16), make_serverless(2, name="nodes", namespaces=namespaces)],
        queues=[make_queue("low", priority=1, environments=("pool", "nodes"))],
        left_alone={("pool", PODS): NO_CAPACITY},
    )
    assert (("media", "array") in place(snapshot, (), NOW).reclaims) is leaves


def early(small: float, limit: int, *, ceiling: int = 4000) -> list[str]:
    """Who starts behind a large job that waits for the end of a run in 1000 seconds."""
    started = running("runner", {"cpu": 3000}, queue="urgent", started=NOW - 30)
    snapshot = scene(
        job("large"),
        job("small", 1),
        environments=[make_serverless(ceilings={"cpu": ceiling})],
        requests=cpus(large=3.5, small=small),
        **started,
    )
    limits = {"large": None, "small": limit}
    resolved = {key: replace(each, timeout_seconds=limits[key[1]]) for key, each in snapshot.resolved.items()}
    runner = replace(snapshot.resolved["media", "large"], timeout_seconds=1000)
    known = {**snapshot.jobs, ("media", "runner"): job("runner")}
    snapshot = replace(snapshot, jobs=known, resolved={**resolved, ("media", "runner"): runner})
    return [each.key[1] for each in place(snapshot, (), NOW).placements]


def test_who_has_ended_before_the_large_one_can_start_goes_first() -> None:
    assert early(0.9, 910) == ["small"]
    assert early(0.9, 5000) == [], "the large one counts as all four"


def test_what_is_left_beside_the_large_one_counts_by_sizes() -> None:
    """Under a ceiling of 5 vCPUs one is left beside it: enough for 0.9, which counts as one."""
    assert early(0.9, 5000, ceiling=5000) == ["small"]
    assert early(0.9, 5000, ceiling=4950) == []
    assert early(0.9, 910, ceiling=4950) == ["small"]


def test_who_may_not_run_there_does_not_go_first() -> None:
    started = running("runner", {"cpu": 3000}, queue="urgent", started=NOW - 30)
    snapshot = scene(
        job("large", namespace="team-a"),
        job("small", 1),
        job("other", 2, namespace="team-b"),
        environments=[make_serverless(4, namespaces=("team-*",))],
        requests={("team-a", "large"): {"cpu": 3500}, ("media", "small"): SMALL, ("team-b", "other"): SMALL},
        **started,
    )
    resolved = {key: replace(each, timeout_seconds=60) for key, each in snapshot.resolved.items()}
    runner = replace(resolved["team-a", "large"], timeout_seconds=1000)
    known = {**snapshot.jobs, ("media", "runner"): job("runner")}
    snapshot = replace(snapshot, jobs=known, resolved={**resolved, ("media", "runner"): runner})
    assert [each.key[1] for each in place(snapshot, (), NOW).placements] == ["other"]


def test_shares_use_what_their_pods_count_for() -> None:
    """Half of 4 vCPUs is kept back for the other shares. By what they ask for six would fit in the rest."""
    queue = make_queue(fair_share=FairShare(reservation=50))
    found = list(where(scene(*jobs(9, share="red"), environments=[make_serverless(4)], queues=[queue])).values())
    assert found == ["pool"] * 4 + ["ReservedForOtherShares"]


def test_limits_of_the_queue_hold_there_as_anywhere() -> None:
    snapshot = scene(*jobs(3), queues=[make_queue(limits=QueueLimits(running=2))])
    assert list(where(snapshot).values()) == ["pool", "pool", "QueueLimitReached"]


def test_an_array_begins_where_most_of_it_fits_by_its_size() -> None:
    """By what it asks for there would be room for six without nodes, and five on them."""
    array = job("array", array=ArrayShape(10))
    snapshot = scene(
        array,
        environments=[make_serverless(2), NODES],
        nodes=[make_node(cpu="1500m", labels={"pool": "nodes"})],
        queues=BOTH,
        demands={array.key: ArrayDemand(slots=10)},
    )
    (placement,) = place(snapshot, (), NOW).placements
    assert (placement.environment, placement.slots) == ("nodes", 5)


def test_a_managed_environment_goes_first_where_the_queue_says_so() -> None:
    cloud = make_managed(1, name="cloud")
    queue = make_queue(environments=("cloud", "pool"))
    snapshot = scene(*jobs(6), environments=[cloud, make_serverless(2)], queues=[queue])
    assert list(where(snapshot).values()) == ["cloud"] * 3 + ["pool"] * 3
