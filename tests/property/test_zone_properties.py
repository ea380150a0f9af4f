"""Zones: a multi-node job that is to be in one never spans two, and is not kept waiting where one has room for it; what
is to be spread is spread as evenly as there is room."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchyard.api.reasons import Reason
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources, add, fits
from batchyard.core.model.run import Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.noderoom import NodeRoom
from unit.runtime.state.accounts.seen import occupancy
from unit.samples import (
    NOW,
    decisions_of,
    make_claim,
    make_environment,
    make_job,
    make_managed,
    make_node,
    make_run,
    waiting,
)

ZONES = ("a", "b", "c", "")
places = st.lists(st.tuples(st.sampled_from(ZONES), st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=7)
"""Nodes: their zone, their vCPUs, and how many of these are taken."""
sizes = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=6)
"""Jobs: how many nodes they have, and vCPUs of each."""


def labelled(zone: str) -> dict[str, str]:
    return {ZONE: zone} if zone else {}


def nodes_of(drawn: list[tuple[str, int, int]]) -> list[Node]:
    return [
        make_node(f"node-{number}", cpu=str(cpu), labels=labelled(zone)) for number, (zone, cpu, _) in enumerate(drawn)
    ]


def taken_of(drawn: list[tuple[str, int, int]]) -> dict[Hashable, Charge]:
    """What others have of the nodes."""
    return {
        number: Charge("pool", amount, ("media", "others"), bound={f"node-{number}": amount})
        for number, (_, cpu, used) in enumerate(drawn)
        if (amount := {"cpu": 1000 * min(used, cpu), "pods": 1})["cpu"]
    }


def submitted(count: int) -> list[BatchJob]:
    return [replace(make_job(f"job-{number}"), uid=str(number), created=NOW + number) for number in range(count)]


def in_one_zone(resolved: Resolved, size: int, cpu: int) -> Resolved:
    """So many nodes, which are to be in one zone; what is of one node is a single job."""
    if size == 1:
        return replace(resolved, request={"cpu": 1000 * cpu})
    constraints = Constraints(one_zone=True)
    gang = Gang(0, (NodeGroup(tuple(range(size)), {"spec": {}}, {"cpu": 1000 * cpu}, constraints),))
    return replace(resolved, gang=gang, request=gang.request)


def scene(
    drawn: list[tuple[str, int, int]], jobs: list[tuple[int, int]], ceiling: int | None = None, **fields: Any
) -> Snapshot:
    ceilings: Resources = {} if ceiling is None else {"cpu": 1000 * ceiling}
    there: dict[str, Any] = {"nodes": nodes_of(drawn), "environments": [make_environment(ceilings=ceilings)], **fields}
    snapshot = waiting(*submitted(len(jobs)), charges=taken_of(drawn), **there)
    resolved = {key: in_one_zone(each, *jobs[int(snapshot.jobs[key].uid)]) for key, each in snapshot.resolved.items()}
    return replace(snapshot, resolved=resolved)


@given(places, sizes, st.none() | st.integers(1, 20))
def test_it_starts_where_a_zone_has_room_at_its_turn_and_never_in_two(
    drawn: list[tuple[str, int, int]], jobs: list[tuple[int, int]], ceiling: int | None
) -> None:
    free = {f"node-{number}": (zone, cpu - min(used, cpu)) for number, (zone, cpu, used) in enumerate(drawn)}
    whole = {f"node-{number}": (zone, cpu) for number, (zone, cpu, _) in enumerate(drawn)}
    left = 10**6 if ceiling is None else ceiling
    for key, decision in decisions_of(scene(drawn, jobs, ceiling)):
        size, cpu = jobs[int(key[1].removeprefix("job-"))]
        roomy = [zone for zone in ZONES if carried(free, zone, cpu) >= size] if size * cpu <= left else []
        if isinstance(decision, Placement):
            found = {free[node][0] for node, _ in decision.nodes}
            if size > 1:
                assert found == {decision.zone}
                assert decision.zone in roomy
            assert len(decision.nodes) == size
            left -= size * cpu
            for node, _ in decision.nodes:
                zone, amount = free[node]
                free[node] = zone, amount - cpu
                assert amount >= cpu
        else:
            assert isinstance(decision, Hold)
            assert not roomy
            could = any(carried(whole, zone, cpu) >= size for zone in ZONES)
            could &= ceiling is None or size * cpu <= ceiling
            assert (decision.reason == Reason.EXCEEDS_CAPACITY) is not could


def carried(free: dict[str, tuple[str, int]], zone: str, cpu: int) -> int:
    """How many pods of so many vCPUs find room in a zone."""
    return sum(amount // cpu for each, amount in free.values() if each == zone)


@given(places, sizes, st.integers(1, 40), st.integers(1, 9))
def test_where_nodes_are_made_neither(
    drawn: list[tuple[str, int, int]], jobs: list[tuple[int, int]], ceiling: int, most_pending: int
) -> None:
    """Every other node is on its way."""
    environment = make_managed(ceiling, max_pending_pods=most_pending)
    nodes = [replace(each, labels={**each.labels, **environment.node_selector}) for each in nodes_of(drawn)[::2]]
    claims = [
        replace(make_claim(f"claim-{number}", cpu=str(cpu), usable_cpu=str(cpu)), labels=labelled(zone))
        for number, (zone, cpu, _) in list(enumerate(drawn))[1::2]
    ]
    snapshot = scene(drawn, jobs, environments=[environment], nodes=nodes, claims=claims)
    zones = {each.name: each.labels.get(ZONE, "") for each in nodes}
    zones |= {f"+{each.name}": each.labels.get(ZONE, "") for each in claims}
    for key, decision in decisions_of(snapshot):
        if isinstance(decision, Placement) and snapshot.resolved[key].gang is not None:
            known = {zones[node] for node, _ in decision.nodes if node in zones}
            assert len(known) <= 1
            assert decision.zone == next(iter(known), None)


@given(places, sizes)
def test_what_may_be_in_one_zone_may_be_in_several(
    drawn: list[tuple[str, int, int]], jobs: list[tuple[int, int]]
) -> None:
    for size, cpu in jobs:
        one = scene(drawn, [(size, cpu)])
        gang = one.resolved["media", "job-0"].gang
        if gang is None:
            continue
        anywhere = Gang(0, tuple(replace(each, constraints=Constraints()) for each in gang.groups))
        several = replace(one, resolved={key: replace(each, gang=anywhere) for key, each in one.resolved.items()})
        assert len(place(one, [], NOW).placements) <= len(place(several, [], NOW).placements)


@given(places, st.integers(1, 20))
def test_what_is_spread_is_as_even_as_there_is_room_and_no_less_starts(
    drawn: list[tuple[str, int, int]], count: int
) -> None:
    snapshot = scene(drawn, [(1, 1)] * count)
    spread = {key: replace(each, constraints=Constraints(spread=True)) for key, each in snapshot.resolved.items()}
    found = place(replace(snapshot, resolved=spread), [], NOW).placements
    assert len(found) == len(place(snapshot, [], NOW).placements)
    free = {f"node-{number}": (zone, cpu - min(used, cpu)) for number, (zone, cpu, used) in enumerate(drawn)}
    pods = Counter(free[each.nodes[0][0]][0] for each in found)
    room = {zone: carried(free, zone, 1) for zone in ZONES}
    for zone in ZONES:
        assert pods[zone] <= room[zone]
        if pods[zone] < room[zone]:
            assert all(pods[other] <= pods[zone] + 1 for other in ZONES)


ONE: Resources = {"cpu": 1000, "pods": 1}


@dataclass
class World:
    """Jobs that wait, and runs whose pods get their nodes one by one: first the main node, then the others.

    Each takes one vCPU. The scheduler follows the wish for a node. Whenever nodes change, pods without one are expected
    anew somewhere.
    """

    nodes: list[Node]
    waiting: set[Key] = field(default_factory=set)
    runs: dict[Key, tuple[Run, list[str]]] = field(default_factory=dict)
    """With the nodes that its pods are on."""
    sizes: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = NodeRoom({})
        self.charges = Charges(lambda: None, self.room)
        self.zones = {each.name: each.labels.get(ZONE, "") for each in self.nodes}
        self.pools: dict[str, Pool] = {}
        self.change_nodes()

    def change_nodes(self) -> None:
        self.pools = dict(waiting(nodes=self.nodes).pools)

    def submit(self, size: int) -> None:
        key = "media", f"job-{len(self.sizes):03}"
        self.sizes[key] = size
        self.waiting.add(key)

    def run_pass(self) -> None:
        jobs = [replace(make_job(key[1]), uid=key[1], created=NOW) for key in sorted(self.waiting)]
        found = waiting(*jobs, nodes=self.nodes)
        plain = waiting(make_job("any")).resolved["media", "any"]
        snapshot = replace(
            found,
            pools=self.pools,
            charges=self.charges.charges,
            homeless=self.charges.homeless,
            used=self.charges.used,
            space=self.room.space(self.pools),
            resolved={key: in_one_zone(plain, size, 1) for key, size in self.sizes.items()},
        )
        placed = place(snapshot, [], NOW)
        for item, nodes in placed.expected.items():
            self.charges.expect(item, nodes)
        for placement in placed.placements:
            self.start(snapshot.jobs[placement.key], placement)
        self.check()

    def start(self, job: BatchJob, placement: Placement) -> None:
        name, key = job.key[1], job.key
        self.waiting.remove(key)
        self.charges.grant(job, None, placement, 1)
        self.charges.withdraw(key)
        run = make_run(
            name=f"{name}-1", uid=name, owner=key, owner_uid=name, request=placement.request, zone=placement.zone
        )
        self.runs[key] = run, []
        self.observe(key)

    def observe(self, key: Key) -> None:
        run, on = self.runs[key]
        bound: dict[str, Resources] = {}
        for node in on:
            bound[node] = add(bound.get(node, {}), ONE)
        self.charges.observe_run(run, run, occupancy(run, item=run.uid, bound=bound))

    def bind(self, which: int) -> None:
        """Have the next pod of a run get the node that it is expected on."""
        able = [key for key, (_, on) in self.runs.items() if len(on) < self.sizes[key]]
        if able:
            key = able[which % len(able)]
            run, on = self.runs[key]
            on.append(self.charges.charges[run.uid].expected[0][0])
            self.observe(key)

    def end(self, which: int) -> None:
        whole = [key for key, (_, on) in self.runs.items() if len(on) == self.sizes[key]]
        if whole:
            run, _ = self.runs.pop(whole[which % len(whole)])
            self.charges.observe_run(run, run, occupancy(run, item=run.uid, living=False))

    def check(self) -> None:
        sums: dict[str, Resources] = {}
        for key, (run, on) in self.runs.items():
            charge = self.charges.charges[run.uid]
            expected = [node for node, _ in charge.expected]
            assert len(on) + len(expected) == self.sizes[key], "each pod that was granted room has some"
            if self.sizes[key] > 1:
                assert {self.zones[node] for node in (*on, *expected)} == {run.zone}
            for node in (*on, *expected):
                sums[node] = add(sums.get(node, {}), ONE)
        for each in self.nodes:
            assert fits(sums.get(each.name, {}), each.allocatable)


steps = st.lists(
    st.tuples(st.sampled_from(["submit", "submit", "bind", "bind", "change", "end"]), st.integers(1, 4)), max_size=30
)


@settings(deadline=None)
@given(places, steps)
@example([("a", 1, 0), ("b", 1, 0), ("b", 1, 0)], [("submit", 2), ("bind", 0), ("change", 0), ("submit", 1)])
def test_the_room_of_nodes_that_are_still_to_start_is_kept_in_their_zone(
    drawn: list[tuple[str, int, int]], todo: list[tuple[str, int]]
) -> None:
    world = World(nodes_of(drawn))
    for what, number in todo:
        match what:
            case "submit":
                world.submit(number)
            case "bind":
                world.bind(number)
            case "end":
                world.end(number)
            case "change":
                world.change_nodes()
        world.run_pass()
