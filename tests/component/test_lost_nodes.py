"""A node that is not heard from any more, while its object and the pods on it stay."""

from batchyard.kube.resources import NODES, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE

FORCE = "kubectl delete pod job-1-00001 -n media --force"


def lose(cluster: Cluster, node: str) -> None:
    """The node's kubelet is not heard from any more."""
    obj = cluster.store.get(NODES, node)
    unknown = {"type": "Ready", "status": "Unknown", "lastTransitionTime": cluster.store.timestamp()}
    obj["status"]["conditions"] = [unknown]
    cluster.store.update(NODES, obj, status=True)


async def on_a_lost_node(cluster: Cluster) -> None:
    """Run a job, lose its node, and have the taint manager evict the pod, which nobody confirms."""
    cluster.furnish(cpu="1")
    cluster.add_node("node-2", cpu="1")
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.start("job-1", "node-1")
    await cluster.pass_time(10)
    lose(cluster, "node-1")
    await cluster.pass_time(300)
    pod = cluster.jobs.pod("job-1")
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "tainted"}
    pod["status"]["conditions"] = [{**condition, "lastTransitionTime": cluster.store.timestamp()}]
    cluster.store.update(PODS, pod, status=True)
    cluster.delete_pod(pod)
    await cluster.pass_time(30)


def force(cluster: Cluster) -> None:
    """What a forced deletion does to a pod that is being deleted: it waits for its finalizer only."""
    pod = cluster.jobs.pod("job-1")
    pod["metadata"]["deletionGracePeriodSeconds"] = 0
    cluster.store.update(PODS, pod)


@in_cluster(graceful=True)
async def test_the_job_says_that_its_node_is_lost_since_when_and_what_to_do(cluster: Cluster) -> None:
    await on_a_lost_node(cluster)
    assert cluster.state() == ("Running", "NodeLost")
    message = cluster.status()["message"]
    assert "node node-1 has not been heard from since 2026-01-01T00:00:1" in message
    assert "kubectl taint nodes node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute" in message
    assert FORCE in message
    await cluster.pass_time(1800)
    assert cluster.kube_jobs() == ["job-1"], "it may still run"


@in_cluster(graceful=True)
async def test_it_runs_again_once_the_control_plane_has_deleted_the_pod(cluster: Cluster) -> None:
    await on_a_lost_node(cluster)
    cluster.jobs.disrupt("job-1", "DeletionByPodGC")
    await cluster.pass_time(5)
    assert cluster.status()["attempts"][0]["reason"] == "Interrupted"
    assert cluster.kube_jobs() == ["job-1", "job-2"]


@in_cluster(graceful=True)
async def test_it_runs_again_once_somebody_has_deleted_the_pod_by_force(cluster: Cluster) -> None:
    await on_a_lost_node(cluster)
    force(cluster)
    await cluster.pass_time(5)
    assert cluster.status()["attempts"][0]["reason"] == "Interrupted"
    assert "deletionTimestamp" in cluster.kube_job("job-1")["metadata"]
    cluster.jobs.terminate("job-1")  # with its Job deleted, the controller lets go of the pod
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == ["job-2"]
    assert cluster.status()["attempts"][1]["attempt"] == 1


@in_cluster(graceful=True)
async def test_a_termination_says_the_same(cluster: Cluster) -> None:
    await on_a_lost_node(cluster)
    cluster.submit(stop={"mode": "Terminate", "reason": "not needed"})
    await cluster.pass_time(30)
    assert cluster.state() == ("Running", "Stopping")
    assert "node node-1 has not been heard from" in cluster.status()["message"]
    assert FORCE in cluster.status()["message"]
    cluster.jobs.terminate("job-1")
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", "Terminated")


async def array_on_a_lost_node(cluster: Cluster) -> str:
    """Run an array, lose its node, and have index 1 evicted; returns its pod."""
    cluster.furnish(cpu="1")
    cluster.add_node("node-2", cpu="4")
    await cluster.start_operator()
    cluster.submit("arr", array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("arr-1", 0, 1, 2)
    await cluster.pass_time(10)
    lose(cluster, "node-1")
    await cluster.pass_time(300)
    pod = cluster.jobs.indexed.pod("arr-1", 1)
    cluster.delete_pod(pod)
    await cluster.pass_time(30)
    return str(pod["metadata"]["name"])


@in_cluster(graceful=True)
async def test_an_array_says_which_index_is_on_a_lost_node(cluster: Cluster) -> None:
    name = await array_on_a_lost_node(cluster)
    assert cluster.state("arr") == ("Pending", "NodeLost")
    message = cluster.status("arr")["message"]
    assert message.startswith(
        "3 of 3 indexes run, 0 succeeded, 0 failed; index 1 does not end: node node-1 has not been"
    )
    assert f"kubectl delete pod {name} -n media --force" in message


@in_cluster(graceful=True)
async def test_an_index_runs_again_once_somebody_has_deleted_its_pod_by_force(cluster: Cluster) -> None:
    name = await array_on_a_lost_node(cluster)
    pod = cluster.store.get(PODS, name, NAMESPACE)
    pod["metadata"]["deletionGracePeriodSeconds"] = 0
    cluster.store.update(PODS, pod)
    await cluster.pass_time(25)
    assert cluster.store.get(PODS, name, NAMESPACE)["status"]["reason"] == "NodeLost"
    cluster.jobs.indexed.end_deleted(cluster.store.get(PODS, name, NAMESPACE), 137)
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == ["arr-1", "arr-2-i1"]
    await cluster.pass_time(30)  # the status of an array is written now and then
    status = cluster.status("arr")
    assert (status["interruptions"], status["array"]["failed"], status["array"]["retries"]) == (1, 0, 0)
    assert status["reason"] == "IndexesRunning"
