"""Which nodes are taken away, and how the rate of that is kept."""

from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.insight.interruptions import (
    DECAY_SECONDS,
    Interruptions,
    has_made_nodes,
    node_of,
    outlasts,
    taken_back,
)
from batchyard.core.model.cluster.nodeclaim import NodeClaim, NodePool
from batchyard.core.model.managed import CAPACITY_TYPE
from unit.samples import NOW, make_environment, make_managed, make_node


def claim(**fields: Any) -> NodeClaim:
    spot = {CAPACITY_TYPE: "spot"}
    return NodeClaim(
        **{"name": "c", "environment": "pool", "created": NOW, "labels": spot, "deleting": True, "node": "n", **fields}
    )


def pool(**fields: Any) -> NodePool:
    return NodePool(**{"name": "pool", "uid": "u", "environment": "pool", "created": NOW, **fields})


def test_a_spot_claim_that_is_being_deleted_is_taken_back() -> None:
    assert list(taken_back([claim()], {"pool": pool()}, {"pool": make_managed()})) == [claim()]


@pytest.mark.parametrize(
    "fields",
    [
        {"deleting": False},
        {"labels": {CAPACITY_TYPE: "on-demand"}},
        {"labels": {}},
        {"environment": "other"},
        {"created": NOW - 1},
    ],
)
def test_other_claims_are_not(fields: dict[str, Any]) -> None:
    assert list(taken_back([claim(**fields)], {"pool": pool()}, {"pool": make_managed()})) == []


@pytest.mark.parametrize("pools", [{}, {"pool": pool(deleting=True)}, {"pool": pool(environment="")}])
def test_nor_are_those_whose_nodepool_goes_or_is_somebody_elses(pools: dict[str, NodePool]) -> None:
    assert list(taken_back([claim()], pools, {"pool": make_managed()})) == []
    assert not outlasts(pools.get("pool"), claim())


def test_an_environment_keeps_its_nodes_while_it_is_refused() -> None:
    assert has_made_nodes(make_managed())
    assert has_made_nodes(make_managed().blank("spec.maxVcpus must be more than 0"))
    assert not has_made_nodes(make_environment())
    assert not has_made_nodes(None)


def test_the_node_of_a_claim_may_be_there_before_its_claim_names_it() -> None:
    nodes = [make_node("a", provider_id="m-a"), make_node("b", provider_id="m-b")]
    assert node_of(claim(node="", provider_id="m-b"), nodes) == "b"
    assert node_of(claim(node="gone", provider_id="m-x"), nodes) == "gone"
    assert node_of(claim(node="", provider_id="m-x"), nodes) == ""


def test_each_counts_less_as_time_goes_by() -> None:
    none = Interruptions()
    assert (none.nodes, none.rate(NOW)) == (0, 0)
    once = none.one_more(NOW)
    assert (once.nodes, once.last_at, once.rate(NOW)) == (1, NOW, 1)
    assert once.rate(NOW + 3600) == pytest.approx(exp(-1))
    twice = once.one_more(NOW + 1800)
    assert twice.nodes == 2
    assert twice.per_hour == pytest.approx(1 + exp(-0.5))


def test_a_clock_that_was_set_back_makes_nothing_larger() -> None:
    assert Interruptions(3, NOW, 2.0).rate(NOW - 7200) == 2.0


@given(st.integers(1, 120))
def test_where_they_come_evenly_the_rate_is_what_comes_in_an_hour(an_hour: int) -> None:
    step, seen = 3600 / an_hour, Interruptions()
    for number in range(12 * an_hour):
        seen = seen.one_more(NOW + number * step)
    between = [seen.rate(seen.last_at + step * part / 100) for part in range(100)]
    assert sum(between) / 100 == pytest.approx(an_hour, rel=0.02, abs=0.02)


@given(st.lists(st.floats(0, 50_000), max_size=20), st.floats(0, 50_000))
def test_the_rate_is_the_sum_of_all_that_fade(ages: list[float], after: float) -> None:
    seen, now = Interruptions(), NOW + 100_000 + after
    for age in sorted(ages, reverse=True):
        seen = seen.one_more(NOW + 100_000 - age)
    expected = sum(exp(-(age + after) / DECAY_SECONDS) for age in ages)
    assert seen.rate(now) == pytest.approx(expected, abs=1e-6)
