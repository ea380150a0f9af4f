"""Environments without nodes of their own: what pods count for there, what cannot run there, and where it goes then."""

from collections.abc import Mapping
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBDEFINITIONS, JOBS, NODES
from fakes.cluster import Cluster, in_cluster, watching
from objects.answers import NO_NODE
from objects.api import manifest
from objects.serverless import (
    SIZES,
    VIRTUAL,
    VIRTUAL_TAINT,
    node_without_machine,
    serverless_fields,
    virtual_fields,
)
from objects.specs import multi_node

GI = 2**30
SMALL = ("300m", "600Mi")
"""Half a vCPU and 1 GiB on Fargate."""
AS_SMALL = "0.5 vCPU, 1 GiB memory"
ON_FARGATE = "environment fargate of queue urgent is serverless (fargate) and cannot run the pod: "


def container(cpu: str = SMALL[0], memory: str = SMALL[1], **fields: Any) -> dict[str, Any]:
    limits = fields.pop("limits", None)
    resources = {"requests": {"cpu": cpu, "memory": memory}, **({"limits": limits} if limits else {})}
    return {"name": "main", "image": "busybox", "resources": resources, **fields}


def template(main: Mapping[str, Any] | None = None, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """What makes a definition one of a whole pod."""
    metadata = {"metadata": {"labels": labels}} if labels else {}
    return {"container": None, "template": {**metadata, "spec": {"containers": [main or container()], **spec}}}


def furnish(cluster: Cluster, *environments: str, **serverless: Any) -> None:
    """Fargate, a queue for it and what else is named, and a definition of a small job."""
    cluster.put_serverless(**serverless)
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate", *environments])
    cluster.define(container=container())


def with_nodes(cluster: Cluster, *, cpu: str = "4", gpus: int = 0) -> None:
    """An environment that has a node."""
    cluster.put("ComputeEnvironment", "nodes")
    cluster.add_node(cpu=cpu)
    node = cluster.store.get(NODES, "node-1")
    node["status"]["allocatable"] |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
    cluster.store.update(NODES, node, status=True)


def used(cluster: Cluster, environment: str = "fargate") -> dict[str, int]:
    return {name: amount for name, amount in cluster.process.operator.cache.used[environment].items() if amount}


def environment_status(cluster: Cluster, name: str = "fargate") -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("ComputeEnvironment", name)["status"]
    return found


def annotation(cluster: Cluster, kube_job: str, name: str) -> str | None:
    found: str | None = cluster.kube_job(kube_job)["metadata"]["annotations"].get(name)
    return found


def environment_of(cluster: Cluster, kube_job: str) -> str:
    found: str = cluster.kube_job(kube_job)["metadata"]["labels"][names.ENVIRONMENT]
    return found


def started(cluster: Cluster) -> list[str]:
    """The jobs that have a Kubernetes Job which has not ended."""
    return [name.rpartition("-")[0] for name in cluster.active_jobs()]


@in_cluster()
async def test_a_job_counts_as_the_size_that_its_pod_gets(cluster: Cluster) -> None:
    furnish(cluster, labels={"profile": "batch"}, fields={"maxMemory": "20Gi"})
    cluster.define(container=container("1", "8Gi"))
    await cluster.start_operator()
    await cluster.pass_time(3)
    assert cluster.condition("ComputeEnvironment", "fargate") == (
        "True",
        "Serverless",
        "pods run without nodes of the environment (fargate)",
    )
    cluster.submit()
    await cluster.pass_time(3)
    assert annotation(cluster, "job-1", names.REQUEST) == f'{{"cpu": 2000, "memory": {9 * GI}}}'
    assert annotation(cluster, "job-1", names.CHARGED_AS) == "2 vCPU, 9 GiB memory"
    pod = cluster.kube_job("job-1")["spec"]["template"]
    assert pod["metadata"]["labels"]["profile"] == "batch"
    assert cluster.container()["resources"] == {"requests": {"cpu": "1", "memory": "8Gi"}}, "it asks for what it did"
    assert not {"nodeSelector", "tolerations", "affinity"} & pod["spec"].keys()
    assert cluster.state() == ("Starting", "ScalingUp")
    assert cluster.status()["message"] == (
        "environment fargate is getting capacity for a pod (1 vCPU, 8 GiB memory), asked for since 00:00:03Z"
    )
    [attempt] = cluster.status()["attempts"]
    assert (attempt["chargedAs"], attempt["memory"]) == ("2 vCPU, 9 GiB memory", "9Gi")
    status = environment_status(cluster)
    assert (status["nodes"], status["jobs"]) == (0, 1)
    assert status["capacity"] == {"cpu": "16", "memory": "20Gi"}
    assert status["used"] == {"cpu": "2", "memory": "9Gi", "pods": "1"}
    assert status["free"] == {"cpu": "14", "memory": "11Gi"}

    cluster.jobs.start("job-1", "fargate-ip-10-0-0-1")
    await cluster.pass_time(3)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert used(cluster) == {"cpu": 2000, "memory": 9 * GI, "pods": 1}, "not what the pod asks for"
    cluster.jobs.finish("job-1")
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.status()["attempts"][0]["chargedAs"] == "2 vCPU, 9 GiB memory"
    assert (used(cluster), environment_status(cluster)["free"]) == ({}, {"cpu": "16", "memory": "20Gi"})


@in_cluster()
async def test_labels_by_which_a_profile_chooses_pods_go_before_those_of_the_job(cluster: Cluster) -> None:
    """Else it would run on nodes that are not counted, or nowhere."""
    furnish(cluster, labels={"profile": "batch", "team": "platform"})
    cluster.define(**template(labels={"profile": "mine", "app": "encode"}))
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    labels = cluster.kube_job("job-1")["spec"]["template"]["metadata"]["labels"]
    assert {name: labels[name] for name in ("profile", "team", "app")} == {
        "profile": "batch",
        "team": "platform",
        "app": "encode",
    }
    assert labels[names.JOB] == "job"


@in_cluster()
async def test_an_array_counts_as_the_sizes_of_its_pods(cluster: Cluster) -> None:
    furnish(cluster, max_vcpus=2)
    cluster.define(container=container(), retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 1}})
    await cluster.start_operator()
    cluster.submit("array", array={"size": 5})
    await cluster.pass_time(3)
    assert cluster.parallelism("array-1") == 4, "by what they ask for there would be room for six"
    assert used(cluster) == {"cpu": 2000, "memory": 4 * GI, "pods": 4}
    assert annotation(cluster, "array-1", names.CHARGED_AS) == AS_SMALL
    assert annotation(cluster, "array-1", names.REQUEST) == f'{{"cpu": 500, "memory": {GI}}}'
    assert cluster.array_status("array")["chargedAs"] == AS_SMALL
    assert environment_status(cluster)["free"] == {"cpu": "0"}
    for index in range(3):
        cluster.jobs.indexed.start("array-1", index)
    cluster.jobs.indexed.finish("array-1", 0, exit_code=1)
    cluster.jobs.indexed.finish("array-1", 1, 2)
    await cluster.pass_time(5)
    [retry] = [name for name in cluster.kube_jobs() if name != "array-1"]
    assert annotation(cluster, retry, names.CHARGED_AS) == AS_SMALL
    assert used(cluster) == {"cpu": 1500, "memory": 3 * GI, "pods": 3}
    cluster.jobs.finish(retry)
    cluster.jobs.indexed.finish("array-1", 3, 4)
    await cluster.pass_time(5)
    assert cluster.state("array") == ("Succeeded", "Completed")
    assert cluster.array_status("array")["chargedAs"] == AS_SMALL
    assert used(cluster) == {}


