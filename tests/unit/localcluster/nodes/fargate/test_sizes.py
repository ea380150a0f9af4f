"""The size that a pod gets."""

from decimal import Decimal
from typing import Any

import pytest

from localcluster.nodes.fargate.sizes import SIZES, pod_request, quantity, smallest
from unit.localcluster.nodes.fargate.pods import container, pod


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        ("", "", "0.25vCPU 0.5GB"),
        ("250m", "256Mi", "0.25vCPU 0.5GB"),
        ("250m", "257Mi", "0.25vCPU 1GB"),
        ("251m", "100Mi", "0.5vCPU 1GB"),
        ("100m", "4Gi", "1vCPU 5GB"),
        ("1", "1792Mi", "1vCPU 2GB"),
        ("1", "2Gi", "1vCPU 3GB"),
        ("4", "1Gi", "4vCPU 8GB"),
        ("8", "18Gi", "8vCPU 20GB"),
        ("2", "40Gi", "8vCPU 44GB"),
        ("16", "119.75Gi", "16vCPU 120GB"),
    ],
)
def test_it_is_the_smallest_that_holds_the_pod_and_256_mib(cpu: str, memory: str, size: str) -> None:
    assert str(smallest(pod_request(pod("p", container(cpu=cpu, memory=memory))["spec"]))) == size


@pytest.mark.parametrize(("cpu", "memory"), [("16001m", "1Gi"), ("1", "120Gi")])
def test_there_is_none_for_more_than_the_largest(cpu: str, memory: str) -> None:
    assert smallest(pod_request(pod("p", container(cpu=cpu, memory=memory))["spec"])) is None


def test_sizes_are_tried_from_the_smallest_on() -> None:
    assert list(SIZES) == sorted(SIZES)
    assert (str(SIZES[0]), str(SIZES[-1])) == ("0.25vCPU 0.5GB", "16vCPU 120GB")


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({}, "1.5"),
        ({"initContainers": [container("first", cpu="4"), container("next", cpu="1")]}, "4"),
        ({"initContainers": [container("beside", cpu="1", restartPolicy="Always"), container("then", cpu="3")]}, "4"),
        ({"initContainers": [container("beside", cpu="1", restartPolicy="Always")]}, "2.5"),
        ({"overhead": {"cpu": "250m"}}, "1.75"),
        ({"resources": {"requests": {"cpu": "2"}}}, "2"),
    ],
)
def test_containers_count_together_or_the_largest_before_them(spec: dict[str, Any], cpu: str) -> None:
    asked = pod("p", container(cpu="1"), container("other", cpu="500m"), **spec)["spec"]
    assert pod_request(asked)["cpu"] == Decimal(cpu)


def test_limits_are_requests_where_there_are_none() -> None:
    resources = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"memory": "512Mi"}}
    asked = pod_request({"containers": [{"name": "main", "resources": resources}]})
    assert asked == {"cpu": Decimal(2), "memory": Decimal(2**29)}


@pytest.mark.parametrize(
    ("text", "number"), [("1", "1"), ("0.5", "0.5"), ("100m", "0.1"), ("1k", "1000"), ("2Ki", "2048"), ("1e3", "1000")]
)
def test_quantities_are_read(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)
