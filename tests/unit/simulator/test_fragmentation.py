"""What is free in pieces, and what is stranded, in workloads small enough to be computed by hand."""

from collections import Counter
from collections.abc import Mapping

from batchyard.core.model.definition import Resolved
from batchyard.simulator.measures import Idle, Tally
from batchyard.simulator.replay import Replay
from batchyard.simulator.report import render
from batchyard.simulator.results import Results
from batchyard.simulator.submission import Submission, parallel, single
from batchyard.simulator.workload import EnvironmentSpec, NodesSpec, QueueSpec

GPU = "nvidia.com/gpu"
FAIR = {"type": "FairShare", "fairShare": {}}


def job(at: int, seconds: int, needs: Resolved, share: str = "") -> Submission:
    return Submission(at, "work", share, needs, seconds)


def vcpus(amount: int, gpus: int = 0) -> Resolved:
    return single({"cpu": 1000 * amount, **({GPU: gpus} if gpus else {})})


def replay(*jobs: Submission, nodes: int = 2, gpus: int = 0, ceiling: float | None = None, **queue: object) -> Results:
    """On nodes of 4 vCPUs each."""
    shape = {"cpu": "4", **({GPU: str(gpus)} if gpus else {})}
    pool = EnvironmentSpec(name="pool", nodes=(NodesSpec(count=nodes, resources=shape),), max_vcpus=ceiling)
    spec = QueueSpec.model_validate({"name": "work", "computeEnvironments": ["pool"], **queue})
    return Replay([pool.pool()], [spec.record(0)]).run(jobs)


