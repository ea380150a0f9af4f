"""Accounts are told of the same events, and one more of them needs nothing but a file and an entry."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.array import ArrayGrant, ArrayShape, IndexRun
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.queue import FairShare
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.kube.protocol import Object
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.multinode import build_main, build_node
from batchyard.runtime.state.accounts.account import Account, Occupancy
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.marks import Marks
from unit.samples import NOW, make_environment, make_job, make_queue, make_resolved

JOB = replace(make_job(shareIdentifier="red"), share="red")
KEY = JOB.key
MARKS = Marks(b"key", NOW)
REQUEST = {"cpu": 2000}
ENVIRONMENT = make_environment()
RESOLVED = replace(make_resolved(), consumables={"licence": 1, "token": 1})
SHAPE = ArrayShape(8)
RETRY = IndexRun(3, 2, 2)
GANG = Gang(0, (NodeGroup((0, 1), RESOLVED.template, REQUEST),))
ENDED: dict[str, Any] = {
    "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}]
}


class Slots(Account):
    """Counts the slots that are granted and taken up, and keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.granted: dict[Key, int] = {}
        self.taken: dict[Hashable, int] = {}

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        self.granted[job.key] = count
        self._note("grant")

    def withdraw(self, key: Key) -> None:
        del self.granted[key]
        self._note("withdraw")

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        self._take(occupancy)
        self._note(f"observe {run.name}" if occupancy.counts else f"beside {run.name}")

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        self._take(occupancy)
        self._note(f"forget {run.name}")

    def reset(self) -> None:
        self._note("reset")

    def _take(self, occupancy: Occupancy) -> None:
        if occupancy.living:
            self.taken[occupancy.item] = occupancy.slots
        else:
            self.taken.pop(occupancy.item, None)

    def _note(self, event: str) -> None:
        self.events.append((event, sum(self.granted.values()) + sum(self.taken.values())))


class Life:
    """A job in a cache, with a fifth account, and its Kubernetes Jobs as the API server shows them."""

    def __init__(self, **spec: Any) -> None:
        self.cache = Cache(lambda: NOW + 90, MARKS)
        self.slots = self.cache.accounts.open(Slots())
        catalogue = self.cache.catalogue
        catalogue.queues["urgent"] = make_queue(fair_share=FairShare())
        for name, replenishable in (("licence", True), ("token", False)):
            catalogue.consumables[name] = Consumable(name, name, 1, NOW, 100, replenishable)
        self.cache.snapshot()
        metadata = {"namespace": KEY[0], "name": KEY[1], "uid": JOB.uid, "generation": 1}
        self.cache.put_batchjob({"metadata": metadata, "spec": {**JOB.spec, **spec}})
        self.cache.resolved[KEY] = RESOLVED
        self._shown: dict[str, Object] = {}
        self._version = 0

    def grant(self, array: ArrayGrant | None = None, run: int = 1) -> None:
        self.cache.grant(Placement(KEY, "pool", REQUEST, run, array=array))

    def create(self, body: Object) -> None:
        made = {"uid": f"uid-{body['metadata']['name']}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        signed = MARKS.sign(body)
        self._show({**signed, "metadata": {**signed["metadata"], **made}})

    def change(self, name: str, parallelism: int | None = None, **status: Any) -> None:
        shown = self._shown[name]
        spec = shown["spec"] if parallelism is None else {**shown["spec"], "parallelism": parallelism}
        self._show({**shown, "spec": spec, "status": status})

    def _show(self, obj: Object) -> None:
        self._version += 1
        shown = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        self._shown[obj["metadata"]["name"]] = shown
        self.cache.put_run(shown)

    def delete(self, name: str) -> None:
        self.cache.remove_run((KEY[0], name), f"uid-{name}")

    def run(self, name: str) -> Run:
        run = self.cache.runs.find((KEY[0], name))
        assert run is not None
        return run

    def assert_balanced(self, used_up: int) -> None:
        """Nothing is held by anybody; what is used up stays so."""
        accounts = self.cache.accounts
        assert (self.slots.granted, self.slots.taken) == ({}, {})
        assert (accounts.charges.used, accounts.charges.charges) == ({}, {})
        assert accounts.limit_usage.amounts == {}
        assert accounts.array_slots.raised == {}
        usage = accounts.shares.usages(self.cache.catalogue)["urgent"]
        assert (usage.in_use("red"), usage.in_environment("pool")) == (0, 0)
        assert usage.used("red", NOW + 90) > 0
        assert accounts.consumptions.used_up(self.cache.catalogue) == {"token": used_up}


def test_a_single_job_is_told_of_from_its_grant_to_its_end() -> None:
    life = Life()
    life.grant()
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.cache.withdraw(KEY)
    life.change("videos-1", active=1)
    life.change("videos-1", active=1)
    life.change("videos-1", **ENDED)
    life.change("videos-1", **ENDED, startTime="2026-01-01T00:00:01Z")
    life.delete("videos-1")
    life.delete("videos-1")
    assert life.slots.events == [
        ("grant", 1),
        ("withdraw", 0),
        ("observe videos-1", 1),
        ("observe videos-1", 1),
        ("observe videos-1", 0),
        ("beside videos-1", 0),
        ("forget videos-1", 0),
    ]
    life.assert_balanced(used_up=1)


def test_a_grant_stands_until_its_own_run_is_seen() -> None:
    life = Life()
    life.grant(run=2)
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.change("videos-1", **ENDED)
    assert life.slots.events == [("grant", 1), ("observe videos-1", 2), ("observe videos-1", 1)]
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 2, 2))
    assert life.slots.events[3:] == [("withdraw", 0), ("observe videos-2", 1)]


