"""Which arrays give places back: those behind a job that lacks what they have, and those that may not go on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import StopMode
from batchyard.core.model.array import ArrayShape, IndexedJob
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key, Stop
from batchyard.core.model.queue import FairShare, QueueLimits
from batchyard.core.model.resources import Resources
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.fairshare.usage import Usage
from unit.samples import NOW, make_environment, make_job, make_node, make_pod, make_queue, make_run, waiting

ARRAY: Key = ("media", "array")
QUEUES = (make_queue("high", priority=5), make_queue("low", priority=1), make_queue("mine", priority=1))


def array(**fields: Any) -> BatchJob:
    return replace(make_job("array"), array=ArrayShape(100), **{"queue": "low", **fields})


def reclaiming(
    *others: BatchJob,
    mine: BatchJob | None = None,
    cpu: str = "4",
    known: Mapping[Key, Resolved] | None = None,
    further: Mapping[Key, BatchJob] | None = None,
    head_since: float | None = None,
    **fields: Any,
) -> set[Key]:
    """The arrays that yield when one has four vCPUs and the others wait; `further` jobs run, `known` tells of what."""
    mine = mine or array()
    run = make_run(
        1,
        name="array-1",
        owner=ARRAY,
        owner_uid=mine.uid,
        queue=mine.queue,
        share=mine.share,
        indexed=IndexedJob(100, 4),
        active=4,
    )
    taken: Resources = {"cpu": 4000, "pods": 4}
    own = Charge("pool", taken, ARRAY, run, bound={"node-1": taken})
    snapshot = waiting(
        *others,
        **{
            "queues": QUEUES,
            "used": {"pool": taken},
            "nodes": [make_node(cpu=cpu)],
            "arrays": {ARRAY: run},
            **fields,
            "charges": {"array": own, **fields.get("charges", {})},
        },
    )
    jobs, resolved = {**snapshot.jobs, ARRAY: mine, **(further or {})}, {**snapshot.resolved, **(known or {})}
    statuses = {key: status._replace(head_since=head_since) for key, status in snapshot.statuses.items()}
    return place(replace(snapshot, jobs=jobs, resolved=resolved, statuses=statuses), [], NOW).reclaims


def job(queue: str, **fields: Any) -> BatchJob:
    return replace(make_job("job"), queue=queue, **fields)


@pytest.mark.parametrize("other", [job("high"), job("low", created=NOW - 1)], ids=["another queue", "the same queue"])
@pytest.mark.parametrize(
    ("cpu", "waited", "yields"), [(1, 0, True), (2, 0, False), (2, 599, False), (2, 600, True), (5, 600, False)]
)
def test_it_gives_way_to_one_that_lets_others_pass_once_that_is_over_or_one_slot_is_enough(
    other: BatchJob, cpu: int, waited: float, yields: bool
) -> None:
    """Others would take what it gave back before that."""
    queues = [make_queue("high", bypass_seconds=600), make_queue("low", bypass_seconds=600)]
    request = {"cpu": 1000 * cpu}
    assert bool(reclaiming(other, queues=queues, request=request, head_since=NOW - waited)) is yields


@pytest.mark.parametrize("cpu", [1, 3])
def test_it_gives_way_to_a_queue_of_higher_priority_whomever_that_lets_pass(cpu: int) -> None:
    queues = make_queue("high", priority=5, bypass_seconds=600), *QUEUES[1:]
    assert reclaiming(job("high"), queues=queues, request={"cpu": 1000 * cpu}) == {ARRAY}


def test_with_nobody_waiting_it_keeps_its_places() -> None:
    assert not reclaiming()


@pytest.mark.parametrize(
    ("other", "gives"),
    [
        (job("high"), True),
        (job("low", created=NOW - 1), True),
        (job("low", created=NOW + 1), False),
        (job("mine", created=NOW - 1), False),  # of equal priority, but the queue comes later by its name
    ],
)
def test_it_makes_way_for_who_goes_before_it(other: BatchJob, gives: bool) -> None:
    assert reclaiming(other) == ({ARRAY} if gives else set())


def test_it_keeps_what_would_not_help() -> None:
    gpu: Mapping[str, int] = {"nvidia.com/gpu": 1}
    node = replace(make_node(cpu="8"), allocatable={"cpu": 8000, "pods": 110, "nvidia.com/gpu": 1})
    used = {"pool": {"cpu": 4000, "pods": 4, "nvidia.com/gpu": 1}}
    assert not reclaiming(job("high"), request=gpu, nodes=[node], used=used)
    elsewhere = [make_environment(), make_environment(name="other", ceilings={"cpu": 0})]
    queues = [make_queue("high", priority=5, environments=("other",)), *QUEUES[1:]]
    assert not reclaiming(job("high"), environments=elsewhere, queues=queues)


def test_it_shrinks_with_its_environment() -> None:
    assert reclaiming(cpu="3") == {ARRAY}


def test_it_stops_growing_where_nothing_may_start() -> None:
    assert reclaiming(queues=[make_queue("low", enabled=False)]) == {ARRAY}
    assert reclaiming(environments=[make_environment(enabled=False)]) == {ARRAY}
    assert reclaiming(mine=array(suspended=True)) == {ARRAY}
    assert reclaiming(mine=array(stop=Stop(StopMode.CANCEL, "enough"))) == {ARRAY}


@pytest.mark.parametrize("bypass_seconds", [0, 600])
@pytest.mark.parametrize(("weight", "gives"), [(0.25, True), (1.0, True), (20.0, False)])
def test_a_share_that_has_had_less_gets_places_from_it(weight: float, gives: bool, bypass_seconds: int) -> None:
    usage = Usage(600)
    usage.start("array", "red", "pool", 4000, NOW - 60)
    usage.start("job", "blue", "pool", 1000, NOW - 60)
    queue = make_queue("low", fair_share=FairShare(weights={"blue": weight}), bypass_seconds=bypass_seconds)
    other = job("low", share="blue", created=NOW + 1)
    found = reclaiming(other, mine=array(share="red"), queues=[queue], usage={"low": usage})
    assert found == ({ARRAY} if gives else set())


@pytest.mark.parametrize(("limit", "gives"), [(4, False), (3, True)])
def test_it_gives_back_what_a_lowered_limit_does_not_allow(limit: int, gives: bool) -> None:
    queues = [make_queue("low", limits=QueueLimits(running=limit))]
    assert reclaiming(queues=queues, limit_usage={("queue", "low"): 4}) == ({ARRAY} if gives else set())


@pytest.mark.parametrize(
    ("other", "limits", "gives"),
    [
        (job("low", created=NOW - 1), QueueLimits(running=4), True),
        (job("low", created=NOW + 1), QueueLimits(running=4), False),
        (job("mine", created=NOW - 1), QueueLimits(running=4), False),
    ],
)
def test_it_makes_way_for_who_waits_for_its_place_in_the_queue(
    other: BatchJob, limits: QueueLimits, gives: bool
) -> None:
    queues = [make_queue("low", limits=limits), make_queue("mine", limits=QueueLimits(running=1))]
    held = {("queue", "low"): 4, ("queue", "mine"): 1}
    assert reclaiming(other, queues=queues, limit_usage=held, cpu="8") == ({ARRAY} if gives else set())


def test_it_makes_way_for_another_share_that_the_limit_of_the_queue_keeps_out() -> None:
    usage = Usage(600)
    usage.start("array", "red", "pool", 4000, NOW - 600)
    queues = [make_queue("low", limits=QueueLimits(running=4), fair_share=FairShare())]
    held = {("queue", "low"): 4, ("share", "low", "red"): 4}
    mine, other = array(share="red"), job("low", share="blue", created=NOW + 1)
    assert reclaiming(other, mine=mine, queues=queues, limit_usage=held, usage={"low": usage}, cpu="8") == {ARRAY}


def test_it_does_not_stop_for_whom_it_cannot_help() -> None:
    large: dict[str, Any] = {
        "requests": {job("high").key: {"cpu": 6000}},
        "cpu": "8",
        "used": {"pool": {"cpu": 8000, "pods": 5}},
    }
    other = make_run(name="other-1", owner=("media", "other"), owner_uid="other", request={"cpu": 4000})
    charges = {"other": Charge("pool", {"cpu": 4000, "pods": 1}, other.owner, other)}
    assert not reclaiming(job("high"), charges=charges, runs=[other], **large)
    leaving = [make_pod(run="other-1", owner_uid="other", deleting=True)]
    assert reclaiming(job("high"), charges=charges, runs=[other], pods=leaving, **large) == {ARRAY}
    assert reclaiming(job("high"), charges=charges, runs=[other._replace(deleting=True)], **large) == {ARRAY}


def test_with_a_time_limit_it_stops_early_enough() -> None:
    """An index that starts now would run beyond the moment at which the rest becomes free."""
    one = job("high")
    fields: dict[str, Any] = {"cpu": "8", "used": {"pool": {"cpu": 8000, "pods": 5}}}
    other = make_run(name="other-1", owner=("media", "other"), owner_uid="other", request={"cpu": 4000})
    fields["charges"] = {"other": Charge("pool", {"cpu": 4000, "pods": 1}, other.owner, other)}
    fields["pods"] = [make_pod(run="other-1", owner_uid="other", started_at=NOW - 100)]
    fields["requests"] = {one.key: {"cpu": 6000}}
    some = waiting(one).resolved[one.key]
    ends_in_100 = replace(some, timeout_seconds=170)
    for limit, gives in ((90, False), (110, True), (None, False)):
        known = {other.owner: ends_in_100, ARRAY: replace(some, timeout_seconds=limit)}
        jobs = {other.owner: replace(make_job("other"), uid="other")}
        assert reclaiming(one, runs=[other], known=known, further=jobs, **fields) == ({ARRAY} if gives else set())
