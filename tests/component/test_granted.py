"""A run keeps what it was granted with, and no attempt runs another program than the one before.

Whether the operator has seen all of it, or was started anew in between, makes no difference.
"""

from typing import Any

import pytest

from batchyard.kube.resources import JOBS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import asking_container, multi_node, overrides_asking

RETRY = {"attempts": 5, "backoff": {"initialSeconds": 10, "maxSeconds": 10, "jitter": 0}}
CONTAINER = asking_container()
OTHER = asking_container(image="other")

restarted = pytest.mark.parametrize("restart", [False, True])


async def take_away(cluster: Cluster, what: str, *, restart: bool) -> None:
    if what == "label":
        cluster.label_namespace(team="b")
    else:
        cluster.delete(*{"queue": ("JobQueue", "urgent"), "definition": ("JobDefinition", "transcode")}[what])
    await cluster.pass_time(2)
    if restart:
        await cluster.restart_operator(orderly=True)
        await cluster.pass_time(20)


async def give_back(cluster: Cluster, what: str, **definition: Any) -> None:
    if what == "label":
        cluster.label_namespace(team="a")
    elif what == "queue":
        cluster.put("JobQueue", "urgent")
    else:
        cluster.define(**definition)
    await cluster.pass_time(30)


async def furnish(cluster: Cluster, **definition: Any) -> None:
    cluster.furnish(cpu="8", **definition)
    cluster.label_namespace(team="a")
    cluster.put("JobQueue", "urgent", namespaceSelector={"matchLabels": {"team": "a"}})
    await cluster.start_operator()


@restarted
@pytest.mark.parametrize(
    ("what", "reason"),
    [("queue", "JobQueueNotFound"), ("definition", "JobDefinitionNotFound"), ("label", "NamespaceNotAllowed")],
)
@in_cluster()
async def test_a_running_job_keeps_its_retry_strategy(cluster: Cluster, what: str, reason: str, restart: bool) -> None:
    await furnish(cluster, retryStrategy=RETRY)
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    await take_away(cluster, what, restart=restart)
    assert cluster.state() == ("Running", "ContainerRunning")
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(5)
    assert "attempt 1 of 5 failed" in cluster.status()["message"]
    await cluster.pass_time(20)
    assert cluster.state() == ("Pending", reason)
    await give_back(cluster, what, retryStrategy=RETRY)
    assert cluster.state() == ("Starting", "CreatingPod")
    assert [each["attempt"] for each in cluster.status()["attempts"]] == [1, 2]


@restarted
@pytest.mark.parametrize("what", ["queue", "definition"])
@in_cluster()
async def test_a_run_keeps_its_startup_grace(cluster: Cluster, what: str, restart: bool) -> None:
    await furnish(cluster, startupGraceSeconds=600)
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.wait("job-1", "ErrImagePull", "registry answered 503")
    await take_away(cluster, what, restart=restart)
    await cluster.pass_time(500)
    assert cluster.state() == ("Starting", "ErrImagePull")
    await cluster.pass_time(120)
    assert cluster.state() == ("Failed", "CannotStartContainer")


@restarted
@pytest.mark.parametrize(("what", "says"), [("queue", "JobQueue urgent"), ("definition", "JobDefinition transcode")])
@in_cluster()
async def test_an_array_keeps_its_retry_strategy(cluster: Cluster, what: str, says: str, restart: bool) -> None:
    await furnish(cluster, retryStrategy=RETRY)
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0, 1)
    await take_away(cluster, what, restart=restart)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=1)
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(60)
    status = cluster.status()
    assert (status["array"]["succeeded"], status["array"]["failed"]) == (1, 0)
    assert f"1 wait: {says} does not exist" in status["message"]
    await give_back(cluster, what, retryStrategy=RETRY)
    again = next(name for name in cluster.kube_jobs() if name != "job-1")
    cluster.jobs.finish(again)
    await cluster.pass_time(5)
    assert cluster.state() == ("Succeeded", "Completed")


@restarted
@in_cluster()
async def test_the_nodes_of_a_run_start_although_its_queue_is_gone(cluster: Cluster, restart: bool) -> None:
    await furnish(cluster, **multi_node(3))
    cluster.submit()
    await cluster.pass_time(2)
    await take_away(cluster, "queue", restart=restart)
    cluster.jobs.start("job-1")
    await cluster.pass_time(10)
    assert cluster.kube_jobs() == ["job-1", "job-1-n1", "job-1-n2"]


@restarted
@in_cluster()
async def test_a_main_node_waits_no_longer_than_the_grace_for_nodes_that_cannot_be_made(
    cluster: Cluster, restart: bool
) -> None:
    definition = {**multi_node(3), "startupGraceSeconds": 60}
    await furnish(cluster, **definition)
    cluster.submit()
    await cluster.pass_time(2)
    await take_away(cluster, "definition", restart=restart)
    cluster.jobs.start("job-1")
    await cluster.pass_time(30)
    assert cluster.state() == ("Running", "ContainerRunning")
    assert (
        "2 of the other nodes cannot be started: JobDefinition transcode does not exist"
        in (cluster.status()["message"])
    )
    await cluster.pass_time(60)
    assert cluster.state() == ("Pending", "JobDefinitionNotFound")
    assert cluster.status()["attempts"][0]["reason"] == "Interrupted"
    await give_back(cluster, "definition", **definition)
    assert cluster.status()["attempts"][1]["attempt"] == 1, "it cost no attempt"
    assert cluster.status()["jobName"] in cluster.kube_jobs()


