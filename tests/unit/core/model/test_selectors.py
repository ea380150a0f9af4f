"""Selectors, taints and tolerations."""

from collections.abc import Mapping
from typing import Any

import pytest

from batchyard.core.model.environment import Toleration
from batchyard.core.model.queue import Selector
from batchyard.core.model.selectors import matches, usable
from unit.samples import make_environment, make_node

LABELS = {"team": "video", "tier": "1"}


@pytest.mark.parametrize(
    ("labels", "expressions", "matching"),
    [
        ((), (), True),
        ((("team", "video"),), (), True),
        ((("team", "video"), ("tier", "2")), (), False),
        ((("owner", ""),), (), False),
        ((), (("team", "In", ("audio", "video")),), True),
        ((), (("team", "In", ("audio",)),), False),
        ((), (("owner", "In", ("audio",)),), False),
        ((), (("team", "NotIn", ("audio",)),), True),
        ((), (("team", "NotIn", ("video",)),), False),
        ((), (("owner", "NotIn", ("video",)),), True),
        ((), (("team", "Exists", ()),), True),
        ((), (("owner", "Exists", ()),), False),
        ((), (("owner", "DoesNotExist", ()),), True),
        ((), (("team", "DoesNotExist", ()),), False),
        ((), (("team", "Exists", ()), ("tier", "In", ("2",))), False),
        ((), (("team", "Like", ("v*",)),), False),
    ],
)
def test_a_selector_holds_when_all_its_parts_do(labels: Any, expressions: Any, matching: bool) -> None:
    assert matches(Selector(labels, expressions), LABELS) is matching


@pytest.mark.parametrize(
    ("node", "selector", "is_usable"),
    [
        ({}, {}, True),
        ({"ready": False}, {}, False),
        ({"schedulable": False}, {}, False),
        ({"labels": {"pool": "batch"}}, {"pool": "batch"}, True),
        ({"labels": {"pool": "web"}}, {"pool": "batch"}, False),
        ({}, {"pool": "batch"}, False),
    ],
)
def test_a_node_is_usable_when_it_can_and_may_be(
    node: Mapping[str, Any], selector: Mapping[str, str], is_usable: bool
) -> None:
    assert usable(make_environment(node_selector=selector), make_node(**node)) is is_usable


SPOT = ("spot", "true", "NoSchedule")


@pytest.mark.parametrize(
    ("taint", "toleration", "tolerated"),
    [
        (SPOT, Toleration("spot", "Equal", "true", "NoSchedule"), True),
        (SPOT, Toleration("spot", "Equal", "true"), True),
        (SPOT, Toleration("spot", "Equal", "false"), False),
        (SPOT, Toleration("spot", "Equal", "true", "NoExecute"), False),
        (SPOT, Toleration("spot", "Exists"), True),
        (SPOT, Toleration("gpu", "Exists"), False),
        (SPOT, Toleration(operator="Exists"), True),
        (SPOT, Toleration(operator="Exists", effect="NoExecute"), False),
        (SPOT, Toleration(value="true"), False),  # Equal needs a key
        (("spot", "", "NoExecute"), Toleration("spot"), True),
    ],
)
def test_a_taint_must_be_tolerated(taint: tuple[str, str, str], toleration: Toleration, tolerated: bool) -> None:
    node = make_node(taints=(taint,))
    assert usable(make_environment(tolerations=(toleration,)), node) is tolerated
    assert not usable(make_environment(), node)


def test_every_taint_must_be_tolerated() -> None:
    node = make_node(taints=(SPOT, ("gpu", "", "NoSchedule")))
    spot, gpu = Toleration("spot", "Exists"), Toleration("gpu", "Exists")
    assert not usable(make_environment(tolerations=(spot,)), node)
    assert usable(make_environment(tolerations=(spot, gpu)), node)
