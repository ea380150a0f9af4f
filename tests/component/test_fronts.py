"""What queues say of the jobs that wait in them: who goes next, since when, why not, and how seldom that is written."""

from batchyard.kube.resources import JOBQUEUES
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process
from objects.specs import overrides_asking


def head(cluster: Cluster, queue: str = "urgent") -> tuple[str, str]:
    shown = cluster.queue_status(queue).get("head") or {}
    return shown.get("name", ""), shown.get("reason", "")


def front(cluster: Cluster) -> list[str]:
    return [each["name"] for each in cluster.queue_status().get("front") or ()]


def written(process: Process) -> int:
    return len(process.writes(JOBQUEUES))


async def fill(cluster: Cluster, waiting: int = 3) -> Process:
    """One place, taken by `first`, and jobs behind that."""
    process = await cluster.set_up(cpu="1")
    cluster.submit("first")
    await cluster.pass_time(5)
    for number in range(waiting):
        cluster.submit(f"job-{number:02}")
    await cluster.pass_time(5)
    return process


@in_cluster()
async def test_a_queue_names_the_jobs_that_go_next_and_since_when_they_do(cluster: Cluster) -> None:
    await fill(cluster, waiting=12)
    assert head(cluster) == ("job-00", "InsufficientCapacity")
    assert cluster.queue_status()["head"]["message"] == cluster.status("job-00")["message"]
    assert front(cluster) == [f"job-{number:02}" for number in range(10)]
    before = cluster.queue_status()["front"]
    await cluster.pass_time(600)
    assert cluster.queue_status()["front"] == before
    cluster.jobs.finish("first-1")
    await cluster.pass_time(5)
    assert head(cluster) == ("job-01", "InsufficientCapacity")
    assert front(cluster)[-1] == "job-10"
    assert cluster.queue_status()["head"]["since"] > before[0]["since"]


@in_cluster()
async def test_an_empty_queue_says_nothing_of_it(cluster: Cluster) -> None:
    await fill(cluster, waiting=1)
    assert head(cluster) == ("job-00", "InsufficientCapacity")
    cluster.delete("BatchJob", "job-00")
    await cluster.pass_time(60)
    assert not {"head", "front", "blocked"} & cluster.queue_status().keys()


@in_cluster()
async def test_a_queue_is_blocked_after_a_while_in_which_nothing_of_it_could_start(cluster: Cluster) -> None:
    await fill(cluster)
    assert "blocked" not in cluster.queue_status()
    await cluster.pass_time(60)
    blocked = cluster.queue_status()["blocked"]
    assert blocked["reason"] == "InsufficientCapacity"
    assert blocked["message"] == cluster.queue_status()["head"]["message"]
    assert blocked["since"] <= cluster.queue_status()["head"]["since"]
    cluster.jobs.finish("first-1")
    await cluster.pass_time(5)
    assert "blocked" not in cluster.queue_status()
    cluster.put("JobQueue", "urgent", state="Disabled")
    await cluster.pass_time(60)
    assert cluster.queue_status()["blocked"]["reason"] == "JobQueueDisabled"


@in_cluster()
async def test_a_misfit_at_the_head_blocks_nobody(cluster: Cluster) -> None:
    await cluster.set_up(cpu="1")
    cluster.submit("huge", containerOverrides=overrides_asking(64))
    await cluster.pass_time(5)
    cluster.submit("first")
    cluster.submit("second")
    await cluster.pass_time(60)
    assert head(cluster) == ("huge", "ExceedsCapacity")
    assert cluster.queue_status()["blocked"]["reason"] == "InsufficientCapacity", "that is why the others wait"


@in_cluster()
async def test_a_queue_of_lower_priority_is_blocked_by_a_higher_one(cluster: Cluster) -> None:
    await fill(cluster)
    cluster.put("JobQueue", "urgent", priority=1)
    cluster.put("JobQueue", "patient", priority=0)
    cluster.submit("low", jobQueue="patient")
    await cluster.pass_time(60)
    assert head(cluster, "patient") == ("low", "WaitingForHigherPriority")
    assert cluster.queue_status("patient")["blocked"]["reason"] == "WaitingForHigherPriority"


@in_cluster()
async def test_times_outlive_the_operator(cluster: Cluster) -> None:
    await fill(cluster)
    await cluster.pass_time(60)
    before = cluster.queue_status()
    again = await cluster.restart_operator(after=30)
    await cluster.pass_time(60)
    assert cluster.queue_status() == before
    assert written(again) == 0
    await again.stop()
    cluster.jobs.finish("first-1")
    last = await cluster.start_operator()
    await cluster.pass_time(5)
    assert "blocked" not in cluster.queue_status()
    await last.kill()
    await cluster.pass_time(30)
    await cluster.start_operator()
    await cluster.pass_time(60)
    assert cluster.queue_status()["blocked"]["since"] > before["blocked"]["since"]


@in_cluster()
async def test_what_was_placed_by_an_operator_that_could_not_write_it_down_counts(cluster: Cluster) -> None:
    process = await fill(cluster)
    await cluster.pass_time(60)
    before = cluster.queue_status()["blocked"]
    process.api.lose_next("patch", JOBQUEUES, after_effect=False, times=99)
    cluster.jobs.finish("first-1")
    await cluster.pass_time(5)
    assert "job-00-1" in cluster.kube_jobs()
    await cluster.restart_operator(after=30)
    await cluster.pass_time(60)
    assert cluster.queue_status()["blocked"]["since"] > before["since"]


@in_cluster()
async def test_an_array_is_counted_once_and_by_what_its_indexes_do(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="2")
    cluster.submit("array", array={"size": 100})
    await cluster.pass_time(5)
    cluster.submit("later")
    cluster.jobs.indexed.start("array-1", 0, 1)
    await cluster.pass_time(5)
    assert {state: number for state, number in cluster.queue_status()["jobs"].items() if number} == {
        "running": 1,
        "runnable": 1,
    }
    assert front(cluster) == ["array", "later"]
    assert head(cluster) == ("array", "InsufficientCapacity"), "the rest of it goes next"
    before = written(process)
    for index in range(40):
        cluster.jobs.indexed.finish("array-1", index)
        await cluster.pass_time(2.5)
    assert written(process) - before <= 8, "not with every index"


@in_cluster()
async def test_heads_of_shares_are_listed_and_written_no_oftener_than_shares_are_counted(cluster: Cluster) -> None:
    cluster.furnish(cpu="2")
    cluster.put("JobQueue", "sharing", schedulingPolicy={"type": "FairShare"})
    process = await cluster.start_operator()
    for share in ("red", "blue"):
        for number in range(3):
            cluster.submit(f"{share}-{number}", jobQueue="sharing", shareIdentifier=share)
    await cluster.pass_time(60)
    shown = cluster.queue_status("sharing")["front"]
    assert {each["shareIdentifier"]: each["name"] for each in shown} == {"red": "red-1", "blue": "blue-1"}
    assert cluster.queue_status("sharing")["head"]["name"] == shown[0]["name"]
    before = written(process)
    await cluster.pass_time(600)
    assert written(process) - before <= 600 / 30 + 1


@in_cluster()
async def test_a_queue_that_waits_writes_nothing(cluster: Cluster) -> None:
    process = await fill(cluster)
    await cluster.pass_time(60)
    before = written(process)
    await cluster.pass_time(3600)
    assert written(process) == before
