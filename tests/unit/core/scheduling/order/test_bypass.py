"""Who may start before a job at the head of its queue that finds no room, until when, and what it is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.model.resources import Resources
from batchyard.core.model.status import Status
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.order.bypass import LOOKS, REACH, Line
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, by_job, make_environment, make_job, make_node, make_queue, make_run, waiting

BYPASS = make_queue(bypass_seconds=600)
FULL: dict[str, Resources] = {"pool": {"cpu": 2000, "pods": 1}}
"""Of four vCPUs."""
BUSY: dict[str, Resources] = {"pool": {"cpu": 8_998_000, "pods": 1}}
"""Of nine thousand."""
HOUR = 3600.0


def job(name: str, created: float = 0, **fields: Any) -> BatchJob:
    return replace(make_job(name), created=NOW + created, uid=name, **fields)


def cpus(**sizes: int) -> dict[Key, Mapping[str, int]]:
    return {("media", name): {"cpu": size * 1000} for name, size in sizes.items()}


def line(
    *jobs: BatchJob, sizes: Mapping[str, int], since: Mapping[str, float] | None = None, **fields: Any
) -> Snapshot:
    """Jobs that wait behind each other for two free vCPUs; `since` says who has come to the head, and when."""
    snapshot = waiting(*jobs, requests=cpus(**sizes), **{"queues": [BYPASS], "used": FULL, **fields})
    statuses = {key: status._replace(head_since=(since or {}).get(key[1])) for key, status in snapshot.statuses.items()}
    return replace(snapshot, statuses=statuses)


def decide(snapshot: Snapshot, now: float = NOW) -> Placed:
    return place(snapshot, [], now)


def started(placed: Placed) -> list[str]:
    return [placement.key[1] for placement in placed.placements]


def status(placed: Placed, name: str) -> Status:
    return placed.statuses["media", name]


LARGE_FIRST = (job("large"), job("small", 1), job("tiny", 2))
SIZES = {"large": 4, "small": 1, "tiny": 1}


def test_others_start_before_the_first_which_is_told_until_when() -> None:
    placed = decide(line(*LARGE_FIRST, sizes=SIZES), NOW + 65.7)
    assert started(placed) == ["small", "tiny"]
    large = status(placed, "large")
    assert (large.reason, large.head_since) == ("InsufficientCapacity", NOW + 65)
    assert large.message == (
        "next in queue urgent; needs 4 vCPU on one node of environment pool; others may start before it until "
        "00:11:05Z (queue urgent has the policy Bypass), then the room is held for it"
    )


@pytest.mark.parametrize(("waited", "others"), [(599, ["small", "tiny"]), (600, []), (HOUR, []), (-5, [])])
def test_only_for_so_long(waited: float, others: list[str]) -> None:
    """Nor while the clock, which was set back, says that it comes to the head in the future."""
    placed = decide(line(*LARGE_FIRST, sizes=SIZES, since={"large": NOW - waited}))
    assert started(placed) == others
    large = status(placed, "large")
    assert large.head_since == NOW - waited
    # It is told the same before and after: a job that waits for long costs no further write.
    assert large.message == status(decide(line(*LARGE_FIRST, sizes=SIZES), NOW - waited), "large").message


def test_what_ends_on_another_day_is_told_with_its_date() -> None:
    large = status(decide(line(*LARGE_FIRST, sizes=SIZES), NOW + 86_000), "large")
    assert "others may start before it until 2026-01-02T00:03:20Z (queue" in large.message


@pytest.mark.parametrize("queue", [make_queue(), make_queue(bypass_seconds=0)])
def test_a_strict_queue_lets_nobody_pass_and_notes_nothing(queue: Any) -> None:
    placed = decide(line(*LARGE_FIRST, sizes=SIZES, queues=[queue]))
    assert started(placed) == []
    assert status(placed, "large").head_since is None
    assert "Bypass" not in status(placed, "large").message
    assert list(placed.statuses) == [("media", "large")]


def test_who_is_behind_it_and_finds_no_room_is_told_nothing_and_its_time_does_not_begin() -> None:
    jobs = (*LARGE_FIRST, job("larger", 3), job("other", 0.5))
    placed = decide(line(*jobs, sizes={**SIZES, "larger": 4, "other": 3}))
    assert started(placed) == ["small", "tiny"]
    assert list(placed.statuses) == [("media", "large")]
    assert [key[1] for key, _ in placed.holds] == ["large"]


def test_the_time_goes_on_while_others_have_come_before_it() -> None:
    """It was at the head, and one of its share with a higher priority is now."""
    jobs = job("before"), job("large", 1), job("small", 2)
    sizes = {"before": 3, "large": 4, "small": 1}
    young = decide(line(*jobs, sizes=sizes, since={"large": NOW - 599}))
    assert started(young) == ["small"]
    assert [key[1] for key, _ in young.holds] == ["before"]
    over = decide(line(*jobs, sizes=sizes, since={"large": NOW - 600}))
    assert started(over) == []
    assert [(key[1], hold.lets_pass) for key, hold in over.holds] == [("before", True), ("large", False)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"queues": [replace(BYPASS, limits=QueueLimits(1))], "limit_usage": {("queue", "urgent"): 1}}, "QueueLimit"),
        ({"nodes": []}, "NoNodes"),
        ({"nodes": [make_node(cpu="2")]}, "ExceedsCapacity"),
        ({"environments": [make_environment(enabled=False)]}, "ComputeEnvironmentDisabled"),
        ({"queues": [make_queue()]}, "InsufficientCapacity"),
    ],
)
def test_the_time_goes_on_whatever_it_is_told_in_between(fields: dict[str, Any], reason: str) -> None:
    placed = decide(line(job("large"), sizes={"large": 4}, since={"large": NOW - 60}, **fields))
    large = status(placed, "large")
    assert large.reason.startswith(reason)
    assert large.head_since == NOW - 60


@pytest.mark.parametrize(("priority", "waited", "starts"), [(5, 0, True), (4, 0, False), (5, HOUR, False)])
def test_queues_of_the_same_priority_pass_it_too_and_no_lower_ones(priority: int, waited: float, starts: bool) -> None:
    queues = [replace(BYPASS, priority=5), make_queue("other", priority=priority, created=NOW + 1)]
    jobs = job("large"), job("small", queue="other"), job("own", 1)
    placed = decide(line(*jobs, sizes={**SIZES, "own": 1}, queues=queues, since={"large": NOW - waited}))
    assert ("small" in started(placed)) is starts
    assert ("own" in started(placed)) is not waited
    if not starts:
        assert status(placed, "small").reason == "WaitingForHigherPriority"


def test_what_is_kept_back_for_other_shares_is_closed_to_lower_queues_too() -> None:
    queues = [
        replace(BYPASS, priority=5, fair_share=FairShare(reservation=90)),
        make_queue("low", priority=1),
    ]
    jobs = job("large", share="red"), job("more", 1, share="red"), job("small", queue="low")
    placed = decide(line(*jobs, sizes={"large": 1, "more": 1, "small": 1}, queues=queues))
    assert started(placed) == ["large"]
    assert [status(placed, name).reason for name in ("more", "small")] == [
        "ReservedForOtherShares",
        "WaitingForHigherPriority",
    ]


def test_a_strict_queue_of_higher_priority_is_passed_by_nobody() -> None:
    queues = [make_queue("high", priority=5), replace(BYPASS, priority=1)]
    placed = decide(line(job("large", queue="high"), job("small"), sizes=SIZES, queues=queues))
    small = status(placed, "small")
    assert (started(placed), small.reason) == ([], "WaitingForHigherPriority")
    assert small.head_since == NOW, "it is at the head of its own queue"
    assert "others may start" not in small.message


@pytest.mark.parametrize(("first", "heads"), [("anywhere", ["anywhere"]), ("there", ["there", "anywhere"])])
def test_each_environment_has_its_own_head(first: str, heads: list[str]) -> None:
    """One job can be in either environment, and one only in the larger: it is behind the other, or before it there."""
    nodes = [make_node("a", cpu="4", labels={"size": "a"}), make_node("b", cpu="8", labels={"size": "b"})]
    placed = decide(
        line(
            *(job(name, name != first) for name in ("anywhere", "there")),
            job("small", 2),
            job("behind", 3),
            sizes={"anywhere": 3, "there": 8, "small": 2, "behind": 7},
            queues=[replace(BYPASS, environments=("a", "b"))],
            environments=[make_environment(name=name, node_selector={"size": name}) for name in "ab"],
            nodes=nodes,
            used={"a": {"cpu": 2000}, "b": {"cpu": 6000}},
        )
    )
    assert started(placed) == ["small"]
    assert [key[1] for key, _ in placed.holds] == heads


def test_every_share_has_its_own_head() -> None:
    jobs = [
        job(f"{share}-{size}", at, share=share)
        for share, at in (("red", 0), ("blue", 1))
        for size, at in (("large", at), ("small", at + 10))
    ]
    sizes = {each.key[1]: 4 if each.key[1].endswith("large") else 1 for each in jobs}
    queue = replace(BYPASS, fair_share=FairShare())
    placed = decide(line(*jobs, sizes=sizes, queues=[queue]))
    assert sorted(started(placed)) == ["blue-small", "red-small"]
    assert [status(placed, name).head_since for name in ("red-large", "blue-large")] == [NOW, NOW]
    over = decide(line(*jobs, sizes=sizes, queues=[queue], since={"blue-large": NOW - HOUR, "red-large": NOW}))
    assert started(over) == []


def test_an_array_that_wants_more_lets_others_pass() -> None:
    array, small = job("array"), job("small", 1)
    demands = {array.key: ArrayDemand(3)}
    snapshot = line(array, small, sizes={"array": 2, "small": 1}, demands=demands, used={"pool": {"cpu": 1000}})
    placed = decide(snapshot)
    assert [(each.key[1], each.slots) for each in placed.placements] == [("array", 1), ("small", 1)]
    assert [(key[1], hold.lets_pass) for key, hold in placed.holds] == [("array", True)]


def test_nobody_passes_once_what_is_on_its_way_out_is_enough() -> None:
    """Else those who pass would take what others are displaced for."""
    gone = make_run(owner=("media", "gone"), owner_uid="gone", name="gone-1", request={"cpu": 2000}, deleting=True)
    charges = {1: Charge("pool", {"cpu": 2000, "pods": 1}, gone.owner, gone)}
    fields: dict[str, Any] = {"charges": charges, "runs": by_job([gone])}
    placed = decide(replace(line(*LARGE_FIRST, sizes=SIZES), **fields))
    assert started(placed) == []
    assert status(placed, "large").reason == "InsufficientCapacity"
    larger = line(*LARGE_FIRST, sizes={**SIZES, "large": 5}, nodes=[make_node(cpu="5")], used={"pool": {"cpu": 4000}})
    taken: Resources = {"cpu": 2000, "pods": 1}
    staying = Charge("pool", taken, ("media", "stays"), bound={"node-1": taken})
    fields["charges"] = {**charges, 2: staying}
    assert started(decide(replace(larger, **fields))) == ["small"], "there is one vCPU, two come, and it needs five"


@pytest.mark.parametrize(("reach", "alike"), [(REACH, True), (LOOKS, False)])
def test_a_pass_looks_so_far_and_no_further(reach: int, alike: bool) -> None:
    many = [job(f"job-{number:05}", number) for number in range(reach + 50)]
    sizes = {each.key[1]: 1000 if alike else 1000 + number for number, each in enumerate(many)}
    for reached, last in ((True, reach - 1), (False, reach)):
        small = [job("small", last - 0.5)]
        placed = decide(line(*many, *small, sizes={**sizes, "small": 1}, nodes=[make_node(cpu="9000")], used=BUSY))
        assert started(placed) == (["small"] if reached else [])


def test_a_line_counts_from_the_head_on() -> None:
    queue = Line(BYPASS, NOW)
    assert all(queue.goes_on() for _ in range(REACH + 1)), (
        "who waits aside before anybody waits for room is not counted"
    )
    assert queue.at_head("", ["pool"])
    assert not queue.at_head("", ["pool"])
    assert queue.at_head("red", ["pool"])
    assert sum(queue.goes_on(looked=False) for _ in range(10)) == 10
    assert sum(queue.goes_on() for _ in range(REACH)) == LOOKS - 1


def test_one_that_has_waited_for_too_long_is_seen_among_others_of_its_size() -> None:
    jobs = [job(name, at) for at, name in enumerate(("head", "behind", "old", "small"))]
    sizes = {"head": 4, "behind": 4, "old": 4, "small": 1}
    assert started(decide(line(*jobs, sizes=sizes))) == ["small"]
    assert started(decide(line(*jobs, sizes=sizes, since={"old": NOW - HOUR}))) == []