def test_an_array_is_told_of_as_it_grows_and_shrinks() -> None:
    life = Life(array={"size": 8})
    life.grant(ArrayGrant(slots=2, parallelism=2))
    life.create(build_indexed_job(JOB, RESOLVED, SHAPE, ENVIRONMENT, 2))
    life.cache.withdraw(KEY)
    assert life.slots.events == [("grant", 2), ("grant", 0), ("observe videos-1", 2), ("withdraw", 2)]
    life.slots.events.clear()
    life.grant(ArrayGrant(slots=3, parallelism=5, retries=(RETRY,)))
    life.create(build_index_job(JOB, RESOLVED, SHAPE, ENVIRONMENT, RETRY))
    life.change("videos-1", parallelism=5, active=2)
    life.cache.withdraw(KEY)
    assert life.slots.events == [
        ("grant", 6),
        ("grant", 5),  # the run of the index has a Job, and is counted next
        ("observe videos-2-i3", 6),
        ("grant", 3),
        ("observe videos-1", 6),
        ("withdraw", 6),
    ]
    life.slots.events.clear()
    life.change("videos-1", parallelism=1, active=2, terminating=1)
    life.change("videos-1", parallelism=1, active=1)
    life.change("videos-2-i3", **ENDED)
    life.change("videos-1", **ENDED)
    life.delete("videos-1")
    life.delete("videos-2-i3")
    assert life.slots.events == [
        ("observe videos-1", 4),
        ("observe videos-1", 2),
        ("observe videos-2-i3", 1),
        ("observe videos-1", 0),
        ("forget videos-1", 0),
        ("forget videos-2-i3", 0),
    ]
    life.assert_balanced(used_up=9)


def test_a_multi_node_job_lives_until_all_of_its_nodes_have_ended() -> None:
    life = Life()
    life.grant()
    life.create(build_main(JOB, RESOLVED, GANG, ENVIRONMENT, 1, 1))
    life.create(build_node(JOB, RESOLVED, GANG, ENVIRONMENT, life.run("videos-1"), 1, "10.0.0.7"))
    life.change("videos-1", **ENDED)
    life.delete("videos-1")
    life.change("videos-1-n1", **ENDED)
    life.delete("videos-1-n1")
    assert life.slots.events == [
        ("grant", 1),
        ("withdraw", 0),
        ("observe videos-1", 1),
        ("beside videos-1-n1", 1),
        ("observe videos-1", 1),
        ("forget videos-1", 1),
        ("beside videos-1-n1", 0),
        ("forget videos-1-n1", 0),
    ]
    life.assert_balanced(used_up=1)


def test_another_run_of_a_multi_node_job_keeps_none_alive() -> None:
    life = Life()
    for run in (1, 2):
        life.create(build_main(JOB, RESOLVED, GANG, ENVIRONMENT, run, run))
    life.create(build_node(JOB, RESOLVED, GANG, ENVIRONMENT, life.run("videos-2"), 1, "10.0.0.7"))
    life.slots.events.clear()
    life.change("videos-1", **ENDED)
    life.change("videos-2", **ENDED)
    assert life.slots.events == [("observe videos-1", 1), ("observe videos-2", 1)]


@pytest.mark.parametrize("created", [True, False])
def test_a_multi_node_job_lives_while_a_node_of_it_is_being_created(*, created: bool) -> None:
    life = Life()
    life.grant()
    life.create(build_main(JOB, RESOLVED, GANG, ENVIRONMENT, 1, 1))
    main = life.run("videos-1")
    life.slots.events.clear()
    with life.cache.accounts.starting(main):
        life.change("videos-1", **ENDED)
        life.delete("videos-1")
        if created:
            life.create(build_node(JOB, RESOLVED, GANG, ENVIRONMENT, main, 1, "10.0.0.7"))
        life.cache.changed.clear()
    assert life.cache.changed.is_set() is not created, "what it took is free"
    lives = int(created)
    assert life.slots.events == [
        ("observe videos-1", 1),
        ("forget videos-1", 1),
        *[("beside videos-1-n1", 1)] * lives,
        ("beside videos-1", lives),
    ]
    if created:
        life.delete("videos-1-n1")
    life.assert_balanced(used_up=1)


def test_a_run_that_is_first_seen_after_its_end_holds_nothing() -> None:
    life = Life()
    body = {**build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1), "status": ENDED}
    life.create(body)
    life.delete("videos-1")
    assert life.slots.events == [("observe videos-1", 0), ("forget videos-1", 0)]
    life.assert_balanced(used_up=1)


def test_who_begins_to_act_counts_anew_what_exists() -> None:
    life = Life()
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 2, 2))
    life.change("videos-1", **ENDED)
    accounts, catalogue = life.cache.accounts, life.cache.catalogue

    def figures() -> tuple[object, ...]:
        usage = accounts.shares.usages(catalogue)["urgent"]
        held = (dict(accounts.charges.used), dict(accounts.limit_usage.amounts))
        return *held, accounts.consumptions.used_up(catalogue), usage.in_use("red"), usage.used("red", NOW + 90)

    before = figures()
    accounts.reset()
    assert life.slots.events[-1] == ("reset", 1)
    assert figures() == before
    assert [(run.name, seen.living) for run, seen in accounts.existing()] == [("videos-1", False), ("videos-2", True)]
