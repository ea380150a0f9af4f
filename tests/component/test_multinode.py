"""A multi-node job through the whole operator: all nodes or none, the main node first, and its end is the job's."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, SERVICES
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking_container, multi_node

RETRIES: dict[str, Any] = {"attempts": 2, "backoff": {"initialSeconds": 1}}


def furnish(cluster: Cluster, *, cpu: str = "4", nodes: int = 3, main: int = 0, **definition: Any) -> None:
    cluster.furnish(cpu=cpu)
    cluster.define(**multi_node(nodes, asking_container(image="mpi"), mainNode=main), **definition)


def jobs_by_node(cluster: Cluster, run: int = 1) -> dict[int, Object]:
    return {
        int(job["metadata"]["labels"][names.NODE]): job
        for job in cluster.store.objects(JOBS)
        if job["metadata"]["labels"][names.RUN] == str(run)
    }


async def start_all(cluster: Cluster, run: int = 1) -> dict[int, Object]:
    """Start the main node, then the others; returns the Jobs by node."""
    for _ in range(2):
        for job in jobs_by_node(cluster, run).values():
            cluster.jobs.start(job)
        await cluster.pass_time(1)
    return jobs_by_node(cluster, run)


def used(cluster: Cluster) -> dict[str, int]:
    return {name: amount for name, amount in cluster.process.operator.cache.used["on-prem"].items() if amount}


@pytest.mark.parametrize("main", [0, 1])
@in_cluster()
async def test_the_main_node_first_then_the_others_and_its_end_is_the_jobs(cluster: Cluster, main: int) -> None:
    furnish(cluster, main=main)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert list(jobs_by_node(cluster)) == [main]
    assert used(cluster) == {"cpu": 3000, "pods": 3}
    cluster.jobs.schedule("job-1")
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["job-1"]
    nodes = await start_all(cluster)
    others = [node for node in range(3) if node != main]
    assert sorted(cluster.kube_jobs()) == ["job-1", *(f"job-1-n{node}" for node in others)]
    assert cluster.status()["message"] == "the main node runs on node node-1, 2 of 2 other nodes run"
    address = cluster.jobs.pod(nodes[main])["status"]["podIP"]
    for node in others:
        container = nodes[node]["spec"]["template"]["spec"]["containers"][0]
        variables = {entry["name"]: entry["value"] for entry in container["env"]}
        assert variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] == address
        assert variables["AWS_BATCH_JOB_NODE_INDEX"] == str(node)
    cluster.jobs.finish(nodes[main])
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["job-1"]
    assert used(cluster) == {}
    assert cluster.store.get(SERVICES, "nodes-job", NAMESPACE)["spec"]["clusterIP"] == "None"
    assert len(cluster.status()["attempts"]) == 1


@in_cluster()
async def test_all_or_nothing(cluster: Cluster) -> None:
    furnish(cluster, cpu="3")
    cluster.put("JobQueue", "urgent", queueing={"policy": "Strict"})
    cluster.put("JobDefinition", "single", container=asking_container(image="a"))
    await cluster.start_operator()
    cluster.submit("first", jobDefinition="single")
    await cluster.pass_time(1)
    cluster.submit("gang")
    await cluster.pass_time(1)
    cluster.submit("behind", jobDefinition="single")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1"]
    assert cluster.state("gang") == ("Runnable", "InsufficientCapacity")
    assert "needs 3 nodes at once (1 vCPU each, 3 vCPU in all)" in cluster.status("gang")["message"]
    cluster.jobs.finish("first-1")
    await cluster.pass_time(1)
    # The place of the nodes that do not exist yet is taken: the job behind does not get it.
    assert cluster.kube_jobs() == ["first-1", "gang-1"]


@in_cluster(graceful=True)
async def test_the_place_is_given_on_when_the_last_pod_has_ended(cluster: Cluster) -> None:
    furnish(cluster, cpu="3")
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.submit("second")
    cluster.jobs.finish(nodes[0])
    await cluster.pass_time(60)
    assert cluster.state("first") == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["first-1", "first-1-n1", "first-1-n2"]
    cluster.jobs.terminate(nodes[1])
    await cluster.pass_time(5)
    assert "second-1" not in cluster.kube_jobs()
    cluster.jobs.terminate(nodes[2])
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "second-1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": 5}, "the job needs 5 nodes at once (1 vCPU each, 5 vCPU, 5 pods in all), more than any environment"),
        ({"cpu": "1"}, "(on-prem: 1 node, 1 vCPU, 16 GiB memory, 110 pods in all"),
    ],
)
@in_cluster()
async def test_a_job_of_more_nodes_than_there_is_room_for_says_so(
    cluster: Cluster, change: dict[str, Any], words: str
) -> None:
    furnish(cluster, **change)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == ("Runnable", "ExceedsCapacity")
    assert words in cluster.status()["message"]
    assert cluster.kube_jobs() == []


@in_cluster()
async def test_the_main_nodes_failure_repeats_the_whole(cluster: Cluster) -> None:
    furnish(cluster, retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.jobs.finish(nodes[0], 3)
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["job-1", "job-2"]
    nodes = await start_all(cluster, run=2)
    assert sorted(nodes) == [0, 1, 2]
    cluster.jobs.finish(nodes[0])
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")
    assert [(each["attempt"], each["exitCode"]) for each in cluster.status()["attempts"]] == [(1, 3), (2, 0)]
    assert used(cluster) == {}


@in_cluster()
async def test_another_nodes_end_decides_nothing(cluster: Cluster) -> None:
    furnish(cluster, retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.jobs.finish(nodes[1], 1)
    cluster.jobs.finish(nodes[2], 0)
    await cluster.pass_time(5)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert cluster.status()["message"].endswith("0 of 2 other nodes run, 2 ended (1 failed)")
    assert used(cluster) == {"cpu": 3000, "pods": 3}
    cluster.jobs.finish(nodes[0])
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["job-1", "job-1-n1", "job-1-n2"]


@pytest.mark.parametrize("lost", [0, 2])
@in_cluster()
async def test_the_loss_of_any_node_repeats_the_whole_at_no_cost(cluster: Cluster, lost: int) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.jobs.disrupt(nodes[lost], "DeletionByTaintManager", "node is gone")
    await cluster.pass_time(5)
    assert sorted(jobs_by_node(cluster, run=2)) == [0]
    attempts = cluster.status()["attempts"]
    assert [(each["run"], each["attempt"]) for each in attempts] == [(1, 1), (2, 1)]
    assert attempts[0]["reason"] == "Interrupted"
    assert cluster.status()["interruptions"] == 1
    assert ("node 2: " in attempts[0]["message"]) == (lost == 2)
    nodes = await start_all(cluster, run=2)
    cluster.jobs.finish(nodes[0])
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_a_node_that_cannot_start_fails_the_attempt(cluster: Cluster) -> None:
    furnish(cluster, startupGraceSeconds=30)
    await cluster.start_operator()
    await cluster.submit_and_start()
    await cluster.pass_time(1)
    cluster.jobs.wait("job-1-n2", "ImagePullBackOff", "no such image")
    await cluster.pass_time(20)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert "node 2: ImagePullBackOff: no such image" in cluster.status()["message"]
    await cluster.pass_time(15)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert cluster.kube_jobs() == []
    assert used(cluster) == {}


@in_cluster()
async def test_a_node_whose_job_is_deleted_by_hand_comes_again(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    await start_all(cluster)
    cluster.delete_kube_job("job-1-n1")
    await cluster.pass_time(1)
    assert sorted(cluster.kube_jobs()) == ["job-1", "job-1-n1", "job-1-n2"]


@in_cluster()
async def test_a_run_deleted_by_hand_takes_the_other_nodes_along(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.jobs.finish(nodes[1], 1)
    cluster.delete_kube_job("job-1")
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["job-2"]
    assert cluster.status()["attempts"][0]["reason"] == "JobDeleted"


@in_cluster()
async def test_the_timeout_is_that_of_the_main_node(cluster: Cluster) -> None:
    furnish(cluster, timeout={"attemptDurationSeconds": 60})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    deadlines = [nodes[node]["spec"]["template"]["spec"].get("activeDeadlineSeconds") for node in range(3)]
    assert deadlines == [60, None, None]


@in_cluster(graceful=True)
async def test_termination_ends_all_nodes_and_says_so_when_they_have_ended(cluster: Cluster) -> None:
    furnish(cluster, retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.change(stop={"mode": "Terminate", "reason": "wrong input"})
    await cluster.pass_time(2)
    cluster.jobs.terminate(nodes[0])
    await cluster.pass_time(10)
    assert cluster.state() == ("Running", "Stopping")
    for node in (1, 2):
        cluster.jobs.terminate(nodes[node])
    await cluster.pass_time(2)
    assert cluster.state() == ("Failed", "Terminated")
    assert cluster.kube_jobs() == []
    assert used(cluster) == {}


@in_cluster()
async def test_memory_grows_for_the_main_node_and_those_that_run_the_same(cluster: Cluster) -> None:
    growth = {"attempts": 2, "backoff": {"initialSeconds": 0}, "onOutOfMemory": {"memoryMultiplier": 2}}
    furnish(cluster)
    containers = [
        {"image": "a", "resources": {"requests": {"cpu": "1", "memory": amount}}} for amount in ("1Gi", "2Gi")
    ]
    ranges = [{"targetNodes": text, "container": each} for text, each in zip(("0:1", "2"), containers, strict=True)]
    multi_node = {"numNodes": 3, "nodeRanges": ranges}
    cluster.put("JobDefinition", "transcode", container=None, multiNode=multi_node, retryStrategy=growth)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert used(cluster) == {"cpu": 3000, "memory": 4 * 2**30, "pods": 3}
    nodes = await start_all(cluster)
    cluster.jobs.finish(nodes[0], 137, "OOMKilled")
    await cluster.pass_time(5)
    assert used(cluster) == {"cpu": 3000, "memory": 6 * 2**30, "pods": 3}
    nodes = await start_all(cluster, run=2)
    asked = [node["spec"]["template"]["spec"]["containers"][0]["resources"] for _, node in sorted(nodes.items())]
    assert [each["requests"]["memory"] for each in asked] == ["2Gi", "2Gi", "2Gi"]


@in_cluster()
async def test_a_deleted_job_leaves_nothing(cluster: Cluster) -> None:
    furnish(cluster)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    await start_all(cluster)
    cluster.delete("BatchJob", "job")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == []
    assert cluster.store.objects(SERVICES) == []
    assert used(cluster) == {}


@in_cluster()
async def test_a_node_that_the_api_server_refuses_is_found_out_before_any_runs(cluster: Cluster) -> None:
    furnish(cluster)
    containers = [asking_container(image=image) for image in ("good", "BAD")]
    ranges = [{"targetNodes": f"{index}", "container": each} for index, each in enumerate(containers)]
    cluster.put("JobDefinition", "transcode", container=None, multiNode={"numNodes": 2, "nodeRanges": ranges})

    def refuse(job: Object, _: Object | None) -> str | None:
        [container] = job["spec"]["template"]["spec"]["containers"]
        return "image: Invalid value" if container["image"] == "BAD" else None

    cluster.store.validate(JOBS, refuse)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == ("Failed", "JobRejected")
    assert cluster.kube_jobs() == []
    assert cluster.condition("JobDefinition", "transcode")[1] == "TemplateRejected"


@in_cluster()
async def test_a_node_that_is_refused_is_asked_for_again_at_growing_intervals(cluster: Cluster) -> None:
    furnish(cluster)
    process = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.store.validate(JOBS, lambda job, _: "no more" if "-n" in job["metadata"]["name"] else None)
    cluster.jobs.start("job-1")
    await cluster.pass_time(4)
    tries = [name for verb, name in process.writes(JOBS) if verb == "create" and name != "job-1"]
    assert 2 <= len(tries) <= 10
    assert "no more" in cluster.status()["message"]


@in_cluster()
async def test_a_service_in_the_way_is_named(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.store.create(SERVICES, {"metadata": {"name": "nodes-job"}}, NAMESPACE)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.state() == ("Runnable", "CreateFailed")
    assert "a Service nodes-job that does not belong to this BatchJob exists" in cluster.status()["message"]
    cluster.store.delete(SERVICES, "nodes-job", NAMESPACE)
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == ["job-1"]


@pytest.mark.parametrize("orderly", [True, False])
@in_cluster()
async def test_another_operator_goes_on_where_the_first_was(cluster: Cluster, orderly: bool) -> None:
    furnish(cluster, cpu="3")
    first = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    await first.end(orderly=orderly)
    cluster.jobs.start("job-1")
    second = await cluster.start_operator()
    await cluster.pass_time(20)
    assert sorted(cluster.kube_jobs()) == ["job-1", "job-1-n1", "job-1-n2"]
    assert used(cluster) == {"cpu": 3000, "pods": 3}
    await second.end(orderly=orderly)
    cluster.jobs.finish("job-1")
    await cluster.start_operator()
    await cluster.pass_time(20)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["job-1"]
    assert used(cluster) == {}


@in_cluster()
async def test_writes(cluster: Cluster) -> None:
    """A Service, a Job for each node, the end of those that are stopped, and few statuses."""
    furnish(cluster)
    process = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    nodes = await start_all(cluster)
    cluster.jobs.finish(nodes[0])
    await cluster.pass_time(2)
    assert process.writes(SERVICES) == [("create", "nodes-job")]
    assert sorted(process.writes(JOBS)) == [
        ("create", "job-1"),
        ("create", "job-1-n1"),
        ("create", "job-1-n2"),
        ("delete", "job-1-n1"),
        ("delete", "job-1-n2"),
    ]