@in_cluster()
async def test_a_multi_node_job_counts_as_the_sizes_of_all_its_pods(cluster: Cluster) -> None:
    furnish(cluster, max_vcpus=3)
    main, others = container("1", "8Gi"), container()
    ranges = [{"targetNodes": "0", "container": main}, {"targetNodes": "1:", "container": others}]
    cluster.define("mpi", container=None, multiNode={"numNodes": 3, "nodeRanges": ranges})
    await cluster.start_operator()
    cluster.submit(jobDefinition="mpi")
    await cluster.pass_time(3)
    whole = {"cpu": 3000, "memory": 11 * GI, "pods": 3}
    assert used(cluster) == whole, "while one of three pods is there"
    assert annotation(cluster, "job-1", names.CHARGED_AS) == f"2 vCPU, 9 GiB memory or {AS_SMALL}"
    assert cluster.status()["attempts"][0]["chargedAs"] == f"2 vCPU, 9 GiB memory or {AS_SMALL}"
    for kube_job in ("job-1", "job-1-n1", "job-1-n2"):
        cluster.jobs.start(kube_job, f"fargate-{kube_job}")
        await cluster.pass_time(2)
    assert cluster.state()[0] == "Running"
    assert used(cluster) == whole
    cluster.submit("next")
    await cluster.pass_time(3)
    assert cluster.state("next") == ("Runnable", "InsufficientCapacity")
    cluster.jobs.finish("job-1")
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Succeeded"
    assert cluster.state("next")[0] == "Starting"
    assert used(cluster) == {"cpu": 500, "memory": GI, "pods": 1}


@in_cluster()
async def test_one_of_more_pods_than_the_ceiling_has_sizes_for_never_starts(cluster: Cluster) -> None:
    furnish(cluster, max_vcpus=2)
    cluster.define("mpi", **multi_node(5, container()))
    await cluster.start_operator()
    cluster.submit(jobDefinition="mpi")
    cluster.submit("next")
    await cluster.pass_time(3)
    assert cluster.state() == ("Runnable", "ExceedsCapacity")
    assert "the job needs 5 pods at once, in all 1.5 vCPU, 2.93 GiB memory" in cluster.status()["message"]
    assert "at most 2 vCPU in all, where it counts as 2.5 vCPU, 5 GiB memory" in cluster.status()["message"]
    assert cluster.state("next")[0] == "Starting"


@pytest.mark.parametrize("ceilings", [{"max_vcpus": 2}, {"max_vcpus": 16, "fields": {"maxMemory": "4Gi"}}])
@in_cluster()
async def test_no_ceiling_is_ever_exceeded_by_what_the_pods_count_for(
    cluster: Cluster, ceilings: dict[str, Any]
) -> None:
    furnish(cluster, **ceilings)
    await cluster.start_operator()
    most = 0

    def seen(old: Object | None, new: Object | None) -> None:
        nonlocal most
        most = max(most, len(cluster.active_jobs()))

    names_of_jobs = [f"job-{number:02}" for number in range(20)]
    with watching(cluster.store, JOBS, seen):
        for name in names_of_jobs:
            cluster.submit(name)
        for _ in range(20):
            await cluster.pass_time(2)
            assert used(cluster).get("cpu", 0) <= 2000
            assert used(cluster).get("memory", 0) <= 4 * GI
            for kube_job in cluster.active_jobs()[:2]:
                cluster.jobs.start(kube_job, f"fargate-{kube_job}")
                cluster.jobs.finish(kube_job)
        await cluster.pass_time(3)
    assert {cluster.state(name)[0] for name in names_of_jobs} == {"Succeeded"}
    assert most == 4
    assert used(cluster) == {}


@in_cluster()
async def test_who_waits_is_told_what_is_left_and_what_he_counts_for(cluster: Cluster) -> None:
    furnish(cluster, max_vcpus=2)
    await cluster.start_operator()
    for number in range(5):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(12)
    assert started(cluster) == [f"job-{number}" for number in range(4)]
    assert cluster.state("job-4") == ("Runnable", "InsufficientCapacity")
    message = cluster.status("job-4")["message"]
    assert message.startswith("next in queue urgent; needs 0.3 vCPU, 600 MiB memory of environment fargate; ")
    assert message.endswith(
        f"spec.maxVcpus of environment fargate leaves no vCPU, and the job counts there as {AS_SMALL}"
    )


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, int]]] = {
    "single": ({}, {}, {"cpu": 500, "memory": GI, "pods": 1}),
    "array": ({}, {"array": {"size": 3}}, {"cpu": 1500, "memory": 3 * GI, "pods": 3}),
    "multi-node": (multi_node(3, container()), {}, {"cpu": 1500, "memory": 3 * GI, "pods": 3}),
}
"""Definition and job of each form, and what it counts for."""


