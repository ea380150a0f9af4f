"""What the planner does beyond handing out what is free: others make room, licences are scarce, waiting has an end.

All numbers can be worked out by hand. What is displaced or cancelled is gone a second later.
"""

from typing import Any

import pytest

from batchyard.core.model.consumable import Consumable
from batchyard.simulator.measures import Idle, Tally
from batchyard.simulator.replay import Replay
from batchyard.simulator.report import render
from batchyard.simulator.results import Results
from batchyard.simulator.submission import Submission, single
from batchyard.simulator.workload import EnvironmentSpec, NodesSpec, QueueSpec

POOL = EnvironmentSpec(name="pool", nodes=(NodesSpec(count=1, resources={"cpu": "4"}),))
DISPLACES = {"policy": "LowerPriority"}
WAITS = ["wait:", "mean", "median", "p95", "max"]
SIX_HUNDRED = [{"reason": "InsufficientCapacity", "maxTimeSeconds": 600}]


def job(at: int, size: int, seconds: int, queue: str = "low", limit: int | None = None, **takes: int) -> Submission:
    return Submission(at, queue, "", single({"cpu": 1000 * size}, limit, takes), seconds)


def queue(name: str = "low", priority: int = 1, **fields: Any) -> QueueSpec:
    return QueueSpec.model_validate({"name": name, "priority": priority, "computeEnvironments": ["pool"], **fields})


def urgent(**preemption: Any) -> QueueSpec:
    return queue("high", 10, preemption={**DISPLACES, **preemption})


def replay(
    *work: Submission, queues: tuple[QueueSpec, ...] = (queue(),), consumables: tuple[Consumable, ...] = ()
) -> Results:
    records = [each.record(at) for at, each in enumerate(queues)]
    return Replay([POOL.pool()], records, consumables).run(sorted(work, key=lambda each: each.submitted_at))


def licences(total: int, *, replenishable: bool = True) -> Consumable:
    return Consumable("licence", "licence", 1, 0.0, total, replenishable=replenishable)


def test_lower_priority_makes_room_and_begins_anew() -> None:
    work = job(0, 4, 100), job(40, 4, 50, "high")  # 0-41 in vain, high 41-91, again 91-191
    results = replay(*work, queues=(queue(), urgent()))
    low, high = results.queues["low"], results.queues["high"]
    assert (results.makespan, high.waits.max, low.waits.count, low.waits.max) == (191, 1, 1, 0)
    assert (low.displaced, high.displaced, low.lost_vcpu_seconds) == (1, 0, 4 * 41)
    assert results.environments == {"pool": 4 * (41 + 50 + 100)}
    assert results.still_waiting == 0
    without = replay(*work, queues=(queue(), queue("high", 10)))
    assert (without.makespan, without.queues["high"].waits.max, without.displaced) == (150, 60, 0)


def test_others_pass_for_a_while() -> None:
    work = job(0, 3, 100), job(1, 4, 10), *(job(at, 1, 100) for at in range(2, 1000, 50))
    strict, bypass = (
        replay(*work, queues=(queue(queueing={"policy": policy, "maxBypassSeconds": 300}),))
        for policy in ("Strict", "Bypass")
    )
    assert strict.queues["low"].waits.max == 108, "the second starts at 100, and the third, which comes at 2, at 110"
    assert bypass.queues["low"].waits.max == 351, "the one that comes at 252 is the last to pass, and ends at 352"


def test_what_has_not_run_for_long_enough_stays() -> None:
    queues = queue(), urgent(minimumRunSeconds=60)
    results = replay(job(0, 4, 100), job(40, 4, 50, "high"), queues=queues)  # displaced at 60, high 61-111
    assert (results.makespan, results.queues["high"].waits.max) == (211, 21)


def test_what_started_last_goes_and_keeps_its_place_in_the_queue() -> None:
    first, second, third = job(0, 2, 100), job(10, 2, 100), job(20, 4, 10)
    results = replay(first, second, third, job(30, 2, 50, "high"), queues=(queue(), urgent()))
    # second 10-31, high 31-81, second 81-181 before third, though first has ended at 100
    assert (results.makespan, results.queues["low"].waits.max) == (191, 161)
    assert results.queues["low"].lost_vcpu_seconds == 2 * 21


def test_nothing_is_displaced_in_vain() -> None:
    queues = queue(), urgent(), queue("higher", 20)
    results = replay(job(0, 3, 100, "higher"), job(0, 1, 100), job(10, 4, 10, "high"), queues=queues)
    assert (results.displaced, results.queues["high"].waits.max) == (0, 90)


def test_a_job_may_be_displaced_so_often_and_no_more() -> None:
    short = [job(100 * number, 4, 10, "high") for number in range(1, 22)]
    results = replay(job(0, 4, 10_000), *short, queues=(queue(), urgent()))
    tally = results.queues["low"]
    assert (tally.displaced, tally.given_up, results.makespan) == (21, 1, 2100 + 11)
    assert "1 jobs were displaced more often than a job may be interrupted" in render(results, [POOL], 0)


def test_licences_come_back() -> None:
    results = replay(*(job(0, 1, 100, licence=1) for _ in range(3)), consumables=(licences(2),))
    assert (results.makespan, results.queues["low"].waits.max, results.rejected) == (200, 100, 0)


