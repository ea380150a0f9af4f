from dataclasses import replace

import pytest

from batchyard.api.reasons import Reason
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.scheduling.limits import Limits, Name, needs
from unit.samples import NOW, make_queue, make_resolved

JOB = make_resolved()


def held(**shares: int) -> dict[Name, int]:
    """What runs of queue urgent, by share."""
    counts: dict[Name, int] = {("queue", "urgent"): sum(shares.values())}
    return counts | {("share", "urgent", share): count for share, count in shares.items()}


def test_a_place_counts_for_its_queue_and_its_share() -> None:
    assert needs("urgent", "red") == {("queue", "urgent"): 1, ("share", "urgent", "red"): 1}
    assert needs("urgent", "") == {("queue", "urgent"): 1}


def test_without_limits_anything_goes() -> None:
    assert Limits(held(none=9)).violation(make_queue(), "", JOB) is None
    assert not Limits(held(none=9)).overdrawn(make_queue(), "", {})


@pytest.mark.parametrize(("running", "said"), [(1, ""), (2, "2 of its jobs run"), (5, "5 of its jobs run")])
def test_a_queue_at_its_limit_starts_nothing(running: int, said: str) -> None:
    queue = make_queue(limits=QueueLimits(running=2))
    violation = Limits(held(none=running)).violation(queue, "", JOB)
    assert bool(violation) == bool(said)
    if violation is not None:
        assert (violation.reason, violation.lacks) == (Reason.QUEUE_LIMIT_REACHED, ("queue", "urgent"))
        assert violation.message == (
            f"queue urgent is at its limit: {said}, and spec.limits.maxRunningJobs is 2; wait until fewer do, or raise "
            "the limit"
        )


def test_what_a_pass_grants_counts() -> None:
    queue = make_queue(limits=QueueLimits(running=2, running_per_share=1), fair_share=FairShare())
    limits = Limits()
    limits.charge(queue, "red", JOB)
    violation = limits.violation(queue, "red", JOB)
    assert violation is not None
    assert violation.message.startswith(
        "share red of queue urgent is at its limit: 1 of its jobs runs, and spec.limits"
    )
    assert limits.violation(queue, "blue", JOB) is None
    limits.charge(queue, "blue", JOB)
    violation = limits.violation(queue, "green", JOB)
    assert violation is not None
    assert violation.reason == Reason.QUEUE_LIMIT_REACHED
    assert limits.violation(make_queue("other", limits=QueueLimits(running=1)), "", JOB) is None


@pytest.mark.parametrize(
    ("share", "limit"), [("red", 5), ("team", 3), ("teamA", 3), ("teamB", 3), ("green", 2), ("reddish", 2)]
)
def test_a_share_has_its_own_limit_that_of_its_beginning_or_the_default(share: str, limit: int) -> None:
    queue = make_queue(limits=QueueLimits(running_per_share=2, shares={"red": 5, "team*": 3}), fair_share=FairShare())
    others: dict[str, int] = {"other": 40, "teamX": 3}
    assert Limits(held(**{**others, share: limit - 1})).violation(queue, share, JOB) is None
    violation = Limits(held(**{**others, share: limit})).violation(queue, share, JOB)
    assert violation is not None
    assert violation.reason == Reason.SHARE_LIMIT_REACHED
    assert ("maxRunningJobsPerShare is 2" in violation.message) == (limit == 2)
    assert ("its maxRunningJobs in spec.schedulingPolicy" in violation.message) == (limit != 2)


def test_a_limit_lowered_below_what_runs_is_overdrawn() -> None:
    queue = make_queue(limits=QueueLimits(running=5, running_per_share=2), fair_share=FairShare())
    assert not Limits(held(red=2, blue=2)).overdrawn(queue, "red", {})
    assert Limits(held(red=3, blue=2)).overdrawn(queue, "red", {})
    assert not Limits(held(red=3, blue=2)).overdrawn(queue, "blue", {})
    assert Limits(held(red=2, blue=2, green=2)).overdrawn(queue, "blue", {})


# Consumable resources.


def resource(name: str = "licence", total: int = 5, *, replenishable: bool = True, violation: str = "") -> Consumable:
    return Consumable(name, name, 1, NOW, total, replenishable, violation)


def job(**consumables: int) -> Resolved:
    return replace(JOB, consumables=consumables)


LICENCE, TOKEN = resource(), resource("token", replenishable=False)
BOTH = {"licence": LICENCE, "token": TOKEN}
QUEUE = make_queue()


