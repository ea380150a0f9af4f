"""The NodePool of a managed environment: made, and kept as the environment says, whatever happens meanwhile."""

from typing import Any

import pytest

from batchyard.kube.resources import NODE_POOLS
from fakes.cluster import Cluster, in_cluster
from fakes.nodepools import is_as_wanted, ready, why, with_a_pool

BIG = {"c-16x": (16, "64Gi")}


@in_cluster()
async def test_a_managed_environment_gets_one_nodepool_which_is_written_once(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    pool = cluster.karpenter.pool()
    assert is_as_wanted(cluster)
    assert not {"finalizers", "ownerReferences"} & pool["metadata"].keys(), "garbage collection would drain its nodes"
    cluster.put("ComputeEnvironment", "on-prem")
    await cluster.pass_time(600)
    assert cluster.karpenter.pools() == ["burst"]
    assert cluster.process.writes(NODE_POOLS) == [("create", "burst")]


@in_cluster()
async def test_a_change_flows_through_to_the_same_nodepool(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    before = cluster.karpenter.pool()
    cluster.put_managed(max_vcpus=64, shapes=BIG, zones=["a"], idleSeconds=5, fields={"maxGpus": 2})
    await cluster.pass_time(3)
    pool = cluster.karpenter.pool()
    assert pool["metadata"]["uid"] == before["metadata"]["uid"]
    assert cluster.karpenter.limits() == {"cpu": "64", "nvidia.com/gpu": "2"}
    assert pool["spec"]["disruption"]["consolidateAfter"] == "5s"
    assert is_as_wanted(cluster)
    cluster.put_managed(max_vcpus=64, shapes=BIG)
    await cluster.pass_time(3)
    assert cluster.karpenter.limits() == {"cpu": "64"}, "a ceiling that is gone limits nothing"
    assert is_as_wanted(cluster)


@in_cluster()
async def test_what_others_add_to_it_stays_and_is_no_reason_to_write(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    pool = cluster.karpenter.pool()
    pool["metadata"]["annotations"]["karpenter.sh/nodepool-hash"] = "1234"
    cluster.store.update(NODE_POOLS, pool)
    cluster.karpenter.edit(weight=7)
    await cluster.pass_time(10)
    assert cluster.process.writes(NODE_POOLS) == [("create", "burst")]
    cluster.put_managed(idleSeconds=5)
    await cluster.pass_time(3)
    pool = cluster.karpenter.pool()
    assert pool["metadata"]["annotations"]["karpenter.sh/nodepool-hash"] == "1234"
    assert (pool["spec"]["weight"], pool["status"]["conditions"][0]["type"]) == (7, "Ready")
    assert is_as_wanted(cluster)


@pytest.mark.parametrize(
    "edit",
    [
        {"limits": {"cpu": "1000"}},
        {"limits": {"cpu": "16", "nodes": "1"}},
        {"limits": {}},
        {"disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized"}},
        {"template": {"spec": {"requirements": []}}},
    ],
)
@in_cluster()
async def test_one_that_was_edited_by_hand_is_put_right(cluster: Cluster, edit: dict[str, Any]) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.edit(**edit)
    assert not is_as_wanted(cluster)
    await cluster.pass_time(3)
    assert is_as_wanted(cluster)


@in_cluster()
async def test_one_that_was_deleted_by_hand_is_made_anew(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.delete_pool()
    await cluster.pass_time(3)
    assert is_as_wanted(cluster)


@in_cluster()
async def test_one_of_somebody_else_is_never_touched_and_the_environment_says_so(cluster: Cluster) -> None:
    cluster.karpenter.create_pool(limits={"cpu": "1000"})
    before = cluster.karpenter.pool()
    cluster.put_managed()
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert ready(cluster) == ("False", "NodePoolNotOurs")
    assert "NodePool burst exists and was not made for this environment" in why(cluster)
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(60)
    assert cluster.karpenter.pool() == before
    assert cluster.process.writes(NODE_POOLS) == []
    cluster.put_managed()
    cluster.karpenter.delete_pool()
    await cluster.pass_time(5)
    assert ready(cluster) == ("True", "ScaledToZero")
    assert is_as_wanted(cluster)


@in_cluster()
async def test_a_refused_environment_leaves_its_nodepool_as_it_is(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    before = cluster.karpenter.pool()
    cluster.put_managed(max_vcpus=8, minVcpus=4)
    await cluster.pass_time(60)
    assert ready(cluster) == ("False", "InvalidSpec")
    assert cluster.karpenter.pool() == before


@in_cluster()
async def test_a_disabled_environment_keeps_its_nodepool_as_running_jobs_may_need_nodes(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    before = cluster.karpenter.pool()
    cluster.put_managed(fields={"state": "Disabled"})
    await cluster.pass_time(60)
    assert ready(cluster) == ("True", "Disabled")
    assert cluster.karpenter.pool() == before


# Restarts and lost answers.


@pytest.mark.parametrize("takes_effect", [False, True])
@in_cluster()
async def test_an_operator_that_is_killed_while_it_creates_one_leaves_the_next_to_do_so(
    cluster: Cluster, takes_effect: bool
) -> None:
    process = await cluster.start_operator()
    await cluster.pass_time(3)
    cluster.put_managed()
    process.api.cut_at_write(1, takes_effect=takes_effect)
    await cluster.pass_time(5)
    assert cluster.karpenter.pools() == (["burst"] if takes_effect else [])
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert is_as_wanted(cluster)
    assert cluster.process.writes(NODE_POOLS) == ([] if takes_effect else [("create", "burst")])


@in_cluster()
async def test_a_lost_answer_is_no_second_nodepool(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.api.lose_next("create", NODE_POOLS)
    cluster.put_managed()
    await cluster.pass_time(30)
    assert is_as_wanted(cluster)
    assert cluster.process.writes(NODE_POOLS) == [("create", "burst")]
    assert ready(cluster) == ("True", "ScaledToZero")


@in_cluster()
async def test_a_change_by_somebody_else_at_the_same_time_is_not_undone_by_an_old_version(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.api.disconnect(NODE_POOLS)
    cluster.karpenter.edit(weight=7)
    cluster.put_managed(max_vcpus=8)
    await cluster.pass_time(10)
    assert cluster.karpenter.pool()["spec"]["weight"] == 7
    assert is_as_wanted(cluster)
