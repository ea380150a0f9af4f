"""Nodes that do not come are told in the status of their environment, for as long as that lasts."""

import logging
from typing import Any

import pytest

from batchyard.core.model.cluster.failure import Failure
from batchyard.kube import errors
from batchyard.kube.resources import COMPUTEENVIRONMENTS, EVENTS, NODE_CLAIMS, NODE_POOLS, Resource
from fakes.api import FakeApi
from fakes.cluster import Cluster, in_cluster
from fakes.nodepools import with_a_pool
from fakes.process import DOWN
from objects.nonodes import NO_CAPACITY, NO_OFFERING, unschedulable

SIZE = {"cpu": "4", "memory": "16Gi"}
NOTHING = ("", "", "")
FORBIDDEN = errors.Forbidden(403, "Forbidden", 'User "x" cannot list resource "events"')


def condition(cluster: Cluster, kind: str = "Degraded") -> tuple[str, str, str]:
    return cluster.condition("ComputeEnvironment", "burst", kind)


def failures(cluster: Cluster) -> dict[str, Failure]:
    return cluster.process.operator.cache.catalogue.provisioned.failures


async def with_a_job(cluster: Cluster, **job: Any) -> None:
    """A managed environment, and a job that waits for its node there."""
    cluster.define()
    cluster.put("JobQueue", "urgent", computeEnvironments=["burst"])
    await with_a_pool(cluster)
    await cluster.pass_time(5)
    cluster.submit(**job)
    await cluster.pass_time(3)


