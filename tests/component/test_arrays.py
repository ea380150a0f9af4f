"""Arrays through the whole operator: places, ends of indexes, retries, and everything that may come in between."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.resources import BATCHJOBS, JOBS, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from objects.specs import fair_share

RETRIES: dict[str, Any] = {"attempts": 3, "backoff": {"initialSeconds": 10, "jitter": 0}}


@in_cluster()
async def test_every_index_runs_once_in_one_job(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit(array={"size": 5})
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-1"]
    job = cluster.kube_job("job-1")
    assert (job["spec"]["completions"], cluster.parallelism("job-1")) == (5, 5)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1, 2)
    await cluster.pass_time(5)
    assert cluster.state() == ("Pending", "IndexesRunning")
    assert cluster.status()["message"] == "3 of 5 indexes run, 2 start, 0 succeeded, 0 failed"
    indexed.start("job-1", 3, 4)
    indexed.finish("job-1", 0, 1, 3)
    await cluster.pass_time(5)
    shown = cluster.array_status()
    assert (shown["progress"], shown["succeededIndexes"], shown["activeIndexes"]) == ("3/5", "0-1,3", "2,4")
    indexed.finish("job-1", 2, 4)
    await cluster.pass_time(2)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.array_status()["succeededIndexes"] == "0-4"
    assert cluster.condition("BatchJob", "job")[0] == "True"


@in_cluster()
async def test_pods_know_their_index(cluster: Cluster) -> None:
    await cluster.set_up()
    submitted = cluster.submit(array={"size": 2})
    await cluster.pass_time(1)
    env = {each["name"]: each for each in cluster.jobs.indexed.pod("job-1", 1)["spec"]["containers"][0]["env"]}
    source = env["AWS_BATCH_JOB_ARRAY_INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert source == f"metadata.annotations['{names.COMPLETION_INDEX}']"
    assert env["AWS_BATCH_JOB_ARRAY_SIZE"]["value"] == "2"
    assert env["AWS_BATCH_JOB_ID"]["value"] == f"{submitted['metadata']['uid']}:$(AWS_BATCH_JOB_ARRAY_INDEX)"
    assert list(env).index("AWS_BATCH_JOB_ARRAY_INDEX") < list(env).index("AWS_BATCH_JOB_ID")


@in_cluster()
async def test_it_gets_what_is_free_and_more_when_that_comes(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit(array={"size": 10})
    await cluster.pass_time(5)
    assert cluster.parallelism("job-1") == 3
    assert cluster.status()["message"].endswith(
        "7 wait: next in queue urgent; needs 1 vCPU on one node of environment on-prem; "
        "others may start before it until 00:10:01Z (queue urgent has the policy Bypass), then the room is held for it"
    )
    cluster.jobs.finish("first-1")
    await cluster.pass_time(1)
    assert cluster.parallelism("job-1") == 4
    cluster.add_node("node-2", cpu="2")
    await cluster.pass_time(1)
    assert cluster.parallelism("job-1") == 6


@in_cluster()
async def test_the_tail_frees_places_for_others(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 5})
    cluster.submit("next")
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.finish("job-1", 0)
    await cluster.pass_time(2)
    assert (cluster.parallelism("job-1"), indexed.active("job-1")) == (4, [1, 2, 3, 4])
    assert cluster.kube_jobs() == ["job-1"]
    indexed.finish("job-1", 1)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["job-1", "next-1"]


@in_cluster()
async def test_no_more_run_than_max_concurrency(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 10, "maxConcurrency": 2})
    cluster.submit("next")
    await cluster.pass_time(2)
    assert cluster.parallelism("job-1") == 2
    assert "next-1" in cluster.kube_jobs()
    assert cluster.status()["message"] == "0 of 10 indexes run, 2 start, 0 succeeded, 0 failed"


@in_cluster()
async def test_a_failed_index_is_tried_again_by_itself(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", retryStrategy=RETRIES)
    cluster.submit(array={"size": 4, "maxConcurrency": 2})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.finish("job-1", 0, exit_code=3)
    await cluster.pass_time(5)
    assert indexed.active("job-1") == [1, 2]
    assert (cluster.kube_jobs(), cluster.array_status()["failed"]) == (["job-1"], 0)
    indexed.finish("job-1", 1, 2)
    indexed.finish("job-1", 3)
    await cluster.pass_time(7)
    assert cluster.kube_jobs() == ["job-1", "job-2-i0"]
    again = cluster.kube_job("job-2-i0")
    env = {each["name"]: each.get("value") for each in again["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["AWS_BATCH_JOB_ATTEMPT"] == "2"
    assert again["spec"]["template"]["metadata"]["annotations"][names.COMPLETION_INDEX] == "0"
    assert cluster.state()[0] == "Pending"
    cluster.jobs.start(again)
    cluster.jobs.finish(again)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert (cluster.array_status()["succeededIndexes"], cluster.array_status()["retries"]) == ("0-3", 1)


@in_cluster()
async def test_failures_are_counted_listed_and_final(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", retryStrategy={**RETRIES, "attempts": 2})
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 1, exit_code=3)
    cluster.jobs.indexed.finish("job-1", 0, 2)
    await cluster.pass_time(12)
    cluster.jobs.finish("job-2-i1", 4)
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "IndexesFailed")
    message = "container main ended with exit code 4"
    assert cluster.status()["message"] == f"1 of 3 indexes failed: 1; first seen: index 1: {message}"
    failure = cluster.array_status()["firstFailures"][0]
    assert (failure["index"], failure["attempt"], failure["exitCode"]) == (1, 2, 4)
    assert (cluster.array_status()["failedIndexes"], cluster.array_status()["succeededIndexes"]) == ("1", "0,2")


@in_cluster()
async def test_exit_rules_count_for_each_index(cluster: Cluster) -> None:
    rules = [{"onExitCode": "3", "action": "Exit"}]
    await cluster.set_up(cpu="4", retryStrategy={**RETRIES, "evaluateOnExit": rules})
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=3)
    cluster.jobs.indexed.finish("job-1", 1, exit_code=4)
    await cluster.pass_time(15)
    assert cluster.kube_jobs() == ["job-1", "job-2-i1"]
    assert cluster.array_status()["failedIndexes"] == "0"


@in_cluster()
async def test_too_many_failures_end_it(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    cluster.submit(array={"size": 8, "maxFailedIndexes": 1})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 1, exit_code=3)
    await cluster.pass_time(5)
    assert cluster.state()[0] == "Pending"
    cluster.jobs.indexed.finish("job-1", 5, exit_code=3)
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", "TooManyFailedIndexes")
    assert cluster.kube_jobs() == []
    assert cluster.array_status()["failed"] == 8


@in_cluster()
async def test_a_disrupted_index_run_costs_no_attempt(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", retryStrategy={**RETRIES, "attempts": 2})
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 0, exit_code=1)
    cluster.jobs.indexed.finish("job-1", 1)
    await cluster.pass_time(12)
    cluster.jobs.disrupt("job-2-i0")
    await cluster.pass_time(2)
    third = cluster.kube_job("job-3-i0")
    assert third["metadata"]["annotations"][names.ATTEMPT] == "2"
    cluster.jobs.finish(third)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")


@in_cluster()
async def test_disrupted_indexes_run_again_by_themselves_at_no_cost(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1, 2)
    indexed.disrupt("job-1", 0)
    indexed.disrupt("job-1", 2, gone=False)
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["job-1", "job-2-i0", "job-2-i2"]
    assert cluster.kube_job("job-2-i0")["metadata"]["annotations"][names.ATTEMPT] == "1"
    assert (cluster.status()["interruptions"], cluster.array_status()["retries"]) == (2, 0)
    [event] = cluster.events()
    assert (event.reason, event.message.split(";")[0]) == ("Interrupted", "indexes were interrupted")
    indexed.finish("job-1", 1)
    cluster.jobs.finish("job-2-i0")
    cluster.jobs.disrupt("job-2-i2")
    await cluster.pass_time(3)
    cluster.jobs.finish("job-3-i2")
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert (cluster.status()["interruptions"], cluster.array_status()["retries"]) == (3, 0)


@pytest.mark.parametrize("most", [0, 1])
@in_cluster()
async def test_an_index_that_is_interrupted_too_often_fails(cluster: Cluster, most: int) -> None:
    await cluster.set_up(cpu="4", retryStrategy={"attempts": 3, "maxInterruptions": most})
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.disrupt("job-1", 1)
    await cluster.pass_time(3)
    if most:
        await cluster.process.kill()
        cluster.jobs.disrupt("job-2-i1", "EvictionByEvictionAPI")
        await cluster.start_operator()
        await cluster.pass_time(20)
    assert cluster.array_status()["failedIndexes"] == "1"
    cluster.jobs.indexed.finish("job-1", 0, 2)
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "IndexesFailed")
    (failure,) = cluster.array_status()["firstFailures"]
    assert (failure["reason"], failure["attempt"]) == ("TooManyInterruptions", 1)
    assert failure["message"].startswith(f"interrupted {most + 1} times, more than the {most} allowed; last: ")
    assert cluster.status()["interruptions"] == most + 1


@in_cluster()
async def test_what_was_interrupted_while_no_operator_looked_runs_again(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 2})
    await cluster.pass_time(2)
    await cluster.process.kill()
    cluster.jobs.indexed.disrupt("job-1", 0, 1)
    await cluster.start_operator()
    await cluster.pass_time(20)
    assert cluster.kube_jobs() == ["job-1", "job-2-i0", "job-2-i1"]
    for name in ("job-2-i0", "job-2-i1"):
        cluster.jobs.finish(name)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.status()["interruptions"] == 2


@in_cluster()
async def test_a_deleted_kubernetes_job_is_made_up_for_index_by_index(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 0, 2)
    await cluster.pass_time(3)
    cluster.store.delete(JOBS, "job-1", NAMESPACE, propagation="Foreground")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["job-2-i1", "job-2-i3"]
    for name in cluster.kube_jobs():
        cluster.jobs.finish(name)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    assert cluster.array_status()["retries"] == 0


@in_cluster()
async def test_a_template_that_cannot_start_ends_it(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4", startupGraceSeconds=30)
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.wait("job-1", 0, "ImagePullBackOff", "no such image")
    await cluster.pass_time(20)
    assert cluster.state()[0] == "Pending"
    await cluster.pass_time(20)
    assert cluster.state() == ("Failed", "CannotStartContainer")
    assert cluster.status()["message"] == "ImagePullBackOff: no such image"
    assert cluster.kube_jobs() == []


@in_cluster()
async def test_terminated_it_ends_with_all_of_its_pods(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2")
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("job-1", 0)
    await cluster.pass_time(2)
    cluster.submit(array={"size": 4}, stop={"mode": "Terminate", "reason": "wrong input"})
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "Terminated")
    assert cluster.status()["message"] == "terminated: wrong input"
    assert (cluster.array_status()["succeededIndexes"], cluster.array_status()["failedIndexes"]) == ("0", "1-3")
    assert cluster.kube_jobs() == []
    cluster.submit("next")
    await cluster.pass_time(1)
    assert cluster.kube_jobs() == ["next-1"]


@in_cluster()
async def test_one_that_waits_is_cancelled_or_held_as_any_job(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("first")
    await cluster.pass_time(1)
    cluster.submit("held", array={"size": 2}, suspend=True)
    cluster.submit("cancelled", array={"size": 2}, stop={"mode": "Cancel", "reason": "not needed"})
    await cluster.pass_time(2)
    assert cluster.state("held") == ("Pending", "Suspended")
    assert cluster.state("cancelled") == ("Failed", "Cancelled")
    assert cluster.array_status("cancelled")["failedIndexes"] == "0-1"


@pytest.mark.parametrize("moment", [0.5, 2.5, 14.0])
@in_cluster()
async def test_a_killed_operator_changes_nothing(cluster: Cluster, moment: float) -> None:
    await cluster.set_up(cpu="2", retryStrategy=RETRIES)
    cluster.submit(array={"size": 4})

    async def live(seconds: float) -> None:
        await cluster.pass_time(seconds)

    await live(min(moment, 2.0))
    if moment > 2:
        cluster.jobs.indexed.finish("job-1", 0, exit_code=1)
        cluster.jobs.indexed.finish("job-1", 1)
        await live(moment - 2.0)
    await cluster.restart_operator()
    await live(60)
    indexed = cluster.jobs.indexed
    while active := indexed.active("job-1"):
        indexed.finish("job-1", *active)
        await live(2)
    await live(60)
    for name in cluster.kube_jobs():
        if name != "job-1":
            cluster.jobs.finish(name)
    await live(5)
    assert cluster.state() == ("Succeeded", "Completed")
    retried = ["job-2-i0"] if moment > 2 else []
    assert cluster.kube_jobs() == ["job-1", *retried]


@in_cluster()
async def test_a_large_one_costs_few_writes(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="10")
    cluster.submit(array={"size": 90})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    while active := indexed.active("job-1"):
        indexed.finish("job-1", active[0])
        await cluster.pass_time(0.5)
    await cluster.pass_time(3)
    assert cluster.state() == ("Succeeded", "Completed")
    writes = process.writes(JOBS, BATCHJOBS, PODS)
    assert [verb for verb, name in writes if name == "job-1"] == ["create"]
    assert len(writes) < 45


@in_cluster()
async def test_it_can_ask_for_nothing_that_does_not_go_with_it(cluster: Cluster) -> None:
    await cluster.set_up(retryStrategy={"attempts": 2, "onOutOfMemory": {}})
    cluster.submit(array={"size": 4})
    await cluster.pass_time(2)
    assert cluster.state() == ("Failed", "InvalidSpec")
    assert "onOutOfMemory cannot be used with an array" in cluster.status()["message"]


@in_cluster()
async def test_it_gives_places_back_to_a_queue_of_higher_priority(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    cluster.put_queues(patient=0, urgent=10)
    await cluster.start_operator()
    cluster.submit("large", jobQueue="patient", array={"size": 20})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("large-1", 0, 1, 2, 3)
    cluster.submit("first", jobQueue="urgent")
    cluster.submit("second", jobQueue="urgent")
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["large-1"]
    assert indexed.active("large-1") == [0, 1, 2, 3]
    indexed.hesitate("large-1", 1)
    await cluster.pass_time(2)
    assert (cluster.parallelism("large-1"), indexed.active("large-1")) == (3, [0, 2, 3])
    assert cluster.kube_jobs() == ["first-1", "large-1"]
    indexed.hesitate("large-1", 2)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["first-1", "large-1", "second-1"]
    for name in ("first-1", "second-1"):
        cluster.jobs.finish(name)
    await cluster.pass_time(2)
    assert cluster.parallelism("large-1") == 4
    assert indexed.deleted == 0


@in_cluster()
async def test_shares_get_their_places_from_an_array_that_has_them_all(cluster: Cluster) -> None:
    cluster.furnish(cpu="4")
    cluster.put("JobQueue", "fair", **fair_share())
    await cluster.start_operator()
    cluster.submit("red", jobQueue="fair", shareIdentifier="red", array={"size": 40})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("red-1", 0, 1, 2, 3)
    cluster.submit("blue", jobQueue="fair", shareIdentifier="blue", array={"size": 40})
    await cluster.pass_time(3)
    for index in range(4):
        indexed.hesitate("red-1", index)
        await cluster.pass_time(2)
    assert (cluster.parallelism("red-1"), cluster.parallelism("blue-1")) == (2, 2)
    assert indexed.deleted == 0


@in_cluster()
async def test_a_cancelled_one_ends_with_the_indexes_that_run(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2")
    cluster.submit(array={"size": 6})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1)
    cluster.submit(array={"size": 6}, stop={"mode": "Cancel", "reason": "enough"})
    await cluster.pass_time(2)
    assert "4 wait: cancelled once those that run have ended" in cluster.status()["message"]
    indexed.hesitate("job-1", 0)
    await cluster.pass_time(2)
    assert indexed.active("job-1") == [1]
    indexed.hesitate("job-1", 1)
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "Cancelled")
    assert (cluster.array_status()["succeededIndexes"], cluster.array_status()["failedIndexes"]) == ("0-1", "2-5")
    assert indexed.deleted == 0


@in_cluster()
async def test_a_held_one_pauses_and_goes_on(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0)
    cluster.submit(array={"size": 3}, suspend=True)
    await cluster.pass_time(2)
    indexed.hesitate("job-1", 0)
    await cluster.pass_time(20)
    assert (cluster.parallelism("job-1"), indexed.active("job-1")) == (0, [])
    assert cluster.status()["message"].endswith("2 wait: held by spec.suspend; set it to false to let them start")
    cluster.submit(array={"size": 3}, suspend=False)
    await cluster.pass_time(2)
    assert (cluster.parallelism("job-1"), indexed.active("job-1")) == (1, [1])


@pytest.mark.parametrize("kind", ["JobQueue", "ComputeEnvironment"])
@in_cluster()
async def test_nothing_new_starts_where_that_is_disabled(cluster: Cluster, kind: str) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit(array={"size": 3})
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", 0)
    cluster.put(kind, "urgent" if kind == "JobQueue" else "on-prem", state="Disabled")
    await cluster.pass_time(2)
    cluster.jobs.indexed.hesitate("job-1", 0)
    await cluster.pass_time(5)
    assert cluster.jobs.indexed.active("job-1") == []
    assert "disabled" in cluster.status()["message"]
    cluster.put(kind, "urgent" if kind == "JobQueue" else "on-prem", state="Enabled")
    await cluster.pass_time(3)
    assert cluster.jobs.indexed.active("job-1") == [1]


@in_cluster()
async def test_it_shrinks_with_its_environment(cluster: Cluster) -> None:
    await cluster.set_up(cpu="4")
    cluster.submit(array={"size": 20})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1, 2, 3)
    cluster.put("ComputeEnvironment", "on-prem", maxVcpus=2)
    await cluster.pass_time(2)
    for index in range(4):
        indexed.hesitate("job-1", index)
        await cluster.pass_time(3)
        indexed.start("job-1", *[each for each in indexed.active("job-1") if each > 3])
    assert cluster.parallelism("job-1") == 2
    assert indexed.deleted == 0


def terminate(cluster: Cluster, indexes: str, name: str = "job", **fields: Any) -> None:
    cluster.submit(name, array={"size": 6}, stopIndexes=[{"indexes": indexes, "reason": "bad input"}], **fields)


@in_cluster()
async def test_single_indexes_are_terminated_and_the_others_go_on(cluster: Cluster) -> None:
    await cluster.set_up(cpu="2", retryStrategy=RETRIES)
    cluster.submit(array={"size": 6})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.start("job-1", 0, 1)
    terminate(cluster, "1,3,9")
    await cluster.pass_time(3)
    assert indexed.active("job-1") == [0, 2]
    assert cluster.array_status()["firstFailures"][0]["message"] == "terminated: bad input"
    indexed.finish("job-1", 0, 2)
    await cluster.pass_time(3)
    assert indexed.active("job-1") == [4, 5]
    indexed.finish("job-1", 4, 5)
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "IndexesFailed")
    assert (cluster.array_status()["succeededIndexes"], cluster.array_status()["failedIndexes"]) == ("0,2,4-5", "1,3")
    assert {each["reason"] for each in cluster.array_status()["firstFailures"]} == {"Terminated"}
    assert cluster.kube_jobs() == ["job-1"]


@in_cluster()
async def test_indexes_that_were_terminated_do_not_count_as_failed_too_often(cluster: Cluster) -> None:
    await cluster.set_up(cpu="8")
    shape = {"size": 6, "maxFailedIndexes": 1}
    cluster.submit(array=shape)
    await cluster.pass_time(2)
    cluster.jobs.indexed.start("job-1", *range(6))
    cluster.submit(array=shape, stopIndexes=[{"indexes": "0-2", "reason": "bad input"}])
    await cluster.pass_time(10)
    await cluster.restart_operator()
    await cluster.pass_time(20)
    assert (cluster.state()[0], cluster.array_status()["failed"]) == ("Pending", 3)
    cluster.jobs.indexed.finish("job-1", 3, 4, exit_code=1)
    await cluster.pass_time(5)
    assert cluster.state() == ("Failed", "TooManyFailedIndexes")


@in_cluster()
async def test_an_index_that_is_tried_again_is_terminated_across_a_dead_operator(cluster: Cluster) -> None:
    await cluster.set_up(cpu="6", retryStrategy=RETRIES)
    cluster.submit(array={"size": 6})
    await cluster.pass_time(2)
    indexed = cluster.jobs.indexed
    indexed.finish("job-1", 2, 4, exit_code=1)
    indexed.finish("job-1", 0, 1, 3, 5)
    await cluster.pass_time(12)
    assert cluster.kube_jobs() == ["job-1", "job-2-i2", "job-2-i4"]
    await cluster.process.kill()
    terminate(cluster, "2")
    await cluster.start_operator()
    await cluster.pass_time(30)
    assert cluster.kube_jobs() == ["job-1", "job-2-i4"]
    cluster.jobs.finish("job-2-i4")
    await cluster.pass_time(3)
    assert cluster.state() == ("Failed", "IndexesFailed")
    assert cluster.array_status()["failedIndexes"] == "2"


@in_cluster()
async def test_an_index_that_waits_for_another_is_terminated_before_it_starts(cluster: Cluster) -> None:
    await cluster.set_up(cpu="6")
    cluster.submit("first", array={"size": 6})
    partners = [{"job": "first", "type": "NToN"}]
    cluster.submit("second", array={"size": 6}, dependsOn=partners)
    await cluster.pass_time(2)
    terminate(cluster, "0-4", "second", dependsOn=partners)
    await cluster.pass_time(2)
    cluster.jobs.indexed.finish("first-1", *range(6))
    await cluster.pass_time(3)
    assert [name for name in cluster.kube_jobs() if name.startswith("second")] == ["second-1-i5"]
    cluster.jobs.finish("second-1-i5")
    await cluster.pass_time(3)
    assert cluster.array_status("second")["failedIndexes"] == "0-4"
