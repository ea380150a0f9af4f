"""What watches miss is found by the resync."""

from types import SimpleNamespace
from typing import Any

import pytest

from batchyard.kube.resources import JOBQUEUES, OWN
from fakes.cluster import Cluster, in_cluster
from fakes.watches import handlers
from objects.specs import overrides_asking


@in_cluster(resync_seconds=60)
async def test_a_job_deleted_unseen_is_forgotten_and_its_place_given_on(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="1")
    cluster.submit("waits-for-ever", jobQueue="elsewhere")
    cluster.submit("queued", containerOverrides=overrides_asking(64))
    await cluster.pass_time(1)
    process.deafen()
    cluster.delete("BatchJob", "queued")
    cluster.delete("BatchJob", "waits-for-ever")
    await cluster.pass_time(70)
    assert process.operator.cache.jobs == {}
    assert len(process.operator.cache.backlog) == 0


@in_cluster(resync_seconds=60)
async def test_everything_added_unseen_is_taken_in(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.deafen()
    cluster.furnish()
    cluster.submit()
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == []
    await cluster.pass_time(60)
    assert cluster.state() == ("Starting", "CreatingPod")


@in_cluster(resync_seconds=60)
async def test_a_job_replaced_unseen_is_another_job(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(1)
    process.deafen()
    old = cluster.get("BatchJob", "job")["metadata"]["uid"]
    cluster.delete("BatchJob", "job")
    cluster.submit()
    new = cluster.get("BatchJob", "job")["metadata"]["uid"]
    await cluster.pass_time(70)
    assert new != old
    assert [job["metadata"]["ownerReferences"][0]["uid"] for job in [cluster.kube_job("job-1")]] == [new]


@pytest.mark.parametrize(
    ("kind", "name", "state"),
    [
        ("JobDefinition", "transcode", ("Pending", "JobDefinitionNotFound")),
        ("JobQueue", "urgent", ("Pending", "JobQueueNotFound")),
        ("ComputeEnvironment", "on-prem", ("Runnable", "ComputeEnvironmentNotFound")),
        ("ConsumableResource", "licence", ("Runnable", "ConsumableResourceNotFound")),
    ],
)
@in_cluster(resync_seconds=60)
async def test_what_jobs_refer_to_is_missed_when_it_is_gone(
    cluster: Cluster, kind: str, name: str, state: tuple[str, str]
) -> None:
    cluster.put("ConsumableResource", "licence")
    process = await cluster.set_up(consumableResources=[{"name": "licence"}])
    process.deafen()
    cluster.delete(kind, name)
    await cluster.pass_time(70)
    cluster.submit()
    await cluster.pass_time(70)
    assert cluster.state() == state


@in_cluster(resync_seconds=60)
async def test_a_change_of_spec_that_nobody_saw_counts(cluster: Cluster) -> None:
    process = await cluster.set_up()
    process.deafen()
    cluster.put("JobQueue", "urgent", state="Disabled")
    await cluster.pass_time(70)
    cluster.submit()
    await cluster.pass_time(70)
    assert cluster.state() == ("Runnable", "JobQueueDisabled")


@in_cluster(resync_seconds=60)
async def test_a_resync_that_fails_is_tried_again(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.deafen()
    cluster.furnish()
    cluster.submit()
    process.api.lose_next("list", JOBQUEUES)
    await cluster.pass_time(70)
    assert cluster.kube_jobs() == []
    await cluster.pass_time(60)
    assert cluster.kube_jobs() == ["job-1"]
    assert process.stopped == []


@in_cluster(resync_seconds=60)
async def test_a_resync_writes_nothing_by_itself(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit()
    await cluster.pass_time(5)
    before = [write for write in process.api.writes if write[1].plural != "leases"]
    await cluster.pass_time(300)
    assert [write for write in process.api.writes if write[1].plural != "leases"] == before


@pytest.mark.parametrize("kind", ["JobDefinition", "JobQueue", "ComputeEnvironment", "ConsumableResource"])
@in_cluster()
async def test_an_object_made_anew_is_not_forgotten_with_the_one_before(cluster: Cluster, kind: str) -> None:
    """Kopf has a worker for each uid: the deletion of the old object may come after the new one."""
    process = await cluster.start_operator()
    handler = handlers()[OWN[kind].plural]
    memo = SimpleNamespace(cache=process.operator.cache)
    old = cluster.put(kind, "it")
    await cluster.pass_time(1)
    process.deafen()
    cluster.delete(kind, "it")
    new = cluster.put(kind, "it")
    await handler(event={"type": "ADDED", "object": new}, memo=memo)
    await handler(event={"type": "DELETED", "object": old}, memo=memo)
    catalogue = process.operator.cache.catalogue
    known: list[Any] = [*catalogue.queues.values(), *catalogue.environments.values(), *catalogue.consumables.values()]
    known += catalogue.definitions.values()
    assert [each.uid for each in known] == [new["metadata"]["uid"]]
    await handler(event={"type": "DELETED", "object": new}, memo=memo)
    assert not any((catalogue.queues, catalogue.environments, catalogue.consumables, catalogue.definitions))
