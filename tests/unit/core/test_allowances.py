import pytest

from batchyard.core.allowances import Allowances, Name, needs
from batchyard.core.queuerecords import FairShare, Limits
from batchyard.core.reasons import Reason
from unit.samples import make_queue


def held(**shares: int) -> dict[Name, int]:
    """What runs of queue urgent, by share."""
    counts: dict[Name, int] = {("queue", "urgent"): sum(shares.values())}
    return counts | {("share", "urgent", share): count for share, count in shares.items()}


def test_a_place_counts_for_its_queue_and_its_share() -> None:
    assert needs("urgent", "red") == {("queue", "urgent"): 1, ("share", "urgent", "red"): 1}
    assert needs("urgent", "") == {("queue", "urgent"): 1}


def test_without_limits_anything_goes() -> None:
    assert Allowances(held(none=9)).refusal(make_queue(), "") is None
    assert not Allowances(held(none=9)).overdrawn(make_queue(), "")


@pytest.mark.parametrize(("running", "said"), [(1, ""), (2, "2 of its jobs run"), (5, "5 of its jobs run")])
def test_a_queue_at_its_limit_starts_nothing(running: int, said: str) -> None:
    queue = make_queue(limits=Limits(running=2))
    refusal = Allowances(held(none=running)).refusal(queue, "")
    assert bool(refusal) == bool(said)
    if refusal is not None:
        assert (refusal.reason, refusal.name) == (Reason.QUEUE_LIMIT_REACHED, ("queue", "urgent"))
        assert refusal.message == (
            f"queue urgent is at its limit: {said}, and spec.limits.maxRunningJobs is 2; wait until fewer do, or raise "
            "the limit"
        )


def test_what_a_pass_grants_counts() -> None:
    queue = make_queue(limits=Limits(running=2, running_per_share=1), fair_share=FairShare())
    allowances = Allowances()
    allowances.charge(queue, "red")
    refusal = allowances.refusal(queue, "red")
    assert refusal is not None
    assert refusal.message.startswith("share red of queue urgent is at its limit: 1 of its jobs runs, and spec.limits")
    assert allowances.refusal(queue, "blue") is None
    allowances.charge(queue, "blue")
    refusal = allowances.refusal(queue, "green")
    assert refusal is not None
    assert refusal.reason == Reason.QUEUE_LIMIT_REACHED
    assert allowances.refusal(make_queue("other", limits=Limits(running=1)), "") is None


@pytest.mark.parametrize(
    ("share", "limit"), [("red", 5), ("team", 3), ("teamA", 3), ("teamB", 3), ("green", 2), ("reddish", 2)]
)
def test_a_share_has_its_own_limit_that_of_its_beginning_or_the_default(share: str, limit: int) -> None:
    queue = make_queue(limits=Limits(running_per_share=2, shares={"red": 5, "team*": 3}), fair_share=FairShare())
    others: dict[str, int] = {"other": 40, "teamX": 3}
    assert Allowances(held(**{**others, share: limit - 1})).refusal(queue, share) is None
    refusal = Allowances(held(**{**others, share: limit})).refusal(queue, share)
    assert refusal is not None
    assert refusal.reason == Reason.SHARE_LIMIT_REACHED
    assert ("maxRunningJobsPerShare is 2" in refusal.message) == (limit == 2)
    assert ("its maxRunningJobs in spec.schedulingPolicy" in refusal.message) == (limit != 2)


def test_a_limit_lowered_below_what_runs_is_overdrawn() -> None:
    queue = make_queue(limits=Limits(running=5, running_per_share=2), fair_share=FairShare())
    assert not Allowances(held(red=2, blue=2)).overdrawn(queue, "red")
    assert Allowances(held(red=3, blue=2)).overdrawn(queue, "red")
    assert not Allowances(held(red=3, blue=2)).overdrawn(queue, "blue")
    assert Allowances(held(red=2, blue=2, green=2)).overdrawn(queue, "blue")
