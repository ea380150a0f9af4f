"""Pods that have ended, where each costs money until it is gone: which go and when, and that nothing else changes."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.errors import ApiError, Conflict, Forbidden, NotFound, Unavailable
from batchyard.kube.protocol import ALL, PAGE, Object, Selection
from batchyard.kube.resources import BATCHJOBS, NODES, PODS, Resource
from batchyard.objects.times import format_time, parse_time
from batchyard.runtime.controllers.endedpods import CLEAR_SECONDS, ENDED
from fakes.cluster import Cluster, in_cluster
from fakes.indexed import TRACKING
from fakes.kubejobs import NAMESPACE
from objects.serverless import VIRTUAL, VIRTUAL_TAINT, node_without_machine, virtual_fields
from objects.specs import multi_node

CONTAINER = {"image": "busybox", "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}}}
RETRIES: dict[str, Any] = {"attempts": 2, "backoff": {"initialSeconds": 10, "maxSeconds": 10, "jitter": 0}}
BOTH = ["job-1", "job-2"]
LOOK = CLEAR_SECONDS + 1
DOWN = Unavailable(503, "ServiceUnavailable", "later")


async def furnish(cluster: Cluster, seconds: int | None = 0, **definition: Any) -> None:
    """Fargate, a queue for it, a definition and an operator. Pods stay for so long; None says nothing of it."""
    serverless: dict[str, Any] = {} if seconds is None else {"endedPodSeconds": seconds}
    cluster.put_serverless(**serverless)
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate"])
    cluster.define(**{"container": CONTAINER, "retryStrategy": RETRIES, **definition})
    await cluster.start_operator()


async def run_array(cluster: Cluster, size: int, seconds: int | None = 0, **definition: Any) -> None:
    """An array of which all indexes run."""
    await furnish(cluster, seconds, **definition)
    cluster.submit(array={"size": size})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", *range(size))
    await cluster.pass_time(2)


def pods_of(cluster: Cluster, kube_job: str = "job-1") -> list[str]:
    """The names of the pods of a Kubernetes Job."""
    found = (pod["metadata"] for pod in cluster.pods())
    return [each["name"] for each in found if each["labels"]["batch.kubernetes.io/job-name"] == kube_job]


def indexes(cluster: Cluster, kube_job: str = "job-1") -> list[int]:
    """The indexes of which an Indexed Job has a pod."""
    return [int(name.removeprefix(f"{kube_job}-").partition("-")[0]) for name in pods_of(cluster, kube_job)]


def ends(cluster: Cluster, name: str = "job") -> list[tuple[int, int, int | None, str]]:
    attempts = cluster.status(name)["attempts"]
    return [(each["run"], each["attempt"], each.get("exitCode"), each.get("reason", "")) for each in attempts]


def looks(cluster: Cluster) -> int:
    """How many requests all operators have made to list pods that have ended."""
    return sum(
        resource == PODS and selection.fields == ENDED
        for process in cluster.processes
        for resource, selection in process.api.lists
    )


def deletions(cluster: Cluster) -> list[str]:
    """The pods that the current operator has deleted, or tried to."""
    return [name for verb, name in cluster.process.writes(PODS) if verb == "delete"]


def shown(cluster: Cluster, name: str = "job") -> Object:
    """All that the API server holds of a job but its metadata's version."""
    found = cluster.get("BatchJob", name)
    return {"spec": found["spec"], "status": found["status"]}


def change_pod(cluster: Cluster, kube_job: str = "job-1", **metadata: Any) -> Object:
    pod = cluster.jobs.pod(kube_job)
    return cluster.store.update(PODS, {**pod, "metadata": {**pod["metadata"], **metadata}})


# Single jobs.


@pytest.mark.parametrize(("seconds", "stays", "gone"), [(None, 55, 75), (60, 55, 75), (0, 0, 15), (600, 590, 670)])
@in_cluster()
async def test_a_pod_goes_a_while_after_its_end_and_job_and_status_stay(
    cluster: Cluster, seconds: int | None, stays: int, gone: int
) -> None:
    await furnish(cluster, seconds)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(1)
    before = shown(cluster)
    assert before["status"]["state"] == "Succeeded"
    await cluster.pass_time(max(stays - 1, 0))
    assert pods_of(cluster)
    await cluster.pass_time(gone - stays)
    assert (pods_of(cluster), cluster.kube_jobs()) == ([], ["job-1"])
    await cluster.pass_time(700)
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert shown(cluster) == before
    assert cluster.kube_jobs() == ["job-1"]
    assert cluster.events() == []