def refused(limits: Limits, queue: str = "urgent", **consumables: int) -> str:
    violation = limits.violation(make_queue(queue), "", job(**consumables))
    return violation.reason if violation else ""


def test_what_runs_hold_and_what_was_used_up_is_not_there_for_others() -> None:
    limits = Limits({("consumable", "licence"): 3, ("consumable", "token"): 1}, BOTH, {"token": 4})
    violation = limits.violation(QUEUE, "", job(licence=3))
    assert violation is not None
    assert (violation.reason, violation.lacks) == (Reason.CONSUMABLE_RESOURCE_UNAVAILABLE, ("consumable", "licence"))
    assert violation.message == (
        "needs 3 of consumable resource licence, of which 2 of 5 are available; waits until other jobs give theirs back"
    )
    assert not violation.stalled
    assert not violation.ends_share_queue
    violation = limits.violation(QUEUE, "", job(token=2))
    assert violation is not None
    assert violation.stalled
    assert violation.message == (
        "needs 2 of consumable resource token, of which 1 of 5 are left; raise spec.total of the ConsumableResource to "
        "refill it"
    )


def test_what_a_pass_grants_is_not_there_for_others() -> None:
    limits = Limits(resources=BOTH)
    for _ in range(2):
        assert not refused(limits, licence=2, token=2)
        limits.charge(QUEUE, "", job(licence=2, token=2))
    assert not refused(limits, licence=1)
    assert not refused(limits, token=1)
    assert refused(limits, licence=2)
    assert refused(limits, token=2)


def test_what_somebody_waits_for_is_kept_for_him_in_all_queues() -> None:
    limits = Limits({("consumable", "licence"): 3}, BOTH)
    assert refused(limits, licence=3)
    violation = limits.violation(make_queue("low"), "", job(licence=1, token=1))
    assert violation is not None
    assert violation.message == "needs 1 of consumable resource licence, for which jobs before it wait"
    assert violation.lacks is None
    assert refused(limits, token=1), "the one before waits for a token as well"
    assert not refused(limits)


def test_what_can_never_be_keeps_nothing_from_others() -> None:
    unreadable = resource("broken", violation="spec.total is required")
    limits = Limits({("consumable", "licence"): 3}, {**BOTH, "broken": unreadable})
    violation = limits.violation(QUEUE, "", job(licence=6))
    assert violation is not None
    assert (violation.reason, violation.stalled) == (Reason.EXCEEDS_CONSUMABLE_RESOURCE, True)
    assert "of which there are 5 in all; raise spec.total" in violation.message
    assert refused(limits, licence=3, missing=1) == Reason.CONSUMABLE_RESOURCE_NOT_FOUND
    assert refused(limits, licence=3, broken=1) == Reason.INVALID_SPEC
    assert not refused(limits, licence=2)


def test_what_waits_for_a_refill_keeps_nothing_from_others() -> None:
    """It would keep the licence for as long as nobody refills the other resource."""
    limits = Limits({("consumable", "licence"): 3}, BOTH, {"token": 3})
    violation = limits.violation(QUEUE, "", job(licence=3, token=3))
    assert violation is not None
    assert (violation.stalled, violation.lacks) == (True, None)
    assert "token, of which 2 of 5 are left" in violation.message
    assert not refused(limits, licence=2)
    assert not refused(limits, token=2)


def test_a_budget_that_others_go_before_to_is_waited_for() -> None:
    """It may be that they never start, so it is not known yet that nothing is left."""
    limits = Limits(resources=BOTH)
    limits.reserve(QUEUE, "", job(token=3))
    violation = limits.violation(QUEUE, "", job(token=3))
    assert violation is not None
    assert (violation.stalled, violation.lacks) == (False, ("consumable", "token"))


def test_what_a_job_needs_that_waits_for_room_is_kept_for_it_in_its_queue() -> None:
    limits = Limits(resources=BOTH)
    limits.waits(QUEUE, job(licence=1))
    assert refused(limits, licence=1)
    assert not refused(limits, "other", licence=1)


def test_what_is_reserved_is_not_there_for_those_that_may_go_before() -> None:
    limits = Limits(resources=BOTH)
    limits.reserve(QUEUE, "", job(licence=3))
    assert not refused(limits, licence=2)
    assert refused(limits, licence=3)


def test_a_total_lowered_below_what_is_held_is_overdrawn() -> None:
    limits = Limits({("consumable", "licence"): 6}, BOTH, {"token": 5})
    assert limits.overdrawn(QUEUE, "", {"licence": 1})
    assert not limits.overdrawn(QUEUE, "", {"token": 1})
    assert not limits.overdrawn(QUEUE, "", {"missing": 1})
