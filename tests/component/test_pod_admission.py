"""What a LimitRange or a RuntimeClass adds to pods is granted with them; what they refuse waits in words."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.errors import Unavailable
from batchyard.kube.resources import LIMIT_RANGES, RUNTIME_CLASSES, Resource
from fakes.api import FakeApi
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking, multi_node

BARE: dict[str, Any] = {"image": "busybox"}
ASKS_16: dict[str, Any] = {"defaultRequest": {"cpu": "16", "memory": "64Mi"}}


def furnish(cluster: Cluster, *, vcpus: int = 32, **definition: Any) -> None:
    cluster.add_node(cpu="64")
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=vcpus)
    cluster.put("JobQueue", "urgent")
    cluster.put("JobDefinition", "transcode", **{"container": BARE, **definition})


def used(cluster: Cluster) -> dict[str, int]:
    return {name: amount for name, amount in cluster.process.operator.cache.used["on-prem"].items() if amount}


def message(cluster: Cluster, name: str = "job") -> str:
    text: str = cluster.status(name)["message"]
    return text


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_an_array_gets_as_many_slots_as_its_defaulted_pods_have_room(cluster: Cluster, restarted: bool) -> None:
    furnish(cluster)
    cluster.limit(**ASKS_16)
    await cluster.start_operator()
    cluster.submit("many", array={"size": 6})
    await cluster.pass_time(2)
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(25)
    indexed = cluster.jobs.indexed
    for first in range(0, 6, 2):
        assert cluster.parallelism("many-1") == 2
        assert indexed.active("many-1") == [first, first + 1]
        assert used(cluster) == {"cpu": 32000, "memory": 128 * 1024**2, "pods": 2}
        indexed.start("many-1", first, first + 1)
        await cluster.pass_time(2)
        indexed.finish("many-1", first, first + 1)
        await cluster.pass_time(2)
    assert cluster.state("many") == ("Succeeded", "Completed")


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_single_jobs_wait_in_the_queue_and_not_as_pods(cluster: Cluster, restarted: bool) -> None:
    furnish(cluster)
    cluster.limit(**ASKS_16)
    await cluster.start_operator()
    for name in ("one", "two", "three"):
        cluster.submit(name)
        await cluster.pass_time(1)
    if restarted:
        await cluster.restart_operator()
        await cluster.pass_time(25)
    assert cluster.kube_jobs() == ["one-1", "two-1"]
    assert cluster.state("three") == ("Runnable", "InsufficientCapacity")
    assert used(cluster)["cpu"] == 32000
    cluster.jobs.finish("one-1")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["one-1", "three-1", "two-1"]


@in_cluster()
async def test_what_is_written_is_the_pod_as_its_definition_has_it(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.limit(**ASKS_16)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert "resources" not in cluster.container()
    assert '"cpu": 16000' in cluster.kube_job("job-1")["metadata"]["annotations"][names.REQUEST]
    [pod] = cluster.pods()
    assert pod["spec"]["containers"][0]["resources"]["requests"] == ASKS_16["defaultRequest"]


@in_cluster()
async def test_all_nodes_of_a_multi_node_job_are_counted_with_their_defaults(cluster: Cluster) -> None:
    furnish(cluster, **multi_node(2, BARE))
    cluster.limit(**ASKS_16)
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("second")
    await cluster.pass_time(1)
    assert used(cluster) == {"cpu": 32000, "memory": 128 * 1024**2, "pods": 2}
    assert cluster.state("second") == ("Runnable", "InsufficientCapacity")


@in_cluster()
async def test_a_limit_range_that_comes_changes_and_goes_holds_for_what_waits(cluster: Cluster) -> None:
    furnish(cluster, container={"image": "busybox", "resources": asking(0)})
    cluster.put("JobDefinition", "bare", container=BARE)
    cluster.put("JobQueue", "urgent", state="Disabled")
    await cluster.start_operator()
    for name in ("one", "two", "three", "four"):
        cluster.submit(name, jobDefinition="bare")
        await cluster.pass_time(1)

    def cpus() -> set[int]:
        return {each.request.get("cpu", 0) for each in cluster.process.operator.cache.resolved.values()}

    assert cpus() == {0}
    cluster.limit(**ASKS_16)
    await cluster.pass_time(1)
    assert cpus() == {16000}
    cluster.limit(defaultRequest={"cpu": "10"})
    await cluster.pass_time(1)
    assert cpus() == {10000}
    cluster.put("JobQueue", "urgent", state="Enabled")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["one-1", "three-1", "two-1"]
    cluster.lift()
    await cluster.pass_time(1)
    assert len(cluster.kube_jobs()) == 4
    assert used(cluster)["cpu"] == 30000, "what runs keeps what it was granted"


@in_cluster()
async def test_jobs_that_share_a_revision_share_what_the_rules_make_of_it(cluster: Cluster) -> None:
    furnish(cluster, vcpus=1)
    await cluster.start_operator()
    for number in range(20):
        cluster.submit(f"job-{number}")
    cluster.limit(**ASKS_16)
    await cluster.pass_time(2)
    resolved = list(cluster.process.operator.cache.resolved.values())
    waiting = [each for each in resolved if each.request.get("cpu")]
    assert len(waiting) >= 19
    assert len({id(each) for each in waiting}) == 1


@in_cluster()
async def test_a_limit_range_concerns_its_namespace_only(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.add_namespace("audio")
    cluster.limit(namespace="audio", **ASKS_16)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert used(cluster) == {"pods": 1}


@pytest.mark.parametrize("array", [False, True])
@in_cluster()
async def test_what_the_api_server_would_refuse_waits_in_words_and_holds_nobody_up(
    cluster: Cluster, array: bool
) -> None:
    furnish(cluster, vcpus=1)
    cluster.limit(default={"cpu": "200m"}, defaultRequest={"cpu": "200m"})
    await cluster.start_operator()
    more = {"array": {"size": 2}} if array else {}
    cluster.submit("greedy", containerOverrides=[{"name": "main", "resources": asking("300m")}], **more)
    await cluster.pass_time(1)
    cluster.submit("modest")
    await cluster.pass_time(60)
    assert cluster.state("greedy") == ("Pending", "PodNotAdmitted")
    assert message(cluster, "greedy") == (
        "the API server would refuse its pods: container main requests 0.3 vCPU, more than the limit of 0.2 vCPU that"
        " LimitRange defaults gives it: set resources.limits for cpu, or have the default of the LimitRange raised"
    )
    assert cluster.condition("BatchJob", "greedy", "Stalled")[0] == "True"
    assert cluster.kube_jobs() == ["modest-1"]
    assert used(cluster)["cpu"] == 200
    await cluster.restart_operator()
    await cluster.pass_time(25)
    assert cluster.state("greedy") == ("Pending", "PodNotAdmitted")
    cluster.limit(default={"cpu": "400m"}, defaultRequest={"cpu": "200m"})
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["greedy-1", "modest-1"]


@in_cluster()
async def test_an_array_that_has_begun_gets_no_more_slots_for_pods_that_would_be_refused(cluster: Cluster) -> None:
    furnish(cluster, vcpus=1, container={"image": "busybox", "resources": {"limits": {"cpu": "500m"}}})
    await cluster.start_operator()
    cluster.submit(array={"size": 6})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0, 1)
    cluster.limit(max={"cpu": "400m"}, default={"cpu": "400m"}, defaultRequest={"cpu": "400m"})
    await cluster.pass_time(2)
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=4)
    await cluster.pass_time(2)
    assert cluster.parallelism("job-1") == 2
    assert "container main has a limit of 0.5 vCPU, and LimitRange defaults allows 0.4 vCPU" in message(cluster)
    cluster.lift()
    await cluster.pass_time(2)
    assert cluster.parallelism("job-1") == 6


@pytest.mark.parametrize("restarted", [False, True])
@in_cluster()
async def test_a_job_whose_memory_grows_beyond_what_is_allowed_says_so(cluster: Cluster, restarted: bool) -> None:
    memory = {"limits": {"cpu": "1", "memory": "1Gi"}}
    growth = {"attempts": 3, "onOutOfMemory": {"memoryMultiplier": 2}, "backoff": {"initialSeconds": 30}}
    furnish(cluster, container={"image": "busybox", "resources": memory}, retryStrategy=growth)
    cluster.limit(max={"memory": "1Gi"}, default={"memory": "1Gi"}, defaultRequest={"memory": "1Gi"})
    await cluster.start_operator()
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(5)
    if restarted:
        await cluster.restart_operator(after=60)
    await cluster.pass_time(60)
    assert cluster.state() == ("Pending", "PodNotAdmitted")
    assert "container main has a limit of 2 GiB memory, and LimitRange defaults allows 1 GiB memory" in message(cluster)
    assert cluster.kube_jobs("job-2") == []
    cluster.lift()
    await cluster.pass_time(2)
    assert "job-2" in cluster.kube_jobs()


POD: dict[str, Any] = {"containers": [{"name": "main", "image": "busybox", "resources": asking(1)}]}


@in_cluster()
async def test_the_overhead_of_a_runtime_class_is_granted_with_the_pod(cluster: Cluster) -> None:
    furnish(cluster, vcpus=4, container=None, template={"spec": {**POD, "runtimeClassName": "kata"}})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(30)
    assert cluster.state() == ("Pending", "PodNotAdmitted")
    assert "RuntimeClass kata does not exist: create it" in message(cluster)
    cluster.put_runtime_class("gvisor")
    cluster.put_runtime_class("kata", overhead={"podFixed": {"cpu": "500m", "memory": "160Mi"}})
    await cluster.pass_time(2)
    assert used(cluster) == {"cpu": 1500, "memory": 160 * 1024**2, "pods": 1}
    assert "overhead" not in cluster.pod_spec()


@pytest.mark.parametrize("resource", [LIMIT_RANGES, RUNTIME_CLASSES])
@in_cluster()
async def test_nothing_is_granted_before_the_rules_are_read(cluster: Cluster, resource: Resource) -> None:
    furnish(cluster, container=None, template={"spec": {**POD, "runtimeClassName": "kata"}})
    cluster.limit(default={"memory": "64Mi"}, defaultRequest={"memory": "64Mi"})
    cluster.put_runtime_class("kata", overhead={"podFixed": {"cpu": "500m"}})
    process = await cluster.start_operator()
    await process.kill()
    cluster.submit()
    with unreadable(resource):
        await cluster.start_operator()
        await cluster.pass_time(60)
        assert cluster.state() == ("", "")
    await cluster.pass_time(60)
    assert used(cluster) == {"cpu": 1500, "memory": 64 * 1024**2, "pods": 1}


@contextmanager
def unreadable(resource: Resource) -> Iterator[None]:
    """No list of a kind is answered."""
    pages = FakeApi.list_pages

    async def failing(self: FakeApi, asked: Resource, *rest: Any, **more: Any) -> AsyncGenerator[Any, None]:
        if asked == resource:
            raise Unavailable(503, "ServiceUnavailable", "not now")
        async for page in pages(self, asked, *rest, **more):
            yield page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeApi, "list_pages", failing)
        yield


@in_cluster()
async def test_a_limit_range_that_makes_no_sense_in_part_stops_nothing(cluster: Cluster) -> None:
    furnish(cluster)
    odd = [7, {"type": "Container", "defaultRequest": {"cpu": "16", "memory": "plenty"}}]
    cluster.store.create(LIMIT_RANGES, {"metadata": {"name": "odd"}, "spec": {"limits": odd}}, NAMESPACE)
    cluster.store.create(LIMIT_RANGES, {"metadata": {"name": "odder"}, "spec": "nothing"}, "audio")
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert used(cluster) == {"cpu": 16000, "pods": 1}
