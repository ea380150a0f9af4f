"""Fair-share queues in a whole operator: who starts, what is said, what survives a restart."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBQUEUES, JOBS
from fakes.cluster import Cluster, in_cluster
from objects.specs import fair_share


def share_fairly(cluster: Cluster, *, cpu: str = "4", **settings: Any) -> None:
    """One environment of some vCPUs, and a fair-share queue for it."""
    cluster.add_node(cpu=cpu)
    cluster.put("ComputeEnvironment", "on-prem")
    cluster.put("JobQueue", "urgent", **fair_share(**settings))
    cluster.define()


def submit(cluster: Cluster, share: str, *numbers: int, **fields: Any) -> None:
    for number in numbers:
        cluster.submit(f"{share}-{number:02}", shareIdentifier=share, **fields)


def shares(cluster: Cluster) -> dict[str, dict[str, Any]]:
    status = cluster.get("JobQueue", "urgent").get("status") or {}
    return {each["shareIdentifier"]: each for each in (status.get("fairShare") or {}).get("shares") or ()}


def by_share(jobs: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in jobs:
        counts[name.partition("-")[0]] = counts.get(name.partition("-")[0], 0) + 1
    return counts


WEIGHTS = [
    {"shareIdentifier": "red", "weightFactor": 1},
    {"shareIdentifier": "blue", "weightFactor": 0.5},
    {"shareIdentifier": "gr*", "weightFactor": 0.25},
]


@in_cluster()
async def test_capacity_is_divided_by_weights_at_once_and_over_time(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="7", shares=WEIGHTS)
    await cluster.start_operator()
    for share in ("red", "blue", "green"):
        submit(cluster, share, *range(60))
    started: dict[str, int] = {}
    for _ in range(10):
        await cluster.pass_time(20)
        running = by_share(cluster.active_jobs())
        assert running == {"red": 1, "blue": 2, "green": 4}
        for share, number in running.items():
            started[share] = started.get(share, 0) + number
        cluster.finish_all()
    assert started == {"red": 10, "blue": 20, "green": 40}
    await cluster.pass_time(40)
    counted = shares(cluster)
    assert counted["green"]["usedVcpuSeconds"] == pytest.approx(4 * counted["red"]["usedVcpuSeconds"], rel=0.05)
    assert (counted["green"]["vcpus"], counted["green"]["runnable"]) == (4, 16)


@in_cluster()
async def test_usage_survives_a_restart_without_any_job_left(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="1")
    await cluster.start_operator()
    submit(cluster, "red", 1)
    await cluster.pass_time(120)
    cluster.finish_all()
    await cluster.pass_time(60)
    before = shares(cluster)["red"]
    cluster.delete("BatchJob", "red-01")
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == []
    await cluster.restart_operator(orderly=True)
    submit(cluster, "red", 2)
    await cluster.pass_time(1)
    submit(cluster, "blue", 1)
    submit(cluster, "red", 3)
    await cluster.pass_time(1)
    cluster.finish_all()
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["blue-01-1"], "red has used more"
    await cluster.pass_time(40)
    assert shares(cluster)["red"]["usedVcpuSeconds"] < before["usedVcpuSeconds"]


@pytest.mark.parametrize("kill", [False, True])
@in_cluster()
async def test_a_restarted_operator_goes_on_as_the_last_one_would(cluster: Cluster, kill: bool) -> None:
    share_fairly(cluster, cpu="7", shares=WEIGHTS)
    await cluster.start_operator()
    for share in ("red", "blue", "green"):
        submit(cluster, share, *range(40))
    for round_ in range(6):
        await cluster.pass_time(17)
        if round_ in (1, 4):
            await cluster.restart_operator(orderly=not kill, after=20)
        assert by_share(cluster.active_jobs()) == {"red": 1, "blue": 2, "green": 4}
        cluster.finish_all()


@in_cluster()
async def test_a_share_is_needed_by_one_kind_of_queue_and_refused_by_the_other(cluster: Cluster) -> None:
    share_fairly(cluster)
    cluster.put("JobQueue", "plain")
    await cluster.start_operator()
    cluster.submit("missing")
    cluster.submit("surplus", jobQueue="plain", shareIdentifier="red")
    cluster.submit("right", shareIdentifier="red")
    await cluster.pass_time(3)
    assert cluster.state("missing") == ("Failed", "ShareIdentifierMissing")
    assert "submit the job with spec.shareIdentifier" in cluster.status("missing")["message"]
    assert cluster.state("surplus") == ("Failed", "ShareIdentifierNotAllowed")
    assert "is first come, first served" in cluster.status("surplus")["message"]
    assert cluster.state("right") == ("Starting", "CreatingPod")
    annotations = cluster.kube_job("right-1")["metadata"]["annotations"]
    assert annotations[names.SHARE] == "red"


@in_cluster()
async def test_a_queue_may_admit_listed_shares_only(cluster: Cluster) -> None:
    share_fairly(cluster, shares=WEIGHTS, shareAdmission="Listed")
    await cluster.start_operator()
    for name, share in (("listed", "red"), ("begins", "green"), ("fresh", "a1b2")):
        cluster.submit(name, shareIdentifier=share)
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["begins-1", "listed-1"]
    assert cluster.state("fresh") == ("Pending", "ShareNotAdmitted")
    assert cluster.status("fresh")["message"] == (
        "JobQueue urgent admits listed shares only, and a1b2 is none: submit the job with one that is listed, or have"
        " it listed in spec.schedulingPolicy.fairShare.shares"
    )
    assert cluster.condition("BatchJob", "fresh", "Stalled")[0] == "True"
    assert "a1b2" not in shares(cluster)
    await cluster.restart_operator()
    await cluster.pass_time(2)
    assert cluster.state("fresh") == ("Pending", "ShareNotAdmitted")
    policy = {"shares": [*WEIGHTS, {"shareIdentifier": "a1b2"}], "shareAdmission": "Listed"}
    cluster.put("JobQueue", "urgent", **fair_share(**policy))
    await cluster.pass_time(20)
    assert cluster.state("fresh") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_queue_may_make_each_namespace_a_share(cluster: Cluster) -> None:
    share_fairly(cluster, shareAdmission="Namespace")
    await cluster.start_operator()
    cluster.submit("own", shareIdentifier="media")
    cluster.submit("another", shareIdentifier="payroll")
    cluster.submit("array", shareIdentifier="fresh", array={"size": 2})
    cluster.submit("none")
    await cluster.pass_time(2)
    assert cluster.kube_jobs() == ["own-1"]
    for name in ("another", "array"):
        assert cluster.state(name) == ("Pending", "ShareNotAdmitted")
        assert cluster.status(name)["message"].endswith("submit the job with spec.shareIdentifier media")
    assert cluster.state("none") == ("Failed", "ShareIdentifierMissing")
    assert cluster.status("none")["message"].endswith("submit the job with spec.shareIdentifier media")


@in_cluster()
async def test_an_array_whose_share_is_no_longer_admitted_gets_no_further_places(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="1")
    await cluster.start_operator()
    cluster.submit("array", shareIdentifier="fresh", array={"size": 3})
    await cluster.pass_time(2)
    assert cluster.jobs.indexed.active("array-1") == [0]
    cluster.put("JobQueue", "urgent", **fair_share(shareAdmission="Listed"))
    cluster.add_node("more")
    await cluster.pass_time(5)
    assert cluster.jobs.indexed.active("array-1") == [0]
    assert "admits listed shares only" in cluster.status("array")["message"]


@in_cluster()
async def test_places_are_those_in_the_share_and_follow_priorities(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="1")
    await cluster.start_operator()
    submit(cluster, "red", 0)
    await cluster.pass_time(2)
    submit(cluster, "red", 1, 2, 3)
    submit(cluster, "blue", 1)
    await cluster.pass_time(3)
    assert cluster.state("red-01") == cluster.state("blue-01") == ("Runnable", "InsufficientCapacity")
    assert "next in its share of queue urgent" in cluster.status("blue-01")["message"]
    assert [cluster.status(name)["queuePosition"] for name in ("red-01", "red-02", "red-03", "blue-01")] == [1, 2, 3, 1]
    assert "position 3 in share red of queue urgent: 2 jobs are ahead" in cluster.status("red-03")["message"]
    submit(cluster, "red", 9, schedulingPriorityOverride=5)
    await cluster.pass_time(15)
    assert cluster.state("red-09") == ("Runnable", "InsufficientCapacity")
    assert cluster.state("red-01") == ("Runnable", "WaitingInQueue")
    assert [cluster.status(f"red-0{number}")["queuePosition"] for number in (9, 1, 2, 3)] == [1, 2, 3, 4]
    cluster.finish_all()
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["blue-01-1"]
    cluster.finish_all()
    await cluster.pass_time(2)
    assert cluster.active_jobs() == ["red-09-1"]


@in_cluster()
async def test_new_weights_count_at_once(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="4")
    await cluster.start_operator()
    for share in ("red", "blue"):
        submit(cluster, share, *range(20))
    await cluster.pass_time(5)
    assert by_share(cluster.active_jobs()) == {"red": 2, "blue": 2}
    heavy = fair_share(shares=[{"shareIdentifier": "blue", "weightFactor": 100}])
    cluster.put("JobQueue", "urgent", **heavy)
    await cluster.pass_time(1)
    cluster.finish_all()
    await cluster.pass_time(2)
    assert by_share(cluster.active_jobs()) == {"red": 4}


@in_cluster()
async def test_a_reservation_leaves_room_for_a_newcomer(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="4", computeReservation=50)
    await cluster.start_operator()
    submit(cluster, "red", *range(4))
    await cluster.pass_time(3)
    assert by_share(cluster.active_jobs()) == {"red": 2}
    assert cluster.state("red-02") == ("Runnable", "ReservedForOtherShares")
    submit(cluster, "blue", 0)
    await cluster.pass_time(3)
    assert by_share(cluster.active_jobs()) == {"red": 2, "blue": 1}


@in_cluster()
async def test_counts_are_written_seldom_and_not_at_all_while_nothing_happens(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="1")
    process = await cluster.start_operator()
    submit(cluster, "red", 1)
    await cluster.pass_time(10)
    before = len(process.writes(JOBQUEUES))
    await cluster.pass_time(300)
    assert 9 <= len(process.writes(JOBQUEUES)) - before <= 11
    cluster.finish_all()
    await cluster.pass_time(60)
    before = len(process.writes(JOBQUEUES))
    await cluster.pass_time(500)
    assert len(process.writes(JOBQUEUES)) == before
    await cluster.pass_time(200)
    assert len(process.writes(JOBQUEUES)) == before + 1
    assert shares(cluster) == {}, "idle for as long as usage counts"


@pytest.mark.parametrize(
    "broken", ["nonsense", {"countedAt": "yesterday"}, {"countedAt": "2026-01-01T00:00:00Z", "shares": [1]}]
)
@in_cluster()
async def test_a_count_that_cannot_be_read_stops_nobody(cluster: Cluster, broken: Any) -> None:
    share_fairly(cluster)
    queue: Object = cluster.get("JobQueue", "urgent")
    cluster.store.update(JOBQUEUES, {**queue, "status": {"fairShare": broken}}, status=True)
    await cluster.start_operator()
    await cluster.pass_time(5)
    assert shares(cluster) == {}
    submit(cluster, "red", 1)
    await cluster.pass_time(40)
    assert cluster.active_jobs() == ["red-01-1"]
    assert shares(cluster)["red"]["vcpus"] == 1


@in_cluster()
async def test_a_run_that_is_deleted_counts_up_to_then(cluster: Cluster) -> None:
    share_fairly(cluster, cpu="2")
    await cluster.start_operator()
    submit(cluster, "red", 1)
    await cluster.pass_time(60)
    cluster.delete("BatchJob", "red-01")
    await cluster.pass_time(1)
    assert cluster.store.objects(JOBS) == []
    await cluster.pass_time(60)
    counted = shares(cluster)["red"]
    assert counted["vcpus"] == 0
    assert 35 < counted["usedVcpuSeconds"] < 60
