"""What docs/coming-from-aws-batch.md says of Batchyard and no other test shows as a whole, through the operator."""

from collections.abc import Callable
from typing import Any

import pytest

from batchyard.kube.resources import BATCHJOBS
from batchyard.objects.times import parse_time
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.api import manifest
from objects.specs import fair_share


@in_cluster()
async def test_parameters_reach_command_and_args_and_none_may_be_missing(cluster: Cluster) -> None:
    container = {"image": "ffmpeg", "command": ["encode", "--codec=Ref::codec"], "args": ["Ref::input", "Ref::codec"]}
    await cluster.set_up(container=container, parameters={"codec": "h264", "input": "a.mov"})
    cluster.submit(parameters={"input": "b.mov"})
    await cluster.pass_time(1)
    [started] = cluster.pod_spec()["containers"]
    assert (started["command"], started["args"]) == (["encode", "--codec=h264"], ["b.mov", "h264"])
    cluster.put("JobDefinition", "transcode", container=container, parameters={"codec": "h264"})
    cluster.submit("without")
    await cluster.pass_time(1)
    assert cluster.state("without") == ("Failed", "MissingParameter")


@in_cluster()
async def test_overrides_name_their_container_and_merge_with_it(cluster: Cluster) -> None:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}}
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    containers = [
        {"name": name, "image": f"{name}:1", "command": ["run", name], "env": env, "resources": resources}
        for name in ("main", "log")
    ]
    await cluster.set_up(container=None, template={"spec": {"containers": containers}})
    changes = {"command": ["walk"], "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}
    more = {"name": "log", "image": "log:2", "resources": {"requests": {"memory": "2Gi"}}}
    cluster.submit(containerOverrides=[{"name": "main", **changes}, more])
    await cluster.pass_time(1)
    main, log = cluster.pod_spec()["containers"]
    own = {each["name"]: each["value"] for each in main["env"] if not each["name"].startswith("AWS_BATCH")}
    assert (main["command"], own) == (["walk"], {"A": "1", "B": "3", "C": "4"})
    assert (main["image"], log["image"], log["command"]) == ("main:1", "log:2", ["run", "log"])
    assert log["resources"]["requests"] == {"cpu": "1", "memory": "2Gi"}


@in_cluster()
async def test_a_job_is_pending_until_all_that_it_names_is_there(cluster: Cluster) -> None:
    arrivals: list[tuple[str, Callable[[], object]]] = [
        ("JobDefinitionNotFound", cluster.furnish),
        ("RevisionNotFound", lambda: cluster.define(request="2")),
        ("DependencyNotFound", lambda: cluster.submit("first")),
        ("WaitingForDependencies", lambda: cluster.jobs.finish("first-1")),
    ]
    await cluster.start_operator()
    cluster.submit(jobDefinition="transcode:2", dependsOn=[{"job": "first"}])
    for reason, arrive in arrivals:
        await cluster.pass_time(2)
        assert cluster.state() == ("Pending", reason)
        arrive()
    await cluster.pass_time(2)
    assert cluster.state() == ("Starting", "CreatingPod")
    cluster.submit("elsewhere", jobQueue="elsewhere")
    await cluster.pass_time(2)
    assert cluster.state("elsewhere") == ("Pending", "JobQueueNotFound")


@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [
        ({}, [10, 20, 40, 80, 160, 300, 300, 300, 300], 1.5),
        ({"jitter": 0}, [10, 20, 40, 80, 160, 300, 300, 300, 300], 1.0),
        ({"initialSeconds": 0}, [0] * 9, 1.0),
    ],
)
@in_cluster()
async def test_waits_double_up_to_five_minutes_with_some_chance_on_top(
    cluster: Cluster, backoff: dict[str, Any], least: list[int], most: float
) -> None:
    await cluster.set_up(retryStrategy={"attempts": 10, "backoff": backoff})
    cluster.submit()
    await cluster.pass_time(2)
    for run, shortest in enumerate(least, start=1):
        ended = parse_time(cluster.store.timestamp())
        cluster.jobs.finish(f"job-{run}", 1)
        await cluster.pass_time(shortest * most + 10)
        waited = parse_time(cluster.kube_job(f"job-{run + 1}")["metadata"]["creationTimestamp"]) - ended
        assert shortest <= waited <= shortest * most + 3, "at most 3 s for whole seconds and the last word of the pod"
    cluster.jobs.finish("job-10", 1)
    await cluster.pass_time(10)
    assert cluster.state() == ("Failed", "NonZeroExit")


@in_cluster()
async def test_twenty_interruptions_are_borne_and_no_rule_is_asked_about_them(cluster: Cluster) -> None:
    rules = [{"onStatusReason": "Host EC2*", "action": "Exit"}, {"onReason": "*", "action": "Exit"}]
    await cluster.set_up(retryStrategy={"attempts": 2, "evaluateOnExit": rules})
    cluster.submit()
    for run in range(1, 22):
        await cluster.pass_time(3)
        assert (cluster.state()[0], cluster.status()["attempts"][-1]["attempt"]) == ("Starting", 1)
        cluster.jobs.disrupt(f"job-{run}")
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "TooManyInterruptions")


@in_cluster()
async def test_an_image_has_five_minutes_to_come_unless_its_name_is_none(cluster: Cluster) -> None:
    await cluster.set_up()
    for name in ("late", "never", "invalid"):
        cluster.submit(name)
    await cluster.pass_time(1)
    for name, reason in (("late", "ErrImagePull"), ("never", "ErrImagePull"), ("invalid", "InvalidImageName")):
        cluster.jobs.wait(f"{name}-1", reason)
    await cluster.pass_time(5)
    assert cluster.state("invalid") == ("Failed", "CannotStartContainer")
    await cluster.pass_time(285)
    assert cluster.state("late") == cluster.state("never") == ("Starting", "ErrImagePull")
    cluster.jobs.start("late-1")
    await cluster.pass_time(20)
    assert cluster.state("never") == ("Failed", "CannotStartContainer")
    cluster.jobs.finish("late-1")
    await cluster.pass_time(2)
    assert cluster.state("late") == ("Succeeded", "Completed")
    assert len(cluster.status("late")["attempts"]) == 1


