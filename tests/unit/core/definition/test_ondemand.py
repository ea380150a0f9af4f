"""Jobs that are not to be on spot."""

from typing import Any

import pytest

from batchyard.core.definition.memorygrowth import grown
from batchyard.core.definition.ondemand import is_due, on_demand
from batchyard.core.definition.podadmission.admitted import under_rules
from batchyard.core.model.definition import RetryPolicy
from batchyard.core.model.managed import NOT_SPOT
from batchyard.core.model.podadmission.limitrange import LimitRange
from batchyard.core.model.podadmission.rules import NO_RULES, PodRules
from batchyard.core.model.pods.constraints import Term
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.status import Attempt
from objects.specs import multi_node
from unit.samples import make_resolved

BARE = {"name": "main", "image": "busybox", "resources": {"limits": {"memory": "1Gi"}}}
GROWTH = {"retryStrategy": {"attempts": 3, "onOutOfMemory": {"memoryMultiplier": 2}}}
SPREAD = {"container": BARE, "zonePolicy": "Spread", **GROWTH}
SINGLE = {**multi_node(3, BARE), "zonePolicy": "Single", **GROWTH}
POLICIES = pytest.mark.parametrize("content", [{"container": BARE, **GROWTH}, SPREAD, SINGLE])


@pytest.mark.parametrize(("after", "interruptions", "due"), [(None, 9, False), (2, 1, False), (2, 2, True)])
def test_it_is_due_after_so_many_interruptions(after: int | None, interruptions: int, *, due: bool) -> None:
    assert is_due(RetryPolicy(on_demand_after=after), interruptions) is due


@POLICIES
@pytest.mark.parametrize("rules", [NO_RULES, PodRules((LimitRange("defaults", {"cpu": 100}),))])
def test_what_is_written_and_what_room_is_looked_for_come_to_the_same(content: dict[str, Any], rules: PodRules) -> None:
    plain = under_rules(make_resolved(**content), rules)
    moved = on_demand(plain)
    assert moved.pods == without_spot(plain.pods)
    assert [each.constraints.terms for each in moved.pods] == [(Term((NOT_SPOT,)),)]
    assert (moved.zone_policy, moved.request, moved.rules) == (plain.zone_policy, plain.request, plain.rules)


@POLICIES
def test_neither_more_memory_nor_a_move_changes_how_pods_are_divided_between_zones(content: dict[str, Any]) -> None:
    plain = make_resolved(**content)
    killed = [Attempt(1, 1, "videos-1", "pool", out_of_memory=("main",))]
    for changed in (grown(plain, killed), on_demand(grown(plain, killed)), grown(on_demand(plain), killed)):
        assert changed.zone_policy is plain.zone_policy
        for before, after in zip(plain.pods, changed.pods, strict=True):
            assert after.takes["memory"] == 2 * before.takes["memory"]
            asked = after.constraints
            assert (asked.spread, asked.one_zone) == (before.constraints.spread, before.constraints.one_zone)
