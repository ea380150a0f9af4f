"""What a pass cannot digest concerns its object alone: the operator lives, and all other jobs go on.

No boundary lets such objects through, so these tests put them behind it.
"""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.planner import schedule
from batchyard.objects.kinds import jobqueue as queue_manifest
from batchyard.objects.kinds.jobqueue import read_queue
from batchyard.objects.meta import Object
from batchyard.runtime.controllers import statusreports
from batchyard.runtime.state import catalogue
from fakes.cluster import Cluster, in_cluster
from fakes.poison import poison
from fakes.process import Process
from fakes.scenarios import still_works

WORD: Any = "1"
"""Stands where a number belongs."""


def contained(process: Process, stage: str) -> float:
    return process.readings().get(("batchyard_contained_errors_total", stage), 0.0)


@pytest.mark.parametrize(
    ("stage", "fields"),
    [
        ("settling", {"retry": None}),
        ("placement", {"request": {"cpu": WORD}}),
        ("placement", {"gang": WORD}),
        ("writing", {"template": {}}),
    ],
)
@in_cluster()
async def test_a_job_at_fault_says_so_and_the_others_go_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, stage: str, fields: dict[str, Any]
) -> None:
    poison(monkeypatch, **fields)
    process = await cluster.set_up()
    cluster.submit("poison-1")
    cluster.submit("poison-2")
    await cluster.pass_time(3)
    for name in ("poison-1", "poison-2"):
        assert cluster.state(name) == ("Pending", "InvalidSpec")
        message = cluster.status(name)["message"]
        assert f"BatchJob media/{name} is left out, as the {stage} failed on it" in message
        assert cluster.condition("BatchJob", name, "Stalled")[0] == "True"
    await still_works(cluster)
    assert contained(process, stage) >= 2
    assert cluster.kube_jobs() == ["good-1"]


@in_cluster()
async def test_it_is_looked_at_again_when_its_spec_or_its_definition_changes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        poison(patch, template={})
        process = await cluster.set_up()
        cluster.submit("poison-1")
        cluster.submit("poison-2")
        cluster.submit("poison-3")
        await cluster.pass_time(3)
        assert [cluster.state(f"poison-{number}")[1] for number in (1, 2, 3)] == ["InvalidSpec"] * 3
        process.operator.cache.resolved.clear()
    cluster.submit("poison-1", ttlSecondsAfterFinished=600)
    await cluster.pass_time(3)
    assert cluster.state("poison-1") == ("Starting", "CreatingPod")
    assert cluster.state("poison-2") == ("Pending", "InvalidSpec")
    cluster.submit("poison-3", stop={"mode": "Cancel", "reason": "useless"})
    await cluster.pass_time(3)
    assert cluster.state("poison-3") == ("Failed", "Cancelled")
    cluster.define(startupGraceSeconds=60)
    await cluster.pass_time(3)
    assert cluster.state("poison-2") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_job_that_spoils_backfill_is_found(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large job waits for room, and smaller ones might go before it."""
    poison(monkeypatch, timeout_seconds=WORD)
    process = await cluster.set_up(cpu="4", timeout={"attemptDurationSeconds": 3600})
    cluster.put("JobQueue", "urgent", queueing={"policy": "Strict"})
    await cluster.submit_and_start("running", containerOverrides=[{"resources": {"requests": {"cpu": "2"}}}])
    cluster.submit("large", containerOverrides=[{"resources": {"requests": {"cpu": "4"}}}])
    await cluster.pass_time(1)
    cluster.submit("poison")
    cluster.submit("quick", timeout={"attemptDurationSeconds": 60})
    await cluster.pass_time(3)
    assert process.stopped == []
    assert cluster.state("poison") == ("Pending", "InvalidSpec")
    assert "the backfill failed on it" in cluster.status("poison")["message"]
    assert cluster.state("large") == ("Runnable", "InsufficientCapacity")
    assert cluster.state("quick") == ("Starting", "CreatingPod")
    cluster.jobs.finish("running-1")
    cluster.jobs.finish("quick-1")
    await cluster.pass_time(3)
    assert cluster.state("large") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_queue_or_an_environment_at_fault_is_refused_and_the_others_are_used(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that spoils every pass, and one that cannot even be read."""
    read, cured = read_queue, False

    def odd(obj: Object) -> Any:
        if cured:
            return read(obj)
        if obj["metadata"]["name"] == "unreadable" and obj["spec"]:
            raise RecursionError("too deep")
        record = read(obj)
        return replace(record, preempts_after=WORD, priority=WORD) if record.name == "odd" else record

    monkeypatch.setattr(catalogue, "read_queue", odd)
    process = await cluster.set_up()
    cluster.put("JobQueue", "odd")
    cluster.put("JobQueue", "unreadable")
    cluster.submit("waits", jobQueue="odd")
    await cluster.pass_time(5)
    assert cluster.condition("JobQueue", "odd")[:2] == ("False", "InvalidSpec")
    assert "JobQueue odd is left out, as the placement failed on it" in cluster.condition("JobQueue", "odd")[2]
    assert cluster.condition("JobQueue", "unreadable")[:2] == ("False", "InvalidSpec")
    assert "the spec cannot be read (RecursionError: too deep)" in cluster.condition("JobQueue", "unreadable")[2]
    assert cluster.state("waits") == ("Pending", "InvalidSpec")
    await still_works(cluster)
    before = contained(process, "placement")
    await cluster.pass_time(60)
    assert contained(process, "placement") == before
    cured = True
    cluster.put("JobQueue", "odd", priority=5)
    await cluster.pass_time(5)
    assert cluster.state("waits") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_stage_that_fails_on_nobody_rests_longer_each_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("nobody is to blame")

    process = await cluster.set_up()
    cluster.define("huge", request="64")
    cluster.submit("waits", jobDefinition="huge")
    with monkeypatch.context() as patch:
        patch.setattr(schedule, "reclaim", fails)
        await still_works(cluster)
        await cluster.pass_time(600)
        assert process.stopped == []
        assert 3 <= contained(process, "array reclaim") <= 15
    cluster.delete("BatchJob", "good")
    await cluster.pass_time(300)
    before = contained(process, "array reclaim")
    await still_works(cluster)
    assert contained(process, "array reclaim") == before


@in_cluster()
async def test_a_status_that_cannot_be_rendered_keeps_no_other_from_being_written(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(queue: Any, *rest: Any) -> dict[str, Any]:
        if queue.name == "odd":
            raise TypeError("odd")
        return queue_manifest.render_queue_status(queue, *rest)

    monkeypatch.setattr(statusreports, "render_queue_status", render)
    cluster.furnish()
    cluster.put("JobQueue", "odd")
    process = await cluster.start_operator()
    await cluster.pass_time(60)
    assert cluster.condition("JobQueue", "urgent")[0] == "True"
    assert 2 <= contained(process, "overview") <= 10
    await still_works(cluster)


@in_cluster()
async def test_a_pass_that_breaks_off_is_taken_up_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await cluster.set_up()
    grant = process.operator.cache.grant
    calls: list[Any] = []

    def granted(placement: Any) -> None:
        grant(placement)
        calls.append(placement)
        if len(calls) == 1:
            raise RuntimeError("broken off")

    monkeypatch.setattr(process.operator.cache, "grant", granted)
    cluster.submit("first")
    cluster.submit("second")
    await cluster.pass_time(10)
    assert process.stopped == []
    assert cluster.kube_jobs() == ["first-1", "second-1"]
    assert contained(process, "other") == 1
