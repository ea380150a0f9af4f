"""Where nodes are made: what is granted gets nodes within the ceiling, whatever comes and goes in between."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import Key
from batchyard.core.model.managed import INSTANCE_TYPE
from batchyard.core.model.resources import Resources, fits
from batchyard.core.model.run import Run
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, learned
from batchyard.core.scheduling.capacity.pools import Pool, pool
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.noderoom import NodeRoom
from unit.runtime.state.accounts.seen import occupancy, started
from unit.samples import NOW, make_job, make_managed, make_node, make_shape, waiting

SIZES = {"m5.large": 2, "m5.xlarge": 4, "m5.2xlarge": 8}
ALLOCATABLE = {name: {"cpu": 1000 * cpu - 100, "memory": 2**40, "pods": 110} for name, cpu in SIZES.items()}
SHAPES = [make_shape(name, cpu) for name, cpu in SIZES.items()]


@dataclass
class Machine:
    """A node that the provisioner has asked for."""

    instance_type: str
    pods: set[Key] = field(default_factory=set)
    ready: bool = False


@dataclass
class World:
    """Jobs of one size that wait, runs with and without a node, and a provisioner that packs as Karpenter does."""

    ceiling: int
    size: int
    wave: int
    listed: bool
    jobs: list[Key] = field(default_factory=list)
    pending: dict[Key, Run] = field(default_factory=dict)
    running: dict[Key, Run] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    ended: int = 0
    submitted: int = 0
    named: int = 0

    def __post_init__(self) -> None:
        self.room = NodeRoom({})
        self.charges = Charges(lambda: None, self.room)
        self.seen: dict[str, KnownShape] = {name: self.shape(name) for name in SIZES} if self.listed else {}
        self.pools: dict[str, Pool] = {}

    @staticmethod
    def shape(name: str) -> KnownShape:
        return KnownShape(name, {"cpu": 1000 * SIZES[name]}, ALLOCATABLE[name])

    @property
    def request(self) -> Resources:
        return {"cpu": self.size, "pods": 1}

    @property
    def environment(self) -> Environment:
        shapes = SHAPES if self.listed else ()
        return make_managed(self.ceiling, shapes=shapes, max_pending_pods=self.wave)

    def claims(self) -> list[NodeClaim]:
        return [
            NodeClaim(
                name,
                "pool",
                NOW,
                {INSTANCE_TYPE: machine.instance_type},
                {"cpu": 1000 * SIZES[machine.instance_type]},
                ALLOCATABLE[machine.instance_type],
                node=name if machine.ready else "",
            )
            for name, machine in self.machines.items()
        ]

    def nodes(self) -> list[Node]:
        labels: Mapping[str, str] = self.environment.node_selector
        return [
            make_node(name, labels=labels, allocatable=ALLOCATABLE[machine.instance_type])
            for name, machine in self.machines.items()
            if machine.ready
        ]

    def changed(self) -> None:
        """Claims or nodes have changed: the pool is made anew."""
        nodes, claims = self.nodes(), self.claims()
        self.seen = learned(claims, {node.machine: node for node in nodes}, {}, self.seen)
        self.pools = {"pool": pool(self.environment, nodes, {}, claims, self.seen)}

    def submit(self) -> None:
        self.submitted += 1
        self.jobs.append(("media", f"job-{self.submitted:03}"))

    def run_pass(self) -> None:
        if not self.pools:
            self.changed()
        jobs = [replace(make_job(name), uid=name, created=NOW) for _, name in self.jobs]
        found = waiting(*jobs, request={"cpu": self.size}, environments=[self.environment], nodes=[])
        snapshot: Snapshot = replace(
            found,
            pools=self.pools,
            charges=self.charges.charges,
            homeless=self.charges.homeless,
            used=self.charges.used,
            space=self.room.space(self.pools),
        )
        placed = place(snapshot, [], NOW)
        for item, nodes in placed.expected.items():
            self.charges.expect(item, nodes)
        for placement in placed.placements:
            key = placement.key
            self.pending[key] = started(self.charges, snapshot.jobs[key], placement)
            self.jobs.remove(key)
        if placed.placements:
            assert len(self.pending) <= self.wave + self.room_on_nodes()

    def capacity(self) -> int:
        return sum(SIZES[machine.instance_type] for machine in self.machines.values())

    def fits_on(self, machine: Machine, more: int = 1) -> bool:
        load: Resources = {"cpu": self.size * (len(machine.pods) + more)}
        return fits(load, ALLOCATABLE[machine.instance_type])

    def provision(self) -> None:
        """Each pod without a node is nominated for one that has room, else for a new one that grows with its pods."""
        nominated = {key for machine in self.machines.values() for key in machine.pods}
        fresh: list[list[Key]] = []
        for key in self.pending:
            if key in nominated:
                continue
            able = next((each for each in self.machines.values() if self.fits_on(each)), None)
            if able is not None:
                able.pods.add(key)
            elif fresh and self.smallest(len(fresh[-1]) + 1, fresh[:-1]):
                fresh[-1].append(key)
            elif self.smallest(1, fresh):
                fresh.append([key])
        for keys in fresh:
            self.named += 1
            self.machines[f"node-{self.named}"] = Machine(self.smallest_of(len(keys)), set(keys))
        self.changed()

    def smallest(self, pods: int, others: list[list[Key]]) -> str:
        """The smallest instance type for so many pods that the ceiling leaves beside others; empty if there is none."""
        taken = self.capacity() + sum(SIZES[self.smallest_of(len(each))] for each in others)
        name = self.smallest_of(pods)
        return name if name and taken + SIZES[name] <= self.ceiling else ""

    def smallest_of(self, pods: int) -> str:
        return next((name for name in SIZES if fits({"cpu": self.size * pods}, ALLOCATABLE[name])), "")

    def boot(self, which: int) -> None:
        starting = [each for each in self.machines.values() if not each.ready]
        if starting:
            starting[which % len(starting)].ready = True
            self.changed()

    def bind(self) -> None:
        for name, machine in self.machines.items():
            for key in [each for each in machine.pods if machine.ready and each in self.pending]:
                run = self.running[key] = self.pending.pop(key)
                self.charges.observe_run(run, run, occupancy(run, item=run.uid, bound={name: self.request}))

    def end(self, which: int) -> None:
        if self.running:
            key = list(self.running)[which % len(self.running)]
            run = self.running.pop(key)
            for machine in self.machines.values():
                machine.pods.discard(key)
            self.charges.observe_run(run, run, occupancy(run, item=run.uid, living=False))
            self.ended += 1

    def room_on_nodes(self) -> int:
        """For how many pods nodes that were asked for have room, beside those that run there."""
        most = sum(ALLOCATABLE[each.instance_type]["cpu"] // self.size for each in self.machines.values())
        return most - len(self.running)

    def shrink(self) -> None:
        """Empty nodes go."""
        self.machines = {name: each for name, each in self.machines.items() if each.pods or not each.ready}
        self.changed()

    def check(self) -> None:
        assert self.capacity() <= self.ceiling
        assert self.charges.used.get("pool", {}).get("cpu", 0) <= 1000 * self.ceiling


DAY = ["submit", "run_pass", "provision", "run_pass", "boot", "bind", "run_pass", "end", "shrink"]
"""How it goes; what comes in another order is drawn from it."""
STEPS = st.lists(st.tuples(st.sampled_from(DAY), st.integers(0, 7)), min_size=5, max_size=40)


def played(world: World, steps: list[tuple[str, int]]) -> None:
    for step, number in [(step, 7) for step in DAY] + steps:
        if step == "submit":
            for _ in range(number + 1):
                world.submit()
        elif step in ("boot", "end"):
            getattr(world, step)(number)
        else:
            getattr(world, step)()
        world.check()


@given(
    steps=STEPS,
    ceiling=st.integers(2, 24),
    size=st.sampled_from([300, 1000, 1500]),
    wave=st.integers(1, 12),
    listed=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_everything_ends_and_nothing_goes_beyond_the_ceiling(
    steps: list[tuple[str, int]], ceiling: int, size: int, wave: int, *, listed: bool
) -> None:
    world = World(ceiling, size, wave, listed)
    played(world, steps)
    for _ in range(4 * world.submitted + 4):
        world.run_pass()
        world.provision()
        for number in range(len(world.machines)):
            world.boot(number)
        world.bind()
        world.end(0)
        world.shrink()
        world.check()
    assert (world.ended, world.jobs, world.pending, world.running) == (world.submitted, [], {}, {})
    assert not world.machines


@given(STEPS, st.integers(2, 24), st.sampled_from([300, 1000, 1500]), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_where_shapes_are_known_a_node_comes_for_all_that_is_granted(
    steps: list[tuple[str, int]], ceiling: int, size: int, wave: int
) -> None:
    """Without anything having to end first."""
    world = World(ceiling, size, wave, listed=True)
    played(world, steps)
    world.provision()
    nominated = {key for machine in world.machines.values() for key in machine.pods}
    assert set(world.pending) <= nominated