@in_cluster()
async def test_the_pod_of_an_attempt_that_failed_goes_while_the_next_goes_on(cluster: Cluster) -> None:
    await furnish(cluster, 60)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1", 3)
    await cluster.pass_time(30)
    assert (pods_of(cluster), cluster.kube_jobs()) == ([cluster.jobs.pod("job-1")["metadata"]["name"]], BOTH)
    cluster.jobs.start("job-2")
    await cluster.pass_time(45)
    assert pods_of(cluster) == []
    assert cluster.state() == ("Running", "ContainerRunning")
    assert ends(cluster) == [(1, 1, 3, "NonZeroExit"), (2, 2, None, "")]
    await cluster.restart_operator()
    await cluster.pass_time(60)
    cluster.jobs.finish("job-2", 4)
    await cluster.pass_time(80)
    assert (cluster.pods(), cluster.kube_jobs()) == ([], BOTH)
    assert cluster.state() == ("Failed", "NonZeroExit")
    assert ends(cluster) == [(1, 1, 3, "NonZeroExit"), (2, 2, 4, "NonZeroExit")]
    assert cluster.status()["interruptions"] == 0


@in_cluster()
async def test_it_goes_also_while_the_next_attempt_is_not_due(cluster: Cluster) -> None:
    backoff = {"initialSeconds": 300, "maxSeconds": 300, "jitter": 0}
    await furnish(cluster, retryStrategy={"attempts": 2, "backoff": backoff})
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1", 137, "OOMKilled")
    await cluster.pass_time(20)
    assert (cluster.pods(), cluster.state()) == ([], ("Runnable", "RetryBackoff"))
    await cluster.restart_operator(after=20)
    await cluster.pass_time(320)
    assert cluster.kube_jobs() == BOTH
    assert ends(cluster) == [(1, 1, 137, "OOMKilled"), (2, 2, None, "")]