async def replaced(cluster: Cluster, *, restart: bool, **definition: Any) -> None:
    """Delete the definition and make it anew, as kubectl replace --force does."""
    cluster.delete("JobDefinition", "transcode")
    await cluster.pass_time(1)
    cluster.define(**definition)
    await cluster.pass_time(3)
    if restart:
        await cluster.restart_operator(orderly=True)
    await cluster.pass_time(60)


def images(cluster: Cluster) -> set[str]:
    bodies = [cluster.kube_job(name) for name in cluster.kube_jobs()]
    return {each["image"] for body in bodies for each in body["spec"]["template"]["spec"]["containers"]}


@restarted
@in_cluster()
async def test_no_attempt_runs_another_program(cluster: Cluster, restart: bool) -> None:
    await furnish(cluster, retryStrategy=RETRY)
    cluster.submit()
    await cluster.pass_time(1)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(5)
    await replaced(cluster, restart=restart, container=OTHER, retryStrategy=RETRY)
    assert cluster.state() == ("Failed", "DefinitionReplaced")
    assert "submit the job again" in cluster.status()["message"]
    assert images(cluster) == {"busybox"}


@restarted
@in_cluster()
async def test_the_same_program_goes_on_whatever_its_number(cluster: Cluster, restart: bool) -> None:
    """A definition made anew counts its revisions from 1."""
    await furnish(cluster, container=OTHER, retryStrategy=RETRY)
    await cluster.pass_time(1)
    cluster.define(retryStrategy=RETRY)
    await cluster.pass_time(1)
    cluster.submit()
    await cluster.pass_time(1)
    assert cluster.status()["jobDefinition"] == "transcode:2"
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(5)
    await replaced(cluster, restart=restart, retryStrategy=RETRY)
    assert cluster.state() == ("Starting", "CreatingPod")
    assert cluster.status()["jobDefinition"] == "transcode:1"
    assert images(cluster) == {"busybox"}


@restarted
@in_cluster()
async def test_a_job_that_has_not_run_takes_the_definition_made_anew_and_says_so(
    cluster: Cluster, restart: bool
) -> None:
    await furnish(cluster)
    cluster.submit("first", containerOverrides=overrides_asking(8))
    await cluster.pass_time(1)
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state()[0] == "Runnable"
    await replaced(cluster, restart=restart, container=OTHER)
    cluster.jobs.finish("first-1")
    await cluster.pass_time(3)
    assert images(cluster) == {"busybox", "other"}
    told = [event.message for event in cluster.events(reason="DefinitionReplaced")]
    assert told == [
        "the JobDefinition was deleted and made anew before the job started; it runs revision 1 of the new one"
    ]


@restarted
@in_cluster()
async def test_no_index_runs_another_program(cluster: Cluster, restart: bool) -> None:
    """What the Indexed Job has not started yet, it starts as it is; further runs of an index end as failed."""
    await furnish(cluster, retryStrategy=RETRY)
    cluster.submit(array={"size": 3, "maxConcurrency": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0, 1)
    await replaced(cluster, restart=restart, container=OTHER, retryStrategy=RETRY)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=1)
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(30)
    cluster.jobs.indexed.finish("job-1", 2)
    await cluster.pass_time(30)
    assert cluster.state() == ("Failed", "IndexesFailed")
    failure = cluster.array_status()["firstFailures"][0]
    assert (failure["index"], failure["attempt"], failure["reason"]) == (0, 1, "DefinitionReplaced")
    assert images(cluster) == {"busybox"}


@in_cluster()
async def test_an_array_of_which_nothing_can_go_on_ends(cluster: Cluster) -> None:
    await furnish(cluster)
    cluster.submit(array={"size": 3, "maxConcurrency": 1})
    await cluster.pass_time(2)
    cluster.submit(array={"size": 3, "maxConcurrency": 1}, suspend=True)
    await cluster.pass_time(2)
    job = cluster.kube_job("job-1")
    await cluster.api.patch(JOBS, "job-1", {"spec": {"parallelism": 0}}, NAMESPACE)
    await cluster.pass_time(5)
    assert job["spec"]["parallelism"] == 1
    await replaced(cluster, restart=False, container=OTHER)
    assert cluster.state() == ("Failed", "DefinitionReplaced")


@restarted
@in_cluster()
async def test_no_run_of_a_multi_node_job_runs_another_program(cluster: Cluster, restart: bool) -> None:
    await furnish(cluster, **multi_node(3), retryStrategy=RETRY)
    cluster.submit()
    await cluster.pass_time(2)
    await replaced(cluster, restart=restart, **multi_node(3, OTHER), retryStrategy=RETRY)
    cluster.jobs.start("job-1")
    await cluster.pass_time(10)
    assert cluster.state() == ("Failed", "DefinitionReplaced")
    assert images(cluster) <= {"busybox"}
