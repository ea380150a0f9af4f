"""What must hold of multi-node jobs among others: all nodes or none, and never more than there is."""

from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.reasons import Reason
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources, add, fits
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_environment, make_job, make_node, waiting

nodes = st.lists(st.integers(1, 8), min_size=1, max_size=4).map(
    lambda sizes: [make_node(f"node-{index}", cpu=str(cpu)) for index, cpu in enumerate(sizes)]
)
gangs = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4000)), max_size=8)
"""Number of nodes (1: a single job) and request of each."""


def make(drawn: list[tuple[int, int]], nodes: list[Node], ceiling: int | None = None) -> Snapshot:
    submitted = [
        replace(make_job(f"job-{number}"), uid=str(number), created=NOW + number) for number in range(len(drawn))
    ]
    ceilings: Resources = {} if ceiling is None else {"cpu": ceiling}
    snapshot = waiting(*submitted, nodes=nodes, environments=[make_environment(ceilings=ceilings)])
    resolved = {}
    for job, (size, cpu) in zip(submitted, drawn, strict=True):
        gang = Gang(0, (NodeGroup(tuple(range(size)), {}, {"cpu": cpu}),)) if size > 1 else None
        request = {"cpu": size * cpu, "pods": size} if gang else {"cpu": cpu}
        resolved[job.key] = replace(snapshot.resolved[job.key], request=request, gang=gang)
    return replace(snapshot, resolved=resolved)


@given(gangs, nodes, st.integers(1, 20000) | st.none())
def test_all_nodes_or_none_and_never_more_than_there_is(
    drawn: list[tuple[int, int]], nodes: list[Node], ceiling: int | None
) -> None:
    snapshot = make(drawn, nodes, ceiling)
    taken: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for placement in place(snapshot, [], NOW).placements:
        size, cpu = drawn[int(snapshot.jobs[placement.key].uid)]
        assert placement.request == snapshot.resolved[placement.key].request
        taken[placement.environment] = add(taken[placement.environment], {"cpu": size * cpu, "pods": size})
    for name, amount in taken.items():
        assert fits(amount, snapshot.pools[name].capacity)


@given(gangs, nodes)
def test_who_can_never_start_says_so_at_once_and_nobody_else(drawn: list[tuple[int, int]], nodes: list[Node]) -> None:
    snapshot = make(drawn, nodes)
    result = place(snapshot, list(snapshot.jobs), NOW)
    for key, job in snapshot.jobs.items():
        size, cpu = drawn[int(job.uid)]
        carried = sum(node.allocatable["cpu"] // cpu if cpu else size for node in nodes)
        status = result.statuses.get(key)
        if carried < size:
            assert status is not None
            assert status.reason in (Reason.EXCEEDS_CAPACITY, Reason.WAITING_IN_QUEUE)
        else:
            assert status is None or status.reason != Reason.EXCEEDS_CAPACITY
    misfits = {key for key, status in result.statuses.items() if status.reason == Reason.EXCEEDS_CAPACITY}
    backlog = Backlog()
    for key, job in snapshot.jobs.items():
        if key not in misfits:
            backlog.add(job)
    assert place(replace(snapshot, backlog=backlog), [], NOW).placements == result.placements