@in_cluster()
async def test_one_that_was_interrupted_goes_and_is_interrupted_once(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    cluster.jobs.disrupt("job-1", "TerminationByKubelet")
    await cluster.pass_time(15)
    assert pods_of(cluster) == []
    await cluster.restart_operator()
    await cluster.pass_time(30)
    cluster.jobs.finish("job-2")
    await cluster.pass_time(15)
    assert ends(cluster) == [(1, 1, None, "Interrupted"), (2, 1, 0, "Completed")]
    assert (cluster.status()["interruptions"], cluster.pods()) == (1, [])


@in_cluster()
async def test_a_pod_that_the_job_controller_has_yet_to_count_is_left_alone(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    cluster.jobs.end_pod("job-1", 3)
    await cluster.pass_time(60)
    assert (deletions(cluster), cluster.state()[0]) == ([], "Running")
    cluster.jobs.finish("job-1", 3)
    change_pod(cluster, finalizers=[TRACKING])
    await cluster.pass_time(60)
    assert (deletions(cluster), ends(cluster)[0]) == ([], (1, 1, 3, "NonZeroExit"))
    change_pod(cluster, finalizers=[])
    await cluster.pass_time(LOOK)
    assert pods_of(cluster) == []


@in_cluster()
async def test_a_pod_counts_from_the_end_of_its_last_container(cluster: Cluster) -> None:
    main, proxy = {"name": "main", **CONTAINER}, {"name": "proxy", "image": "envoy"}
    await furnish(cluster, 60, container=None, template={"spec": {"containers": [proxy, main]}})
    await cluster.submit_and_start()
    finished = {"exitCode": 0, "startedAt": cluster.store.timestamp(), "finishedAt": cluster.store.timestamp()}
    await cluster.pass_time(100)
    cluster.jobs.finish("job-1")
    pod = cluster.jobs.pod("job-1")
    pod["status"]["containerStatuses"][1]["state"] = {"terminated": finished}
    cluster.store.update(PODS, pod, status=True)
    await cluster.pass_time(50)
    assert (cluster.state()[0], len(pods_of(cluster))) == ("Succeeded", 1)
    await cluster.pass_time(25)
    assert pods_of(cluster) == []


@in_cluster()
async def test_one_that_may_run_is_never_deleted(cluster: Cluster) -> None:
    """Unknown says that nobody hears of it."""
    await furnish(cluster)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    pod = cluster.jobs.pod("job-1")
    pod["status"]["phase"] = "Unknown"
    cluster.store.update(PODS, pod, status=True)
    await cluster.pass_time(100)
    assert deletions(cluster) == []


@in_cluster(graceful=True)
async def test_a_pod_that_others_keep_is_asked_once_and_counts_as_it_ended(cluster: Cluster) -> None:
    await run_array(cluster, 2, retryStrategy={"attempts": 1})
    kept = cluster.jobs.indexed.pod("job-1", 0)
    cluster.store.update(PODS, {**kept, "metadata": {**kept["metadata"], "finalizers": [TRACKING, "mesh/kept"]}})
    cluster.jobs.indexed.finish("job-1", 0, exit_code=7)
    pod = cluster.jobs.indexed.pod("job-1", 0)
    pod = cluster.store.update(PODS, {**pod, "metadata": {**pod["metadata"], "finalizers": ["mesh/kept"]}})
    for _ in range(220):  # whenever it is looked for it has just ended, by a clock that is ahead
        just = format_time(parse_time(cluster.store.timestamp()) + 1)
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = just
        pod = cluster.store.update(PODS, pod, status=True)
        await cluster.pass_time(0.1)
    assert deletions(cluster) == [], "it would pass for one that was stopped by that"
    await cluster.pass_time(60)
    assert "deletionTimestamp" in cluster.jobs.indexed.pod("job-1", 0)["metadata"]
    assert deletions(cluster) == [pod["metadata"]["name"]]
    assert (cluster.status()["interruptions"], cluster.array_status()["failedIndexes"]) == (0, "0")


# Multi-node jobs.


@in_cluster()
async def test_pods_of_a_multi_node_job_go_once_its_run_is_over(cluster: Cluster) -> None:
    await furnish(cluster, **multi_node(3, CONTAINER))
    await cluster.submit_and_start()
    for kube_job in ("job-1-n1", "job-1-n2"):
        await cluster.pass_time(2)
        cluster.jobs.start(kube_job)
    cluster.jobs.finish("job-1-n1", 5)
    await cluster.pass_time(60)
    assert pods_of(cluster, "job-1-n1"), "the run goes on"
    cluster.jobs.finish("job-1-n2")
    cluster.jobs.finish("job-1", 3)
    await cluster.pass_time(8)
    await cluster.restart_operator()
    await cluster.pass_time(30)
    assert [pods_of(cluster, each) for each in ("job-1", "job-1-n1", "job-1-n2")] == [[], [], []]
    assert cluster.kube_jobs() == ["job-1", "job-1-n1", "job-1-n2", "job-2"]
    cluster.jobs.start("job-2")
    await cluster.pass_time(2)
    for kube_job in ("job-2-n1", "job-2-n2"):
        cluster.jobs.start(kube_job)
        cluster.jobs.finish(kube_job)
    cluster.jobs.finish("job-2")
    await cluster.pass_time(20)
    assert (cluster.state(), cluster.pods()) == (("Succeeded", "Completed"), [])
    assert ends(cluster) == [(1, 1, 3, "NonZeroExit"), (2, 2, 0, "Completed")]
    assert cluster.status()["interruptions"] == 0


# Arrays.


@in_cluster()
async def test_pods_of_indexes_that_succeeded_go_while_the_array_goes_on(cluster: Cluster) -> None:
    await run_array(cluster, 5, 60)
    cluster.jobs.indexed.finish("job-1", 0, 2)
    await cluster.pass_time(50)
    assert indexes(cluster) == [0, 1, 2, 3, 4]
    await cluster.pass_time(25)
    assert indexes(cluster) == [1, 3, 4]
    assert cluster.array_status()["succeededIndexes"] == "0,2"
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert (cluster.array_status()["running"], cluster.array_status()["succeededIndexes"]) == (3, "0,2")
    cluster.jobs.indexed.finish("job-1", 1, 3, 4)
    await cluster.pass_time(80)
    assert (cluster.state(), cluster.pods()) == (("Succeeded", "Completed"), [])
    assert cluster.status()["interruptions"] == 0


@in_cluster()
async def test_a_failed_index_is_read_and_stored_before_its_pod_goes(cluster: Cluster) -> None:
    await run_array(cluster, 3, retryStrategy={"attempts": 1})
    cluster.api.fail_next("patch", BATCHJOBS, DOWN, times=1000)
    cluster.jobs.indexed.finish("job-1", 1, exit_code=7)
    await cluster.pass_time(120)
    assert indexes(cluster) == [0, 1, 2], "only the operator knows of the failure"
    assert "failedIndexes" not in cluster.array_status()
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert indexes(cluster) == [0, 2]
    [failure] = cluster.array_status()["firstFailures"]
    assert (failure["index"], failure["attempt"], failure["exitCode"]) == (1, 1, 7)
    cluster.jobs.indexed.finish("job-1", 0, 2)
    await cluster.pass_time(20)
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert (cluster.state(), cluster.pods()) == (("Failed", "IndexesFailed"), [])
    assert cluster.array_status()["firstFailures"] == [failure]


@in_cluster()
async def test_one_whose_pod_cannot_be_read_yet_keeps_it(cluster: Cluster) -> None:
    await run_array(cluster, 2, retryStrategy={"attempts": 1})
    cluster.api.fail_next("list", PODS, DOWN, times=1000)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=7)
    await cluster.pass_time(60)
    assert indexes(cluster) == [0, 1]
    cluster.api.heal()
    await cluster.pass_time(60)
    assert indexes(cluster) == [1]
    assert cluster.array_status()["firstFailures"][0]["exitCode"] == 7


@in_cluster()
async def test_an_index_that_is_tried_again_loses_its_pod_once_the_next_run_has_started(cluster: Cluster) -> None:
    await run_array(cluster, 2)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=7)
    await cluster.pass_time(30)
    assert "job-2-i0" in cluster.active_jobs()
    assert indexes(cluster) == [0, 1], "the next run may still give its slot back"
    cluster.jobs.start("job-2-i0")
    await cluster.pass_time(LOOK)
    assert indexes(cluster) == [1]
    await cluster.restart_operator()
    await cluster.pass_time(30)
    cluster.jobs.finish("job-2-i0", 8)
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(20)
    assert (cluster.state(), cluster.pods()) == (("Failed", "IndexesFailed"), [])
    array = cluster.array_status()
    assert (array["retries"], cluster.status()["interruptions"]) == (1, 0)
    assert [(each["index"], each["attempt"], each["exitCode"]) for each in array["firstFailures"]] == [(0, 2, 8)]


