"""Whatever is shown of Jobs and pods, in whatever order: what is held follows from it, and in the end nothing is.

Watches of Jobs, pods and index pods are apart, so one may be behind another; each event may come twice.
"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.objects.kubernetes.indexedjob import build_indexed_job
from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.multinode import build_main, build_node
from unit.runtime.state.accounts.life import ENDED, ENVIRONMENT, GANG, JOB, RESOLVED, SHAPE, Life

MAIN, NODE = "videos-1", "videos-1-n1"
NODES = ("", "node-1", "node-2")
PHASES = ("Pending", "Running", "Succeeded")


class Shown:
    """What the API server shows of one run, told to a cache."""

    def __init__(self, *jobs: str, indexed: bool) -> None:
        self.life = Life(**({"array": {"size": 8}} if indexed else {}))
        self.jobs = jobs
        self.indexed = indexed
        self.going: dict[str, bool] = {}
        """Whether each Job that is there has not ended."""
        self.pods: dict[str, str] = {}
        """The nodes of pods that have not ended, of those Jobs that were known; an index pod is named by its index."""
        self.succeeded: set[str] = set()
        """The Jobs whose pod was last shown to have succeeded."""
        self.slots = 0

    def create(self, number: int) -> None:
        name = self.jobs[number % len(self.jobs)]
        if name in self.going or (name == NODE and MAIN not in self.going):
            return
        if self.indexed:
            self.life.create(build_indexed_job(JOB, RESOLVED, SHAPE, ENVIRONMENT, 2))
            self.slots = 2
        elif len(self.jobs) == 1:
            self.life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
        elif name == MAIN:
            self.life.create(build_main(JOB, RESOLVED, GANG, ENVIRONMENT, 1, 1))
        else:
            self.life.create(build_node(JOB, RESOLVED, GANG, ENVIRONMENT, self.life.run(MAIN), 1, "10.0.0.7"))
        self.going[name] = True

    def end(self, number: int) -> None:
        name = self.jobs[number % len(self.jobs)]
        if name in self.going:
            self.life.change(name, **ENDED)
            self.going[name] = False

    def delete(self, number: int) -> None:
        name = self.jobs[number % len(self.jobs)]
        self.life.delete(name)
        self.going.pop(name, None)
        self.succeeded.discard(name)

    def show_pod(self, number: int) -> None:
        if self.indexed:
            node = NODES[1 + number % 2]
            if str(number % 4) not in self.pods:
                self.pods[str(number % 4)] = node
            self.life.show_index_pod(number % 4, node)
            return
        name = self.jobs[number % len(self.jobs)]
        node, phase = NODES[number // 2 % 3], PHASES[number // 6 % 3]
        node = self.pods.get(name) or node
        self.life.show_pod(name, node, phase)
        self.pods[name] = node
        if phase == "Succeeded":
            del self.pods[name]
            self.succeeded.add(name)
        else:
            self.succeeded.discard(name)

    def lose_pod(self, number: int) -> None:
        name = str(number % 4) if self.indexed else self.jobs[number % len(self.jobs)]
        if self.indexed:
            self.life.lose_index_pod(number % 4)
        else:
            self.life.lose_pod(name)
        self.pods.pop(name, None)

    def lose_batchjob(self, _: int) -> None:
        self.life.lose_batchjob()

    def count(self, _: int) -> None:
        self.life.count()

    def check(self) -> None:
        """The run holds what Jobs that go on and pods that have not ended take."""
        used, bound, licences = self.life.held()
        going = any(goes for job, goes in self.going.items() if not (len(self.jobs) == 1 and job in self.succeeded))
        holds = going or bool(self.pods)
        slots = max(self.slots if going else 0, len(self.pods)) if self.indexed else int(holds)
        assert licences == slots
        assert bool(used) == holds
        on_nodes: dict[str, int] = {}
        for node in self.pods.values():
            if node:
                on_nodes[node] = on_nodes.get(node, 0) + 1
        assert {node: amount["pods"] for node, amount in bound.items()} == on_nodes


STEPS: dict[str, Callable[[Shown, int], None]] = {
    "create": Shown.create,
    "end": Shown.end,
    "delete": Shown.delete,
    "show pod": Shown.show_pod,
    "lose pod": Shown.lose_pod,
    "lose BatchJob": Shown.lose_batchjob,
    "count": Shown.count,
}


@pytest.mark.parametrize("kind", ["single", "multi-node", "array"])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 17)), max_size=25))
def test_what_is_held_follows_from_what_is_shown_and_nothing_is_left(kind: str, steps: list[tuple[str, int]]) -> None:
    shown = Shown(*((MAIN, NODE) if kind == "multi-node" else (MAIN,)), indexed=kind == "array")
    shown.create(0)
    for step, number in steps:
        if step == "create" and not shown.going:
            continue  # a run is made once
        if step == "show pod" and not shown.indexed:
            name = shown.jobs[number % len(shown.jobs)]
            if name not in shown.going and name not in shown.pods:
                continue  # whose Job was never known, or is gone: nobody vouches for it
        if step == "show pod" and shown.indexed and MAIN not in shown.going and str(number % 4) not in shown.pods:
            continue
        STEPS[step](shown, number)
        shown.check()
    for number in range(4):
        shown.lose_pod(number)
        shown.delete(number)
    shown.life.lose_batchjob()
    shown.check()
    accounts = shown.life.cache.accounts
    assert (accounts.charges.used, accounts.charges.charges, accounts.limit_usage.amounts) == ({}, {}, {})
    assert shown.life.cache.runs.by_job == {}