@pytest.mark.parametrize("orderly", [False, True])
@pytest.mark.parametrize("form", FORMS)
@in_cluster()
async def test_after_a_restart_the_same_is_charged(cluster: Cluster, form: str, orderly: bool) -> None:
    definition, job, amount = FORMS[form]
    furnish(cluster, max_vcpus=2)
    cluster.define(**{"container": container(), **definition})
    await cluster.start_operator()
    cluster.submit(**job)
    await cluster.pass_time(3)
    before = cluster.status()
    assert used(cluster) == amount
    await cluster.restart_operator(orderly=orderly)
    await cluster.pass_time(30)
    assert used(cluster) == amount
    assert (cluster.status()["attempts"], cluster.status().get("array")) == (before["attempts"], before.get("array"))
    cluster.define("wide", container=container("600m", "600Mi"))
    cluster.submit("wide", jobDefinition="wide")
    await cluster.pass_time(3)
    assert cluster.state("wide")[0] == ("Starting" if amount["cpu"] <= 1000 else "Runnable")


@in_cluster()
async def test_a_status_that_was_lost_with_the_operator_tells_the_size_again(cluster: Cluster) -> None:
    furnish(cluster)
    first = await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    await first.kill()
    job = cluster.get("BatchJob", "job")
    cluster.store.update(BATCHJOBS, {**job, "status": {}}, status=True)
    await cluster.start_operator()
    await cluster.pass_time(30)
    assert cluster.status()["attempts"][0]["chargedAs"] == AS_SMALL
    assert cluster.kube_jobs() == ["job-1"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "gpu": (template(container(limits={"nvidia.com/gpu": "1"})), "it asks for nvidia.com/gpu"),
    "privileged": (template(container(securityContext={"privileged": True})), "container main is privileged"),
    "privileged-init": (
        template(initContainers=[container(securityContext={"privileged": True}) | {"name": "prepare"}]),
        "container prepare is privileged",
    ),
    "host-path": (template(volumes=[{"name": "data", "hostPath": {"path": "/data"}}]), "volume data is a hostPath"),
    "host-network": (template(hostNetwork=True), "it has spec.hostNetwork"),
    "host-pid": (template(hostPID=True), "it has spec.hostPID"),
    "host-ipc": (template(hostIPC=True), "it has spec.hostIPC"),
    "host-port": (
        template(container(ports=[{"containerPort": 80, "hostPort": 8080}])),
        "it takes port 8080 of its node",
    ),
    "runtime-class": (template(runtimeClassName="gvisor"), "it has the runtimeClassName gvisor"),
    "windows": (template(os={"name": "windows"}), "its os is windows"),
    "more-memory": (
        template(container(limits={"memory": "2Gi"})),
        "container main requests 600 MiB memory and may use 2 GiB memory, and there both must be the same",
    ),
    "more-cpu": (
        template(container(limits={"cpu": "2", "memory": "600Mi"})),
        "container main requests 0.3 vCPU and may use 2 vCPU, and there both must be the same",
    ),
    "label": (
        template(nodeSelector={"disk": "nvme"}),
        (
            "its node selector or node affinity asks for labels other than eks.amazonaws.com/compute-type=fargate,"
            " kubernetes.io/arch=amd64, kubernetes.io/os=linux, and there are no others"
        ),
    ),
    "architecture": (template(nodeSelector={"kubernetes.io/arch": "arm64"}), "its node selector or node affinity asks"),
    "node": (template(nodeName="node-1"), "it names node node-1"),
    "storage": (
        template({**container(), "resources": {"requests": {"cpu": "1", "ephemeral-storage": "200Gi"}}}),
        "it asks for 200 GiB ephemeral-storage, and can have 175 GiB ephemeral-storage at most",
    ),
}
"""What needs a node, and what is said of it."""


@pytest.mark.parametrize("what", REFUSED)
@in_cluster()
async def test_what_needs_a_node_is_told_as_soon_as_it_is_submitted_and_holds_nobody_up(
    cluster: Cluster, what: str
) -> None:
    definition, words = REFUSED[what]
    furnish(cluster)
    cluster.put_runtime_class("gvisor")
    cluster.define(what, **definition)
    await cluster.start_operator()
    cluster.submit("odd", jobDefinition=what)
    cluster.submit("next")
    await cluster.pass_time(1)
    assert cluster.state("odd") == ("Runnable", "NotWithoutNodes")
    assert cluster.status("odd")["message"].startswith(ON_FARGATE + words)
    assert "; change the JobDefinition, or add an environment with nodes" in cluster.status("odd")["message"]
    assert [each["type"] for each in cluster.status("odd")["conditions"]] == ["Ready", "Stalled"]
    assert started(cluster) == ["next"]
    with_nodes(cluster, gpus=1)
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate", "nodes"])
    await cluster.pass_time(2)
    if what in ("label", "architecture", "storage"):
        assert cluster.state("odd")[0] == "Runnable", "that node is not right for it, either"
        assert f"; {ON_FARGATE}{words}" in cluster.status("odd")["message"]
    else:
        assert environment_of(cluster, "odd-1") == "nodes"


TOO_LARGE = {
    "cpu": ("16100m", "1Gi", "the job needs 16.1 vCPU, 1 GiB memory"),
    "memory": ("1", "120Gi", "the job needs 1 vCPU, 120 GiB memory"),
}


