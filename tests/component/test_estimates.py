"""When waiting jobs are said to start: only where that is known, about right, and seldom written."""

from datetime import datetime
from typing import Any

import pytest

from batchyard.kube.resources import BATCHJOBS
from fakes.clock import START
from fakes.cluster import Cluster, in_cluster
from objects.specs import overrides_asking


def starts(cluster: Cluster, name: str) -> float | None:
    """Seconds from the beginning of the test."""
    shown = cluster.status(name).get("estimatedStartAt")
    return None if shown is None else datetime.fromisoformat(shown).timestamp() - START


async def learn(cluster: Cluster, *, seconds: float = 600) -> None:
    """Let a job of the definition run, so that it is known how long that takes; ends where the next one starts."""
    await cluster.submit_and_start("earlier")
    await cluster.pass_time(seconds)
    cluster.jobs.finish("earlier-1")
    await cluster.pass_time(2)
    await cluster.submit_and_start("first")


def submit(cluster: Cluster, *numbers: int, **fields: Any) -> None:
    for number in numbers:
        cluster.submit(f"job-{number}", **fields)


@in_cluster()
async def test_waiting_jobs_are_told_about_when_they_start(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    await learn(cluster)
    submit(cluster, 1, 2)
    await cluster.pass_time(60)
    first, second = starts(cluster, "job-1"), starts(cluster, "job-2")
    assert first is not None
    assert second is not None
    assert abs(first - 1204) <= 3
    assert abs(second - first - 600) <= 3
    head = cluster.queue_status()["head"]
    assert (head["name"], head["estimatedStartAt"]) == ("job-1", cluster.status("job-1")["estimatedStartAt"])
    cluster.jobs.finish("first-1")
    await cluster.pass_time(5)
    assert cluster.state("job-1")[0] == "Starting"
    assert starts(cluster, "job-1") is None
    cluster.jobs.start("job-1-1")
    await cluster.pass_time(200)
    sooner = starts(cluster, "job-2")
    assert sooner is not None
    assert sooner < second - 400, "what goes before it has started earlier"


@in_cluster()
async def test_timeouts_stand_in_for_what_is_not_known(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1", timeout={"attemptDurationSeconds": 3600})
    submit(cluster, 0)
    await cluster.pass_time(1)
    cluster.jobs.start("job-0-1")
    submit(cluster, 1)
    await cluster.pass_time(60)
    told = starts(cluster, "job-1")
    assert told is not None
    assert abs(told - 3601) <= 2


@in_cluster()
async def test_nothing_is_said_where_nothing_is_known(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    submit(cluster, 0)
    await cluster.pass_time(5)
    submit(cluster, 1, 2)
    await cluster.pass_time(3600)
    assert starts(cluster, "job-1") is None
    assert "estimatedStartAt" not in cluster.queue_status()["head"]


@in_cluster()
async def test_an_estimate_that_is_known_no_more_is_taken_back(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    await learn(cluster)
    submit(cluster, 1)
    await cluster.pass_time(60)
    assert starts(cluster, "job-1") is not None
    await cluster.pass_time(1200)
    assert starts(cluster, "job-1") is None, "the run takes longer than any before"
    submit(cluster, 2)
    cluster.change("job-2", suspend=True)
    await cluster.pass_time(60)
    assert starts(cluster, "job-2") is None


@in_cluster()
async def test_a_restarted_operator_learns_from_the_jobs_that_are_there(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    await learn(cluster)
    submit(cluster, 1)
    await cluster.pass_time(60)
    before = starts(cluster, "job-1")
    assert before is not None
    again = await cluster.restart_operator(after=30)
    submit(cluster, 2)
    await cluster.pass_time(60)
    assert starts(cluster, "job-1") == before
    later = starts(cluster, "job-2")
    assert later is not None
    assert abs(later - before - 600) <= 3
    assert len(again.writes(BATCHJOBS)) <= 3


@pytest.mark.parametrize("policy", ["Strict", "Bypass"])
@in_cluster()
async def test_who_may_pass_the_job_at_the_head_is_told_when(cluster: Cluster, policy: str) -> None:
    """Of two vCPUs one becomes free at 1202 s and one at 1502 s: the head needs both."""
    await cluster.set_up(cpu="2")
    cluster.put("JobQueue", "urgent", queueing={"policy": policy, "maxBypassSeconds": 3600})
    await learn(cluster)
    await cluster.pass_time(300)
    await cluster.submit_and_start("later")
    cluster.submit("large", containerOverrides=overrides_asking(2))
    cluster.submit("small")
    await cluster.pass_time(60)
    large, small = starts(cluster, "large"), starts(cluster, "small")
    assert large is not None
    assert small is not None
    expected = (1504, 2104) if policy == "Strict" else (1804, 1204)
    assert [abs(told - at) <= 4 for told, at in zip((large, small), expected, strict=True)] == [True, True]


@in_cluster()
async def test_jobs_go_on_should_estimates_break(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("batchyard.runtime.controllers.forecast.estimates", broken)
    await cluster.set_up(cpu="1", timeout={"attemptDurationSeconds": 900})
    submit(cluster, 1)
    await cluster.pass_time(1)
    submit(cluster, 2)
    await cluster.pass_time(60)
    assert starts(cluster, "job-2") is None
    cluster.jobs.finish("job-1-1")
    await cluster.pass_time(5)
    assert cluster.state("job-2")[0] == "Starting"
