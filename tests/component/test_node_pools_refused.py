"""What keeps the NodePool of a managed environment from being written or used: told, and forgotten once it is over."""

from batchyard.kube.errors import Forbidden
from batchyard.kube.protocol import Object
from batchyard.kube.resources import COMPUTEENVIRONMENTS, NODE_POOLS
from fakes.cluster import Cluster, in_cluster
from fakes.nodepools import is_as_wanted, ready, why, with_a_pool

NOT_ALLOWED = Forbidden(403, "Forbidden", 'nodepools.karpenter.sh is forbidden: User "x" cannot create resource')


def one_kind_for_ever(new: Object, old: Object | None) -> str:
    """What the CRD says of the reference to the node class."""
    kinds = [obj["spec"]["template"]["spec"]["nodeClassRef"]["kind"] for obj in (new, old or new)]
    return "" if len(set(kinds)) == 1 else "spec.template.spec.nodeClassRef: nodeClassRef.kind is immutable"


@in_cluster()
async def test_what_the_api_server_refuses_is_told_and_tried_seldom_until_the_environment_changes(
    cluster: Cluster,
) -> None:
    await with_a_pool(cluster)
    cluster.store.validate(NODE_POOLS, one_kind_for_ever)
    other = {"group": "karpenter.kwok.sh", "kind": "OtherNodeClass", "name": "default"}
    cluster.put_managed(nodeClassRef=other)
    await cluster.pass_time(5)
    assert ready(cluster) == ("False", "NodePoolRefused")
    assert "nodeClassRef.kind is immutable; make another environment" in why(cluster)
    await cluster.pass_time(120)
    tries = cluster.api.count("update", NODE_POOLS)
    assert 3 <= tries <= 5, "every 30 s"
    cluster.put_managed(max_vcpus=8)
    await cluster.pass_time(5)
    assert cluster.karpenter.limits() == {"cpu": "8"}
    assert ready(cluster) == ("True", "ScaledToZero")


@in_cluster()
async def test_a_missing_permission_is_told_and_forgotten_once_it_is_there(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.api.fail_next("create", NODE_POOLS, NOT_ALLOWED, times=2)
    cluster.put_managed()
    await cluster.pass_time(50)
    assert ready(cluster) == ("False", "NodePoolRefused")
    assert 'User "x" cannot create resource' in why(cluster)
    assert cluster.api.count("create", NODE_POOLS) == 2
    await cluster.pass_time(20)
    assert ready(cluster) == ("True", "ScaledToZero")


@in_cluster()
async def test_karpenter_can_be_installed_later_and_removed_again(cluster: Cluster) -> None:
    cluster.karpenter.uninstall()
    cluster.put_managed()
    process = await cluster.start_operator()
    await cluster.pass_time(5)
    assert process.operator.ready() == ""
    assert ready(cluster) == ("False", "ProvisionerMissing")
    assert "the API server does not know nodepools.karpenter.sh" in why(cluster)
    await cluster.pass_time(600)
    assert process.writes(NODE_POOLS) == []
    cluster.karpenter.install()
    await cluster.pass_time(35)
    assert is_as_wanted(cluster)
    assert ready(cluster) == ("True", "ScaledToZero")
    cluster.karpenter.uninstall()
    cluster.api.disconnect_all()
    await cluster.pass_time(10)
    assert ready(cluster) == ("False", "ProvisionerMissing")
    cluster.karpenter.install()
    await cluster.pass_time(35)
    assert is_as_wanted(cluster)


@in_cluster()
async def test_an_operator_without_karpenter_runs_jobs_as_ever(cluster: Cluster) -> None:
    cluster.karpenter.uninstall()
    await cluster.set_up()
    await cluster.submit_and_start()
    await cluster.pass_time(1)
    assert cluster.state()[0] == "Running"


@in_cluster()
async def test_what_karpenter_says_of_the_nodepool_is_told(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.judge("NodeClassReady", "False", "NodeClass not found on cluster")
    await cluster.pass_time(5)
    assert ready(cluster) == ("False", "ProvisionerNotReady")
    assert "NodePool burst: NodeClassReady is False: NodeClass not found on cluster" in why(cluster)
    cluster.karpenter.judge("Ready", "True")
    await cluster.pass_time(5)
    assert ready(cluster) == ("True", "ScaledToZero")


@in_cluster()
async def test_a_karpenter_that_does_not_look_at_the_nodepool_is_told_of_after_a_minute(cluster: Cluster) -> None:
    cluster.karpenter.runs = False
    await with_a_pool(cluster)
    await cluster.pass_time(50)
    assert ready(cluster) == ("True", "ScaledToZero")
    await cluster.pass_time(15)
    assert ready(cluster) == ("False", "ProvisionerNotReady")
    assert "Karpenter has not looked at it" in why(cluster)
    assert cluster.api.count("patch", COMPUTEENVIRONMENTS) == 2