@pytest.mark.parametrize("what", TOO_LARGE)
@in_cluster()
async def test_so_is_what_is_larger_than_all_sizes(cluster: Cluster, what: str) -> None:
    cpu, memory, words = TOO_LARGE[what]
    furnish(cluster, max_vcpus=64)
    await cluster.start_operator()
    cluster.define("large", container=container(cpu, memory))
    cluster.define("just", container=container("16", "122624Mi"))
    cluster.submit("odd", jobDefinition="large")
    cluster.submit("next", jobDefinition="just")
    await cluster.pass_time(1)
    assert cluster.state("odd") == ("Runnable", "ExceedsCapacity")
    assert cluster.status("odd")["message"] == (
        f"{words}, more than any environment of queue urgent could ever give (fargate: largest size 16 vCPU, 120 GiB"
        " memory, of which its system takes 256 MiB memory, at most 64 vCPU in all); lower its requests, or add an"
        " environment with nodes to queue urgent"
    )
    assert started(cluster) == ["next"]
    assert used(cluster) == {"cpu": 16_000, "memory": 120 * GI, "pods": 1}


@in_cluster()
async def test_limits_that_a_limit_range_adds_count_as_its_own(cluster: Cluster) -> None:
    furnish(cluster)
    cluster.limit(default={"cpu": "2", "memory": "600Mi"})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "NotWithoutNodes")
    assert "container main requests 0.3 vCPU and may use 2 vCPU" in cluster.status()["message"]
    cluster.lift()
    await cluster.pass_time(2)
    assert cluster.state()[0] == "Starting"


@in_cluster()
async def test_a_job_may_be_ended_that_waits_for_what_never_comes(cluster: Cluster) -> None:
    furnish(cluster)
    limit = {"reason": "NotWithoutNodes", "maxTimeSeconds": 600}
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate"], jobStateTimeLimits=[limit])
    cluster.define("privileged", **template(hostPID=True))
    await cluster.start_operator()
    cluster.submit(jobDefinition="privileged")
    await cluster.pass_time(590)
    assert cluster.state() == ("Runnable", "NotWithoutNodes")
    await cluster.pass_time(15)
    assert cluster.state() == ("Failed", "StateTimeLimitExceeded")
    assert "it has spec.hostPID" in cluster.status()["message"]


@in_cluster()
async def test_of_one_queue_what_needs_nodes_goes_to_nodes_and_the_rest_does_not(cluster: Cluster) -> None:
    with_nodes(cluster, gpus=1)
    furnish(cluster, "nodes")
    cluster.define("gpu", **template(container(limits={"nvidia.com/gpu": "1"})))
    await cluster.start_operator()
    cluster.submit("small")
    cluster.submit("train", jobDefinition="gpu")
    await cluster.pass_time(1)
    cluster.submit("again", jobDefinition="gpu")
    await cluster.pass_time(3)
    assert [environment_of(cluster, f"{name}-1") for name in ("small", "train")] == ["fargate", "nodes"]
    assert annotation(cluster, "train-1", names.CHARGED_AS) is None
    assert "chargedAs" not in cluster.status("train")["attempts"][0]
    assert used(cluster, "nodes") == {"cpu": 300, "memory": 600 * 2**20, "nvidia.com/gpu": 1, "pods": 1}
    await cluster.pass_time(10)
    assert cluster.state("again") == ("Runnable", "InsufficientCapacity")
    assert (
        "needs 0.3 vCPU, 600 MiB memory, 1 nvidia.com/gpu on one node of environment nodes"
        in (cluster.status("again")["message"])
    )


def submit_in(cluster: Cluster, namespace: str, name: str = "job") -> None:
    """Submit a job in another namespace, which may have no definition yet."""
    if not cluster.store.objects(JOBDEFINITIONS, namespace):
        definition = manifest("JobDefinition", name="transcode", container=container())
        cluster.store.create(JOBDEFINITIONS, definition, namespace)
    cluster.store.create(BATCHJOBS, manifest("BatchJob", name=name), namespace)


def status_in(cluster: Cluster, namespace: str, name: str = "job") -> dict[str, Any]:
    found: dict[str, Any] = cluster.store.get(BATCHJOBS, name, namespace)["status"]
    return found


@in_cluster()
async def test_jobs_of_some_namespaces_may_run_there_and_others_go_elsewhere(cluster: Cluster) -> None:
    furnish(cluster, namespaces=["audio", "team-?", "*-prod"])
    await cluster.start_operator()
    admitted, others = ["audio", "team-a", "video-prod"], ["media", "team-10", "audio-2"]
    for namespace in (*admitted, *others[1:]):
        cluster.add_namespace(namespace)
    for namespace in (*others, *admitted):
        submit_in(cluster, namespace)
    await cluster.pass_time(3)
    assert {each["metadata"]["namespace"] for each in cluster.store.objects(JOBS)} == set(admitted)
    for namespace in others:
        status = status_in(cluster, namespace)
        assert (status["state"], status["reason"]) == ("Runnable", "NamespaceNotAllowed")
        assert status["message"] == (
            f"environment fargate of queue urgent takes no jobs of namespace {namespace}: add it to"
            " spec.serverless.namespaces of a ComputeEnvironment, or submit to another queue"
        )
    with_nodes(cluster)
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate", "nodes"])
    await cluster.pass_time(3)
    found = {
        each["metadata"]["namespace"]: each["metadata"]["labels"][names.ENVIRONMENT]
        for each in cluster.store.objects(JOBS)
    }
    assert found == {**dict.fromkeys(admitted, "fargate"), **dict.fromkeys(others, "nodes")}


@in_cluster()
async def test_once_a_namespace_is_added_its_jobs_start(cluster: Cluster) -> None:
    furnish(cluster, namespaces=["audio"])
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Runnable", "NamespaceNotAllowed")
    cluster.put_serverless(namespaces=["audio", "med*"])
    await cluster.pass_time(2)
    assert cluster.state()[0] == "Starting"
    cluster.put_serverless(namespaces=["audio"])
    cluster.submit("late")
    await cluster.pass_time(2)
    assert (cluster.state()[0], cluster.state("late")[1]) == ("Starting", "NamespaceNotAllowed")


