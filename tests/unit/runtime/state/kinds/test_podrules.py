"""Which rules are known as LimitRanges and RuntimeClasses come and go, and whom that concerns."""

from typing import Any

from batchyard.core.model.podadmission.limitrange import LimitRange
from batchyard.core.model.podadmission.rules import NO_RULES
from batchyard.runtime.state.kinds.podrules import KnownRules
from batchyard.runtime.state.referrers import NAMESPACE, RUNTIME_CLASS, Reference


def limit_range(name: str, cpu: str = "1") -> dict[str, Any]:
    limits = [{"type": "Container", "defaultRequest": {"cpu": cpu}}]
    return {"metadata": {"name": name, "namespace": "media"}, "spec": {"limits": limits}}


def test_limit_ranges_are_those_of_their_namespace_by_name() -> None:
    told: list[Reference] = []
    rules = KnownRules(told.append)
    rules.put_limit_range(limit_range("two"))
    rules.put_limit_range(limit_range("one", "2"))
    assert rules.rules.of("media", ()).limit_ranges == (
        LimitRange("one", {"cpu": 2000}),
        LimitRange("two", {"cpu": 1000}),
    )
    assert told == [(NAMESPACE, "", "media")] * 2
    rules.put_limit_range(limit_range("one", "2000m"))
    rules.remove_limit_range(("media", "other"))
    rules.remove_limit_range(("audio", "one"))
    assert len(told) == 2, "what changes nothing concerns nobody"
    rules.remove_limit_range(("media", "two"))
    rules.remove_limit_range(("media", "one"))
    assert rules.rules.of("media", ()) is NO_RULES
    assert len(told) == 4
    rules.put_limit_range(limit_range("one"))
    assert len(rules.rules.of("media", ()).limit_ranges) == 1


def test_a_runtime_class_concerns_those_that_name_it() -> None:
    told: list[Reference] = []
    rules = KnownRules(told.append)
    assert rules.rules.of("media", ("kata",)).runtime_classes == {"kata": None}
    for _ in range(2):
        rules.put_runtime_class({"metadata": {"name": "kata"}, "overhead": {"podFixed": {"cpu": "1"}}})
    found = rules.rules.of("media", ("kata",)).runtime_classes["kata"]
    assert found is not None
    assert found.overhead == {"cpu": 1000}
    for _ in range(2):
        rules.remove_runtime_class("kata")
    assert told == [(RUNTIME_CLASS, "", "kata")] * 2
    assert rules.rules.runtime_classes == {}
