"""What a job that waits for room is told of what is free, and when."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.shortage import kept, renewals, shortage
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.queue import WaitingSince
from batchyard.core.model.status import Status
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_environment, make_job, make_node, make_snapshot, waiting

GI = 2**30
TASK = PodSet(1, {"cpu": 4000, "memory": 16 * GI})
KEY = ("media", "videos")
HOLD = Hold("InsufficientCapacity", "next in queue urgent; needs 8 vCPU", environments=("pool",))


def nodes(*sizes: tuple[str, str], **fields: Any) -> list[Node]:
    return [
        make_node(f"n{number}", cpu=cpu, memory=memory, **fields) for number, (cpu, memory) in enumerate(sizes, start=1)
    ]


def told(snapshot: Snapshot, *pods: PodSet, environments: tuple[str, ...] = ("pool",)) -> str:
    return shortage(snapshot, SchedulingPass(snapshot, NOW).ledger, environments, pods or (TASK,))


def free(*there: Node, **fields: Any) -> Snapshot:
    return make_snapshot(nodes=there, **fields)


def test_each_resource_is_counted_that_some_node_has_too_little_of() -> None:
    there = nodes(("2.5", "32Gi"), ("2", "16Gi"), ("500m", "8Gi"))
    assert told(free(*there)) == (
        "of 3 nodes, 2 have enough memory free and none has enough vCPU free (at most 2.5 vCPU); "
        "free in all: 56 GiB memory and 5 vCPU"
    )


def test_what_all_nodes_have_is_not_told() -> None:
    assert told(free(*nodes(("1", "64Gi"), ("2", "64Gi")))) == (
        "of 2 nodes, none has enough vCPU free (at most 2 vCPU); free in all: 3 vCPU"
    )


def test_each_may_be_there_and_never_together() -> None:
    there = nodes(("4", "1Gi"), ("1", "16Gi"), ("1", "16Gi"))
    assert told(free(*there)) == (
        "of 3 nodes, 2 have enough memory free, 1 has enough vCPU free and none has all of it at once; "
        "free in all: 33 GiB memory and 6 vCPU"
    )


def test_one_node_has_no_sum() -> None:
    assert told(free(*nodes(("0", "16Gi")))) == "of 1 node, none has vCPU free"


def test_a_node_with_too_much_on_it_takes_nothing_off_the_sum() -> None:
    there = nodes(("4", "64Gi"), ("4", "64Gi"))
    used = {"pool": {"cpu": 9000}}
    assert "at most no" not in told(free(*there, used=used))
    assert told(free(*there, used=used)) == "of 2 nodes, none has vCPU free; free in all: no vCPU"


def test_pod_slots_and_devices_count() -> None:
    gpu = {"cpu": 8000, "memory": 64 * GI, "pods": 110, "nvidia.com/gpu": 2}
    there = [make_node("a", allocatable={**gpu, "pods": 0}), make_node("b", cpu="8", memory="64Gi")]
    assert told(free(*there), PodSet(1, {"cpu": 1000, "nvidia.com/gpu": 1})) == (
        "of 2 nodes, 1 has enough nvidia.com/gpu free, 1 has enough pod slots free and none has all of it at once; "
        "free in all: 2 nvidia.com/gpu"
    )


def test_what_pods_of_others_take_is_told_of_what_is_scarce() -> None:
    others = {"n1": {"cpu": 1500, "memory": GI, "pods": 3}, "elsewhere": {"cpu": 64_000}}
    snapshot = free(*nodes(("4", "64Gi"), ("2", "64Gi")), other_pods=others)
    words = "of 2 nodes, none has enough vCPU free (at most 2.5 vCPU); free in all: 4.5 vCPU; pods of others take "
    assert told(snapshot) == words + "1.5 vCPU"


def test_where_others_do_not_count_nothing_is_told_of_them() -> None:
    snapshot = free(
        *nodes(("2", "64Gi")), other_pods={"n1": {"cpu": 1500}}, environments=[make_environment(count_other_pods=False)]
    )
    assert told(snapshot) == "of 1 node, none has enough vCPU free (at most 2 vCPU)"


def test_what_the_pod_says_of_nodes_comes_first() -> None:
    there = [
        make_node("a", cpu="64", memory="64Gi"),
        make_node("b", cpu="64", memory="64Gi", labels={"zone": "b"}),
        *(make_node(name, cpu="2", memory="64Gi", labels={"zone": "a"}) for name in "cd"),
    ]
    assert told(free(*there), PodSet(1, {"cpu": 4000}, Constraints(selector=(("zone", "a"),)))) == (
        "of 4 nodes, zone=a excludes 2; of the other 2, none has enough vCPU free (at most 2 vCPU); free in all: 4 vCPU"
    )


def test_ports_of_nodes_count() -> None:
    port = ("TCP", 8080, "0.0.0.0")  # noqa: S104 - nothing listens
    snapshot = free(*nodes(("8", "64Gi"), ("1", "64Gi")), ports_taken={"n1": frozenset({port})})
    assert told(snapshot, PodSet(1, {"cpu": 4000}, Constraints(ports=(port,)))) == (
        "of 2 nodes, 1 has enough vCPU free, 1 has its host ports free and none has all of it at once; "
        "free in all: 9 vCPU"
    )


def test_a_ceiling_is_told_before_nodes() -> None:
    environment = make_environment(ceilings={"cpu": 6000, "memory": 64 * GI})
    snapshot = free(*nodes(("8", "64Gi")), environments=[environment], used={"pool": {"cpu": 4000}})
    assert told(snapshot) == "spec.maxVcpus of environment pool leaves 2 vCPU"


def test_of_a_gang_it_is_told_how_many_find_room() -> None:
    there = nodes(("4", "64Gi"), ("4", "64Gi"), ("3", "64Gi"))
    gang: PodSets = (PodSet(1, {"cpu": 1000}), PodSet(4, {"cpu": 3000, "memory": GI}))
    assert told(free(*there), *gang) == (
        "there is room for 3 of its 5 nodes, and for the next (3 vCPU, 1 GiB memory) of 3 nodes, none has enough vCPU "
        "free (at most 2 vCPU); free in all: 4 vCPU"
    )


def test_each_environment_is_told_of() -> None:
    names = ("small", "large", "third", "fourth")
    environments = [make_environment(name=name, node_selector={"pool": name}) for name in names]
    there = [make_node(name, cpu="1", memory="64Gi", labels={"pool": name}) for name in names]
    snapshot = make_snapshot(nodes=there, environments=environments)
    words = told(snapshot, environments=(*names, "gone"))
    assert words.startswith("in small of ")
    assert "; in large of " in words
    assert words.endswith("; likewise in 2 more")


def test_room_that_is_there_is_kept_for_others() -> None:
    assert told(free(*nodes(("8", "64Gi")))) == "there is room, which is kept for others that go first"


def test_figures_stay_as_long_as_the_rest_does() -> None:
    shown = f"{HOLD.message}. At 00:00:07Z, of 3 nodes"
    assert kept(shown, HOLD.message) == shown
    assert kept(shown, f"{HOLD.message}; work of lower priority makes room for it") != shown
    assert kept(f"{HOLD.message} and more", HOLD.message) == HOLD.message
    assert kept("", HOLD.message) == HOLD.message


def renewed(
    status: Status, told_at: Mapping[tuple[str, str], float] | None = None, now: float = NOW, hold: Hold = HOLD
) -> str | None:
    """What the job is told that waits for 8 of 4 vCPUs; None where that stays as it is."""
    snapshot = waiting(make_job(), request={"cpu": 8000}, nodes=nodes(("4", "64Gi")))
    snapshot = replace(snapshot, statuses={KEY: status})
    found = renewals(SchedulingPass(snapshot, now), [(KEY, hold)], told_at or {}, limit=1)
    assert set(found) <= {KEY}
    return found[KEY].message if found and found[KEY] != status else None


def held(message: str = HOLD.message, since: float = NOW) -> Status:
    return Status(
        JobState.RUNNABLE,
        "InsufficientCapacity",
        message,
        waiting_since=WaitingSince("InsufficientCapacity", since),
    )


FIGURES = "of 1 node, none has enough vCPU free (at most 4 vCPU)"


def test_figures_are_added_with_their_time() -> None:
    assert renewed(held()) == f"{HOLD.message}. At 00:00:00Z, {FIGURES}"


def test_the_same_figures_are_not_told_again() -> None:
    assert renewed(held(f"{HOLD.message}. At 23:00:00Z, {FIGURES}")) is None


def test_whose_figures_are_the_same_has_been_looked_at_all_the_same() -> None:
    """Else all who wait for long would be looked at each time, node by node."""
    status = held(f"{HOLD.message}. At 23:00:00Z, {FIGURES}")
    snapshot = waiting(make_job(), request={"cpu": 8000}, nodes=nodes(("4", "64Gi")))
    snapshot = replace(snapshot, statuses={KEY: status})
    assert renewals(SchedulingPass(snapshot, NOW), [(KEY, HOLD)], {}, limit=1) == {KEY: status}


@pytest.mark.parametrize(
    ("waited", "ago", "again"),
    [(0, 29, False), (0, 30, True), (1000, 249, False), (1000, 250, True), (86_400, 599, False), (86_400, 600, True)],
)
def test_others_are_told_the_more_seldom_the_longer_a_job_waits(waited: float, ago: float, again: bool) -> None:
    status = held(f"{HOLD.message}. At 23:00:00Z, of 9 nodes", since=NOW - waited)
    assert (renewed(status, {KEY: NOW - ago}) is not None) is again


@pytest.mark.parametrize(
    "status",
    [
        held("next in queue urgent; needs 8 vCPU; the room is held for it"),
        Status(JobState.RUNNABLE, "QueueLimitReached", HOLD.message),
        Status(JobState.RUNNING, "ContainerRunning", ""),
    ],
)
def test_who_was_told_something_else_since_is_left_alone(status: Status) -> None:
    assert renewed(status) is None


def test_only_who_waits_for_room_is_told() -> None:
    assert renewed(held(), hold=replace(HOLD, reason="WaitingForHigherPriority")) is None


def test_who_is_gone_is_left_out() -> None:
    snapshot = waiting(make_job(), request={"cpu": 8000})
    assert renewals(SchedulingPass(snapshot, NOW), [(("media", "gone"), HOLD)], {}, limit=1) == {}


def test_so_many_at_once() -> None:
    jobs = [make_job("one"), make_job("two")]
    snapshot = waiting(*jobs, request={"cpu": 8000})
    snapshot = replace(snapshot, statuses={job.key: held() for job in jobs})
    holds = [(job.key, HOLD) for job in jobs]
    assert set(renewals(SchedulingPass(snapshot, NOW), holds, {}, limit=1)) == {jobs[0].key}


def test_an_array_that_has_started_is_told_of_the_rest() -> None:
    array = ArrayStatus(10, succeeded=IndexSet(), hold=HOLD.message)
    status = Status(JobState.RUNNING, "IndexesRunning", "", environment="pool", array=array)
    message = renewed(status)
    assert message is not None
    assert message.endswith(f" wait: {HOLD.message}. At 00:00:00Z, {FIGURES}")
