"""Accounts are told of the same events, and one more of them needs nothing but a file and an entry."""

import pytest

from batchyard.core.model.array import ArrayGrant
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.multinode import build_main, build_node
from batchyard.runtime.state import cache as cache_module
from unit.runtime.state.accounts.life import ENDED, ENVIRONMENT, GANG, JOB, KEY, RESOLVED, RETRY, SHAPE, Life
from unit.samples import NOW


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
        ("observe videos-1", 1),  # that its pod runs changes nothing
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


ONE = {"cpu": 2000, "memory": 4 * 2**30, "pods": 1}
TWO = {"cpu": 4000, "memory": 8 * 2**30, "pods": 2}
NOTHING_HELD: tuple[dict[str, int], dict[str, dict[str, int]], int] = ({}, {}, 0)


def test_a_run_holds_what_it_takes_until_its_pod_is_gone_too() -> None:
    life = Life()
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.show_pod("videos-1")
    assert life.held() == (ONE, {}, 1)
    life.show_pod("videos-1", "node-1")
    life.show_pod("videos-1", "node-1", "Running")
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    life.lose_batchjob()
    life.delete("videos-1")
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    charges = life.cache.accounts.charges.charges.values()
    assert [charge.run is not None and charge.run.ended for charge in charges] == [True]
    life.cache.changed.clear()
    life.lose_pod("videos-1")
    assert life.cache.changed.is_set()
    assert life.held() == NOTHING_HELD
    life.assert_balanced(used_up=1)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_holds_nothing(phase: str) -> None:
    life = Life()
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.show_pod("videos-1", "node-1", "Running")
    life.change("videos-1", **ENDED)
    assert life.held() == (ONE, {"node-1": ONE}, 1), "the watch of pods is behind"
    life.show_pod("videos-1", "node-1", phase)
    assert life.held() == NOTHING_HELD
    life.delete("videos-1")
    life.lose_pod("videos-1")
    life.assert_balanced(used_up=1)


def test_a_pod_may_be_shown_before_its_job() -> None:
    life = Life()
    life.show_pod("videos-1", "node-1")
    assert life.held() == NOTHING_HELD
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    life.delete("videos-1")
    life.lose_pod("videos-1")
    life.count()
    life.assert_balanced(used_up=1)


def test_a_job_that_comes_back_into_sight_is_counted_once() -> None:
    """Somebody took its labels off, and put them on again."""
    life = Life()
    body = build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1)
    life.create(body)
    life.show_pod("videos-1", "node-1", "Running")
    life.delete("videos-1")
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    life.create(body)
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    life.lose_pod("videos-1")
    assert life.held() == ({"cpu": 2000, "memory": 4 * 2**30, "pods": 1}, {}, 1), "its Job goes on"
    life.delete("videos-1")
    life.assert_balanced(used_up=1)


def test_any_pod_of_any_node_keeps_a_multi_node_job_alive() -> None:
    life = Life()
    life.create(build_main(JOB, RESOLVED, GANG, ENVIRONMENT, 1, 1))
    life.create(build_node(JOB, RESOLVED, GANG, ENVIRONMENT, life.run("videos-1"), 1, "10.0.0.7"))
    life.show_pod("videos-1", "node-1", "Running")
    life.show_pod("videos-1-n1", "node-2", "Running")
    used, bound, licences = life.held()
    assert (used, licences) == (TWO, 1), "two pods of what the template asks for"
    assert bound == {"node-1": ONE, "node-2": ONE}
    life.delete("videos-1-n1")
    life.delete("videos-1")
    life.lose_pod("videos-1")
    assert life.held()[1:] == ({"node-2": ONE}, 1)
    life.lose_pod("videos-1-n1")
    assert life.held() == NOTHING_HELD
    life.assert_balanced(used_up=1)


def test_pods_of_an_indexed_job_hold_their_slots_when_it_is_gone() -> None:
    life = Life(array={"size": 8})
    life.create(build_indexed_job(JOB, RESOLVED, SHAPE, ENVIRONMENT, 3))
    for index in range(2):
        life.show_index_pod(index, f"node-{index}")
    used, bound, licences = life.held()
    assert (used["pods"], bound, licences) == (3, {"node-0": ONE, "node-1": ONE}, 3)
    life.change("videos-1", parallelism=1, active=1)
    assert life.held()[2] == 2, "one pod more than the status says"
    life.lose_batchjob()
    life.delete("videos-1")
    life.show_index_pod(1, deletionTimestamp="2026-01-01T00:00:30Z")
    assert life.held() == (TWO, {"node-0": ONE, "node-1": ONE}, 2)
    life.lose_index_pod(0)
    life.lose_index_pod(0)
    assert life.held() == (ONE, {"node-1": ONE}, 1)
    life.lose_index_pod(1)
    assert life.held() == NOTHING_HELD
    life.assert_balanced(used_up=8)


def test_a_process_that_runs_no_passes_counts_pods_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_MOST_MOVED", 0)
    life = Life()
    life.create(build_job(JOB, RESOLVED, ENVIRONMENT, 1, 1))
    life.show_pod("videos-1", "node-1", "Running")
    life.delete("videos-1")
    life.lose_pod("videos-1")
    life.assert_balanced(used_up=1)
    assert life.cache.runs.live.moved == 0
