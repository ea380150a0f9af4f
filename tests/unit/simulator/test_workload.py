"""The workload file: what it means, and what it says of mistakes."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from batchyard.core.model.consumable import Consumable
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.queue import FairShare
from batchyard.objects.kinds.jobqueue import read_queue
from batchyard.simulator.submission import LeftOut
from batchyard.simulator.workload import EnvironmentSpec, InvalidWorkload, NodesSpec, QueueSpec, load

EXAMPLES = Path(__file__).parents[3] / "examples" / "simulator"
STREAM: dict[str, Any] = {
    "queue": "fifo",
    "jobsPerHour": 10,
    "requests": {"cpu": 1},
    "runSeconds": {"median": 60},
}
GOOD: dict[str, Any] = {
    "environments": [{"name": "pool", "nodes": [{"count": 2, "resources": {"cpu": 4, "memory": "8Gi"}}]}],
    "queues": [
        {"name": "fifo", "computeEnvironments": ["pool"]},
        {"name": "fair", "computeEnvironments": ["pool"], "schedulingPolicy": {"type": "FairShare"}},
    ],
    "synthetic": {"jobs": 10, "streams": [STREAM]},
}
SWF = {"file": "t.swf", "queue": "fifo", "processorsPerPod": 4}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "w.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def with_stream(**fields: Any) -> dict[str, Any]:
    return {**GOOD, "synthetic": {"jobs": 10, "streams": [{**STREAM, **fields}]}}


def with_part(part: str, **fields: Any) -> dict[str, Any]:
    changed = deepcopy(GOOD)
    changed[part][0].update(fields)
    return changed


@pytest.mark.parametrize("example", ["mix.yaml", "trace.yaml", "licences.yaml", "lublin.yaml"])
def test_the_shipped_workloads_can_be_read(example: str) -> None:
    workload = load(EXAMPLES / example)
    jobs = list(workload.submissions(EXAMPLES, LeftOut(), 200))
    assert len(jobs) == 200
    assert {job.queue for job in jobs} <= {queue.name for queue in workload.queues}


def test_how_many_jobs(tmp_path: Path) -> None:
    workload = load(written(tmp_path, GOOD))
    assert len(list(workload.submissions(tmp_path, LeftOut()))) == 10
    assert len(list(workload.submissions(tmp_path, LeftOut(), 25))) == 25


def test_capacity_of_nodes_and_ceilings() -> None:
    small = NodesSpec(count=2, resources={"cpu": "4", "memory": "8Gi"})
    pool = EnvironmentSpec(name="pool", nodes=(small,), max_vcpus=6.0).pool()
    assert (pool.nodes, pool.capacity) == (2, {"cpu": 6000, "memory": 16 * 2**30, "pods": 220})
    elastic = EnvironmentSpec(name="cloud", max_vcpus=6.5, max_gpus=2).pool()
    assert (elastic.capacity["cpu"], elastic.capacity["nvidia.com/gpu"]) == (6500, 2)
    assert elastic.could_hold((PodSet(1, {"cpu": 6500, "memory": 2**50, "nvidia.com/gpu": 2}),))
    assert not elastic.could_hold((PodSet(1, {"amd.com/gpu": 1}),))


def test_queues_become_the_records_of_the_planner() -> None:
    shares = [{"shareIdentifier": "team*", "weightFactor": 2.0}]
    policy = {"shareDecaySeconds": 60, "computeReservation": 50, "shares": shares}
    fields = {"name": "fair", "priority": 3, "computeEnvironments": ["a", "b"]}
    spec = QueueSpec.model_validate({**fields, "schedulingPolicy": {"type": "FairShare", "fairShare": policy}})
    queue = spec.record(1)
    assert (queue.priority, queue.environments) == (3, ("a", "b"))
    assert queue.fair_share == FairShare(60, 50, {"team*": 2.0})
    assert QueueSpec.model_validate({**fields, "schedulingPolicy": {"type": "FairShare"}}).record(0).fair_share == (
        FairShare()
    )
    assert QueueSpec.model_validate(fields).record(0).fair_share is None


def test_a_queue_means_the_same_to_the_operator() -> None:
    shares = [{"shareIdentifier": "team*", "weightFactor": 2.0, "maxRunningJobs": 3}]
    spec: dict[str, Any] = {
        "computeEnvironments": ["a"],
        "schedulingPolicy": {"type": "FairShare", "fairShare": {"shares": shares, "shareAdmission": "Listed"}},
        "limits": {"maxRunningJobs": 9, "maxRunningJobsPerShare": 2},
        "preemption": {"policy": "LowerPriority", "minimumRunSeconds": 60},
        "queueing": {"policy": "Bypass", "maxBypassSeconds": 90},
        "jobStateTimeLimits": [{"reason": "QueueLimitReached", "maxTimeSeconds": 600}],
    }
    simulated = QueueSpec.model_validate({"name": "fair", **spec}).record(0)
    read = read_queue({"metadata": {"name": "fair", "uid": "fair"}, "spec": spec})
    assert read.limits is not None
    assert read.bypass_seconds == 90
    assert simulated == read


def test_queues_say_who_is_displaced_and_how_long_jobs_wait() -> None:
    fields = {"name": "fifo", "computeEnvironments": ["a"]}
    limits = [{"reason": "QueueLimitReached", "maxTimeSeconds": 600}]
    queue = QueueSpec.model_validate({**fields, "jobStateTimeLimits": limits}).record(0)
    assert (queue.time_limits, queue.preempts_after) == ({"QueueLimitReached": 600}, None)
    for preemption, seconds in (
        ({}, None),
        ({"policy": "LowerPriority"}, 0),
        ({"policy": "LowerPriority", "minimumRunSeconds": 60}, 60),
    ):
        spec = QueueSpec.model_validate({**fields, "preemption": preemption})
        assert (spec.record(0).time_limits, spec.record(0).preempts_after) == ({}, seconds)


def test_consumable_resources(tmp_path: Path) -> None:
    kinds = [{"name": "licence", "total": 3}, {"name": "token", "type": "NonReplenishable", "total": 9}]
    takes = [{"name": "token", "quantity": 2}, {"name": "licence"}]
    workload = load(written(tmp_path, {**with_stream(consumableResources=takes), "consumableResources": kinds}))
    assert [resource.record() for resource in workload.consumable_resources] == [
        Consumable("licence", "licence", 1, 0.0, 3, replenishable=True),
        Consumable("token", "token", 1, 0.0, 9, replenishable=False),
    ]
    first = next(workload.submissions(tmp_path, LeftOut()))
    assert first.resolved.consumables == {"token": 2, "licence": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1, 2]", "must be an object with environments, queues, and synthetic or swf"),
        ("a: [", " line 1 is not YAML: "),
        ({"queues": GOOD["queues"]}, "environments is required"),
        ({**GOOD, "swf": SWF}, "jobs come from synthetic or from swf; write one of the two"),
        ({key: GOOD[key] for key in ("environments", "queues")}, "jobs come from synthetic or from swf; write one of"),
        (
            with_part("queues", namespaceSelector={}),
            "queues[0].namespaceSelector is not a field of Workload; remove it (known here: ",
        ),
        (with_part("queues", prioirty=1), "queues[0].prioirty is not a field of Workload; did you mean priority?"),
        (with_part("queues", name="fair"), 'two entries have the name "fair"; keep one of them'),
        (
            with_part("queues", computeEnvironments=["pol"]),
            'queues[0].computeEnvironments names "pol", which is not among environments; use one of pool',
        ),
        (
            with_part("environments", nodes=[]),
            "environments[0] (pool) has no capacity; give it nodes or maxVcpus",
        ),
        (
            with_part("environments", nodes=[{"count": 1, "resources": {"cpu": "many"}}]),
            'environments[0].nodes[0].resources.cpu: "many" is not a quantity of at least 0',
        ),
        (
            with_part("environments", nodes=[{"count": 1, "resources": {"nvidia.com/gpu": "500m"}}]),
            "not a whole number",
        ),
        (
            with_stream(queue="fast"),
            'synthetic.streams[0].queue names "fast", which is not among queues; use one of fair',
        ),
        (
            with_stream(queue="fair"),
            "synthetic.streams[0].shareIdentifier is required, as queue fair shares fairly; name the share",
        ),
        (
            with_stream(shareIdentifier="red"),
            "synthetic.streams[0].shareIdentifier means nothing in queue fifo, which is first come, first served;",
        ),
        (
            with_stream(consumableResources=[{"name": "licence"}]),
            'consumableResources[0] names "licence", which is not among consumableResources; list it there',
        ),
        (
            {**with_stream(consumableResources=[{"name": "b"}]), "consumableResources": [{"name": "a", "total": 1}]},
            'consumableResources[0] names "b", which is not among consumableResources; use one of a',
        ),
        (
            {**GOOD, "consumableResources": [{"name": "a", "total": 1, "type": "Forever"}]},
            "consumableResources[0].type",
        ),
        (with_stream(jobsPerHour=0), "synthetic.streams[0].jobsPerHour must be more than 0, not 0"),
        (with_stream(requests={"nvidia.com/gpu": "1500m"}), '"1500m" is not a whole number'),
        (with_stream(runSeconds={"median": 60, "p95": 5}), "p95 must be at least the median"),
        (
            {**{key: GOOD[key] for key in ("environments", "queues")}, "swf": {**SWF, "queues": {3: "slow"}}},
            'swf.queues[3] names "slow", which is not among queues; use one of fair, fifo',
        ),
    ],
)
def test_mistakes(tmp_path: Path, content: Any, sentence: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InvalidWorkload) as refused:
        load(path)
    assert str(refused.value).startswith(str(path))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkload, match="cannot be read: No such file or directory; name a workload file"):
        load(tmp_path / "none.yaml")
