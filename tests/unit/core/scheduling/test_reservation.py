"""When a job that waits finds room at the latest."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.core.model.array import ArrayShape, IndexedJob
from batchyard.core.model.definition import Resolved
from batchyard.core.model.run import Run
from batchyard.core.scheduling.ledger import Charge
from batchyard.core.scheduling.reservation import PLACING_SECONDS, Reservation, ends_of, latest_end, reserve, time_limit
from unit.samples import NOW, make_job, make_pod, make_resolved, make_run, make_snapshot

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


def test_room_comes_with_the_end_that_makes_it_enough() -> None:
    ends = [(NOW + 30, {"cpu": 2}), (NOW + 10, {"cpu": 1}), (NOW + 20, {"cpu": 1, "memory": 7}), (inf, {"cpu": 9})]
    assert reserve({"cpu": 2}, {"cpu": 1}, ends) == Reservation(NOW + 10, {"cpu": 0})
    assert reserve({"cpu": 3}, {"cpu": 1, "memory": 1}, ends) == Reservation(NOW + 20, {"cpu": 0, "memory": 8})
    assert reserve({"cpu": 4}, {"cpu": 1}, ends) == Reservation(NOW + 30, {"cpu": 1, "memory": 7})


def test_nothing_is_promised_on_ends_that_are_not_known() -> None:
    assert reserve({"cpu": 4}, {"cpu": 1}, [(NOW, {"cpu": 2}), (inf, {"cpu": 9})]) is None
    assert reserve({"cpu": 4}, {"cpu": 1}, []) is None


def test_capacity_that_shrank_below_what_runs_comes_first() -> None:
    assert reserve({"cpu": 1}, {"cpu": -2}, [(NOW, {"cpu": 2}), (NOW + 5, {"cpu": 2})]) == Reservation(
        NOW + 5, {"cpu": 1}
    )


def ends(run: Run | None, resolved: Resolved | None = None, **fields: Any) -> list[tuple[float, Any]]:
    known = {KEY: resolved or limited()}
    snapshot = make_snapshot(
        **{"jobs": [make_job()], "resolved": known, "runs": [run] if run and run.index is None else [], **fields},
        charges={"it": Charge("pool", {"cpu": 2}, KEY, run)},
    )
    assert ends_of(snapshot, NOW)("elsewhere") == []
    return ends_of(snapshot, NOW)("pool")


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
    assert ends(make_run(), jobs=[array]) == [(inf, {"cpu": 2})]
    assert ends(None, jobs=[array]) == [(inf, {"cpu": 2})]
    assert ends(alone, jobs=[array], pods=pods) == [(NOW + 130, {"cpu": 2})]


def test_nobody_knows_when_the_run_of_a_deleted_job_ends() -> None:
    assert ends(make_run(), jobs=[]) == [(inf, {"cpu": 2})]


def test_what_is_on_its_way_out_counts_as_gone() -> None:
    gone = [(NOW, {"cpu": 2})]
    for pod in (make_pod(deleting=True), make_pod(disruption="EvictionByEvictionAPI"), make_pod(phase="Failed")):
        assert ends(make_run(), limited(None), pods=[pod]) == gone
    assert ends(make_run(deleting=True), limited(None)) == gone
    assert ends(make_run(), limited(None), being_preempted={("media", make_run().name): 1}) == gone


def test_of_an_array_the_places_that_it_has_lost_count_as_gone() -> None:
    run = make_run(request={"cpu": 1}, indexed=IndexedJob(100, 3), active=5)
    charges = {"it": Charge("pool", {"cpu": 5, "pods": 5}, KEY, run)}
    found = ends_of(make_snapshot(runs=[run], charges=charges), NOW)("pool")
    assert found == [(NOW, {"cpu": 2, "pods": 2}), (inf, {"cpu": 3, "pods": 3})]
