"""Queues with the policy Bypass, in a whole operator: who starts before the job at the head, and for how long."""

from typing import Any

import pytest

from fakes.cluster import Cluster, in_cluster
from objects.specs import asking_container, multi_node, overrides_asking

SMALL = {"jobDefinition": "small"}


async def furnish(cluster: Cluster, seconds: int = 600, **queue: Any) -> None:
    """Four vCPUs, three of them in use, so that a job of four has to wait."""
    cluster.furnish(cpu="4", request="4")
    cluster.define("small", request="1")
    cluster.put("JobQueue", "urgent", queueing={"policy": "Bypass", "maxBypassSeconds": seconds}, **queue)
    await cluster.start_operator()
    await cluster.submit_and_start("running", containerOverrides=overrides_asking(3))


async def come_to_the_head(cluster: Cluster, kind: str) -> None:
    spec: dict[str, Any] = {}
    if kind == "array":
        spec = {"array": {"size": 2}}
    elif kind == "gang":
        cluster.define("gang", **multi_node(2, asking_container("2")))
        spec = {"jobDefinition": "gang"}
    cluster.submit("large", **spec)
    await cluster.pass_time(1)


def told(cluster: Cluster) -> str:
    """What the large job is told, without the figures of the nodes."""
    message: str = cluster.status("large")["message"]
    return message.partition(". At ")[0]


KINDS = ("single", "array", "gang")


@pytest.mark.parametrize("kind", KINDS)
@in_cluster()
async def test_others_start_until_its_time_is_over(cluster: Cluster, kind: str) -> None:
    await furnish(cluster)
    await come_to_the_head(cluster, kind)
    cluster.submit("small", **SMALL)
    await cluster.pass_time(2)
    assert cluster.active_jobs("small") == ["small-1"]
    first, since = told(cluster), cluster.status("large")["headSince"]
    assert "; others may start before it until" in first
    cluster.finish_all("small")
    await cluster.pass_time(600)
    cluster.submit("late", **SMALL)
    await cluster.pass_time(5)
    assert cluster.active_jobs("late") == []
    assert (told(cluster), cluster.status("large")["headSince"]) == (first, since)
    assert first.endswith(" (queue urgent has the policy Bypass), then the room is held for it")
    cluster.finish_all("running")
    await cluster.pass_time(5)
    assert [name.rpartition("-")[0] for name in cluster.active_jobs("large")] == ["large"]


@in_cluster()
async def test_a_stream_of_small_jobs_cannot_starve_it(cluster: Cluster) -> None:
    """Two of them come every ten seconds, and two end: so four vCPUs are never free at once."""
    await furnish(cluster)
    await come_to_the_head(cluster, "single")
    cluster.submit("small-first", **SMALL)
    await cluster.pass_time(2)
    cluster.finish_all("running")
    waited = 0
    for number in range(0, 200, 2):
        if cluster.active_jobs("large"):
            break
        for name in (f"small-{number:03}", f"small-{number + 1:03}"):
            cluster.submit(name, **SMALL)
        await cluster.pass_time(10)
        waited += 10
        if len(oldest := cluster.active_jobs("small-")) > 2 or waited > 600:
            for name in oldest[:2]:
                cluster.jobs.finish(name)
    assert cluster.active_jobs("large") == ["large-1"]
    assert 600 <= waited <= 640


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@in_cluster()
async def test_the_time_goes_on_over_a_restart(cluster: Cluster, kind: str, kill: bool) -> None:
    await furnish(cluster)
    await come_to_the_head(cluster, kind)
    await cluster.pass_time(300)
    before = cluster.status("large")
    await cluster.restart_operator(orderly=not kill)
    await cluster.pass_time(30)
    after = cluster.status("large")
    assert (after["headSince"], after["message"]) == (before["headSince"], before["message"])
    cluster.submit("small", **SMALL)
    await cluster.pass_time(5)
    assert cluster.active_jobs("small") == ["small-1"]
    cluster.finish_all("small")
    await cluster.pass_time(265)
    cluster.submit("late", **SMALL)
    await cluster.pass_time(5)
    assert cluster.active_jobs("late") == [], "ten minutes in all"


