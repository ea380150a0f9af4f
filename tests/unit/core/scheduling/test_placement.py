"""Who starts where: priority between queues, order within one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import FairShare, QueueLimits, scheduling_order
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, decisions_of, make_environment, make_job, make_node, make_queue, waiting


def job(name: str, created: float = 0, queue: str = "urgent") -> BatchJob:
    return replace(make_job(name), created=NOW + created, queue=queue, uid=name)


def decide(snapshot: Snapshot) -> dict[str, str]:
    """The environment each job starts in, or the reason why it does not; jobs not looked at are absent."""
    decided = {}
    for key, decision in place(snapshot):
        decided[key[1]] = decision.environment if isinstance(decision, Placement) else str(decision.reason)
    return decided


def place(snapshot: Snapshot) -> Any:
    return decisions_of(snapshot)


def cpus(**sizes: int) -> dict[tuple[str, str], Mapping[str, int]]:
    return {("media", name): {"cpu": size * 1000} for name, size in sizes.items()}


def test_queues_go_by_priority_then_age_then_name() -> None:
    queues = [
        make_queue("low", priority=1),
        make_queue("b", priority=5),
        make_queue("a", priority=5),
        make_queue("old", priority=5, created=NOW - 60),
    ]
    assert [queue.name for queue in scheduling_order(queues)] == ["old", "a", "b", "low"]


def test_jobs_start_in_order_until_the_environment_is_full() -> None:
    snapshot = waiting(*(job(name, created) for created, name in enumerate("abcdef")))
    assert decide(snapshot) == {"a": "pool", "b": "pool", "c": "pool", "d": "pool", "e": "InsufficientCapacity"}


def test_nothing_overtakes_a_large_job_that_waits() -> None:
    snapshot = waiting(
        job("large"), job("small", 1), requests=cpus(large=4, small=1), used={"pool": {"cpu": 1000, "pods": 1}}
    )
    assert decide(snapshot) == {"large": "InsufficientCapacity"}


def test_what_is_held_for_a_queue_of_more_priority_is_held_for_all_below_it() -> None:
    snapshot = waiting(
        job("large", queue="high"),
        job("small", queue="low"),
        requests=cpus(large=4, small=1),
        queues=[make_queue("low", priority=1), make_queue("high", priority=9)],
        used={"pool": {"cpu": 1000, "pods": 1}},
    )
    assert decide(snapshot) == {"large": "InsufficientCapacity", "small": "WaitingForHigherPriority"}


def test_a_job_that_fits_nowhere_ever_delays_nobody() -> None:
    snapshot = waiting(job("huge"), job("small", 1), requests=cpus(huge=64, small=1))
    assert decide(snapshot) == {"huge": "ExceedsCapacity", "small": "pool"}


def test_environments_are_tried_in_the_order_of_the_queue() -> None:
    first, second = make_environment(name="first"), make_environment(name="second")
    snapshot = waiting(
        *(job(name, created) for created, name in enumerate("abcdefghi")),
        environments=[second, first],
        queues=[make_queue(environments=("first", "second"))],
    )
    assert decide(snapshot) == {
        **dict.fromkeys("abcd", "first"),
        **dict.fromkeys("efgh", "second"),
        "i": "InsufficientCapacity",
    }


def test_a_job_may_pass_one_that_waits_for_an_environment_it_does_not_need() -> None:
    small = make_environment(name="small", node_selector={"size": "small"})
    large = make_environment(name="large", node_selector={"size": "large"})
    nodes = [make_node("a", cpu="2", labels={"size": "small"}), make_node("b", cpu="8", labels={"size": "large"})]
    snapshot = waiting(
        job("large"),
        job("little", 1),
        requests=cpus(large=8, little=1),
        environments=[small, large],
        nodes=nodes,
        queues=[make_queue(environments=("large", "small"))],
        used={"large": {"cpu": 1000, "pods": 1}},
    )
    assert decide(snapshot) == {"large": "InsufficientCapacity", "little": "small"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"queues": [make_queue(enabled=False)]}, "JobQueueDisabled"),
        ({"queues": [make_queue(environments=("gone", "lost"))]}, "ComputeEnvironmentNotFound"),
        ({"environments": [make_environment(enabled=False)]}, "ComputeEnvironmentDisabled"),
        ({"environments": [make_environment(refusal="managed environments are not supported")]}, "InvalidSpec"),
        ({"nodes": []}, "NoNodes"),
    ],
)
def test_a_queue_that_can_start_nothing_says_why_to_its_first_job(fields: Mapping[str, Any], reason: str) -> None:
    decided = decide(waiting(job("first"), job("second", 1), **fields))
    assert decided["first"] == reason
    assert decided.get("second") in (None, reason)


def test_a_missing_environment_beside_a_good_one_does_not_matter() -> None:
    assert decide(waiting(job("a"), queues=[make_queue(environments=("gone", "pool"))])) == {"a": "pool"}


def test_a_pod_that_fits_on_no_single_node_never_fits() -> None:
    snapshot = waiting(job("a"), request={"cpu": 6000}, nodes=[make_node("a"), make_node("b")])
    decision = dict(place(snapshot))["media", "a"]
    assert isinstance(decision, Hold)
    assert decision.stalled
    assert decision.message == (
        "the job needs 6 vCPU, more than any environment of queue urgent could ever give one pod"
        " (pool: largest node 4 vCPU, 16 GiB memory); lower its requests, or add larger nodes"
    )


@pytest.mark.parametrize(
    ("nodes", "reason"), [([], "NoNodes"), ([make_node(labels={"pool": "main"})], "ExceedsCapacity")]
)
def test_a_job_that_nothing_could_hold_keeps_no_consumable_resource_from_others(nodes: list[Node], reason: str) -> None:
    """Of two that it asks for one is free, and would be kept for as long as the other one is not."""
    names = ("licence", "gadget")
    resources = {name: Consumable(name, name, 1, NOW, 5, replenishable=True) for name in names}
    elsewhere = make_queue("other", environments=("beside",))
    snapshot = waiting(
        job("large"),
        job("small", 1, "other"),
        requests=cpus(large=6, small=1),
        queues=[make_queue(), elsewhere],
        environments=[
            make_environment(node_selector={"pool": "main"}),
            make_environment(name="beside", node_selector={"pool": "beside"}),
        ],
        nodes=[*nodes, make_node("b", labels={"pool": "beside"})],
        limit_usage={("consumable", "licence"): 5},
        consumables=resources,
    )
    asked = {"large": {"licence": 1, "gadget": 1}, "small": {"gadget": 1}}
    resolved = {key: replace(each, consumables=asked[key[1]]) for key, each in snapshot.resolved.items()}
    assert decide(replace(snapshot, resolved=resolved)) == {"large": reason, "small": "beside"}


def test_a_ceiling_is_named_where_it_is_what_is_in_the_way() -> None:
    snapshot = waiting(job("a"), request={"cpu": 3000}, environments=[make_environment(ceilings={"cpu": 2000})])
    assert (
        "pool: largest node 4 vCPU, 16 GiB memory, at most 2 vCPU in all" in dict(place(snapshot))["media", "a"].message
    )


def test_a_queue_at_its_limit_keeps_nothing_from_the_queues_behind_it() -> None:
    snapshot = waiting(
        job("first", queue="high"),
        job("second", 1, queue="high"),
        job("third", 2, queue="high"),
        job("other", queue="low"),
        queues=[make_queue("low", priority=1), make_queue("high", priority=9, limits=QueueLimits(running=2))],
        limit_usage={("queue", "high"): 1},
    )
    assert decide(snapshot) == {"first": "pool", "second": "QueueLimitReached", "other": "pool"}


def test_a_share_at_its_limit_keeps_nothing_from_the_other_shares() -> None:
    shared = [
        replace(job(f"{share}-{number}", number), share=share) for share in ("red", "blue") for number in range(4)
    ]
    limits = QueueLimits(running_per_share=2, shares={"red": 1})
    snapshot = waiting(*shared, queues=[make_queue(fair_share=FairShare(), limits=limits)])
    assert decide(snapshot) == {
        "red-0": "pool",
        "red-1": "ShareLimitReached",
        "blue-0": "pool",
        "blue-1": "pool",
        "blue-2": "ShareLimitReached",
    }


def test_a_limit_holds_back_before_capacity_is_asked_for() -> None:
    """A large job that may not start anyway closes no environment."""
    snapshot = waiting(
        job("large", queue="high"),
        job("small", queue="low"),
        requests=cpus(large=4, small=1),
        queues=[make_queue("low", priority=1), make_queue("high", priority=9, limits=QueueLimits(running=1))],
        used={"pool": {"cpu": 1000, "pods": 1}},
        limit_usage={("queue", "high"): 1},
    )
    assert decide(snapshot) == {"large": "QueueLimitReached", "small": "pool"}
