"""Whose turn it is among the shares of a queue."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import FairShare
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.fairshare.order import FairShareOrder, weight
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, decisions_of, make_environment, make_job, make_node, make_queue, waiting

TWICE_AS_MUCH = FairShare(weights={"red": 1.0, "blue": 0.5})


def job(name: str, share: str, created: float = 0, **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, share=share, uid=name, **fields)


def snapshot(*jobs: BatchJob, policy: FairShare | None = None, usage: Usage | None = None, **fields: Any) -> Snapshot:
    queue = make_queue(fair_share=policy or FairShare())
    return waiting(*jobs, queues=[queue], usage={"urgent": usage or Usage(600)}, **fields)


def decide(snapshot: Snapshot) -> dict[str, str]:
    """In the order of the decisions: where a job starts, or why it does not."""
    decisions = decisions_of(snapshot)
    return {
        key[1]: decision.environment if isinstance(decision, Placement) else str(decision.reason)
        for key, decision in decisions
    }


def used(**shares: float) -> Usage:
    """Usage in which each share had one vCPU for so many seconds, up to now."""
    usage = Usage(600)
    for share, seconds in shares.items():
        usage.start(share, share, "pool", 1000, NOW - seconds)
        usage.stop(share, NOW)
    return usage


@pytest.mark.parametrize(
    ("share", "weighs"),
    [("red", 2.0), ("redder", 0.5), ("re", 1.0), ("team7", 0.25), ("team", 0.25), ("tea", 1.0)],
)
def test_weights_are_found_by_name_or_beginning(share: str, weighs: float) -> None:
    assert weight(FairShare(weights={"red": 2.0, "team*": 0.25, "redd*": 0.5}), share) == weighs


def test_the_share_that_has_used_least_goes_first() -> None:
    jobs = [job("a", "red"), job("b", "blue", 1), job("c", "green", 2)]
    usage = used(red=90, blue=60, green=30)
    assert list(decide(snapshot(*jobs, usage=usage))) == ["c", "b", "a"]


def test_usage_is_weighed() -> None:
    jobs = [job("a", "red"), job("b", "blue", 1)]
    assert list(decide(snapshot(*jobs, policy=TWICE_AS_MUCH, usage=used(red=40, blue=60)))) == ["b", "a"]
    assert list(decide(snapshot(*jobs, policy=TWICE_AS_MUCH, usage=used(red=5, blue=60)))) == ["a", "b"]


def test_shares_that_have_had_nothing_go_by_the_age_of_their_first_jobs() -> None:
    jobs = [job("a", "red", 3), job("b", "blue", 1), job("c", "green", 2)]
    policy = FairShare(weights={"red": 0.001})
    assert list(decide(snapshot(*jobs, policy=policy))) == ["b", "c", "a"]


def test_capacity_that_becomes_free_at_once_is_divided() -> None:
    policy = FairShare(weights={"red": 1.0, "blue": 0.5, "green": 0.25})
    jobs = [job(f"{share}-{number}", share, number) for share in policy.weights for number in range(7)]
    decided = decide(snapshot(*jobs, policy=policy, nodes=[make_node(cpu="7")]))
    started = [name.partition("-")[0] for name, where in decided.items() if where == "pool"]
    assert [started.count(share) for share in policy.weights] == [1, 2, 4]


def test_what_runs_counts_in_advance() -> None:
    usage = Usage(600)
    usage.start("run", "red", "pool", 1000, NOW)
    usage.grant("grant", "blue", "pool", 2000)
    jobs = [job("a", "red"), job("b", "blue", 1), job("c", "green", 2)]
    assert list(decide(snapshot(*jobs, usage=usage))) == ["c", "a", "b"]


def test_priority_orders_jobs_inside_a_share_only() -> None:
    backlog = Backlog()
    jobs = [job("old", "red"), job("important", "red", 1), job("other", "blue", 2)]
    one = snapshot(*jobs)
    for each, priority in zip(jobs, (0, 5, 0), strict=True):
        backlog.add(each, priority)
    assert list(decide(replace(one, backlog=backlog))) == ["important", "other", "old"]
    fifo = Backlog()
    for each, priority in zip(jobs, (0, 5, 9), strict=True):
        fifo.add(replace(each, share=""), priority)
    assert list(decide(replace(one, backlog=fifo, queues={"urgent": make_queue()}))) == ["old", "important", "other"]


def test_nothing_overtakes_the_large_job_of_the_share_whose_turn_it_is() -> None:
    jobs = [job("large", "red"), job("small", "blue", 1), job("behind", "red", 2)]
    requests = {("media", "large"): {"cpu": 4000}}
    decided = decide(snapshot(*jobs, usage=used(blue=10), requests=requests, used={"pool": {"cpu": 1000, "pods": 1}}))
    assert decided == {"large": "InsufficientCapacity", "small": "InsufficientCapacity"}


def test_a_misfit_delays_nobody() -> None:
    jobs = [job("huge", "red"), job("modest", "red", 1), job("small", "blue", 1)]
    decided = decide(snapshot(*jobs, requests={("media", "huge"): {"cpu": 64_000}}))
    assert decided == {"huge": "ExceedsCapacity", "modest": "pool", "small": "pool"}


def test_a_disabled_queue_tells_the_first_of_each_share() -> None:
    jobs = [job("a", "red"), job("b", "blue"), job("c", "blue", 1)]
    one = snapshot(*jobs)
    disabled = replace(one, queues={"urgent": replace(one.queues["urgent"], enabled=False)})
    assert decide(disabled) == {"a": "JobQueueDisabled", "b": "JobQueueDisabled"}


def test_a_share_may_use_another_environment_while_one_is_held() -> None:
    small = make_environment(name="small", node_selector={"size": "small"})
    large = make_environment(name="large", node_selector={"size": "large"})
    nodes = [make_node("a", cpu="2", labels={"size": "small"}), make_node("b", cpu="8", labels={"size": "large"})]
    one = snapshot(
        job("large", "red"),
        job("little", "red", 1),
        requests={("media", "large"): {"cpu": 8000}},
        environments=[small, large],
        nodes=nodes,
        used={"large": {"cpu": 1000, "pods": 1}},
    )
    queue = replace(one.queues["urgent"], environments=("large", "small"))
    assert decide(replace(one, queues={"urgent": queue})) == {"large": "InsufficientCapacity", "little": "small"}


def half_kept_back(*shares: str, **fields: Any) -> dict[str, str]:
    jobs = [job(f"{share}-{number}", share, number) for share in shares for number in range(9)]
    return decide(snapshot(*jobs, policy=FairShare(reservation=50), nodes=[make_node(cpu="8")], **fields))


def started(decided: dict[str, str]) -> int:
    return list(decided.values()).count("pool")


def test_a_reservation_keeps_capacity_back_for_shares_to_come() -> None:
    """50 percent while one share is active, 25 with two, 12.5 with three."""
    alone = half_kept_back("red")
    assert (started(alone), alone["red-4"]) == (4, "ReservedForOtherShares")
    assert started(half_kept_back("red", "blue")) == 6
    assert started(half_kept_back("red", "blue", "green")) == 7


def test_a_share_is_active_while_its_usage_counts() -> None:
    assert started(half_kept_back("red", usage=used(blue=60))) == 6


def test_what_the_queue_holds_already_counts_against_the_reservation() -> None:
    usage = Usage(600)
    usage.start("run", "red", "pool", 3000, NOW)
    assert started(half_kept_back("red", usage=usage, used={"pool": {"cpu": 3000, "pods": 1}})) == 1


def test_a_job_larger_than_what_is_not_kept_back_starts_when_nothing_else_runs() -> None:
    policy = FairShare(reservation=99)
    requests = {("media", "large"): {"cpu": 4000}}
    assert decide(snapshot(job("large", "red"), policy=policy, requests=requests)) == {"large": "pool"}


def test_what_is_kept_back_is_not_for_queues_of_lower_priority() -> None:
    jobs = [job("a", "red"), job("b", "red", 1), job("c", "", queue="low")]
    one = snapshot(*jobs, policy=FairShare(reservation=75))
    queues = {**one.queues, "low": make_queue("low", priority=0)}
    assert decide(replace(one, queues=queues)) == {
        "a": "pool",
        "b": "ReservedForOtherShares",
        "c": "WaitingForHigherPriority",
    }


def test_who_waits_is_told_the_same_whoever_is_next() -> None:
    """Else every job that starts would change what the first of every share says."""
    jobs = [job("a", "red"), job("b", "blue")]
    full = {"pool": {"cpu": 4000, "pods": 1}}
    one = snapshot(*jobs, used=full, usage=used(red=10))
    other = snapshot(*jobs, used=full, usage=used(blue=10))
    assert told(one) == told(other)
    assert told(one)["a"].endswith("; needs 1 vCPU on one node of environment pool")


def told(snapshot: Snapshot) -> dict[str, str]:
    queue = snapshot.queues["urgent"]
    turns = FairShareOrder(queue, snapshot.backlog, snapshot.resolved, snapshot.usage["urgent"], NOW)
    assert {key[1] for key in turns} == {"a", "b"}
    decisions = decisions_of(snapshot)
    return {key[1]: decision.message for key, decision in decisions if isinstance(decision, Hold)}