def nodes(number: int, ranges: int = 1) -> dict[str, Any]:
    entries = [{"targetNodes": "0:", "container": {"image": "mpi"}}] * ranges
    return {"container": None, "multiNode": {"numNodes": number, "nodeRanges": entries}}


def shares(number: int, weight: float = 1) -> dict[str, Any]:
    entries = [{"shareIdentifier": f"share{each:03}", "weightFactor": weight} for each in range(number)]
    return fair_share(shares=entries)


def rules(number: int) -> dict[str, Any]:
    return {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "Exit"}] * number}}


@pytest.mark.parametrize(
    ("kind", "fields", "allowed", "refused"),
    [
        ("BatchJob", lambda size: {"array": {"size": size}}, (1, 100_000), (0, 100_001)),
        ("BatchJob", lambda number: {"dependsOn": [{"job": f"job-{each}"} for each in range(number)]}, (20,), (21,)),
        ("BatchJob", lambda number: {"retryStrategy": {"attempts": number}}, (1, 10), (0, 11)),
        ("BatchJob", lambda seconds: {"timeout": {"attemptDurationSeconds": seconds}}, (1,), (0,)),
        ("BatchJob", lambda priority: {"schedulingPriorityOverride": priority}, (0, 9999), (-1, 10_000)),
        ("JobDefinition", rules, (1, 5), (6,)),
        ("JobDefinition", nodes, (1, 1000), (0, 1001)),
        ("JobDefinition", lambda number: nodes(2, number), (1, 5), (6,)),
        ("JobQueue", lambda number: {"computeEnvironments": [f"pool-{each}" for each in range(number)]}, (10,), (11,)),
        ("JobQueue", shares, (400,), (401,)),
        ("JobQueue", lambda weight: shares(1, weight), (0.0001, 999.9999), (0.00001, 1000)),
    ],
)
@in_cluster()
async def test_limits(
    cluster: Cluster, kind: str, fields: Callable[[Any], dict[str, Any]], allowed: Any, refused: Any
) -> None:
    await cluster.start_operator()
    for number, amount in enumerate((*allowed, *refused)):
        cluster.put(kind, f"limit-{number}", **fields(amount))
        await cluster.pass_time(3)
        reason = cluster.condition(kind, f"limit-{number}")[1]
        assert (reason == "InvalidSpec") == (amount in refused), (amount, reason)


@in_cluster()
async def test_a_job_that_waits_for_another_does_not_make_its_share_active(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    cluster.put("JobQueue", "urgent", **fair_share(computeReservation=50))
    await cluster.start_operator()
    cluster.submit("waits", shareIdentifier="blue", dependsOn=[{"job": "never"}])
    for number in range(4):
        cluster.submit(f"red-{number}", shareIdentifier="red")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["red-0-1", "red-1-1"]
    cluster.submit("runs", shareIdentifier="blue")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["red-0-1", "red-1-1", "runs-1"]
    cluster.jobs.finish("runs-1")
    await cluster.pass_time(3)
    assert "red-2-1" in cluster.kube_jobs(), "a quarter is kept back, not half: blue ran a moment ago"


@in_cluster()
async def test_any_number_of_shares_may_be_active_and_the_status_lists_500(cluster: Cluster) -> None:
    cluster.furnish(cpu="110")
    for number in range(2, 6):
        cluster.add_node(f"node-{number}", cpu="110")
    cluster.put("JobQueue", "urgent", **fair_share())
    await cluster.start_operator()
    for number in range(510):
        cluster.submit(f"job-{number}", shareIdentifier=f"share{number}")
    await cluster.pass_time(60)
    assert len(cluster.kube_jobs()) == 510
    assert len(cluster.queue_status()["fairShare"]["shares"]) == 500


@in_cluster()
async def test_a_deleted_queue_lets_jobs_end_and_is_waited_for(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("runs")
    await cluster.pass_time(1)
    cluster.submit("waits")
    await cluster.pass_time(2)
    cluster.delete("JobQueue", "urgent")
    await cluster.pass_time(2)
    assert cluster.state("waits") == ("Pending", "JobQueueNotFound")
    cluster.jobs.finish("runs-1")
    await cluster.pass_time(2)
    assert cluster.state("runs") == ("Succeeded", "Completed")
    assert cluster.kube_jobs() == ["runs-1"]
    cluster.put("JobQueue", "urgent")
    await cluster.pass_time(2)
    assert cluster.state("waits") == ("Starting", "CreatingPod")


@in_cluster()
async def test_labels_of_the_template_reach_pods_and_those_of_the_job_do_not(cluster: Cluster) -> None:
    containers = [{"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}]
    template = {"metadata": {"labels": {"team": "video"}}, "spec": {"containers": containers}}
    await cluster.set_up(container=None, template=template)
    job = {**manifest("BatchJob"), "metadata": {"name": "job", "labels": {"cost-centre": "7"}}}
    cluster.store.create(BATCHJOBS, job, NAMESPACE)
    await cluster.pass_time(1)
    [pod] = cluster.pods()
    assert pod["metadata"]["labels"]["team"] == "video"
    assert "cost-centre" not in {**pod["metadata"]["labels"], **cluster.kube_job("job-1")["metadata"]["labels"]}
    assert cluster.get("BatchJob", "job")["metadata"]["labels"] == {"cost-centre": "7"}
