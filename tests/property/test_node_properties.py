"""No node is promised more than it has, wherever the scheduler puts pods."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.job import Key
from batchyard.core.model.resources import Resources, add, fits
from batchyard.core.model.run import Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.noderoom import NodeRoom
from unit.runtime.state.accounts.seen import occupancy, started
from unit.samples import NOW, make_job, make_node, waiting

NODES = [make_node(name, cpu=cpu) for name, cpu in (("a", "2"), ("b", "4"), ("c", "4"))]
ALLOCATABLE = {node.name: node.allocatable for node in NODES}


@dataclass
class World:
    """Jobs that wait, runs whose pods wait for the scheduler, and where the others are."""

    waiting: dict[Key, int] = field(default_factory=dict)
    pending: dict[Key, Run] = field(default_factory=dict)
    bound: dict[Key, tuple[Run, str]] = field(default_factory=dict)
    others: dict[str, dict[str, int]] = field(default_factory=dict)
    submitted: int = 0

    def __post_init__(self) -> None:
        self.room = NodeRoom(self.others)
        self.charges = Charges(lambda: None, self.room)
        self.pools = self.snapshot().pools

    def snapshot(self) -> Snapshot:
        jobs = [replace(make_job(name), uid=name, created=NOW) for _, name in self.waiting]
        requests: dict[Key, Resources] = {key: {"cpu": 1000 * size} for key, size in self.waiting.items()}
        found = waiting(*jobs, requests=requests, nodes=NODES)
        if not hasattr(self, "pools"):
            return found
        return replace(
            found,
            pools=self.pools,
            charges=self.charges.charges,
            homeless=self.charges.homeless,
            used=self.charges.used,
            other_pods=self.others,
            space=self.room.space(self.pools),
        )

    def submit(self, size: int) -> None:
        self.submitted += 1
        self.waiting["media", f"job-{self.submitted:03}"] = size

    def run_pass(self) -> None:
        snapshot = self.snapshot()
        assert isinstance(snapshot.backlog, Backlog)
        placed = place(snapshot, [], NOW)
        for item, nodes in placed.expected.items():
            self.charges.expect(item, nodes)
        for placement in placed.placements:
            key = placement.key
            self.pending[key] = started(self.charges, snapshot.jobs[key], placement)
            del self.waiting[key]

    def observe(self, run: Run, node: str) -> None:
        bound: dict[str, Resources] = {node: {**run.request, "pods": 1}} if node else {}
        self.charges.observe_run(run, run, occupancy(run, item=run.uid, bound=bound))

    def taken(self, node: str) -> Resources:
        """What is bound there."""
        total: Resources = self.others.get(node, {})
        for run, where in self.bound.values():
            total = add(total, {**run.request, "pods": 1}) if where == node else total
        return total

    def bind(self, which: int, where: int) -> None:
        """The scheduler puts a pod on any node that has room for it."""
        if self.pending:
            key = list(self.pending)[which % len(self.pending)]
            run = self.pending[key]
            able = [
                name
                for name in ALLOCATABLE
                if fits(add(self.taken(name), {**run.request, "pods": 1}), ALLOCATABLE[name])
            ]
            if able:
                node = able[where % len(able)]
                del self.pending[key]
                self.bound[key] = run, node
                self.observe(run, node)

    def end(self, which: int) -> None:
        if self.bound:
            key = list(self.bound)[which % len(self.bound)]
            run, _ = self.bound.pop(key)
            self.charges.observe_run(run, run, occupancy(run, item=run.uid, living=False))

    def other(self, which: int, cpu: int) -> None:
        """A pod of somebody else comes to a node that has room for it, or all of them are gone from it."""
        node = list(ALLOCATABLE)[which % len(ALLOCATABLE)]
        if self.others.pop(node, None) is None and fits(
            add(self.taken(node), {"cpu": 1000 * cpu, "pods": 1}), ALLOCATABLE[node]
        ):
            self.others[node] = {"cpu": 1000 * cpu, "pods": 1}
        self.room.others_changed(node)

    def check(self) -> None:
        """What is bound and what is expected, together."""
        sums = {name: self.taken(name) for name in ALLOCATABLE}
        for charge in self.charges.charges.values():
            for node, amount in charge.expected:
                sums[node] = add(sums[node], amount)
        for name, amount in sums.items():
            assert fits(amount, ALLOCATABLE[name]), f"{name} is promised {amount}"


steps = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "bind", "bind", "end", "other"]), st.integers(0, 9), st.integers(1, 4)
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps)
def test_what_is_bound_and_expected_fits_on_every_node(steps: list[tuple[str, int, int]]) -> None:
    world = World()
    for what, which, how in steps:
        match what:
            case "submit":
                world.submit(how)
            case "bind":
                world.bind(which, how)
            case "end":
                world.end(which)
            case "other":
                world.other(which, how)
        world.run_pass()
        world.check()
    items: set[Hashable] = set(world.charges.charges)
    assert items == {key[1] for key in (*world.pending, *world.bound)}
