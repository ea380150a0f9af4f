"""From a JobQueue to its record."""

from typing import Any

from batchyard.api.models.jobqueue import ShareAdmission
from batchyard.core.model.queue import FairShare, Queue, QueueLimits, Selector
from batchyard.objects.kinds.jobqueue import read_queue
from objects.api import manifest


def read(**spec: Any) -> Queue:
    obj = manifest("JobQueue", **spec)
    obj["metadata"] |= {"uid": "uid", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return read_queue(obj)


CREATED = 1_767_225_600.0


def test_a_queue_that_says_nothing_is_first_come_first_served() -> None:
    queue = Queue("sample", "uid", 3, CREATED, 0, enabled=True, environments=("on-prem",), bypass_seconds=600)
    assert read() == queue


def test_every_field_is_a_part_of_the_record() -> None:
    shares = [{"shareIdentifier": "team*", "weightFactor": 2, "maxRunningJobs": 3}, {"shareIdentifier": "red"}]
    fair = {"shareDecaySeconds": 60, "computeReservation": 50, "shares": shares, "shareAdmission": "Listed"}
    queue = read(
        priority=4,
        state="Disabled",
        namespaceSelector={
            "matchLabels": {"team": "media"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
        },
        computeEnvironments=["on-prem", "cloud"],
        schedulingPolicy={"type": "FairShare", "fairShare": fair},
        limits={"maxRunningJobs": 9, "maxRunningJobsPerShare": 2},
        queueing={"policy": "Bypass", "maxBypassSeconds": 90},
        jobStateTimeLimits=[{"reason": "NoNodes", "maxTimeSeconds": 600}],
        preemption={"policy": "LowerPriority", "minimumRunSeconds": 30},
    )
    assert queue == Queue(
        "sample",
        "uid",
        3,
        CREATED,
        4,
        enabled=False,
        environments=("on-prem", "cloud"),
        namespaces=Selector((("team", "media"),), (("tier", "In", ("a", "b")),)),
        fair_share=FairShare(60, 50, {"team*": 2.0, "red": 1.0}, ShareAdmission.LISTED),
        limits=QueueLimits(9, 2, {"team*": 3}),
        bypass_seconds=90,
        time_limits={"NoNodes": 600},
        preempts_after=30,
    )


def test_others_may_pass_the_head_for_ten_minutes_unless_something_else_is_asked_for() -> None:
    assert [
        read(**spec).bypass_seconds
        for spec in (
            {},
            {"queueing": {"maxBypassSeconds": 90}},
            {"queueing": {"policy": "Bypass"}},
            {"queueing": {"maxBypassSeconds": 0}},
            {"queueing": {"policy": "Strict"}},
            {"queueing": {"policy": "Strict", "maxBypassSeconds": 90}},
        )
    ] == [600, 90, 600, 0, 0, 0]


def test_fair_share_without_settings_has_the_defaults() -> None:
    assert read(schedulingPolicy={"type": "FairShare"}).fair_share == FairShare(600, 0, {}, ShareAdmission.ANY)


def test_preemption_is_off_unless_it_is_asked_for() -> None:
    assert read(preemption={}).preempts_after is None
    assert read(preemption={"policy": "Never", "minimumRunSeconds": 30}).preempts_after is None
    assert read(preemption={"policy": "LowerPriority"}).preempts_after == 0


def test_of_a_refused_queue_nothing_counts() -> None:
    queue = read(priority=4, state="Disabled", color="red")
    assert "spec.color is not a field of JobQueue" in queue.refusal
    assert (queue.priority, queue.enabled, queue.environments) == (0, True, ())