@in_cluster()
async def test_an_end_is_not_forgotten_where_the_next_run_gets_no_capacity(cluster: Cluster) -> None:
    """That one is deleted. Without the pod before it, the index would count as interrupted."""
    cluster.put_serverless(endedPodSeconds=0, leaveAloneSeconds=60, fields={"unschedulableSeconds": 60})
    cluster.put("JobQueue", "urgent", computeEnvironments=["fargate"])
    cluster.define(container=CONTAINER, retryStrategy=RETRIES)
    await cluster.start_operator()
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0, 1)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=7)
    await cluster.pass_time(30)
    assert "job-2-i0" in cluster.active_jobs()
    await cluster.pass_time(60)
    assert "job-2-i0" not in cluster.active_jobs()
    await cluster.restart_operator()
    while "job-2-i0" not in cluster.active_jobs():
        await cluster.pass_time(5)
    assert cluster.status()["interruptions"] == 0
    cluster.jobs.start("job-2-i0")
    await cluster.pass_time(2)
    cluster.jobs.finish("job-2-i0", 8)
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(20)
    [failure] = cluster.array_status()["firstFailures"]
    assert (failure["attempt"], failure["exitCode"]) == (2, 8)
    assert cluster.status()["interruptions"] == 0


@in_cluster()
async def test_an_index_that_was_interrupted_runs_again_once_and_its_pods_go(cluster: Cluster) -> None:
    await run_array(cluster, 2, retryStrategy={"attempts": 1})
    cluster.jobs.indexed.disrupt("job-1", 0, gone=False)
    await cluster.pass_time(20)
    assert cluster.kube_jobs() == ["job-1", "job-2-i0"]
    cluster.jobs.start("job-2-i0")
    await cluster.pass_time(LOOK)
    assert indexes(cluster) == [1]
    await cluster.restart_operator()
    await cluster.pass_time(30)
    cluster.jobs.finish("job-2-i0")
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(20)
    assert (cluster.state(), cluster.pods()) == (("Succeeded", "Completed"), [])
    assert (cluster.status()["interruptions"], cluster.kube_jobs()) == (1, ["job-1", "job-2-i0"])


