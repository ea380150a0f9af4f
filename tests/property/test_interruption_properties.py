"""Whatever becomes of nodes and of the process that counts: nothing is counted twice or lost without cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.core.insight.interruptions import taken_back
from batchyard.core.insight.madenodes import MadeNodes
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.model.cluster.nodeclaim import NodeClaim, NodePool
from batchyard.core.model.managed import CAPACITY_TYPE
from batchyard.objects.kinds.computeenvironment import render_environment_status
from batchyard.runtime.controllers.madenodes.nodecounts import NodeCounts
from batchyard.runtime.state.cache import Cache
from unit.samples import NOW, make_managed, make_run

BURST = make_managed(name="burst")
KEY = (names.COMPUTE_ENVIRONMENT, "", "burst")


@dataclass
class World:
    """Claims that come and go, with jobs on their nodes or not, and processes that count them."""

    cache: Cache = field(default_factory=Cache)
    now: float = NOW
    made: int = 0
    asked: int = 0
    """How many were asked for, of which a count may lose those of which nobody has written."""
    taken: set[str] = field(default_factory=set)
    """Those that went from under jobs."""

    def __post_init__(self) -> None:
        self.counts = NodeCounts(self.cache)
        catalogue = self.cache.catalogue
        catalogue.environments["burst"] = BURST
        catalogue.provisioned.pools["burst"] = NodePool("burst", "uid", "burst")
        self.claims = catalogue.provisioned.claims

    @property
    def status(self) -> Mapping[str, Any]:
        return self.cache.catalogue.statuses.get(KEY, {})

    def ask(self, spot: bool, busy: bool) -> None:
        self.made += 1
        self.asked += 1
        name = f"n{self.made}"
        labels = {CAPACITY_TYPE: "spot" if spot else "on-demand"}
        self.claims[name] = NodeClaim(name, "burst", self.now, labels, node=name)
        if busy:
            run = make_run(uid=f"job-{name}", name=f"run-{name}")
            self.cache.runs.live.know(run)
            self.cache.runs.live.others.put((run.owner[0], name), run.uid, name, {"cpu": 1})

    def delete(self, name: str) -> None:
        self.claims[name] = replace(self.claims[name], deleting=True)

    def drop(self, name: str) -> None:
        if self._is_busy(name):
            self.taken.add(name)
        del self.claims[name]

    def look(self) -> None:
        """As the controller does: count, then turn to the nodes that are taken back."""
        self.counts.look(self.now)
        catalogue = self.cache.catalogue
        for claim in taken_back(self.claims.values(), catalogue.provisioned.pools, catalogue.environments):
            if self._is_busy(claim.name):
                self.taken.add(claim.name)
                self.counts.count_interruption(claim, self.now)
        self.now += 1

    def write(self) -> None:
        made = MadeNodes(history=self.counts.of(BURST))
        view, free = NodesView({}, made=made), Free({}, {})
        values: dict[str, Any] = {"nodes": 0, "view": view, "capacity": {}, "used": {}, "free": free, "now": self.now}
        self.cache.catalogue.statuses[KEY] = render_environment_status(BURST, previous=self.status, **values)

    def restart(self) -> None:
        self.counts = NodeCounts(self.cache)

    def _is_busy(self, name: str) -> bool:
        return name in self.cache.runs.live.nodes()


STEPS = st.lists(st.tuples(st.sampled_from("aaadxlwr"), st.integers(0, 9), st.booleans(), st.booleans()), max_size=60)


def run(steps: list[tuple[str, int, bool, bool]], *, restarts: bool) -> World:
    world = World()
    world.look()
    for what, number, spot, busy in steps:
        names_of_all = sorted(world.claims)
        match what:
            case "a":
                world.ask(spot, busy)
            case "d" | "x" if names_of_all:
                name = names_of_all[number % len(names_of_all)]
                world.delete(name) if what == "d" else world.drop(name)
            case "l":
                world.look()
            case "w":
                world.write()
            case "r" if restarts:
                world.restart()
                world.look()
        if not restarts and what in "ad":
            world.look()  # nothing comes and goes unseen
    world.look()
    return world


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_one_process_counts_all_that_it_sees(steps: list[tuple[str, int, bool, bool]]) -> None:
    world = run(steps, restarts=False)
    history = world.counts.of(BURST)
    assert (history.scale_ups, history.interruptions.nodes) == (world.asked, len(world.taken))


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_after_restarts_nothing_is_counted_twice(steps: list[tuple[str, int, bool, bool]]) -> None:
    world = run(steps, restarts=True)
    history = world.counts.of(BURST)
    assert history.scale_ups <= world.asked
    assert history.interruptions.nodes <= len(world.taken)
    before = world.counts.of(BURST)
    world.write()
    world.restart()
    for _ in range(3):
        world.look()
    after = world.counts.of(BURST)
    assert (after.scale_ups, after.interruptions.nodes) == (before.scale_ups, before.interruptions.nodes)
