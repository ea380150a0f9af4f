"""When a job that waits finds room at the latest."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.core.model.array import ArrayShape, IndexedJob
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Resolved
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, add
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger
from batchyard.core.scheduling.capacity.pools import space_of
from batchyard.core.scheduling.promises import CEILINGS
from batchyard.core.scheduling.reservation import PLACING_SECONDS, End, ends_of, latest_end, reserve, time_limit
from unit.samples import NOW, make_job, make_pod, make_pool, make_resolved, make_run, make_snapshot

KEY = make_job().key


def limited(seconds: int | None = 100, **pod: Any) -> Resolved:
    return replace(make_resolved(), timeout_seconds=seconds, template={"spec": pod})


@pytest.mark.parametrize(
    ("timeout", "deadline", "limit"), [(None, None, None), (60, None, 60), (None, 50, 50), (60, 50, 50), (60, 70, 60)]
)
def test_the_shorter_limit_holds(timeout: int | None, deadline: int | None, limit: int | None) -> None:
    assert time_limit(limited(timeout, activeDeadlineSeconds=deadline)) == limit


def test_an_attempt_has_its_time_and_its_grace() -> None:
    assert latest_end(limited(), NOW - 40, NOW) == NOW - 40 + 100 + 30
    assert latest_end(limited(terminationGracePeriodSeconds=5), NOW - 40, NOW) == NOW - 40 + 100 + 5


def test_one_that_has_not_started_has_all_of_it_before_it() -> None:
    assert latest_end(limited(), None, NOW) == NOW + PLACING_SECONDS + 130


def test_an_end_that_is_overdue_comes_any_moment() -> None:
    assert latest_end(limited(), NOW - 1000, NOW) == NOW


def test_without_a_limit_nothing_is_known() -> None:
    assert latest_end(limited(None), NOW, NOW) == inf


def end(at: float, **on: Resources) -> End:
    amount: dict[str, int] = {}
    for each in on.values():
        amount = add(amount, each)
    return End(at, tuple(on.items()), amount)


def ledger(free: Mapping[str, Resources], **environment: Any) -> Ledger:
    """Nodes with this much free."""
    nodes = [Node(name, {}, {"pods": 10, **amount}) for name, amount in free.items()]
    pools = {"pool": make_pool(*nodes, **environment)}
    return Ledger(pools, {}, space_of(pools))


def reserved(
    free: Mapping[str, Resources], ends: list[End], count: int = 1, cpu: int = 2, **environment: Any
) -> tuple[float, dict[str, int]] | None:
    """When, and how many vCPUs are spare then beside them, by node."""
    found = reserve(ledger(free, **environment), "pool", (PodSet(count, {"cpu": cpu}),), ends)
    return (found.at, {node: each["cpu"] for node, each in found.spare.items()}) if found is not None else None


def test_room_comes_with_the_end_that_makes_it_enough_on_one_node() -> None:
    ends = [
        end(NOW + 30, a={"cpu": 4}),
        end(NOW + 10, a={"cpu": 1}),
        end(NOW + 20, b={"cpu": 2}),
        end(inf, b={"cpu": 9}),
    ]
    free = {"a": {"cpu": 1}, "b": {"cpu": 1}}
    assert reserved(free, ends, cpu=2) == (NOW + 10, {"a": 0})
    assert reserved(free, ends, cpu=3) == (NOW + 20, {"b": 0})
    assert reserved(free, ends, cpu=5) == (NOW + 30, {"a": 1})
    assert reserved(free, ends, cpu=7) is None


def test_the_pods_of_a_gang_need_room_at_the_same_time() -> None:
    ends = [end(NOW + 10, a={"cpu": 2}), end(NOW + 20, b={"cpu": 2}), end(NOW + 30, a={"cpu": 2})]
    free = {"a": {"cpu": 0}, "b": {"cpu": 0}}
    assert reserved(free, ends, count=2) == (NOW + 20, {"a": 0, "b": 0})
    assert reserved(free, ends, count=3) == (NOW + 30, {"a": 0, "b": 0})


def test_ceilings_come_with_any_end_of_the_environment() -> None:
    ends = [end(NOW + 10, elsewhere={"cpu": 1}), end(NOW + 20, elsewhere={"cpu": 1})]
    thought = ledger({"a": {"cpu": 8}}, ceilings={"cpu": 3})
    thought.charge("pool", [("elsewhere", {"cpu": 3})], {"cpu": 3})
    found = reserve(thought, "pool", (PodSet(1, {"cpu": 2}),), ends)
    assert found is not None
    assert found.at == NOW + 20
    assert found.spare[CEILINGS] == {"cpu": 0}


def test_nothing_is_promised_on_ends_that_are_not_known() -> None:
    assert reserved({"a": {"cpu": 1}}, [end(inf, a={"cpu": 9})]) is None
    assert reserved({"a": {"cpu": 1}}, []) is None


def test_more_than_a_node_has_comes_first() -> None:
    ends = [end(NOW, a={"cpu": 2}), end(NOW + 5, a={"cpu": 2})]
    assert reserved({"a": {"cpu": -2}}, ends, cpu=1) == (NOW + 5, {"a": 1})


ON: Mapping[str, Resources] = {"node-1": {"cpu": 2, "pods": 1}}


def ends(run: Run | None, resolved: Resolved | None = None, **fields: Any) -> list[tuple[float, Any]]:
    """When, and what is free then; nothing where that is not known."""
    known = {KEY: resolved or limited()}
    snapshot = make_snapshot(
        **{"jobs": [make_job()], "resolved": known, "runs": [run] if run and run.index is None else [], **fields},
        charges={"it": Charge("pool", {"cpu": 2}, KEY, run, bound=ON)},
    )
    assert ends_of(snapshot, NOW)("elsewhere") == []
    found = ends_of(snapshot, NOW)("pool")
    assert all(each.assigned == tuple(ON.items()) for each in found)
    return [(each.at, each.amount) for each in found]


def test_the_clock_of_a_run_starts_with_its_pod() -> None:
    assert ends(make_run(), pods=[make_pod(started_at=NOW - 10)]) == [(NOW + 120, {"cpu": 2})]
    assert ends(make_run(), pods=[make_pod()]) == [(NOW + 190, {"cpu": 2})]
    assert ends(make_run()) == [(NOW + 190, {"cpu": 2})]
    assert ends(None) == [(NOW + 190, {"cpu": 2})]


def test_of_a_multi_node_job_the_main_nodes_pod_counts() -> None:
    main = make_run()
    other = main._replace(name="videos-1-n1", node=1, main_uid=main.uid)
    assert ends(other, runs=[main], pods=[make_pod(started_at=NOW)]) == [(NOW + 130, {"cpu": 2})]


def test_nobody_knows_when_an_array_ends_but_single_indexes_do() -> None:
    array = replace(make_job(), array=ArrayShape(5))
    alone = make_run(2, name="videos-2-i3", index=3)
    pods = [make_pod(run="videos-2-i3", started_at=NOW)]
    assert ends(make_run(), jobs=[array]) == []
    assert ends(None, jobs=[array]) == []
    assert ends(alone, jobs=[array], pods=pods) == [(NOW + 130, {"cpu": 2})]


def test_nobody_knows_when_the_run_of_a_deleted_job_ends() -> None:
    assert ends(make_run(), jobs=[]) == []


def test_what_is_on_its_way_out_counts_as_gone() -> None:
    gone = [(NOW, {"cpu": 2})]
    for pod in (make_pod(deleting=True), make_pod(disruption="EvictionByEvictionAPI"), make_pod(phase="Failed")):
        assert ends(make_run(), limited(None), pods=[pod]) == gone
    assert ends(make_run(deleting=True), limited(None)) == gone
    assert ends(make_run(), limited(None), being_preempted={("media", make_run().name): 1}) == gone


def test_of_an_array_the_slots_that_it_has_lost_count_as_gone() -> None:
    one = {"cpu": 1, "pods": 1}
    run = make_run(request={"cpu": 1}, indexed=IndexedJob(100, 3), active=5)
    on = {"a": {"cpu": 3, "pods": 3}, "b": {"cpu": 1, "pods": 1}}
    charges = {"it": Charge("pool", {"cpu": 5, "pods": 5}, KEY, run, bound=on, expected=(("c", one),))}
    found = ends_of(make_snapshot(runs=[run], charges=charges), NOW)("pool")
    assert found == [End(NOW, (("c", one), ("a", one)), {"cpu": 2, "pods": 2})]