async def without_capacity(cluster: Cluster, *, said: str = "", **serverless: Any) -> None:
    """Two environments, of which the first has no capacity for a job that waits for it in vain."""
    cluster.put_serverless("spare", fields={"unschedulableSeconds": 600})
    furnish(cluster, "spare", leaveAloneSeconds=120, **{"fields": {"unschedulableSeconds": 60}, **serverless})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    if said:
        cluster.jobs.unschedulable("job-1", said)
    await cluster.pass_time(50)
    assert (cluster.state(), environment_of(cluster, "job-1")) == (("Starting", "ScalingUp"), "fargate")
    await cluster.pass_time(10)


@pytest.mark.parametrize("said", ["", "0/3 nodes are available: 3 node(s) didn't match"])
@in_cluster()
async def test_a_job_that_gets_no_capacity_goes_on_in_the_next_environment_and_says_why(
    cluster: Cluster, said: str
) -> None:
    """A Fargate profile that does not match leaves the pod to a scheduler that finds no node for it."""
    await without_capacity(cluster, said=said)
    why = (
        "environment fargate got no capacity for a pod (0.3 vCPU, 600 MiB memory), asked for since 00:00:00Z: "
        f"{said or 'no scheduler says why'}"
    )
    status = cluster.status()
    assert (status["computeEnvironment"], environment_of(cluster, "job-2")) == ("spare", "spare")
    assert why in status["message"]
    first, second = status["attempts"]
    assert (first["reason"], first["message"]) == ("InsufficientInstanceCapacity", why)
    assert (first["attempt"], second["attempt"], status["interruptions"]) == (1, 1, 0)
    assert used(cluster) == {}
    cluster.jobs.start("job-2", "fargate-ip-10-0-0-2")
    await cluster.pass_time(2)
    assert cluster.state()[0] == "Running"
    assert why in cluster.status()["message"]
    assert cluster.condition("ComputeEnvironment", "fargate")[:2] == ("True", "Serverless")


@in_cluster()
async def test_it_is_left_alone_by_pods_alike_until_one_has_found_out(cluster: Cluster) -> None:
    await without_capacity(cluster)
    cluster.jobs.start("job-2", "fargate-1")
    cluster.define("larger", container=container("1", "1Gi"))
    cluster.submit("alike")
    cluster.submit("other", jobDefinition="larger")
    await cluster.pass_time(2)
    cluster.jobs.start("alike-1", "fargate-2")
    assert environment_of(cluster, "alike-1") == "spare"
    assert "got no capacity" in cluster.status("alike")["message"]
    assert environment_of(cluster, "other-1") == "fargate"
    await cluster.pass_time(120)
    for name in ("c", "d"):
        cluster.submit(name)
    await cluster.pass_time(2)
    assert [environment_of(cluster, f"{name}-1") for name in ("c", "d")] == ["fargate", "spare"], "one finds out"
    cluster.jobs.start("c-1", "fargate-3")
    await cluster.pass_time(2)
    cluster.submit("e")
    await cluster.pass_time(2)
    assert environment_of(cluster, "e-1") == "fargate", "there is capacity again"


@in_cluster()
async def test_without_another_environment_it_waits_and_says_until_when(cluster: Cluster) -> None:
    furnish(cluster, leaveAloneSeconds=120, fields={"unschedulableSeconds": 60})
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(65)
    assert cluster.state() == ("Runnable", "InsufficientInstanceCapacity")
    assert "; environment fargate is left alone with such pods until 00:03:00Z" in cluster.status()["message"]
    assert used(cluster) == {}
    await cluster.pass_time(120)
    assert cluster.state() == ("Starting", "ScalingUp")
    assert cluster.active_jobs() == ["job-2"]
    assert [each["attempt"] for each in cluster.status()["attempts"]] == [1, 1]


@pytest.mark.parametrize("begun", [False, True])
@in_cluster()
async def test_an_array_that_gets_no_capacity_goes_on_elsewhere(cluster: Cluster, begun: bool) -> None:
    with_nodes(cluster)
    furnish(cluster, "nodes", fields={"unschedulableSeconds": 60})
    await cluster.start_operator()
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(2)
    if begun:
        cluster.jobs.indexed.start("array-1", 0)
        cluster.jobs.indexed.finish("array-1", 0)
    await cluster.pass_time(30)
    assert cluster.array_status("array")["chargedAs"] == AS_SMALL
    await cluster.pass_time(50)
    why = "environment fargate got no capacity for a pod (0.3 vCPU, 600 MiB memory)"
    assert why in cluster.status("array")["message"]
    assert used(cluster) == {}
    count = 3 if begun else 4
    assert used(cluster, "nodes") == {"cpu": 300 * count, "memory": 600 * count * 2**20, "pods": count}
    assert cluster.array_status("array").get("moved", False) is begun
    assert ("chargedAs" in cluster.array_status("array")) is begun, "as it was where it began"


@pytest.mark.parametrize(("namespaces", "moves"), [(["med*"], True), (["audio"], False)])
@in_cluster()
async def test_one_that_has_begun_leaves_for_environments_that_are_open_to_it(
    cluster: Cluster, namespaces: list[str], moves: bool
) -> None:
    cluster.put_serverless("spare", namespaces=namespaces)
    furnish(cluster, "spare", leaveAloneSeconds=120, fields={"unschedulableSeconds": 60})
    await cluster.start_operator()
    cluster.submit("array", array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0)
    cluster.jobs.indexed.finish("array-1", 0)
    await cluster.pass_time(75)
    assert cluster.array_status("array").get("moved", False) is moves
    if moves:
        assert {environment_of(cluster, f"array-1-i{index}") for index in (1, 2, 3)} == {"spare"}
        return
    assert "environment fargate is left alone with such pods until" in cluster.status("array")["message"]
    await cluster.pass_time(120)
    assert cluster.kube_jobs() == ["array-1"]
    assert cluster.parallelism("array-1") == 1, "one finds out"


