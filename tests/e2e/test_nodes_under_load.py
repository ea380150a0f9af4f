"""Nodes that others use as well, fill up, are drained or are not alike: nobody waits for a place that is not there.

And no place stays empty that the job at the head of the queue could take.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest

from batchyard.api import names
from e2e.clusterapi import BATCHJOBS, PODS, Collection, Json, path_of, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from e2e.ownnodes import (
    FOREVER,
    environment,
    free,
    nodes_in_use,
    nodes_of,
    other_pod,
    own_nodes,
    put_daemon_set,
    put_others,
    requests_of,
    running,
    template,
    wait_full,
)

pytestmark = pytest.mark.e2e

STRICT = {"policy": "Strict"}


def delete(harness: Harness, collection: Collection, *objects: str) -> None:
    for name in objects:
        harness.api.delete(path_of(collection, harness.namespace, name))


def wait_running_pods(harness: Harness, job: str, number: int) -> None:
    until(
        lambda: len(harness.running_pods_of(job)) == number,
        60,
        lambda: f"{number} pods of {job} run: {harness.kubectl('get', 'bj,pods', '-o', 'wide')}",
    )


@pytest.fixture
def six(harness: Harness) -> Iterator[list[str]]:
    """Six nodes of eight vCPUs."""
    with own_nodes(harness, (6, {"cpu": "8", "memory": "16Gi"})) as found:
        yield found


@pytest.mark.usefixtures("six")
def test_a_burst_of_many_shapes_among_fifty_other_pods(
    harness: Harness, unschedulable: dict[str, str], operator: OperatorProcess
) -> None:
    """A DaemonSet and fifty others leave half of the nodes, in pieces; some of them go, and the operator is killed."""
    sizes = (("100m", "64Mi"), ("250m", "1Gi"), ("500m", "128Mi"), ("1", "256Mi"))
    put_daemon_set(harness, "500m")
    put_others(
        harness,
        *(
            other_pod(harness, f"other-{number:02}", cpu, memory=memory)
            for number, (cpu, memory) in zip(range(50), cycle(sizes))
        ),
    )
    shapes = {
        "large": template(harness, cpu="3"),
        "middle": template(harness, cpu="1500m", memory="512Mi"),
        "small": template(harness, cpu="700m"),
        "hungry": template(harness, cpu="200m", memory="2Gi"),
    }
    stay = {f"stay-{number:02}": shape for number, shape in zip(range(28), cycle(shapes))}
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        *(harness.object(names.JOB_DEFINITION, shape, {"template": pod}) for shape, pod in shapes.items()),
        *(harness.job(job, shape, "queue") for job, shape in stay.items()),
    )
    first = wait_full(harness)
    _make_room(harness, first)
    second = wait_full(harness)
    operator.replace()
    assert wait_full(harness) == second, "a restart changes nothing"
    _make_room(harness, second)
    wait_full(harness)
    # Not asked again below: of what is deleted there, the scheduler may hear a moment later than Batchyard.
    assert unschedulable == {}
    for pod in shapes.values():
        pod["metadata"]["annotations"] = {"sim.batchyard.dev/duration": "1s"}
    short = {f"short-{number:02}": f"{shape}-short" for number, shape in zip(range(24), cycle(shapes))}
    harness.apply(
        *(harness.object(names.JOB_DEFINITION, f"{shape}-short", {"template": pod}) for shape, pod in shapes.items()),
        *(harness.job(job, shape, "queue") for job, shape in short.items()),
    )
    delete(harness, BATCHJOBS, *stay)
    statuses = harness.wait_finished(short)
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    assert {len(status["attempts"]) for status in statuses.values()} == {1}


def _make_room(harness: Harness, head: str) -> None:
    """End the other pods of the node where they take most, which is more than any job asks for: so the head starts."""
    others: dict[str, list[Json]] = {}
    for pod in harness.api.list(PODS, harness.namespace):
        if pod["metadata"]["name"].startswith("other-"):
            others.setdefault(pod["spec"]["nodeName"], []).append(pod)
    most = max(others.values(), key=lambda pods: sum(requests_of(pod["spec"])["cpu"] for pod in pods))
    delete(harness, PODS, *(pod["metadata"]["name"] for pod in most))

    def starts() -> bool:
        return bool(harness.statuses()[head].get("state") == "Running")

    until(starts, 60, lambda: f"{head} starts: {free(harness)}\n{harness.kubectl('get', 'bj,pods', '-o', 'wide')}")


@pytest.fixture
def five(harness: Harness) -> Iterator[list[str]]:
    """Five nodes of sixteen vCPUs."""
    with own_nodes(harness, (5, {"cpu": "16"})) as found:
        yield found


def test_sixty_small_jobs_leave_whole_nodes_to_those_that_need_one(
    harness: Harness, five: list[str], unschedulable: dict[str, str]
) -> None:
    """The second large job starts as soon as the small ones of one node are gone."""
    small = [f"small-{number:02}" for number in range(60)]
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.simulated_definition("one", cpu="1", annotations=FOREVER),
        harness.simulated_definition("whole", cpu="16", annotations=FOREVER),
        *(harness.job(job, "one", "queue") for job in small),
    )
    running(harness, *small)
    harness.apply(harness.job("whole-1", "whole", "queue"))
    running(harness, "whole-1")
    harness.apply(harness.job("whole-2", "whole", "queue"))
    harness.wait_reason("whole-2", "InsufficientCapacity")
    where = nodes_of(harness)
    assert sorted(Counter(where[job] for job in small).values()) == [12, 16, 16, 16]
    cleared = where["small-30"]
    assert cleared != where["whole-1"]
    delete(harness, BATCHJOBS, *(job for job in small if where[job] == cleared))
    running(harness, "whole-2")
    assert nodes_of(harness)["whole-2"] == cleared
    assert unschedulable == {}


def test_sixty_indexes_leave_a_whole_node_to_the_job_that_needs_it(
    harness: Harness, five: list[str], unschedulable: dict[str, str]
) -> None:
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.simulated_definition("one", cpu="1", annotations=FOREVER),
        harness.simulated_definition("whole", cpu="16", annotations=FOREVER),
        harness.job("many", "one", "queue", array={"size": 60}),
    )
    wait_running_pods(harness, "many", 60)
    harness.apply(harness.job("whole", "whole", "queue"))
    running(harness, "whole")
    assert len(set(nodes_in_use(harness, "many"))) == 4
    assert unschedulable == {}


def test_a_job_of_a_whole_node_waits_while_others_have_a_bit_of_each(
    harness: Harness, five: list[str], unschedulable: dict[str, str]
) -> None:
    """Indexes come and go beside the bits; what they leave is never a whole node."""
    put_others(harness, *(other_pod(harness, f"bit-{number}", "500m", node) for number, node in enumerate(five)))
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.simulated_definition("one", cpu="1", duration="2s"),
        harness.simulated_definition("whole", cpu="16", annotations=FOREVER),
        harness.job("many", "one", "queue", array={"size": 60}),
        harness.job("whole", "whole", "queue"),
    )
    harness.wait_state("many", "Succeeded")
    status = harness.wait_reason("whole", "InsufficientCapacity")
    assert (status["state"], status["queuePosition"], harness.jobs_of("whole")) == ("Runnable", 1, [])
    delete(harness, PODS, "bit-3")
    running(harness, "whole")
    assert nodes_of(harness)["whole"] == five[3]
    assert unschedulable == {}


@pytest.fixture
def three(harness: Harness) -> Iterator[list[str]]:
    """Three nodes of eight vCPUs beside what a DaemonSet takes."""
    with own_nodes(harness, (3, {"cpu": "8500m"})) as found:
        put_daemon_set(harness, "500m")
        yield found


def test_jobs_of_a_drained_node_run_again_elsewhere_at_no_cost(
    harness: Harness, three: list[str], unschedulable: dict[str, str]
) -> None:
    """All nodes are full and others wait: those of the drained node go before them, and nobody gets a place twice."""
    ranges = [{"targetNodes": "0:1", "template": template(harness, cpu="1")}]
    gang = {"numNodes": 2, "mainNode": 0, "nodeRanges": ranges}
    again = {"attempts": 3}
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.simulated_definition("one", cpu="1", annotations=FOREVER, retryStrategy=again),
        harness.simulated_definition("two", cpu="2", annotations=FOREVER, retryStrategy=again),
        harness.simulated_definition("four", cpu="4", annotations=FOREVER),
        harness.simulated_definition("all", cpu="8", annotations=FOREVER),
        harness.object(names.JOB_DEFINITION, "gang", {"multiNode": gang, "retryStrategy": again}),
        harness.job("single-1", "two", "queue"),
        harness.job("single-2", "two", "queue"),
        harness.job("many", "one", "queue", array={"size": 2}),
        harness.job("gang", "gang", "queue"),
    )
    drained = {"single-1": 1, "single-2": 1, "many": 2, "gang": 2}
    for job, number in drained.items():
        wait_running_pods(harness, job, number)
    (first,) = {node for job in drained for node in nodes_in_use(harness, job)}
    stay = [f"stay-{number}" for number in range(4)]
    harness.apply(harness.job("holder", "all", "queue"))
    running(harness, "holder")
    harness.apply(*(harness.job(job, "two", "queue") for job in stay))
    running(harness, *stay)
    harness.apply(harness.job("late-1", "four", "queue"), harness.job("late-2", "four", "queue"))
    harness.wait_reason("late-1", "InsufficientCapacity")

    harness.cluster.kubectl("drain", first, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    assert [pod for job in drained for pod in harness.running_pods_of(job)] == []
    until(
        lambda: harness.statuses()["single-1"].get("state") == "Runnable",
        60,
        lambda: f"single-1 waits: {harness.kubectl('get', 'bj')}",
    )
    second = nodes_of(harness)["holder"]
    delete(harness, BATCHJOBS, "holder")
    for job, number in drained.items():
        wait_running_pods(harness, job, number)
    assert {node for job in drained for node in nodes_in_use(harness, job)} == {second}
    statuses = harness.statuses()
    assert {job: statuses[job]["state"] for job in ("late-1", "late-2")} == {"late-1": "Runnable", "late-2": "Runnable"}

    harness.cluster.kubectl("uncordon", first)
    running(harness, "late-1", "late-2")
    assert {nodes_of(harness)[job] for job in ("late-1", "late-2")} == {first}
    assert {node: left["cpu"] for node, left in free(harness).items()} == dict.fromkeys(three, 0)
    statuses = harness.statuses()
    for job in ("single-1", "single-2", "gang"):
        runs = [(attempt["run"], attempt["attempt"]) for attempt in statuses[job]["attempts"]]
        assert (statuses[job]["interruptions"], runs) == (1, [(1, 1), (2, 1)]), job
    assert (statuses["many"]["interruptions"], statuses["many"]["array"]["retries"]) == (2, 0)
    assert {statuses[job].get("interruptions", 0) for job in (*stay, "late-1", "late-2")} == {0}
    assert unschedulable == {}


@pytest.fixture
def mixed(harness: Harness) -> Iterator[list[str]]:
    """Two nodes of 4 vCPUs, one of 16, and two of 8 with four and two GPUs."""
    shapes: list[tuple[int, Json]] = [
        (2, {"cpu": "4", "memory": "8Gi"}),
        (1, {"cpu": "16", "memory": "64Gi"}),
        (1, {"cpu": "8", "gpu": 4}),
        (1, {"cpu": "8", "gpu": 2}),
    ]
    with own_nodes(harness, *shapes) as found:
        yield found


def test_devices_are_left_to_those_that_ask_for_them(
    harness: Harness, mixed: list[str], unschedulable: dict[str, str]
) -> None:
    """24 vCPUs are on nodes without GPUs: the jobs that ask for none take all of those first."""
    plain, with_gpus = set(mixed[:3]), set(mixed[3:])
    members = [("0", template(harness, cpu="4")), ("1:2", template(harness, cpu="1", gpu="2"))]
    ranges = [{"targetNodes": targets, "template": pod} for targets, pod in members]
    cpu = [f"cpu-{number}" for number in range(5)]
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.simulated_definition("four", cpu="4", annotations=FOREVER),
        harness.object(names.JOB_DEFINITION, "render", {"template": template(harness, cpu="500m", gpu="1")}),
        harness.object(
            names.JOB_DEFINITION, "train", {"multiNode": {"numNodes": 3, "mainNode": 0, "nodeRanges": ranges}}
        ),
        *(harness.job(job, "four", "queue") for job in cpu),
    )
    running(harness, *cpu)
    assert {nodes_of(harness)[job] for job in cpu} == plain

    harness.apply(harness.job("alone", "render", "queue"), harness.job("train", "train", "queue"))
    running(harness, "alone")
    wait_running_pods(harness, "train", 3)
    on_gpu_nodes = [node for node in nodes_in_use(harness, "train") if node in with_gpus]
    assert (len(on_gpu_nodes), nodes_of(harness)["alone"] in with_gpus) == (2, True)

    harness.apply(harness.job("cpu-5", "four", "queue"))
    running(harness, "cpu-5")
    assert nodes_of(harness)["cpu-5"] in with_gpus, "no other node has room"

    harness.apply(harness.job("many", "render", "queue", array={"size": 8}))
    wait_running_pods(harness, "many", 1)
    assert _free_gpus(harness) == 0
    delete(harness, BATCHJOBS, "train")
    wait_running_pods(harness, "many", 5)
    assert (_free_gpus(harness), len(harness.pods_of("many"))) == (0, 5)
    assert unschedulable == {}


def _free_gpus(harness: Harness) -> int:
    return sum(left.get("nvidia.com/gpu", 0) for left in free(harness).values())


def test_jobs_that_choose_their_node_wait_for_that_one(
    harness: Harness, three: list[str], unschedulable: dict[str, str]
) -> None:
    """No scheduler refuses a pod that names its node: were its room not counted, the node would be overcommitted."""
    first, second, third = three
    named, selecting = template(harness, cpu="5"), template(harness, cpu="1")
    named["spec"]["nodeName"] = second
    selecting["spec"]["nodeSelector"] = {"kubernetes.io/hostname": third}
    put_others(harness, other_pod(harness, "web", "4", second))
    harness.apply(
        environment(harness),
        harness.queue("queue", "own", queueing=STRICT),
        harness.object(names.JOB_DEFINITION, "named", {"template": named}),
        harness.object(names.JOB_DEFINITION, "selecting", {"template": selecting}),
        harness.job("many", "selecting", "queue", array={"size": 8}),
        harness.job("named-1", "named", "queue"),
        harness.job("named-2", "named", "queue"),
    )
    wait_running_pods(harness, "many", 8)
    assert set(nodes_in_use(harness, "many")) == {third}
    harness.wait_reason("named-1", "InsufficientCapacity")
    delete(harness, PODS, "web")
    running(harness, "named-1")
    harness.wait_reason("named-2", "InsufficientCapacity")
    assert {node: left["cpu"] for node, left in free(harness).items()} == {first: 8000, second: 3000, third: 0}
    delete(harness, BATCHJOBS, "named-1")
    running(harness, "named-2")
    assert nodes_of(harness)["named-2"] == second
    assert unschedulable == {}