@in_cluster()
async def test_no_capacity_is_told_until_a_node_is_launched(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    assert condition(cluster) == NOTHING
    cluster.karpenter.fail()
    await cluster.pass_time(5)
    said = ("True", "InsufficientCapacityError", f"no node has come since 00:00:03Z: {NO_CAPACITY}")
    assert condition(cluster) == said
    assert condition(cluster, "Ready")[:2] == ("True", "ScaledToZero"), "others may come"
    await cluster.pass_time(100)
    cluster.karpenter.fail()
    await cluster.pass_time(5)
    assert condition(cluster) == said, "it is the same failure"
    cluster.karpenter.claim(capacity=SIZE)
    await cluster.pass_time(3)
    assert condition(cluster) == NOTHING


@in_cluster()
async def test_what_nothing_is_heard_of_any_more_is_over(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.fail()
    await cluster.pass_time(595)
    assert condition(cluster)[0] == "True"
    await cluster.pass_time(10)
    assert condition(cluster) == NOTHING


@in_cluster()
async def test_a_restarted_operator_comes_to_the_same(cluster: Cluster) -> None:
    await with_a_job(cluster)
    cluster.karpenter.fail()
    await cluster.pass_time(60)
    cluster.karpenter.claim("burst-1", capacity=SIZE)
    await cluster.pass_time(60)
    cluster.karpenter.fail()
    await cluster.pass_time(60)
    (pod,) = cluster.pods()
    cluster.karpenter.fail_pod(pod["metadata"]["name"])
    await cluster.pass_time(5)
    before, known = condition(cluster), failures(cluster)
    assert before[1] == "InsufficientCapacityError", "what was heard first, as long as it goes on"
    await cluster.restart_operator(orderly=True)
    await cluster.pass_time(10)
    assert failures(cluster) == known
    assert condition(cluster) == before
    assert cluster.process.writes(COMPUTEENVIRONMENTS) == []


@in_cluster()
async def test_what_the_provider_refuses_is_told_while_karpenter_goes_on_trying(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.refuse("more vCPUs than the quota allows")
    await cluster.pass_time(3)
    assert condition(cluster)[:2] == ("True", "LaunchFailed")
    assert condition(cluster)[2].endswith(": more vCPUs than the quota allows")
    cluster.karpenter.claim(capacity=SIZE)
    await cluster.pass_time(3)
    assert condition(cluster) == NOTHING


@in_cluster()
async def test_a_machine_of_which_no_node_comes_is_told(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.claim(capacity=SIZE)
    await cluster.pass_time(295)
    assert condition(cluster) == NOTHING
    await cluster.pass_time(10)
    assert condition(cluster)[:2] == ("True", "NodeNotRegistered")
    cluster.karpenter.claim(capacity=SIZE, node="made-1")
    await cluster.pass_time(3)
    assert condition(cluster) == NOTHING


@in_cluster()
async def test_what_is_told_of_pods_counts_for_the_environment_of_their_run(cluster: Cluster) -> None:
    await with_a_job(cluster)
    (pod,) = cluster.pods()
    name = pod["metadata"]["name"]
    cluster.karpenter.fail_pod(name, "other")
    cluster.karpenter.fail_pod("stranger-abcde")
    cluster.karpenter.fail_pod(name, message="Failed to schedule pod, all exceed limits for nodepool (NodePool=burst)")
    await cluster.pass_time(3)
    assert condition(cluster) == NOTHING
    cluster.karpenter.fail_pod(name)
    await cluster.pass_time(3)
    assert condition(cluster)[1:] == ("FailedScheduling", f"no node has come since 00:00:14Z: {NO_OFFERING}")


@in_cluster()
async def test_pods_of_arrays_are_known_by_their_names(cluster: Cluster) -> None:
    await with_a_job(cluster, array={"size": 3})
    pod = cluster.jobs.indexed.pod("job-1", 2)["metadata"]["name"]
    assert cluster.process.operator.cache.runs.pod(("media", pod)) is None
    cluster.karpenter.fail_pod(f"job-1-2-{'abcde'}")
    await cluster.pass_time(3)
    assert condition(cluster)[:2] == ("True", "FailedScheduling")


@in_cluster()
async def test_a_nodepool_from_which_nothing_can_be_made_tells_so_itself(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.fail_pool("other")
    await cluster.pass_time(3)
    assert condition(cluster) == NOTHING
    cluster.karpenter.fail_pool()
    await cluster.pass_time(3)
    assert condition(cluster)[:2] == ("True", "NoCompatibleInstanceTypes")


@in_cluster()
async def test_schedulers_say_nothing_of_it(cluster: Cluster) -> None:
    """The default one is not even listened to."""
    await with_a_job(cluster)
    (pod,) = cluster.pods()
    cluster.karpenter.fail_pod(pod["metadata"]["name"])
    (event,) = cluster.store.objects(EVENTS)
    cluster.store.delete(EVENTS, event["metadata"]["name"], "media")
    await cluster.restart_operator(orderly=True)
    scheduler: dict[str, Any] = {"source": {}, "reportingComponent": "default-scheduler"}
    other: dict[str, Any] = {"source": {"component": "volcano"}, "reportingComponent": ""}
    for number, (writer, text) in enumerate([(scheduler, unschedulable()), (other, "0/3 nodes are available")]):
        body = {**event, **writer, "metadata": {"name": f"e{number}"}, "message": text}
        cluster.store.create(EVENTS, body, "media")
    await cluster.pass_time(10)
    assert condition(cluster) == NOTHING


@in_cluster()
async def test_without_karpenter_or_its_environments_events_are_left_alone(cluster: Cluster) -> None:
    cluster.karpenter.uninstall()
    cluster.put_managed()
    process = await cluster.start_operator()
    await cluster.pass_time(60)
    assert process.api.watching(EVENTS) == 0
    cluster.karpenter.install()
    await cluster.pass_time(60)
    assert process.api.watching(EVENTS) == 3
    assert process.operator.healthy() == ""


@in_cluster()
async def test_who_begins_to_act_does_not_wait_for_events_for_long(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive = FakeApi._arrive

    async def without_events(api: FakeApi, verb: str, resource: Resource) -> errors.ApiError | None:
        if (verb, resource) == ("list", EVENTS):
            raise DOWN
        return await arrive(api, verb, resource)

    monkeypatch.setattr(FakeApi, "_arrive", without_events)
    cluster.put_managed()
    await cluster.start_operator()
    await cluster.pass_time(8)
    assert cluster.karpenter.pools() == []
    await cluster.pass_time(8)
    assert condition(cluster, "Ready")[:2] == ("True", "ScaledToZero")


@in_cluster()
async def test_events_that_must_not_be_read_are_told_of_and_do_no_harm(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "batchyard.kube.informer")
    process = await cluster.start_operator()
    process.api.fail_next("list", EVENTS, FORBIDDEN, times=1000)
    cluster.put_managed()
    await cluster.pass_time(600)
    assert condition(cluster, "Ready")[:2] == ("True", "ScaledToZero")
    assert process.operator.ready() == ""
    assert [each.message for each in caplog.records if "events" in each.message] == [
        'the operator may not list events; have a ClusterRole allow that (User "x" cannot list resource "events")'
    ] * 3, "once for each of the three informers"
    assert process.api.watching(NODE_POOLS) == process.api.watching(NODE_CLAIMS) == 1


@in_cluster()
async def test_a_missing_node_class_is_the_users_to_put_right(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    assert condition(cluster, "Valid")[:2] == ("True", "Accepted")
    cluster.karpenter.judge("NodeClassReady", "False", "NodeClass not found on cluster", reason="NodeClassNotFound")
    await cluster.pass_time(3)
    assert condition(cluster, "Valid")[:2] == ("False", "NodeClassNotFound")
    assert condition(cluster, "Valid")[2] == condition(cluster, "Ready")[2]
    cluster.karpenter.judge("NodeClassReady", "True")
    await cluster.pass_time(3)
    assert condition(cluster, "Valid")[0] == "True"


@in_cluster()
async def test_failures_go_with_their_environment(cluster: Cluster) -> None:
    await with_a_pool(cluster)
    cluster.karpenter.fail()
    await cluster.pass_time(3)
    assert failures(cluster).keys() == {"burst"}
    cluster.delete("ComputeEnvironment", "burst")
    await cluster.pass_time(5)
    assert failures(cluster) == {}
    cluster.put_managed()
    await cluster.pass_time(5)
    assert (failures(cluster), condition(cluster)) == ({}, NOTHING)