@in_cluster()
async def test_a_multi_node_job_of_which_a_pod_gets_no_capacity_goes_elsewhere_as_a_whole(cluster: Cluster) -> None:
    with_nodes(cluster)
    furnish(cluster, "nodes", fields={"unschedulableSeconds": 60})
    cluster.define("mpi", **multi_node(2, container()))
    await cluster.start_operator()
    cluster.submit(jobDefinition="mpi")
    await cluster.pass_time(2)
    cluster.jobs.start("job-1", "fargate-1")
    await cluster.pass_time(70)
    status = cluster.status()
    assert status["computeEnvironment"] == "nodes"
    assert status["attempts"][0]["reason"] == "InsufficientInstanceCapacity"
    assert [each["attempt"] for each in status["attempts"]] == [1, 1]
    assert used(cluster) == {}


async def with_virtual_nodes(cluster: Cluster, **serverless: Any) -> None:
    cluster.put("ComputeEnvironment", "virtual", **virtual_fields(**serverless))
    cluster.put("JobQueue", "urgent", computeEnvironments=["virtual"])
    cluster.define(container=container("500m", "1Gi", limits={"memory": "2Gi"}))
    await cluster.start_operator()


def add_virtual_node(cluster: Cluster, name: str = "virtual-1", **fields: Any) -> None:
    cluster.store.create(NODES, node_without_machine(name, VIRTUAL, VIRTUAL_TAINT, **fields))


