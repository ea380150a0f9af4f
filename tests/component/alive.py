"""What must hold after anything odd: the operator lives, and a good job gets its turn."""

from typing import Any

from fakes.cluster import Cluster


async def still_works(cluster: Cluster, **spec: Any) -> None:
    """Run a good job from submission to its end."""
    process = cluster.process
    cluster.submit("good", **spec)
    await cluster.pass_time(3)
    assert process.stopped == []
    assert cluster.state("good") == ("Starting", "CreatingPod")
    cluster.jobs.finish("good-1")
    await cluster.pass_time(3)
    assert cluster.state("good") == ("Succeeded", "Completed")
