"""Without nodes: whoever starts, in turn, early or by making room, what pods count for never exceeds a ceiling."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.array import ArrayDemand, ArrayShape
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources, add, fits, subtract, times
from batchyard.core.model.serverless import fargate
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import (
    NOW,
    make_environment,
    make_job,
    make_node,
    make_pod,
    make_queue,
    make_run,
    make_serverless,
    waiting,
)

MIB = 2**20
requests = st.builds(
    lambda cpu, memory: {"cpu": cpu, "memory": memory * MIB},
    st.sampled_from([100, 250, 300, 1000, 1100, 2500]),
    st.sampled_from([100, 256, 600, 1800, 4000, 8192]),
)
shapes = st.fixed_dictionaries(
    {
        "requests": st.lists(requests, min_size=1, max_size=3),
        "slots": st.sampled_from([0, 0, 1, 5]),
        "queue": st.sampled_from(["high", "low"]),
        "limit": st.sampled_from([None, 60, 5000]),
        "namespace": st.sampled_from(["media", "audio"]),
    }
)
runs = st.fixed_dictionaries(
    {"request": requests, "queue": st.sampled_from(["high", "low"]), "limit": st.sampled_from([None, 300])}
)


def size(request: Resources) -> Resources:
    """What a pod counts for, found in another way than the scheduler does."""
    rows = ((each.milli_vcpus, memory) for each in fargate.SIZES for memory in each.memory)
    asked = request["cpu"], request["memory"] + fargate.SYSTEM_MEMORY
    cpu, memory = min(row for row in rows if row[0] >= asked[0] and row[1] >= asked[1])
    return {"cpu": cpu, "memory": memory}


def sizes(asked: list[Resources]) -> Resources:
    total: Resources = {"cpu": 0, "memory": 0}
    for each in asked:
        total = add(total, size(each))
    return total


def asked_of(shape: dict[str, Any]) -> list[Resources]:
    """An array has one pod for each index."""
    found: list[Resources] = shape["requests"][:1] if shape["slots"] else shape["requests"]
    return found


def scene(waiting_jobs: list[dict[str, Any]], running: list[dict[str, Any]], **ceilings: int) -> Snapshot:
    """Jobs that wait, some of several pods, and runs; two queues share the ceilings, and one has a node beside."""
    jobs: list[BatchJob] = []
    for number, shape in enumerate(waiting_jobs):
        job = replace(
            make_job(), key=(shape["namespace"], f"job-{number:02}"), uid=f"job-{number}", created=NOW + number
        )
        array = ArrayShape(shape["slots"]) if shape["slots"] else None
        jobs.append(replace(job, queue=shape["queue"], array=array))
    charges, started, pods, used = dict[Hashable, Charge](), [], [], dict[str, int]()
    known = {job.key: job for job in jobs}
    for number, each in enumerate(running):
        name, amount = f"run-{number}", {**size(each["request"]), "pods": 1}
        run = make_run(queue=each["queue"], owner=("media", name), owner_uid=name, name=f"{name}-1", request=amount)
        charges[name] = Charge("pool", amount, run.owner, run, {f"fargate-{number}": amount})
        started.append(run)
        pods.append(make_pod(run=f"{name}-1", owner=run.owner, owner_uid=name, node_name=f"f-{number}", started_at=NOW))
        used, known[run.owner] = add(used, amount), replace(make_job(name), uid=name, queue=each["queue"])
    found = waiting(
        *jobs,
        environments=[
            make_serverless(ceilings=ceilings, namespaces=("med*",)),
            make_environment(name="nodes", node_selector={"pool": "nodes"}),
        ],
        nodes=[make_node(labels={"pool": "nodes"})],
        queues=[
            make_queue("high", priority=5, preempts_after=0, environments=("pool", "nodes")),
            make_queue("low", environments=("pool",)),
        ],
        charges=charges,
        used={"pool": used} if used else {},
        runs=started,
        pods=pods,
        demands={
            job.key: ArrayDemand(slots=shape["slots"])
            for job, shape in zip(jobs, waiting_jobs, strict=True)
            if shape["slots"]
        },
    )
    resolved = dict(found.resolved)
    for job, shape in zip(jobs, waiting_jobs, strict=True):
        asked, own = asked_of(shape), replace(resolved[job.key], timeout_seconds=shape["limit"])
        if len(asked) == 1:
            resolved[job.key] = replace(own, request=asked[0])
        else:
            gang = Gang(0, tuple(NodeGroup((node,), {"spec": {}}, one) for node, one in enumerate(asked)))
            resolved[job.key] = replace(own, gang=gang, request=gang.request)
    template = next(iter(resolved.values()))
    for number, each in enumerate(running):
        alone = replace(template, gang=None, request=each["request"], timeout_seconds=each["limit"])
        resolved["media", f"run-{number}"] = alone
    return replace(found, jobs=known, resolved=resolved)


@settings(max_examples=200)
@given(
    st.lists(shapes, min_size=1, max_size=8),
    st.lists(runs, max_size=6),
    st.integers(1, 16),
    st.sampled_from([8, 20, 64]),
)
def test_who_starts_fits_under_the_ceilings_by_what_it_counts_for(
    waiting_jobs: list[dict[str, Any]], running: list[dict[str, Any]], vcpus: int, gibibytes: int
) -> None:
    ceilings = {"cpu": vcpus * 1000, "memory": gibibytes * 1024 * MIB}
    snapshot = scene(waiting_jobs, running, **ceilings)
    placed = place(snapshot, (), NOW)
    total: Resources = {}
    for placement in placed.placements:
        namespace, name = placement.key
        asked = asked_of(waiting_jobs[int(name.removeprefix("job-"))])
        if placement.environment == "pool":
            assert namespace == "media", "the others may not run there"
            counted = {each: placement.request[each] for each in ("cpu", "memory")}
            assert counted == sizes(asked)
            total = add(total, times(counted, placement.slots))
            assert placement.nodes == ()
        else:
            assert placement.request == snapshot.resolved[placement.key].request
    left = subtract(ceilings, {name: snapshot.used.get("pool", {}).get(name, 0) for name in ceilings})
    assert fits(total, left)


@given(st.lists(shapes, min_size=1, max_size=8), st.integers(1, 16))
def test_the_first_that_could_start_alone_does(waiting_jobs: list[dict[str, Any]], vcpus: int) -> None:
    """Where nothing runs, whatever could never start keeps nobody back."""
    snapshot = scene(waiting_jobs, [], cpu=vcpus * 1000)
    order = sorted(range(len(waiting_jobs)), key=lambda number: waiting_jobs[number]["queue"] == "low")
    for number in order:
        shape = waiting_jobs[number]
        if shape["namespace"] == "media" and sizes(asked_of(shape))["cpu"] <= vcpus * 1000:
            placements = {each.key[1] for each in place(snapshot, (), NOW).placements}
            assert f"job-{number:02}" in placements
            return