def stranded(results: Results) -> Mapping[str, int]:
    """In seconds times whole vCPUs and devices."""
    found = results.idle["pool"].stranded
    return {name: amount // 1000 if name == "cpu" else amount for name, amount in found.items() if amount}


def test_room_on_two_nodes_is_none_for_one_pod() -> None:
    # 0-100: 1 vCPU is free on each node. 10-100: one waits for 2. 100-150: it runs, beside it 2 are free, and a node.
    results = replay(job(0, 100, vcpus(3)), job(0, 100, vcpus(3)), job(10, 50, vcpus(2)))
    idle = results.idle["pool"]
    assert stranded(results) == {"cpu": 90 * 2}
    assert idle.in_pieces == 1000 * (100 * 2 + 50 * 2)
    assert idle.free == 1000 * (100 * 2 + 50 * (2 + 4))
    assert results.stranded == {"cpu": 1000 * 90 * 2}


def test_what_is_too_little_in_all_is_not_stranded() -> None:
    assert stranded(replay(job(0, 100, vcpus(3)), job(0, 100, vcpus(3)), job(10, 50, vcpus(3)))) == {}


def test_whoever_waits_under_a_ceiling_strands_nothing() -> None:
    waits = (job(0, 100, vcpus(3)), job(0, 100, vcpus(3)), job(10, 50, vcpus(2)))
    assert stranded(replay(*waits, ceiling=7)) == {}
    # Of the 3 that are free on as many nodes, the ceiling leaves 2.
    busy = [job(0, 100, vcpus(3))] * 3
    assert stranded(replay(*busy, job(10, 50, vcpus(2)), nodes=3, ceiling=11)) == {"cpu": 90 * 2}


def test_devices_are_stranded_by_those_who_ask_for_them() -> None:
    # One device is free on each node, and one vCPU.
    busy = [job(0, 100, vcpus(3, gpus=1))] * 2
    assert stranded(replay(*busy, job(10, 50, vcpus(1, gpus=2)), gpus=2)) == {"cpu": 90 * 2, GPU: 90 * 2}
    assert stranded(replay(*busy, job(10, 50, vcpus(2)), gpus=2)) == {"cpu": 90 * 2}
    assert stranded(replay(*busy, job(10, 50, vcpus(1, gpus=1)), gpus=2)) == {}  # it runs


def test_whoever_would_have_room_on_a_node_strands_nothing() -> None:
    # "red" waits for more than there is, "blue" for what it leaves: its turn comes after.
    busy = job(0, 100, vcpus(3), "green")
    jobs = (busy, job(10, 10, vcpus(4), "red"), job(11, 10, vcpus(1), "blue"))
    results = replay(*jobs, nodes=1, schedulingPolicy=FAIR, queueing={"policy": "Strict"})
    assert results.queues["work"].waits.max == 99
    assert stranded(results) == {}


def test_pods_of_a_multi_node_job_need_a_node_each() -> None:
    # Pairs share three nodes. Once one of each pair has left, 2 vCPUs are free on each; the job wants 3 on two nodes.
    pairs = [job(0, seconds, vcpus(2)) for seconds in (100, 20) * 3]
    assert stranded(replay(*pairs, job(30, 10, parallel(6, 3, 0)), nodes=3)) == {"cpu": 70 * 6}
    assert stranded(replay(*pairs, job(30, 10, parallel(6, 2, 0)), nodes=3)) == {}  # it runs


def test_a_replay_that_is_ended_early_counts_up_to_its_end() -> None:
    pool = EnvironmentSpec(name="pool", nodes=(NodesSpec(count=2, resources={"cpu": "4"}),))
    spec = QueueSpec.model_validate({"name": "work", "computeEnvironments": ["pool"]})
    jobs = [job(50, 100, vcpus(3)), job(50, 100, vcpus(3)), job(60, 50, vcpus(2))]
    results = Replay([pool.pool()], [spec.record(0)]).run(jobs, 40)
    assert stranded(results) == {"cpu": 30 * 2}
    assert results.idle["pool"].free == 1000 * 40 * 2


def test_nothing_is_in_pieces_once_all_has_ended() -> None:
    pool = EnvironmentSpec(name="pool", nodes=(NodesSpec(count=2, resources={"cpu": "4"}),))
    spec = QueueSpec.model_validate({"name": "work", "computeEnvironments": ["pool"]})
    made = Replay([pool.pool()], [spec.record(0)])
    results = made.run([job(0, 100, vcpus(1)), job(0, 50, vcpus(4)), job(200, 0, vcpus(1)), job(300, 1, vcpus(4))])
    assert made._records.in_pieces == {"pool": 0}
    # 0-50: 3 beside the first job, the other node is full. 50-100: 3, and 4 on the other. Then 8, and 4 for a second.
    assert results.idle["pool"].in_pieces == 1000 * 100 * 3
    assert results.idle["pool"].free == 1000 * (50 * 3 + 50 * 7 + 200 * 8 + 1 * 4)


def test_the_report_tells_shares_and_hours() -> None:
    pool = EnvironmentSpec(name="pool", nodes=(NodesSpec(count=2, resources={"cpu": "4"}),))
    cloud = EnvironmentSpec(name="cloud", max_vcpus=8.0)
    hour = 1000 * 3600
    idle = Idle(free=8 * hour, in_pieces=2 * hour, stranded=Counter({"cpu": 3 * hour, GPU: 2 * 3600}))
    results = Results(
        {"work": Tally()},
        environments={"pool": 2 * 3600.0, "cloud": 0.0},
        idle={"pool": idle, "cloud": Idle(free=8 * hour, in_pieces=8 * hour)},
        ended_at=3600,
    )
    lines = render(results, [pool, cloud], 0).splitlines()
    heading, *rows = (line.split("  ") for line in lines if line.startswith(("environment", "pool", "cloud", "all")))
    assert [cell.strip() for cell in heading if cell][3:5] == ["free in pieces", "stranded"]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["pool", "8", "25.0 %", "25.0 %", "37.5 %", "2.0"],
        ["cloud", "8", "0.0 %", "0.0"],
        ["all", "16", "12.5 %", "2.0"],
    ]
    assert lines[-1] == (
        "3.0 vCPU hours and 2.0 nvidia.com/gpu hours were stranded: free for a job that waited, on all nodes together "
        "but not on one."
    )
    idle.stranded.clear()
    assert "were stranded" not in render(results, [pool, cloud], 0)
