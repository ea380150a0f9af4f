"""What tests of managed environments begin with, and look at."""

from typing import Any

from batchyard.api import names
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kubernetes.karpenter.nodepool import covers, render_nodepool
from fakes.cluster import Cluster


async def with_a_pool(cluster: Cluster, **managed: Any) -> None:
    """A managed environment, and an operator that has made its NodePool."""
    cluster.put_managed(**managed)
    await cluster.start_operator()
    await cluster.pass_time(3)
    assert cluster.karpenter.pools() == ["burst"]


async def with_a_run(cluster: Cluster, **managed: Any) -> None:
    """The same, and a job that runs on a node that was made for it."""
    cluster.define()
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster, **managed)
    cluster.karpenter.claim(capacity={"cpu": "4", "memory": "16Gi"}, node="made-1")
    cluster.add_node("made-1", **{names.NODE_ENVIRONMENT: "burst"})
    cluster.submit()
    await cluster.pass_time(3)
    cluster.jobs.start("job-1", "made-1")
    await cluster.pass_time(1)
    assert cluster.state()[0] == "Running"


def is_as_wanted(cluster: Cluster, name: str = "burst") -> bool:
    """Whether the NodePool of an environment is as that says."""
    environment = read_environment(cluster.get("ComputeEnvironment", name))
    return covers(cluster.karpenter.pool(name), render_nodepool(environment))


def ready(cluster: Cluster, name: str = "burst") -> tuple[str, str]:
    """Status and reason of an environment's condition Ready."""
    return cluster.condition("ComputeEnvironment", name)[:2]


def why(cluster: Cluster, name: str = "burst") -> str:
    """Its message."""
    return cluster.condition("ComputeEnvironment", name)[2]
