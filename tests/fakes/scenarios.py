"""What several component tests ask after something odd has happened: whether a good job still gets its turn."""

from typing import Any

from fakes.cluster import Cluster

GOOD = {"jobDefinition": "good", "jobQueue": "good"}
"""A job of the things that `furnish_good` puts."""


def furnish_good(cluster: Cluster, **environment: Any) -> None:
    """An environment, a queue and a definition that no other object of the test refers to."""
    cluster.put("ComputeEnvironment", "good", **environment)
    cluster.put("JobQueue", "good", computeEnvironments=["good"])
    cluster.put("JobDefinition", "good", container={"image": "busybox"})


async def still_works(cluster: Cluster, name: str = "good", **spec: Any) -> None:
    """Whatever has happened, the operator lives, and a good job runs from submission to its end."""
    process = cluster.process
    cluster.submit(name, **spec)
    await cluster.pass_time(3)
    assert cluster.state(name) == ("Starting", "CreatingPod")
    cluster.jobs.finish(f"{name}-1")
    await cluster.pass_time(3)
    assert cluster.state(name) == ("Succeeded", "Completed")
    assert process.stopped == []