@in_cluster()
async def test_the_time_goes_on_while_it_is_told_something_else(cluster: Cluster) -> None:
    await furnish(cluster)
    await come_to_the_head(cluster, "single")
    since = cluster.status("large")["headSince"]
    await cluster.pass_time(300)
    spec = cluster.get("JobQueue", "urgent")["spec"]
    cluster.put("JobQueue", "urgent", **{**spec, "state": "Disabled"})
    await cluster.pass_time(20)
    assert cluster.state("large") == ("Runnable", "JobQueueDisabled")
    cluster.put("JobQueue", "urgent", **spec)
    await cluster.pass_time(290)
    assert cluster.status("large")["headSince"] == since
    cluster.submit("late", **SMALL)
    await cluster.pass_time(5)
    assert cluster.active_jobs("late") == []


@in_cluster()
async def test_the_next_one_has_a_time_of_its_own(cluster: Cluster) -> None:
    await furnish(cluster)
    await come_to_the_head(cluster, "single")
    cluster.submit("next")
    await cluster.pass_time(700)
    assert "headSince" not in cluster.status("next")
    cluster.finish_all("running")
    await cluster.pass_time(2)
    cluster.jobs.start("large-1")
    await cluster.pass_time(2)
    assert "headSince" not in cluster.status("large")
    assert "others may start before it until" in cluster.status("next")["message"]


@in_cluster()
async def test_a_job_that_runs_again_comes_to_the_head_anew(cluster: Cluster) -> None:
    await furnish(cluster)
    await come_to_the_head(cluster, "single")
    since = cluster.status("large")["headSince"]
    await cluster.pass_time(700)
    cluster.finish_all("running")
    await cluster.pass_time(2)
    cluster.jobs.start("large-1")
    cluster.submit("again", containerOverrides=overrides_asking(3))
    cluster.jobs.disrupt("large-1")
    await cluster.pass_time(5)
    assert cluster.active_jobs("large") == ["large-2"]
    assert "headSince" not in cluster.status("large")
    assert since < cluster.status("again")["headSince"]


@in_cluster()
async def test_an_array_that_has_all_it_asks_for_is_not_at_the_head_any_more(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", request="2")
    cluster.define("small", request="1")
    cluster.put("JobQueue", "urgent", queueing={"policy": "Bypass"})
    await cluster.start_operator()
    await cluster.submit_and_start("running", containerOverrides=overrides_asking(1))
    cluster.submit("array", array={"size": 2})
    await cluster.pass_time(2)
    since = cluster.status("array")["headSince"]
    cluster.submit("small", **SMALL)
    await cluster.pass_time(200)
    assert cluster.active_jobs("small") == ["small-1"]
    assert cluster.status("array")["headSince"] == since
    await cluster.restart_operator()
    await cluster.pass_time(20)
    assert cluster.status("array")["headSince"] == since
    cluster.finish_all("small")
    cluster.finish_all("running")
    await cluster.pass_time(5)
    assert len(cluster.jobs.indexed.active("array-1")) == 2
    assert "headSince" not in cluster.status("array")


@in_cluster()
async def test_without_a_time_it_is_a_strict_queue(cluster: Cluster) -> None:
    await furnish(cluster, seconds=0)
    await come_to_the_head(cluster, "single")
    cluster.submit("small", **SMALL)
    await cluster.pass_time(5)
    assert cluster.active_jobs("small") == []
    assert "headSince" not in cluster.status("large")
    assert cluster.status("large")["message"].endswith("environment on-prem")


@in_cluster(graceful=True)
async def test_what_others_are_displaced_for_is_taken_by_nobody(cluster: Cluster) -> None:
    cluster.furnish(cpu="4", request="2")
    cluster.define("small", request="1")
    bypass = {"queueing": {"policy": "Bypass"}}
    cluster.put("JobQueue", "urgent", priority=9, preemption={"policy": "LowerPriority"}, **bypass)
    cluster.put("JobQueue", "low", priority=1, **bypass)
    await cluster.start_operator()
    await cluster.submit_and_start("one", "two", jobQueue="low")
    for number in range(4):
        cluster.submit(f"small-{number}", jobQueue="low", **SMALL)
    cluster.submit("now", containerOverrides=overrides_asking(4))
    await cluster.pass_time(5)
    cluster.submit("small-own", **SMALL)
    await cluster.pass_time(5)
    cluster.jobs.stop_evicted("one-1")
    await cluster.pass_time(10)
    assert cluster.active_jobs("small-") == [], "half of its room is free, and the rest comes"
    cluster.jobs.stop_evicted("two-1")
    await cluster.pass_time(5)
    assert cluster.active_jobs("now") == ["now-1"]