@in_cluster()
async def test_pods_of_an_indexed_job_that_are_not_counted_are_left_alone(cluster: Cluster) -> None:
    await run_array(cluster, 2)
    cluster.jobs.indexed.finish("job-1", 0)
    pod = cluster.jobs.indexed.pod("job-1", 0)
    pod = cluster.store.update(PODS, {**pod, "metadata": {**pod["metadata"], "finalizers": [TRACKING]}})
    await cluster.pass_time(60)
    assert (cluster.array_status()["succeededIndexes"], deletions(cluster)) == ("0", [])
    cluster.store.update(PODS, {**pod, "metadata": {**pod["metadata"], "finalizers": []}})
    await cluster.pass_time(LOOK)
    assert indexes(cluster) == [1]


@in_cluster()
async def test_many_are_deleted_page_by_page(cluster: Cluster) -> None:
    size = 2 * PAGE + 10
    await run_array(cluster, size)
    before = looks(cluster)
    cluster.jobs.indexed.finish("job-1", *range(size))
    await cluster.pass_time(2 * LOOK)
    assert (cluster.pods(), len(deletions(cluster))) == ([], size)
    assert looks(cluster) - before <= 6
    assert cluster.array_status()["succeeded"] == size


# What is not to be deleted.


@in_cluster()
async def test_elsewhere_pods_stay_as_long_as_their_job_and_are_not_looked_for(cluster: Cluster) -> None:
    cluster.put("ComputeEnvironment", "virtual", **virtual_fields())
    cluster.put("ComputeEnvironment", "nodes")
    cluster.put_managed()
    cluster.store.create(NODES, node_without_machine("virtual-1", VIRTUAL, VIRTUAL_TAINT))
    cluster.add_node("node-1")
    cluster.define(container=CONTAINER)
    for name in ("virtual", "nodes"):
        cluster.put("JobQueue", name, computeEnvironments=[name])
    await cluster.start_operator()
    for name in ("virtual", "nodes"):
        await cluster.submit_and_start(name, jobQueue=name)
        cluster.jobs.finish(f"{name}-1")
    await cluster.pass_time(1000)
    assert [cluster.state(name)[0] for name in ("virtual", "nodes")] == ["Succeeded", "Succeeded"]
    assert len(cluster.pods()) == 2
    assert (looks(cluster), deletions(cluster)) == (0, [])
    cluster.put("ComputeEnvironment", "virtual", **virtual_fields(endedPodSeconds=600))
    await cluster.pass_time(LOOK)
    assert (pods_of(cluster, "virtual-1"), len(pods_of(cluster, "nodes-1"))) == ([], 1)


@pytest.mark.parametrize("anew", [False, True])
@in_cluster()
async def test_pods_of_a_job_that_is_gone_or_was_made_anew_are_left_alone(cluster: Cluster, anew: bool) -> None:
    await furnish(cluster, 60)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(10)
    cluster.store.delete(BATCHJOBS, "job", NAMESPACE, propagation="Orphan")
    if anew:
        cluster.submit()
        await cluster.pass_time(1)
        cluster.change(stop={"mode": "Cancel", "reason": "not needed"})
    await cluster.pass_time(120)
    assert (len(pods_of(cluster)), deletions(cluster)) == (1, [])