def test_who_lacks_a_licence_holds_nobody_up() -> None:
    work = job(0, 1, 100, licence=2), job(10, 1, 100, licence=1), job(20, 1, 10)
    results = replay(*work, consumables=(licences(2),))
    assert (results.makespan, results.queues["low"].waits.max, results.queues["low"].waits.mean) == (200, 90, 30)


def test_what_is_used_up_is_gone() -> None:
    results = replay(*(job(0, 1, 100, licence=1) for _ in range(3)), consumables=(licences(2, replenishable=False),))
    assert (results.makespan, results.rejected, results.queues["low"].waits.count) == (100, 1, 2)
    assert results.rejection.startswith("needs 1 of consumable resource licence, of which 0 of 2 are left")


def test_a_run_that_follows_takes_what_is_used_up_again() -> None:
    tokens = licences(2, replenishable=False)
    work = job(0, 4, 100, licence=1), job(40, 4, 50, "high", licence=1)
    results = replay(*work, queues=(queue(), urgent()), consumables=(tokens,))
    assert (results.makespan, results.rejected, results.queues["low"].displaced) == (91, 1, 1)


def test_waiting_for_too_long_ends_and_lets_others_pass() -> None:
    work = job(0, 3, 2000), job(10, 4, 100), job(20, 1, 50)  # the second is cancelled at 610, the third runs 611-661
    strict = queue(jobStateTimeLimits=SIX_HUNDRED, queueing={"policy": "Strict"})
    results = replay(*work, queues=(strict,))
    tally = results.queues["low"]
    assert (tally.cancelled, tally.waits.count, tally.waits.max, results.makespan) == (1, 2, 591, 2000)


def test_the_time_limit_of_a_reason_is_for_that_reason_alone() -> None:
    limit = [{"reason": "ConsumableResourceUnavailable", "maxTimeSeconds": 600}]
    work = job(0, 3, 2000, licence=1), job(10, 4, 100), job(15, 1, 10, licence=1)
    results = replay(*work, queues=(queue(jobStateTimeLimits=limit),), consumables=(licences(1),))
    # The third is behind the second, which may wait for room as long as it likes.
    assert (results.cancelled, results.makespan) == (0, 2110)
    results = replay(work[0], work[2], queues=(queue(jobStateTimeLimits=limit),), consumables=(licences(1),))
    assert (results.cancelled, results.makespan) == (1, 2000)


def test_the_time_begins_anew_for_who_is_first_again() -> None:
    queues = queue(jobStateTimeLimits=SIX_HUNDRED), urgent()
    results = replay(job(0, 4, 500), job(10, 4, 10), job(400, 4, 499, "high"), queues=queues)
    # The first runs 0-401 and 900-1400. Until 400 the second has waited for 390 s, and for 500 s more from 900 on.
    assert (results.cancelled, results.makespan, results.queues["low"].waits.max) == (0, 1410, 1390)


def test_a_job_that_ends_within_its_time_may_go_before_one_that_others_make_room_for() -> None:
    queues = queue(), urgent(minimumRunSeconds=300)
    running, large = job(0, 3, 1000), job(10, 4, 10, "high")
    fits, does_not = job(20, 1, 5, limit=100), job(20, 1, 5, limit=900)
    # Room is promised for 300, so what has ended by then may use the fourth vCPU; a start may take a minute.
    assert [replay(running, large, each, queues=queues).queues["low"].waits.max for each in (fits, does_not)] == [
        0,
        291,
    ]


def test_all_of_it_together() -> None:
    queues = (
        queue(
            limits={"maxRunningJobs": 2}, jobStateTimeLimits=[{"reason": "QueueLimitReached", "maxTimeSeconds": 600}]
        ),
        urgent(minimumRunSeconds=100),
    )
    work = (
        job(0, 1, 1000, licence=1),  # 0-1000
        job(0, 2, 700),  # 0-201 in vain, and 302-1002
        job(5, 1, 10),  # behind the one before from 201 on, and at the limit again from 302 on: cancelled at 902
        job(200, 3, 101, "high"),  # 201-302, in the place of the second
        job(205, 1, 10, "high", licence=1),  # 1000-1010, with the licence of the first
    )
    results = replay(*work, queues=queues, consumables=(licences(1),))
    low, high = results.queues["low"], results.queues["high"]
    assert (low.submitted, low.displaced, low.cancelled, low.waits.count) == (3, 1, 1, 2)
    assert (high.waits.count, high.waits.max, results.makespan) == (2, 795, 1010)
    assert (results.environments["pool"], low.lost_vcpu_seconds) == (1000 + 2 * 201 + 2 * 700 + 3 * 101 + 10, 2 * 201)
    table = render(results, [POOL], 0).splitlines()
    assert table[2].split() == ["queue", "jobs", "vCPU", "hours", *WAITS, "cancelled", "displaced"]
    assert [line.split()[-2:] for line in table[3:5]] == [["1", "1"], ["0", "0"]]
    assert table[-1] == "Of the vCPU hours, 0.1 came to nothing, as jobs were displaced."


@pytest.mark.parametrize("field", ["cancelled", "displaced"])
def test_columns_of_what_did_not_happen_are_left_out(field: str) -> None:
    results = Results({"low": Tally(submitted=1)}, environments={"pool": 0.0}, idle={"pool": Idle()})
    assert field not in render(results, [POOL], 0)
    setattr(results.queues["low"], field, 1)
    assert field in render(results, [POOL], 0)
