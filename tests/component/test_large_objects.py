"""Objects larger than they may be: refused in words, and nothing of them is kept."""

import json
from typing import Any

from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE

KIB = 1024


def parameters(kib: int) -> dict[str, str]:
    return {f"p{number}": "x" * 16 * KIB for number in range(kib // 16)}


@in_cluster()
async def test_a_large_job_is_refused_and_takes_no_room(cluster: Cluster) -> None:
    process = await cluster.set_up()
    cluster.submit("large", parameters=parameters(1024), suspend=True)
    cluster.submit("sound")
    await cluster.pass_time(2)
    assert cluster.state("large") == ("Failed", "InvalidSpec")
    assert cluster.status("large")["message"] == (
        "spec has 1025 KiB as JSON, and that of a BatchJob may have 128 at most: shorten spec.parameters (1025 KiB), or"
        " hand long texts over in a ConfigMap"
    )
    assert len(json.dumps(process.operator.cache.jobs[NAMESPACE, "large"].spec)) < KIB
    assert cluster.state("sound")[0] == "Starting"


@in_cluster()
async def test_what_can_be_added_to_a_job_that_runs_does_not_make_it_too_large(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit("array", parameters=parameters(112), array={"size": 3})
    await cluster.pass_time(2)
    assert cluster.state("array") == ("Pending", "IndexesRunning")
    stops = [{"indexes": f"1,{number}", "reason": "x" * 256} for number in range(1000, 1050)]
    cluster.put("BatchJob", "array", **cluster.get("BatchJob", "array")["spec"] | {"stopIndexes": stops})
    await cluster.pass_time(2)
    assert cluster.state("array") == ("Pending", "IndexesRunning")


@in_cluster()
async def test_a_large_definition_is_refused(cluster: Cluster) -> None:
    await cluster.set_up()
    env: list[Any] = [{"name": f"V{number}", "value": "x" * 10 * KIB} for number in range(30)]
    cluster.put("JobDefinition", "large", container={"image": "busybox", "env": env})
    cluster.submit("of-it", jobDefinition="large")
    await cluster.pass_time(2)
    said = "that of a JobDefinition may have 256 at most: shorten spec.container (301 KiB)"
    assert said in cluster.condition("JobDefinition", "large")[2]
    assert cluster.state("of-it") == ("Failed", "InvalidSpec")
    assert said in cluster.status("of-it")["message"]