@in_cluster()
async def test_what_only_says_that_it_is_a_pod_of_a_job_is_left_alone_and_keeps_none_of_the_others(
    cluster: Cluster,
) -> None:
    await furnish(cluster, 30)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(2)
    labels = cluster.jobs.pod("job-1")["metadata"]["labels"]
    for number, missing in enumerate(("", "batchyard.dev/job", "batch.kubernetes.io/job-name")):
        forged = {name: value for name, value in labels.items() if name != missing}
        body = {"metadata": {"name": f"forged-{number}", "labels": forged}, "spec": {"containers": []}}
        pod = cluster.store.create(PODS, body, NAMESPACE)
        cluster.store.update(PODS, {**pod, "status": {"phase": "Failed"}}, status=True)
    await cluster.pass_time(60)
    assert [pod["metadata"]["name"] for pod in cluster.pods()] == ["forged-0", "forged-1", "forged-2"]
    assert len(deletions(cluster)) == 1


@in_cluster()
async def test_while_its_environment_is_refused_pods_stay(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    cluster.put_serverless(endedPodSeconds=0, namespaces=["not_one"])
    cluster.jobs.finish("job-1")
    await cluster.pass_time(60)
    assert pods_of(cluster)
    cluster.put_serverless(endedPodSeconds=0)
    await cluster.pass_time(LOOK)
    assert pods_of(cluster) == []


# Statuses that are not stored, and operators that die.


@in_cluster()
async def test_as_long_as_the_end_is_not_stored_the_pod_stays(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    cluster.api.fail_next("patch", BATCHJOBS, DOWN, times=1000)
    cluster.jobs.finish("job-1", 3)
    await cluster.pass_time(120)
    assert (cluster.state()[0], len(pods_of(cluster))) == ("Running", 1)
    cluster.api.heal()
    await cluster.pass_time(60)
    assert pods_of(cluster) == []
    assert ends(cluster)[0] == (1, 1, 3, "NonZeroExit")


@pytest.mark.parametrize("exit_code", [0, 3])
@in_cluster()
async def test_an_end_that_was_not_taken_counts_for_nothing(cluster: Cluster, exit_code: int) -> None:
    await furnish(cluster, retryStrategy={"attempts": 1})
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    cluster.api.fail_next("patch", BATCHJOBS, Conflict(409, "Conflict", "it has changed"))
    cluster.jobs.finish("job-1", exit_code)
    await cluster.pass_time(100)
    assert (cluster.state()[0], len(pods_of(cluster))) == ("Running", 1)
    await cluster.restart_operator()
    await cluster.pass_time(60)
    assert pods_of(cluster) == []
    assert (cluster.state()[0], ends(cluster)[0][2]) == ("Failed" if exit_code else "Succeeded", exit_code)


@in_cluster()
async def test_an_answer_that_was_lost_delays_it(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    await cluster.pass_time(5)
    cluster.api.lose_next("patch", BATCHJOBS)
    cluster.jobs.finish("job-1")
    await cluster.pass_time(20)
    assert (cluster.state()[0], pods_of(cluster)) == ("Succeeded", [])


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "single": ({}, {}),
    "multi-node": (multi_node(2, CONTAINER), {}),
    "array": ({}, {"array": {"size": 4}}),
}
"""Definition and job of each form."""
CODES = {
    "single": {"job-1": 3},
    "multi-node": {"job-1": 4, "job-1-n1": 5},
    "array": {"job-1/1": 7, "job-1/2": 5, "job-2-i1": 8},
}
"""What ends with another exit code than 0."""
SETTLED = ("Succeeded", "Failed")


def step(cluster: Cluster, codes: dict[str, int]) -> None:
    """Start what waits, and end what has started."""
    for name in cluster.active_jobs():
        if cluster.kube_job(name)["spec"].get("completionMode") == "Indexed":
            for index in cluster.jobs.indexed.active(name):
                if cluster.jobs.indexed.pod(name, index)["status"]["phase"] == "Running":
                    cluster.jobs.indexed.finish(name, index, exit_code=codes.get(f"{name}/{index}", 0))
                else:
                    cluster.jobs.indexed.start(name, index)
            continue
        pod = cluster.jobs.pod(name)
        children = [each for each in cluster.active_jobs(f"{name}-n") if each != name]
        if pod["status"]["phase"] != "Running":
            cluster.jobs.start(name)
        elif not children and (len(cluster.kube_jobs(f"{name}-n")) > 0 or not is_main(cluster, name)):
            cluster.jobs.finish(name, codes.get(name, 0))


def is_main(cluster: Cluster, name: str) -> bool:
    return names.NODE in cluster.kube_job(name)["metadata"]["labels"] and "-n" not in name


async def run_to_the_end(cluster: Cluster, form: str, seconds: int | None, cut: tuple[int, bool] | None) -> Object:
    """What there is to be said of a job at its end, when an operator was killed at that write, or none."""
    definition, job = FORMS[form]
    await furnish(cluster, seconds, **definition)
    if cut is not None:
        cluster.api.cut_at_write(cut[0], takes_effect=cut[1])
    cluster.submit(**job)
    for _ in range(120):
        await cluster.pass_time(3)
        step(cluster, CODES[form])
        if cluster.api.is_cut:
            await cluster.restart_operator()
            await cluster.pass_time(16)
        if cluster.state()[0] in SETTLED and not cluster.pods():
            break
    await cluster.pass_time(30)
    status = cluster.status()
    told = ("state", "reason", "message", "interruptions")
    array = {
        name: value
        for name, value in status.get("array", {}).items()
        if name not in ("firstFailures", "restarts", "chargedAs")
    }
    failures = [
        {name: value for name, value in each.items() if name not in ("podName", "nodeName")}
        for each in status.get("array", {}).get("firstFailures", ())
    ]
    return {
        **{name: status[name] for name in told},
        "attempts": ends(cluster),
        "array": array,
        "failures": failures,
        "jobs": cluster.kube_jobs(),
    }


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_an_operator_killed_at_any_write_comes_to_the_same_end(form: str, takes_effect: bool) -> None:
    found: list[Object] = []
    operators: list[int] = []

    @in_cluster()
    async def run(cluster: Cluster, seconds: int | None = 0, cut: tuple[int, bool] | None = None) -> None:
        found.append(await run_to_the_end(cluster, form, seconds, cut))
        operators.append(len(cluster.processes))
        assert (cluster.pods() == []) is (seconds == 0)

    run(seconds=604_800)
    run()
    assert found[0] == found[1]
    assert found[0]["state"] == ("Failed" if form == "array" else "Succeeded")
    number = 0
    while number == 0 or operators[-1] == 2:
        number += 1
        run(cut=(number, takes_effect))
        assert found[-1] == found[0], f"killed at write {number}"
    assert number > 20


# What it costs.


async def finish_ten(cluster: Cluster) -> None:
    """Ten jobs that run, and end together just after pods were looked for."""
    for number in range(10):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(3)
    cluster.finish_all()
    await cluster.pass_time(3)


@in_cluster()
async def test_ten_pods_cost_one_list_and_ten_deletions_and_then_nothing(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.pass_time(30)
    before = looks(cluster)
    assert before == 1, "nothing was there"
    await finish_ten(cluster)
    assert looks(cluster) == before
    await cluster.pass_time(300)
    assert (cluster.pods(), len(deletions(cluster)), looks(cluster) - before) == ([], 10, 1)
    await finish_ten(cluster)
    assert cluster.pods() == [], "their jobs had been there"
    cluster.submit("more")
    await cluster.pass_time(1)
    cluster.jobs.finish("more-1")
    await cluster.pass_time(300)
    assert (cluster.pods(), len(deletions(cluster)), looks(cluster) - before) == ([], 11, 2)


@in_cluster()
async def test_a_job_that_is_over_before_anybody_looks_is_not_overlooked(cluster: Cluster) -> None:
    await furnish(cluster, 60)
    await cluster.pass_time(CLEAR_SECONDS * 3 + 1)
    before = looks(cluster)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(3)
    assert (cluster.state()[0], looks(cluster)) == ("Succeeded", before)
    await cluster.pass_time(80)
    assert pods_of(cluster) == []


@in_cluster()
async def test_nor_is_one_that_ends_while_pods_are_listed(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.pass_time(60)
    listed = cluster.api.list_pages

    async def slowly(
        resource: Resource, selection: Selection = ALL, *, limit: int = PAGE
    ) -> AsyncGenerator[tuple[list[Object], str], None]:
        async for page in listed(resource, selection, limit=limit):
            if resource == PODS and selection.fields == ENDED:
                await cluster.pass_time(9)
            yield page

    cluster.api.list_pages = slowly  # type: ignore[method-assign]
    await cluster.submit_and_start("first")
    cluster.jobs.finish("first-1")
    for number in range(20):
        name = f"job-{number}"
        await cluster.submit_and_start(name)
        cluster.jobs.finish(f"{name}-1")
        await cluster.pass_time(1)
    await cluster.pass_time(120)
    assert cluster.pods() == []
    for seconds in range(round(CLEAR_SECONDS)):
        name = f"long-{seconds}"
        await cluster.submit_and_start(name)
        await cluster.pass_time(20 + seconds)
        cluster.jobs.finish(f"{name}-1")
        await cluster.pass_time(40)
    assert cluster.pods() == []
    before = looks(cluster)
    await cluster.pass_time(120)
    assert looks(cluster) == before


@in_cluster()
async def test_where_pods_stay_for_long_they_are_listed_seldom(cluster: Cluster) -> None:
    await furnish(cluster, 3_600)
    await cluster.submit_and_start("first", "second")
    cluster.jobs.finish("first-1")
    await cluster.pass_time(1)
    before = looks(cluster)
    await cluster.pass_time(3_590)
    assert looks(cluster) - before <= 10
    assert pods_of(cluster, "first-1")
    await cluster.pass_time(380)
    assert pods_of(cluster, "first-1") == []
    cluster.jobs.finish("second-1")
    await cluster.pass_time(60)
    assert pods_of(cluster, "second-1")
    cluster.put_serverless(endedPodSeconds=0)
    await cluster.pass_time(LOOK)
    assert pods_of(cluster, "second-1") == []


@pytest.mark.parametrize("error", [NotFound(404, "NotFound", "gone"), Conflict(409, "Conflict", "another one")])
@in_cluster()
async def test_a_pod_that_is_gone_or_another_is_no_failure(cluster: Cluster, error: ApiError) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(2)
    before = looks(cluster)
    cluster.api.fail_next("delete", PODS, error, after_effect=True)
    await cluster.pass_time(60)
    assert (pods_of(cluster), len(deletions(cluster)), looks(cluster) - before) == ([], 1, 1)


@pytest.mark.parametrize(
    "error", [Unavailable(500, "InternalError", "etcd"), Forbidden(403, "Forbidden", "a webhook says no")]
)
@in_cluster()
async def test_one_that_cannot_be_deleted_is_tried_again_and_keeps_no_other(cluster: Cluster, error: ApiError) -> None:
    await furnish(cluster)
    await finish_ten(cluster)
    cluster.api.fail_next("delete", PODS, error)
    await cluster.pass_time(LOOK - 3)
    assert len(cluster.pods()) <= 1
    assert len(deletions(cluster)) >= 10
    await cluster.pass_time(2)
    assert (cluster.pods(), len(deletions(cluster))) == ([], 11)


@in_cluster()
async def test_a_list_that_fails_is_tried_again(cluster: Cluster) -> None:
    await furnish(cluster)
    await cluster.submit_and_start()
    await cluster.pass_time(10)
    cluster.jobs.finish("job-1")
    cluster.api.fail_next("list", PODS, DOWN, times=2)
    await cluster.pass_time(20)
    assert pods_of(cluster) == []


@in_cluster()
async def test_who_takes_over_goes_on_with_it(cluster: Cluster) -> None:
    await furnish(cluster, 60)
    await cluster.submit_and_start()
    cluster.jobs.finish("job-1")
    await cluster.pass_time(5)
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(40)
    assert pods_of(cluster)
    await cluster.pass_time(40)
    assert (pods_of(cluster), cluster.state()) == ([], ("Succeeded", "Completed"))
