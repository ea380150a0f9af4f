"""Who starts in an environment whose nodes are made."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.insight.shortage import shortage
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.coming.room import is_coming
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    decisions_of,
    make_claim,
    make_environment,
    make_job,
    make_managed,
    make_node,
    make_pod,
    make_queue,
    make_run,
    make_shape,
    waiting,
)


def job(name: str, created: float = 0) -> BatchJob:
    return replace(make_job(name), created=NOW + created, uid=name)


def jobs(count: int) -> list[BatchJob]:
    return [job(f"job-{number:03}", number) for number in range(count)]


def scene(*waiting_jobs: BatchJob, environments: Any = None, nodes: Any = (), **fields: Any) -> Snapshot:
    environments = [make_managed()] if environments is None else environments
    return waiting(*waiting_jobs, environments=environments, nodes=nodes, **fields)


def started(snapshot: Snapshot) -> dict[str, Placement]:
    return {key[1]: found for key, found in decisions_of(snapshot) if isinstance(found, Placement)}


def held(snapshot: Snapshot) -> dict[str, Hold]:
    return {key[1]: found for key, found in decisions_of(snapshot) if isinstance(found, Hold)}


def own_node(name: str, cpu: str = "4") -> Any:
    environment = make_managed()
    return make_node(name, cpu=cpu, labels=environment.node_selector)


def withheld(pool: Pool) -> Pool:
    assert pool.supply is not None
    return replace(
        pool, supply=replace(pool.supply, withheld="no nodes are made from NodePool pool: so says Karpenter")
    )


def cpus(**sizes: int) -> dict[tuple[str, str], Mapping[str, int]]:
    return {("media", name): {"cpu": size * 1000} for name, size in sizes.items()}


def test_jobs_start_up_to_the_ceiling_though_no_node_is_there() -> None:
    snapshot = scene(*jobs(200), environments=[make_managed(10)])
    assert len(started(snapshot)) == 10
    assert [hold.reason for hold in held(snapshot).values()] == ["InsufficientCapacity"]


def test_no_more_start_than_nodes_can_come_for() -> None:
    """Two vCPUs of m5.large carry one job of one vCPU and a half."""
    snapshot = scene(*jobs(20), environments=[make_managed(10, shapes=[make_shape()])], request={"cpu": 1500})
    assert len(started(snapshot)) == 5


def test_nodes_that_are_there_come_first() -> None:
    snapshot = scene(*jobs(6), nodes=[own_node("here", "2")], claims=[make_claim("here", node="here")])
    found = [each.nodes[0][0] for each in started(snapshot).values()]
    assert found[:2] == ["here", "here"]
    assert all(map(is_coming, found[2:]))
    assert len(found) == 6


def test_nodes_count_under_the_ceiling_whether_anything_runs_there_or_not() -> None:
    """Of 16 vCPUs, 14 are taken by nodes that are being deleted: two are left for others."""
    claims = [make_claim(f"claim-{number}", deleting=True) for number in range(7)]
    assert len(started(scene(*jobs(6), claims=claims))) == 2


def test_pods_that_wait_for_nodes_keep_the_room_that_is_to_come() -> None:
    runs = [make_run(1, name=f"old-{number}-1", owner=("media", f"old-{number}")) for number in range(14)]
    charges = {run.name: Charge("pool", {"cpu": 1000, "pods": 1}, run.owner, run) for run in runs}
    snapshot = scene(*jobs(6), charges=charges, used={"pool": {"cpu": 14_000, "pods": 14}}, homeless=set(charges))
    assert len(started(snapshot)) == 2


def test_a_large_grant_goes_out_in_waves() -> None:
    managed = make_managed(1000, max_pending_pods=5)
    assert len(started(scene(*jobs(20), environments=[managed]))) == 5
    (hold,) = held(scene(*jobs(20), environments=[managed])).values()
    assert hold.reason == "InsufficientCapacity"


def test_a_wave_counts_pods_that_are_still_without_a_node() -> None:
    run = make_run(1, owner=("media", "old"))
    charges = {"old": Charge("pool", {"cpu": 3000, "pods": 3}, run.owner, run)}
    snapshot = scene(
        *jobs(20),
        environments=[make_managed(1000, max_pending_pods=5)],
        charges=charges,
        used={"pool": {"cpu": 3000, "pods": 3}},
    )
    assert len(started(snapshot)) == 2


def test_a_gang_that_is_larger_than_a_wave_starts_as_a_whole() -> None:
    gang = Gang(0, (NodeGroup(tuple(range(8)), {"spec": {}}, {"cpu": 1000}),))
    snapshot = scene(job("gang"), job("next", 1), environments=[make_managed(max_pending_pods=5)])
    key = ("media", "gang")
    snapshot.resolved[key] = replace(snapshot.resolved[key], gang=gang, request=gang.request)  # type: ignore[index]
    assert list(started(snapshot)) == ["gang"]


def test_it_is_not_stored_on_which_node_to_come_a_pod_was_thought() -> None:
    placed = place(scene(*jobs(3), nodes=[own_node("here", "1")], claims=[make_claim("here", node="here")]), (), NOW)
    assert [each.nodes for each in placed.placements] == [(("here", {"cpu": 1000, "pods": 1}),), (), ()]


def test_nor_for_pods_that_were_granted_before() -> None:
    run = make_run(1, owner=("media", "old"))
    charges = {"old": Charge("pool", {"cpu": 3000, "pods": 3}, run.owner, run)}
    placed = place(scene(charges=charges, used={"pool": {"cpu": 3000, "pods": 3}}), (), NOW)
    assert placed.expected == {}


def test_what_could_never_come_exceeds_the_capacity() -> None:
    shapes = [make_shape("m5.large", 2), make_shape("m5.xlarge", 4, "16Gi")]
    snapshot = scene(
        job("wide"), job("small", 1), environments=[make_managed(16, shapes=shapes)], requests=cpus(wide=6, small=1)
    )
    assert list(started(snapshot)) == ["small"]
    hold = held(snapshot)["wide"]
    assert hold.reason == "ExceedsCapacity"
    assert (
        "largest instance type m5.xlarge with 3.96 vCPU, 15.52 GiB memory for pods, at most 16 vCPU in all"
        in hold.message
    )
    assert "allow it larger instance types" in hold.message


def test_a_shape_that_is_above_the_ceiling_can_never_come() -> None:
    shapes = [make_shape("m5.large", 2), make_shape("m5.4xlarge", 16, "64Gi")]
    snapshot = scene(job("wide"), environments=[make_managed(8, shapes=shapes)], requests=cpus(wide=6))
    assert held(snapshot)["wide"].reason == "ExceedsCapacity"


def test_above_the_ceiling_nothing_can_come_whatever_the_shapes() -> None:
    snapshot = scene(job("wide"), requests=cpus(wide=17))
    hold = held(snapshot)["wide"]
    assert hold.reason == "ExceedsCapacity"
    assert "pool: any instance type, at most 16 vCPU in all" in hold.message


def test_a_job_whose_nodes_are_too_small_now_waits_for_others_to_go() -> None:
    claims = [make_claim(f"claim-{number}", node=f"node-{number}") for number in range(8)]
    nodes = [own_node(f"node-{number}", "2") for number in range(8)]
    snapshot = scene(job("wide"), nodes=nodes, claims=claims, requests=cpus(wide=8))
    hold = held(snapshot)["wide"]
    assert hold.reason == "InsufficientCapacity"
    ledger = SchedulingPass(snapshot, NOW).ledger
    assert shortage(snapshot, ledger, hold.environments, snapshot.resolved["media", "wide"].pods) == (
        "of 8 nodes, none has enough vCPU free (at most 2 vCPU); free in all: 16 vCPU; "
        "its nodes and those on their way leave no vCPU of spec.maxVcpus, too little for another"
    )


def test_where_no_nodes_can_be_made_nothing_starts_that_needs_one() -> None:
    """Those that find room on nodes that are there do."""
    snapshot = scene(*jobs(3), nodes=[own_node("here", "2")], claims=[make_claim("here", node="here")])
    snapshot = replace(snapshot, pools={"pool": withheld(snapshot.pools["pool"])})
    assert list(started(snapshot)) == ["job-000", "job-001"]
    (hold,) = held(snapshot).values()
    assert hold.reason == "InsufficientCapacity"
    ledger = SchedulingPass(snapshot, NOW).ledger
    assert shortage(snapshot, ledger, ["pool"], (PodSet(1, {"cpu": 4000}),)) == (
        "environment pool gets no further node: no nodes are made from NodePool pool: so says Karpenter"
    )


def test_where_no_nodes_can_be_made_the_next_environment_of_the_queue_is_tried() -> None:
    clouds = [make_managed(name="first"), make_managed(name="second")]
    snapshot = scene(*jobs(2), environments=clouds, queues=[make_queue(environments=("first", "second"))])
    snapshot = replace(snapshot, pools={**snapshot.pools, "first": withheld(snapshot.pools["first"])})
    assert {each.environment for each in started(snapshot).values()} == {"second"}


def test_where_no_nodes_can_be_made_work_of_lower_priority_makes_room() -> None:
    """A node that will not come is no room."""
    run = make_run(1, queue="low", owner=("media", "old"), owner_uid="old", name="old-1")
    bound = {"here": {"cpu": 2000, "pods": 1}}
    charges = {"old": Charge("pool", {"cpu": 2000, "pods": 1}, run.owner, run, bound)}
    snapshot = scene(
        job("next"),
        nodes=[own_node("here", "2")],
        claims=[make_claim("here", node="here")],
        charges=charges,
        used={"pool": {"cpu": 2000, "pods": 1}},
        runs=[run],
        pods=[make_pod(run="old-1", owner=run.owner, owner_uid="old", node_name="here", started_at=NOW - 600)],
        queues=[make_queue(priority=5, preempts_after=0), make_queue("low", priority=1)],
    )
    snapshot = replace(snapshot, pools={"pool": withheld(snapshot.pools["pool"])})
    assert [each.run.name for each in place(snapshot, (), NOW).preemptions] == ["old-1"]


def test_an_array_does_not_choose_an_environment_that_gets_no_nodes() -> None:
    snapshot = scene(*jobs(1), environments=[make_managed()])
    ledger = SchedulingPass(replace(snapshot, pools={"pool": withheld(snapshot.pools["pool"])}), NOW).ledger
    assert ledger.room("pool", PodSet(1, {"cpu": 1000}), 100) == 0
    assert SchedulingPass(snapshot, NOW).ledger.room("pool", PodSet(1, {"cpu": 1000}), 100) == 16


def test_who_waits_for_a_wave_is_told_so() -> None:
    managed = make_managed(1000, max_pending_pods=1)
    run = make_run(1, owner=("media", "old"))
    charges = {"old": Charge("pool", {"cpu": 3000, "pods": 3}, run.owner, run)}
    snapshot = scene(job("next"), environments=[managed], charges=charges, used={"pool": {"cpu": 3000, "pods": 3}})
    ledger = SchedulingPass(snapshot, NOW).ledger
    assert shortage(snapshot, ledger, ["pool"], snapshot.resolved["media", "next"].pods) == (
        "as many pods wait for nodes that were not asked for yet as spec.managed.maxPendingPods of environment pool"
        " allows"
    )


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (
            Constraints(selector=(("disk", "ssd"),)),
            "none can have disk=ssd; change the JobDefinition's nodeSelector, or what spec.managed",
        ),
        (
            Constraints(node_name="node-7"),
            "none can be node node-7, which it names; take nodeName out of the JobDefinition",
        ),
    ],
)
def test_what_no_node_to_come_can_be_is_told(constraints: Constraints, words: str) -> None:
    snapshot = scene(job("picky"))
    key = ("media", "picky")
    snapshot.resolved[key] = replace(snapshot.resolved[key], constraints=constraints)  # type: ignore[index]
    hold = held(snapshot)["picky"]
    assert hold.reason == "NoNodeMatches"
    assert words in hold.message
    assert "no node that environment pool of queue urgent can get is one for the pod" in hold.message


def test_an_environment_of_nodes_that_are_there_goes_first_where_the_queue_says_so() -> None:
    there = make_environment(name="there", node_selector={"there": "yes"})
    snapshot = scene(
        *jobs(6),
        environments=[there, make_managed(16, name="cloud")],
        nodes=[make_node("node-1", cpu="2", labels={"there": "yes"})],
        queues=[make_queue(environments=("there", "cloud"))],
    )
    assert [each.environment for each in started(snapshot).values()] == ["there"] * 2 + ["cloud"] * 4
