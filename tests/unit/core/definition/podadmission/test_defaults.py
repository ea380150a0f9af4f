"""What containers get of the LimitRanges of their namespace, as the API server's plugin LimitRanger does it."""

from typing import Any

import pytest

from batchyard.core.definition.podadmission.defaults import defaults_of
from batchyard.core.model.podadmission.limitrange import LimitRange

ONE = LimitRange("one", default_requests={"cpu": 200, "memory": 1024**2}, default_limits={"cpu": 500})


def container(**resources: Any) -> dict[str, Any]:
    return {"name": "main", "image": "busybox", "resources": resources}


@pytest.mark.parametrize(
    ("own", "requests", "limits"),
    [
        ({}, {"cpu": "200m", "memory": "1Mi"}, {"cpu": "500m"}),
        ({"requests": {"cpu": "1"}}, {"cpu": "1", "memory": "1Mi"}, {"cpu": "500m"}),
        # A limit without a request is the request, before any LimitRange is looked at.
        ({"limits": {"cpu": "2"}}, {"cpu": "2", "memory": "1Mi"}, {"cpu": "2"}),
        ({"limits": {"memory": "5Mi"}}, {"cpu": "200m", "memory": "5Mi"}, {"cpu": "500m", "memory": "5Mi"}),
        ({"requests": {"cpu": "0"}}, {"cpu": "0", "memory": "1Mi"}, {"cpu": "500m"}),
    ],
)
def test_what_is_not_said_is_given(own: dict[str, Any], requests: dict[str, str], limits: dict[str, str]) -> None:
    added = defaults_of([ONE]).added(container(**own))
    assert added == {"name": "main", "image": "busybox", "resources": {"requests": requests, "limits": limits}}


def test_what_says_all_stays_the_same_object() -> None:
    whole = container(requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "1"})
    assert defaults_of([ONE]).added(whole) is whole
    assert defaults_of([]).added(whole) is whole


def test_other_parts_of_resources_stay() -> None:
    added = defaults_of([ONE]).added(container(claims=[{"name": "gpu"}]))
    assert added["resources"]["claims"] == [{"name": "gpu"}]


@pytest.mark.parametrize("swapped", [False, True])
def test_of_several_the_largest_counts_and_is_not_certain(swapped: bool) -> None:
    other = LimitRange("other", default_requests={"cpu": 300}, default_limits={"memory": 7})
    both = [other, ONE] if swapped else [ONE, other]
    found = defaults_of(both)
    assert (found.requests["cpu"].amount, found.requests["cpu"].limit_range) == (300, "other")
    assert not found.requests["cpu"].certain
    assert found.requests["memory"].certain
    assert (found.limits["cpu"].limit_range, found.limits["memory"].limit_range) == ("one", "other")


def test_of_several_that_agree_it_is_certain() -> None:
    assert defaults_of([ONE, LimitRange("two", default_requests={"cpu": 200})]).requests["cpu"].certain