@in_cluster()
async def test_while_no_virtual_node_is_ready_nothing_starts_and_once_one_is_it_does(cluster: Cluster) -> None:
    await with_virtual_nodes(cluster)
    cluster.submit()
    await cluster.pass_time(12)
    why = "no ready virtual node has the labels type=virtual-kubelet and only taints that the environment tolerates"
    ready, reason, message = cluster.condition("ComputeEnvironment", "virtual")
    assert (ready, reason, message.startswith(why)) == ("False", "NoNodes", True)
    assert cluster.state() == ("Runnable", "InsufficientCapacity")
    assert f", environment virtual: {why}" in cluster.status()["message"]
    add_virtual_node(cluster, ready=False)
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Runnable"
    add_virtual_node(cluster, "virtual-2")
    await cluster.pass_time(3)
    assert cluster.condition("ComputeEnvironment", "virtual")[:2] == ("True", "Serverless")
    assert environment_status(cluster, "virtual")["nodes"] == 1
    assert cluster.state()[0] == "Starting"
    pod = cluster.pod_spec()
    assert (pod["nodeSelector"], pod["tolerations"]) == (
        VIRTUAL,
        [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
    )
    assert used(cluster, "virtual") == {"cpu": 500, "memory": GI, "pods": 1}
    assert annotation(cluster, "job-1", names.CHARGED_AS) is None
    assert environment_status(cluster, "virtual")["free"] == {"cpu": "15500m"}


@in_cluster()
async def test_sizes_that_are_stated_count_there(cluster: Cluster) -> None:
    await with_virtual_nodes(cluster, max_vcpus=2, sizes=SIZES)
    add_virtual_node(cluster)
    cluster.define("large", container=container("1", "9Gi"))
    cluster.submit("odd", jobDefinition="large")
    for name in ("a", "b", "c"):
        cluster.submit(name)
    await cluster.pass_time(3)
    assert started(cluster) == ["a", "b"]
    assert used(cluster, "virtual") == {"cpu": 2000, "memory": 4 * GI, "pods": 2}
    assert cluster.status("a")["attempts"][0]["chargedAs"] == "1 vCPU, 2 GiB memory"
    assert cluster.state("odd") == ("Runnable", "ExceedsCapacity")
    assert "largest size 2 vCPU, 8 GiB memory, at most 2 vCPU in all" in cluster.status("odd")["message"]


@in_cluster()
async def test_pods_that_wait_as_the_last_virtual_node_goes_give_their_slots_back(cluster: Cluster) -> None:
    await with_virtual_nodes(cluster, fields={"unschedulableSeconds": 120})
    add_virtual_node(cluster)
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.unschedulable("job-1", NO_NODE)
    cluster.store.delete(NODES, "virtual-1")
    await cluster.pass_time(60)
    assert cluster.state() == ("Starting", "ScalingUp")
    await cluster.pass_time(65)
    assert cluster.state() == ("Runnable", "InsufficientInstanceCapacity")
    assert "environment virtual got no capacity for a pod (0.5 vCPU, 1 GiB memory)" in cluster.status()["message"]
    assert "no ready virtual node has the labels" in cluster.status()["message"]


QUOTA = "ContainerGroupQuotaReached: 100 of 100"
TURNED_AWAY = f"virtual node virtual-1 got no capacity for a pod (0.5 vCPU, 1 GiB memory): {QUOTA}"


async def with_others(cluster: Cluster) -> None:
    """Virtual nodes before ordinary ones."""
    with_nodes(cluster)
    await with_virtual_nodes(cluster)
    cluster.put("JobQueue", "urgent", computeEnvironments=["virtual", "nodes"])
    add_virtual_node(cluster)


@in_cluster()
async def test_a_pod_that_a_virtual_kubelet_gives_up_has_found_no_capacity(cluster: Cluster) -> None:
    """Not tried there again and again: the next environment has its turn, and this one is left alone."""
    await with_others(cluster)
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.turn_away("job-1", QUOTA)
    await cluster.pass_time(2)
    cluster.submit("alike")
    await cluster.pass_time(2)
    assert [environment_of(cluster, name) for name in ("job-1", "job-2", "alike-1")] == ["virtual", "nodes", "nodes"]
    first, second = cluster.status()["attempts"]
    assert (first["reason"], first["message"]) == ("InsufficientInstanceCapacity", TURNED_AWAY)
    assert (first["attempt"], second["attempt"], cluster.status()["interruptions"]) == (1, 1, 0)
    assert TURNED_AWAY in cluster.status("alike")["message"]


@in_cluster()
async def test_so_have_pods_of_arrays(cluster: Cluster) -> None:
    await with_others(cluster)
    cluster.submit("array", array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.turn_away("array-1", QUOTA, 0, 1, 2)
    await cluster.pass_time(15)
    jobs = [name for name in cluster.active_jobs() if name != "array-1"]
    assert len(jobs) == 3
    assert {environment_of(cluster, name) for name in jobs} == {"nodes"}
    assert {annotation(cluster, name, names.ATTEMPT) for name in jobs} == {"1"}
    assert QUOTA in cluster.status("array")["message"]


@in_cluster()
async def test_an_index_that_finds_out_in_vain_has_it_left_alone_again(cluster: Cluster) -> None:
    await with_virtual_nodes(cluster)
    add_virtual_node(cluster)
    cluster.submit("array", array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.turn_away("array-1", QUOTA, 0, 1)
    await cluster.pass_time(20)
    assert [name for name in cluster.active_jobs() if name != "array-1"] == []
    assert "is left alone with such pods until" in cluster.status("array")["message"]
    await cluster.pass_time(180)
    (found,) = [name for name in cluster.active_jobs() if name != "array-1"]
    cluster.jobs.turn_away(found, QUOTA)
    await cluster.pass_time(20)
    assert [name for name in cluster.active_jobs() if name != "array-1"] == []
    assert "is left alone with such pods until" in cluster.status("array")["message"]


@pytest.mark.parametrize(("gpus", "state"), [(None, "NotWithoutNodes"), (1, "CreatingPod")])
@in_cluster()
async def test_virtual_nodes_have_gpus_where_a_ceiling_says_so(cluster: Cluster, gpus: int | None, state: str) -> None:
    await with_virtual_nodes(cluster, fields={"maxGpus": gpus})
    add_virtual_node(cluster)
    cluster.define("gpu", **template(container(limits={"nvidia.com/gpu": "1"})))
    cluster.submit("first", jobDefinition="gpu")
    cluster.submit("second", jobDefinition="gpu")
    await cluster.pass_time(3)
    assert cluster.state("first")[1] == state
    assert cluster.state("second")[1] == ("InsufficientCapacity" if gpus else state)


async def with_two_queues(cluster: Cluster, *, preempts: bool) -> None:
    cluster.put_serverless(max_vcpus=2)
    policy = {"preemption": {"policy": "LowerPriority", "minimumRunSeconds": 0}} if preempts else {}
    cluster.put("JobQueue", "urgent", priority=9, computeEnvironments=["fargate"], **policy)
    cluster.put("JobQueue", "low", priority=1, computeEnvironments=["fargate"])
    cluster.define(container=container())
    cluster.define("wide", container=container("600m", "600Mi"))
    await cluster.start_operator()
    for number in range(4):
        cluster.submit(f"old-{number}", jobQueue="low")
        await cluster.pass_time(1)
        cluster.jobs.start(f"old-{number}-1", f"fargate-{number}")
    await cluster.pass_time(2)


@in_cluster()
async def test_of_queues_under_one_ceiling_the_one_of_higher_priority_goes_first(cluster: Cluster) -> None:
    await with_two_queues(cluster, preempts=False)
    cluster.submit("later", jobQueue="low")
    cluster.submit("now", jobDefinition="wide")
    await cluster.pass_time(2)
    assert cluster.state("now") == ("Runnable", "InsufficientCapacity")
    cluster.jobs.finish("old-0-1")
    await cluster.pass_time(3)
    assert [cluster.state(name)[0] for name in ("now", "later")] == ["Runnable", "Runnable"], "it counts as 1 vCPU"
    cluster.jobs.finish("old-1-1")
    await cluster.pass_time(3)
    assert [cluster.state(name)[0] for name in ("now", "later")] == ["Starting", "Runnable"]
    assert used(cluster)["cpu"] == 2000


@in_cluster()
async def test_room_is_made_there_for_what_a_job_counts_for_and_no_more(cluster: Cluster) -> None:
    """What started last makes room: two of half a vCPU for one that counts as a whole one."""
    await with_two_queues(cluster, preempts=True)
    cluster.submit("now", jobDefinition="wide")
    await cluster.pass_time(3)
    assert cluster.state("now")[0] == "Starting"
    assert [cluster.state(f"old-{number}")[0] for number in range(4)] == ["Running", "Running", "Runnable", "Runnable"]
    assert len(cluster.process.evicted()) == 2
    assert used(cluster)["cpu"] == 2000
    assert cluster.status("old-3")["interruptions"] == 1


@in_cluster()
async def test_an_array_there_makes_room_slot_by_slot(cluster: Cluster) -> None:
    cluster.put_serverless(max_vcpus=2)
    policy = {"policy": "LowerPriority", "minimumRunSeconds": 0}
    cluster.put("JobQueue", "urgent", priority=9, computeEnvironments=["fargate"], preemption=policy)
    cluster.put("JobQueue", "low", priority=1, computeEnvironments=["fargate"])
    cluster.define(container=container())
    cluster.define("wide", container=container("600m", "600Mi"))
    await cluster.start_operator()
    cluster.submit("array", jobQueue="low", array={"size": 10})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("array-1", 0, 1, 2, 3)
    await cluster.pass_time(2)
    cluster.submit("now", jobDefinition="wide")
    await cluster.pass_time(3)
    assert cluster.state("now")[0] == "Starting"
    assert cluster.parallelism("array-1") == 2
    assert used(cluster)["cpu"] == 2000


@in_cluster()
async def test_memory_that_grows_counts_as_the_next_size_that_holds_it(cluster: Cluster) -> None:
    furnish(cluster)
    strategy = {"attempts": 3, "backoff": {"initialSeconds": 0}, "onOutOfMemory": {"memoryMultiplier": 2}}
    cluster.define(container=container("1", "14Gi", limits={"cpu": "1", "memory": "14Gi"}), retryStrategy=strategy)
    await cluster.start_operator()
    cluster.submit()
    sizes = {"14Gi": "2 vCPU, 15 GiB memory", "28Gi": "4 vCPU, 29 GiB memory", "56Gi": "8 vCPU, 60 GiB memory"}
    for run, (memory, size) in enumerate(sizes.items(), start=1):
        await cluster.pass_time(5)
        resources = {"cpu": "1", "memory": memory}
        assert cluster.container(f"job-{run}")["resources"] == {"requests": resources, "limits": resources}
        assert annotation(cluster, f"job-{run}", names.CHARGED_AS) == size
        cluster.jobs.start(f"job-{run}", f"fargate-{run}")
        await cluster.pass_time(1)
        assert used(cluster)["cpu"] == int(size[0]) * 1000
        cluster.jobs.finish(f"job-{run}", 137, "OOMKilled")
    await cluster.pass_time(5)
    assert cluster.state()[0] == "Failed"
    assert [each["chargedAs"] for each in cluster.status()["attempts"]] == list(sizes.values())
    assert [each["memory"] for each in cluster.status()["attempts"]] == ["15Gi", "29Gi", "60Gi"]


@in_cluster()
async def test_memory_that_has_grown_beyond_all_sizes_says_so(cluster: Cluster) -> None:
    furnish(cluster)
    strategy = {"attempts": 2, "backoff": {"initialSeconds": 0}, "onOutOfMemory": {"memoryMultiplier": 2}}
    cluster.define(container=container("1", "100Gi", limits={"cpu": "1", "memory": "100Gi"}), retryStrategy=strategy)
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(2)
    cluster.jobs.start("job-1", "fargate-1")
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(5)
    assert cluster.state() == ("Runnable", "ExceedsCapacity")
    assert "the job needs 1 vCPU, 200 GiB memory" in cluster.status()["message"]
    assert "retryStrategy.onOutOfMemory.maxMemory" in cluster.status()["message"]


@in_cluster()
async def test_under_a_lowered_ceiling_what_runs_goes_on_and_nothing_follows(cluster: Cluster) -> None:
    furnish(cluster, max_vcpus=2)
    await cluster.start_operator()
    cluster.submit("array", array={"size": 10})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("array-1", 0, 1, 2, 3)
    cluster.put_serverless(max_vcpus=1)
    await cluster.pass_time(3)
    assert (environment_status(cluster)["used"]["cpu"], environment_status(cluster)["free"]["cpu"]) == ("2", "0")
    assert indexed.active("array-1") == [0, 1, 2, 3]
    cluster.submit("next")
    for index in range(4):
        indexed.hesitate("array-1", index)
        await cluster.pass_time(3)
        indexed.start("array-1", *[each for each in indexed.active("array-1") if each > 3])
    assert cluster.parallelism("array-1") == 2
    assert (indexed.deleted, used(cluster)["cpu"], cluster.state("next")[0]) == (0, 1000, "Runnable")


@in_cluster()
async def test_a_stored_environment_of_a_provisioner_that_nobody_knows_says_so_and_takes_nothing(
    cluster: Cluster,
) -> None:
    furnish(cluster)
    cluster.put("ComputeEnvironment", "fargate", **serverless_fields(provisioner="lambda"))
    await cluster.start_operator()
    cluster.submit()
    await cluster.pass_time(3)
    why = "spec.serverless.provisioner must be one of 'fargate' or 'virtualNodes', not \"lambda\""
    assert cluster.condition("ComputeEnvironment", "fargate") == ("False", "InvalidSpec", why)
    assert cluster.state() == ("Runnable", "InvalidSpec")
    assert why in cluster.status()["message"]
    cluster.put_serverless()
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Starting"
    cluster.put("ComputeEnvironment", "fargate", **serverless_fields(provisioner="lambda"))
    await cluster.pass_time(3)
    cluster.jobs.start("job-1", "fargate-1")
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Running", "what runs goes on"
    assert used(cluster) == {"cpu": 500, "memory": GI, "pods": 1}
    cluster.jobs.finish("job-1")
    await cluster.pass_time(3)
    assert cluster.state()[0] == "Succeeded"


@in_cluster()
async def test_an_environment_that_turns_serverless_counts_what_began_before_as_it_began(cluster: Cluster) -> None:
    with_nodes(cluster)
    cluster.put("JobQueue", "urgent", computeEnvironments=["nodes"])
    cluster.define(container=container())
    await cluster.start_operator()
    cluster.submit("before")
    await cluster.pass_time(2)
    cluster.jobs.start("before-1")
    cluster.put("ComputeEnvironment", "nodes", **serverless_fields(max_vcpus=1))
    cluster.submit("after")
    await cluster.pass_time(3)
    assert used(cluster, "nodes") == {"cpu": 800, "memory": 600 * 2**20 + GI, "pods": 2}
    assert ["chargedAs" in cluster.status(name)["attempts"][0] for name in ("before", "after")] == [False, True]
    cluster.put("ComputeEnvironment", "nodes", unmanaged={})
    cluster.jobs.start("after-1", "fargate-1")
    await cluster.pass_time(3)
    assert used(cluster, "nodes") == {"cpu": 800, "memory": 600 * 2**20 + GI, "pods": 2}
    cluster.finish_all()
    await cluster.pass_time(3)
    assert used(cluster, "nodes") == {}


@in_cluster()
async def test_nodes_that_come_for_pods_are_none_of_the_environment_nor_of_others(cluster: Cluster) -> None:
    """Each pod on Fargate has a node for itself, which bears a taint."""
    with_nodes(cluster, cpu="1")
    furnish(cluster, "nodes", max_vcpus=1)
    await cluster.start_operator()
    cluster.submit("first")
    await cluster.pass_time(2)
    taint = {"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}
    labels = {"eks.amazonaws.com/compute-type": "fargate"}
    cluster.store.create(NODES, node_without_machine("fargate-1", labels, taint))
    cluster.jobs.start("first-1", "fargate-1")
    await cluster.pass_time(3)
    assert environment_status(cluster)["nodes"] == 0
    assert environment_status(cluster, "nodes")["nodes"] == 1
    assert environment_status(cluster, "nodes")["capacity"]["cpu"] == "1"
    cluster.store.delete(NODES, "fargate-1")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(3)
    assert cluster.state("first")[0] == "Succeeded"
