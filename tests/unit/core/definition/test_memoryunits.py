"""Amounts of memory that were hardly meant as they stand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.definition.memoryunits import doubts_about_definition, doubts_about_job


def container(name: str = "main", **resources: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "resources": resources}


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("2048", "is 2048 bytes: did you mean 2048Mi?"),
        (2048, "is 2048 bytes: did you mean 2048Mi?"),
        ("4194303", "is 4194303 bytes: did you mean 4194303Mi?"),
        ("0.5", "is 0.5 bytes: did you mean 0.5Mi?"),
        ("400m", "is 400m, which is 0.4 bytes: did you mean 400M?"),
        ("1500m", "is 1500m, which is 1.5 bytes: did you mean 1500M?"),
        ("4194304", ""),
        ("4000000000000m", ""),
        ("0", ""),
        ("2048Mi", ""),
        ("64k", ""),
        ("2e9", ""),
        ("much", ""),
        (None, ""),
    ],
)
def test_bytes_that_were_meant_as_more_are_doubted(amount: Any, sentence: str) -> None:
    limits = {} if amount is None else {"memory": amount, "cpu": "100m"}
    expected = sentence and f"resources.limits.memory of container main {sentence}"
    assert doubts_about_definition({"container": container(limits=limits)}) == expected
    assert doubts_about_job({"containerOverrides": [{"resources": {"limits": limits}}]}) == expected


def test_every_container_of_every_form_is_looked_at() -> None:
    tiny: dict[str, Any] = {"requests": {"memory": "512"}}
    template = {"spec": {"initContainers": [container("fetch", **tiny)], "containers": [container("work", **tiny)]}}
    assert doubts_about_definition({"template": template}) == (
        "resources.requests.memory of container fetch is 512 bytes: did you mean 512Mi?; "
        "resources.requests.memory of container work is 512 bytes: did you mean 512Mi?"
    )
    ranges = [{"targetNodes": "0", "container": container()}, {"targetNodes": "1:", "container": container(**tiny)}]
    content = {"multiNode": {"numNodes": 3, "nodeRanges": ranges}}
    assert "container main is 512 bytes" in doubts_about_definition(content)
    override = {"targetNodes": "1:", "containerOverrides": [{"name": "mpi", "resources": tiny}]}
    assert "container mpi is 512 bytes" in doubts_about_job({"nodeOverrides": {"nodeRanges": [override]}})


def test_resources_of_the_pod_as_a_whole_are_looked_at() -> None:
    template = {"spec": {"containers": [container()], "resources": {"limits": {"memory": "400m"}}}}
    assert doubts_about_definition({"template": template}) == (
        "resources.limits.memory of the pod is 400m, which is 0.4 bytes: did you mean 400M?"
    )


def test_the_bound_of_growing_memory_is_looked_at() -> None:
    spec = {"retryStrategy": {"onOutOfMemory": {"maxMemory": "8192"}}}
    sentence = "retryStrategy.onOutOfMemory.maxMemory is 8192 bytes: did you mean 8192Mi?"
    assert doubts_about_definition({"container": container(), **spec}) == doubts_about_job(spec) == sentence


def test_only_the_first_few_are_shown() -> None:
    containers = [container(f"c{number}", limits={"memory": "1"}) for number in range(5)]
    assert doubts_about_definition({"template": {"spec": {"containers": containers}}}).endswith("; and 2 more")


@pytest.mark.parametrize("content", [{}, {"template": "none"}, {"template": {"spec": {"containers": [7]}}}])
def test_what_has_no_pods_is_not_doubted(content: dict[str, Any]) -> None:
    assert doubts_about_definition(content) == ""


@given(st.integers(1, 64 * 2**30), st.sampled_from(["Ki", "Mi", "Gi", "k", "M", "G"]))
def test_an_amount_with_a_unit_is_never_doubted(number: int, unit: str) -> None:
    assert doubts_about_definition({"container": container(limits={"memory": f"{number}{unit}"})}) == ""
