"""What becomes of a NodePool, its nodes and what runs there when its environment is gone."""

from batchyard.kube.errors import Forbidden
from batchyard.kube.protocol import Object
from batchyard.kube.resources import NODE_POOLS, PODS
from fakes.cluster import Cluster, in_cluster, watching
from fakes.nodepools import is_as_wanted, with_a_pool, with_a_run

NOT_ALLOWED = Forbidden(403, "Forbidden", 'nodepools.karpenter.sh is forbidden: User "x" cannot delete resource')


@in_cluster()
async def test_the_nodepool_of_a_deleted_environment_is_closed_while_a_run_is_there_and_then_deleted(
    cluster: Cluster,
) -> None:
    await with_a_run(cluster, deletionPolicy="Wait")
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(10)
    assert cluster.karpenter.limits() == {"cpu": "0", "memory": "0"}
    await cluster.pass_time(3600)
    assert cluster.state()[0] == "Running"
    assert cluster.process.writes(NODE_POOLS) == [("create", "burst"), ("update", "burst")]
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == []
    assert cluster.state()[0] == "Succeeded"


@in_cluster()
async def test_with_drain_running_jobs_are_interrupted_and_the_nodepool_is_deleted_at_once(cluster: Cluster) -> None:
    await with_a_run(cluster, deletionPolicy="Drain")
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(3)
    assert cluster.karpenter.pools() == []
    assert len(cluster.process.evicted()) == 1
    await cluster.pass_time(5)
    state, attempts = cluster.state()[0], cluster.status()["attempts"]
    assert (state, len(attempts)) == ("Runnable", 1), "interrupted, which costs no attempt"


@in_cluster()
async def test_a_pod_that_a_disruption_budget_protects_keeps_no_nodepool(cluster: Cluster) -> None:
    await with_a_run(cluster, deletionPolicy="Drain")
    cluster.store.guarded.update(pod["metadata"]["name"] for pod in cluster.pods())
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == []
    assert cluster.state()[0] == "Running"


@in_cluster()
async def test_an_environment_that_is_managed_no_more_gives_its_nodepool_up(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.put("ComputeEnvironment", "burst")
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == []


@in_cluster()
async def test_an_environment_that_goes_on_with_other_nodes_interrupts_nothing(cluster: Cluster) -> None:
    """Whatever it says of its end: that has not come. The NodePool goes once nothing runs there."""
    await with_a_run(cluster, deletionPolicy="Drain")
    cluster.add_node("mine", pool="mine")
    cluster.put("ComputeEnvironment", "burst", unmanaged={"nodeSelector": {"pool": "mine"}})
    await cluster.pass_time(40)
    assert cluster.process.evicted() == []
    assert (cluster.state()[0], cluster.karpenter.pools()) == ("Running", ["burst"])
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == []


@in_cluster()
async def test_only_what_runs_on_nodes_that_were_made_is_interrupted(cluster: Cluster) -> None:
    await with_a_run(cluster, deletionPolicy="Drain")
    cluster.karpenter.drop("burst-1")
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(5)
    assert (cluster.process.evicted(), cluster.karpenter.pools()) == ([], [])


@in_cluster()
async def test_an_environment_made_anew_opens_its_closed_nodepool_again(cluster: Cluster) -> None:
    await with_a_run(cluster)
    uid = cluster.karpenter.pool()["metadata"]["uid"]
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(10)
    assert cluster.karpenter.limits() != {"cpu": "16"}
    cluster.put_managed()
    await cluster.pass_time(5)
    assert is_as_wanted(cluster)
    assert cluster.karpenter.pool()["metadata"]["uid"] == uid


@in_cluster()
async def test_no_nodepool_goes_while_the_api_server_has_its_environment_whatever_a_watch_says(
    cluster: Cluster,
) -> None:
    await with_a_pool(cluster, deletionPolicy="Drain")
    environment = cluster.get("ComputeEnvironment", "burst")
    cluster.process.operator.cache.intakes["ComputeEnvironment"].remove(("", "burst"), environment["metadata"]["uid"])
    await cluster.pass_time(60)
    assert cluster.karpenter.pools() == ["burst"]
    await cluster.pass_time(300)  # the resync finds it
    assert is_as_wanted(cluster)


@in_cluster()
async def test_an_environment_that_was_deleted_while_no_operator_ran_is_cleared_up_after(cluster: Cluster) -> None:
    await with_a_run(cluster)
    await cluster.process.end(orderly=True)
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.start_operator()
    await cluster.pass_time(30)
    assert cluster.karpenter.limits() == {"cpu": "0", "memory": "0"}
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(30)
    assert cluster.karpenter.pools() == ["burst"], "the run that is there counts from the start"
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == []


@in_cluster()
async def test_a_nodepool_is_kept_whose_environment_comes_again_at_the_last_moment(cluster: Cluster) -> None:
    await with_a_run(cluster, deletionPolicy="Drain")
    put = cluster.process.operator.cache.intakes["ComputeEnvironment"].put

    def come_again(old: Object | None, new: Object | None) -> None:
        put(cluster.put_managed(deletionPolicy="Drain"))

    cluster.delete("ComputeEnvironment", "burst")
    with watching(cluster.store, PODS, come_again):
        await cluster.pass_time(5)
    assert len(cluster.process.evicted()) == 1
    assert cluster.api.count("delete", NODE_POOLS) == 0
    assert is_as_wanted(cluster)


@in_cluster()
async def test_a_deletion_that_is_refused_is_tried_again_every_half_minute(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.api.fail_next("delete", NODE_POOLS, NOT_ALLOWED, times=2)
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(50)
    assert cluster.api.count("delete", NODE_POOLS) == 2
    await cluster.pass_time(20)
    assert cluster.karpenter.pools() == []
