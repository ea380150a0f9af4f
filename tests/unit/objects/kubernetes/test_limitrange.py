"""LimitRanges and RuntimeClasses as they are read: what makes no sense is passed over, and the rest counts."""

from typing import Any

import pytest

from batchyard.core.model.podadmission.limitrange import Bounds, LimitRange
from batchyard.core.model.podadmission.runtimeclass import RuntimeClass
from batchyard.objects.kubernetes.limitrange import read_limit_range
from batchyard.objects.kubernetes.runtimeclass import read_runtime_class


def limit_range(*limits: Any) -> LimitRange:
    return read_limit_range({"metadata": {"name": "limits", "namespace": "media"}, "spec": {"limits": list(limits)}})


def test_containers_and_pods_are_kept_apart_and_others_passed_over() -> None:
    assert limit_range(
        {
            "type": "Container",
            "default": {"cpu": "1"},
            "defaultRequest": {"cpu": "500m"},
            "min": {"cpu": "100m"},
            "max": {"memory": "1Gi"},
            "maxLimitRequestRatio": {"cpu": "2"},
        },
        {"type": "Pod", "max": {"cpu": "4"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
    ) == LimitRange(
        "limits",
        default_requests={"cpu": 500},
        default_limits={"cpu": 1000},
        container=Bounds({"cpu": 100}, {"memory": 1024**3}),
        pod=Bounds({}, {"cpu": 4000}),
    )


def test_of_several_entries_the_last_default_counts_and_all_bounds_hold() -> None:
    one = {"type": "Container", "default": {"cpu": "1"}, "min": {"cpu": "1"}, "max": {"cpu": "8"}}
    two = {"type": "Container", "default": {"cpu": "2"}, "min": {"cpu": "2"}, "max": {"cpu": "4"}}
    for limits in ((one, two), (two, one)):
        found = limit_range(*limits)
        assert found.container == Bounds({"cpu": 2000}, {"cpu": 4000})
        assert found.default_limits == {"cpu": 2000 if limits[-1] is two else 1000}


@pytest.mark.parametrize("limits", [None, 7, "x", [7, None, {}], [{"type": 5}], [{"type": "Pod", "max": 3}]])
def test_what_is_no_limit_range_says_nothing(limits: Any) -> None:
    obj = {"metadata": {"name": "limits"}, "spec": {"limits": limits}}
    assert read_limit_range(obj) == LimitRange("limits")
    assert read_limit_range({**obj, "spec": limits}) == LimitRange("limits")


def test_an_amount_that_is_none_leaves_the_others() -> None:
    odd = {"cpu": "much", "memory": "1Gi", "nvidia.com/gpu": "0.5", "storage": None}
    assert limit_range({"type": "Container", "defaultRequest": odd}).default_requests == {"memory": 1024**3}


def runtime_class(**fields: Any) -> RuntimeClass:
    return read_runtime_class({"metadata": {"name": "kata"}, "handler": "kata", **fields})


def test_overhead_and_nodes_of_a_runtime_class_are_read() -> None:
    toleration = {"key": "kata", "operator": "Exists"}
    scheduling = {"nodeSelector": {"runtime": "kata"}, "tolerations": [toleration]}
    assert runtime_class(overhead={"podFixed": {"cpu": "250m"}}, scheduling=scheduling) == RuntimeClass(
        "kata", {"cpu": 250}, {"runtime": "kata"}, (toleration,)
    )
    assert runtime_class() == RuntimeClass("kata")


@pytest.mark.parametrize("odd", [7, "x", [1], None])
def test_what_makes_no_sense_in_a_runtime_class_is_passed_over(odd: Any) -> None:
    assert runtime_class(overhead=odd, scheduling=odd) == RuntimeClass("kata")
    scheduling = {"nodeSelector": {"zone": 5}, "tolerations": [7]}
    read = runtime_class(overhead={"podFixed": {"cpu": odd}}, scheduling=scheduling)
    assert (read.node_selector, read.tolerations) == ({}, ())
