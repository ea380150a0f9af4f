"""One operator acts at a time."""

import pytest

from batchyard.kube.errors import ApiError, Gone
from batchyard.kube.resources import BATCHJOBS, JOBQUEUES, JOBS, LEASES, NAMESPACES, Resource
from batchyard.runtime.loop.actions import CreateRun
from batchyard.runtime.process.acting import NotLeadingError
from fakes.cluster import Cluster, in_cluster
from fakes.process import DOWN

LEASE_SECONDS = 15


@in_cluster()
async def test_only_the_leader_writes(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    standby = await cluster.start_operator()
    cluster.furnish()
    cluster.submit()
    await cluster.pass_time(60)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(60)
    assert cluster.state() == ("Succeeded", "Completed")
    assert standby.api.writes == []
    assert leader.election.is_leader
    assert not standby.election.is_leader


@in_cluster()
async def test_a_leader_that_stops_hands_over_at_once(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    standby = await cluster.start_operator()
    cluster.furnish()
    await leader.stop()
    cluster.submit()
    await cluster.pass_time(5)
    assert standby.election.is_leader
    assert cluster.state() == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_leader_that_dies_is_replaced_when_its_lease_is_over(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    standby = await cluster.start_operator()
    cluster.furnish()
    await cluster.pass_time(5)
    await leader.kill()
    cluster.submit()
    await cluster.pass_time(LEASE_SECONDS - 3)
    assert cluster.kube_jobs() == []
    await cluster.pass_time(8)
    assert standby.election.is_leader
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_a_leader_that_loses_the_lease_stops_writing_and_ends(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    cluster.furnish()
    await cluster.pass_time(5)
    leader.api.lose_next("get", LEASES, after_effect=False, times=1000)
    await cluster.pass_time(LEASE_SECONDS - 4)
    assert leader.stopped == ["the lease is lost or given up"]
    before = list(leader.api.writes)
    cluster.submit()
    await cluster.pass_time(600)
    assert leader.api.writes == before
    assert cluster.status() == {}


@in_cluster()
async def test_a_lease_taken_by_somebody_else_is_lost_at_once(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    cluster.furnish()
    lease = cluster.store.objects(LEASES)[0]
    lease["spec"]["holderIdentity"] = "somebody-else"
    cluster.store.update(LEASES, lease)
    await cluster.pass_time(3)
    assert not leader.election.is_leader
    assert leader.stopped == ["the lease is lost or given up"]
    cluster.submit()
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == []


@in_cluster()
async def test_what_was_queued_to_be_written_when_the_lease_went_is_not_written(cluster: Cluster) -> None:
    leader = await cluster.start_operator()
    cluster.furnish()
    await cluster.pass_time(5)
    for verb in ("patch", "update"):
        leader.api.lose_next(verb, BATCHJOBS, after_effect=False, times=1000)
    cluster.submit()
    await cluster.pass_time(2)
    lease = cluster.store.objects(LEASES)[0]
    lease["spec"]["holderIdentity"] = "somebody-else"
    cluster.store.update(LEASES, lease)
    await cluster.pass_time(3)
    leader.api.heal()
    before = list(leader.api.writes)
    await cluster.pass_time(LEASE_SECONDS - 5)
    assert leader.api.writes == before


@in_cluster()
async def test_a_write_that_comes_up_after_the_deadline_is_refused(cluster: Cluster) -> None:
    """The process was so slow that its lease ran out before it could notice."""
    leader = await cluster.start_operator()
    await leader.election._release()
    leader.election._leading_until = 0.0
    before = list(leader.api.writes)
    with pytest.raises(NotLeadingError):
        await leader.operator.acting.perform(CreateRun(("media", "job")))
    assert leader.api.writes == before


@in_cluster()
async def test_handlers_and_feeds_write_nothing(cluster: Cluster) -> None:
    """A process that never leads has taken everything in, and written nothing."""
    cluster.store.create(NAMESPACES, {"metadata": {"name": "batchyard-system"}})
    spec = {"holderIdentity": "somebody-else", "leaseDurationSeconds": 100_000}
    cluster.store.create(LEASES, {"metadata": {"name": "operator"}, "spec": spec}, "batchyard-system")
    process = await cluster.start_operator()
    cluster.furnish()
    cluster.submit()
    await cluster.pass_time(5)
    cluster.submit("other")
    cluster.delete("BatchJob", "job")
    cluster.delete("JobQueue", "urgent")
    await cluster.pass_time(60)
    assert process.api.writes == []
    cache = process.operator.cache
    assert [key[1] for key in cache.jobs] == ["other"]
    assert list(cache.catalogue.queues) == []
    assert list(cache.catalogue.environments) == ["on-prem"]
    assert list(cache.catalogue.definitions) == [("media", "transcode")]


@in_cluster()
async def test_stopping_ends_every_task_even_in_the_middle_of_work(cluster: Cluster) -> None:
    await cluster.start_operator()
    cluster.furnish()
    for number in range(20):
        cluster.submit(f"job-{number}")
        await cluster.restart_operator(orderly=True, after=20)
    await cluster.pass_time(5)
    assert len(cluster.kube_jobs()) == 4


@pytest.mark.parametrize("error", [DOWN, Gone(410, "Expired", "The provided continue parameter is too old")])
@pytest.mark.parametrize("resource", [BATCHJOBS, JOBQUEUES, JOBS])
@in_cluster()
async def test_a_new_leader_reads_everything_however_long_that_takes(
    cluster: Cluster, resource: Resource, error: ApiError
) -> None:
    """An API server that is overloaded, or being replaced, when the lease is taken over."""
    first = await cluster.set_up()
    standby = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(5)
    standby.api.fail_next("list", resource, error, times=8)
    await first.stop()
    await cluster.pass_time(20)
    assert standby.election.is_leader
    assert standby.operator.ready() != ""
    assert standby.writes(BATCHJOBS, JOBS) == []
    await cluster.pass_time(120)
    assert standby.operator.ready() == ""
    assert standby.stopped == []
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")
