"""Amounts as integers, and Kubernetes' rule for what a pod requests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.quantities import MAXIMUM, InvalidQuantity
from batchyard.core.model.resources import (
    add,
    checked_request,
    describe,
    fits,
    is_name,
    parse_resources,
    pod_requests,
    readable,
    shortfall,
    subtract,
    to_resource_list,
)

GI = 1024**3

amounts = st.dictionaries(
    st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "ephemeral-storage", "hugepages-2Mi"]),
    st.integers(0, 2**50),
)


def container(cpu: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu} if cpu else {}}, **more}


@pytest.mark.parametrize(
    "name", ["cpu", "pods", "nvidia.com/gpu", "hugepages-2Mi", "attachable-volumes-x", f"x/{'y' * 63}"]
)
def test_names_of_resources(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "a\n", "\u202egpu", "/gpu", "x/", "a/b/c", f"x/{'y' * 400}", "x" * 100_000]
)
def test_what_is_no_name_of_a_resource(name: str) -> None:
    assert not is_name(name)


def test_of_a_list_with_nonsense_the_rest_is_read() -> None:
    amounts = {"cpu": "2", "memory": "-1", "pods": "1500m", "x/y": None, "x/z": f"{MAXIMUM + 1}", "x/a": f"{MAXIMUM}"}
    assert readable(amounts) == ({"cpu": 2000, "x/a": MAXIMUM}, ("memory", "pods", "x/y", "x/z"))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ({"cpu": "500m"}, {"cpu": 500}),
        ({"cpu": "2"}, {"cpu": 2000}),
        ({"cpu": 2}, {"cpu": 2000}),
        ({"memory": "4Gi"}, {"memory": 4 * GI}),
        ({"ephemeral-storage": "1k"}, {"ephemeral-storage": 1000}),
        ({"hugepages-2Mi": "4Mi"}, {"hugepages-2Mi": 4 * 1024**2}),
        ({"nvidia.com/gpu": "8", "pods": "110"}, {"nvidia.com/gpu": 8, "pods": 110}),
        ({}, {}),
    ],
)
def test_a_resource_list_becomes_integers(text: dict[str, Any], parsed: dict[str, int]) -> None:
    assert parse_resources(text) == parsed


def test_an_amount_that_is_none_is_named_with_its_resource() -> None:
    with pytest.raises(InvalidQuantity, match=r'^memory: "lots" is not a quantity'):
        parse_resources({"cpu": "1", "memory": "lots"})
    with pytest.raises(InvalidQuantity, match=r'^nvidia.com/gpu: "500m" is not a whole number'):
        parse_resources({"nvidia.com/gpu": "500m"})


@given(amounts)
def test_a_resource_list_survives_rendering(resources: dict[str, int]) -> None:
    assert parse_resources(to_resource_list(resources)) == resources


def test_a_resource_list_shows_cpu_and_memory_first() -> None:
    shown = to_resource_list({"nvidia.com/gpu": 1, "memory": 4 * GI, "cpu": 1500, "ephemeral-storage": GI})
    assert list(shown.items()) == [
        ("cpu", "1500m"),
        ("memory", "4Gi"),
        ("ephemeral-storage", "1Gi"),
        ("nvidia.com/gpu", "1"),
    ]


@given(amounts, amounts)
def test_what_was_added_can_be_subtracted(a: dict[str, int], b: dict[str, int]) -> None:
    rest = subtract(add(a, b), b)
    assert {name: amount for name, amount in rest.items() if amount} == {n: v for n, v in a.items() if v}


@given(amounts, amounts)
def test_a_request_fits_exactly_when_nothing_is_short(request: dict[str, int], free: dict[str, int]) -> None:
    missing = shortfall(request, free)
    assert fits(request, free) == (not missing)
    assert fits(request, add(free, missing))


def test_a_request_of_nothing_fits_everywhere_even_where_less_than_nothing_is_free() -> None:
    assert fits({"cpu": 0, "nvidia.com/gpu": 0}, {"cpu": -500})
    assert not fits({"cpu": 1}, {"cpu": -500})
    assert shortfall({"cpu": 100}, {"cpu": -500}) == {"cpu": 100}


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"nvidia.com/gpu": 1, "memory": 4 * GI, "cpu": 2000}, "2 vCPU, 4 GiB memory, 1 nvidia.com/gpu"),
        ({"cpu": 250}, "0.25 vCPU"),
        ({"memory": 3 * GI // 2}, "1.5 GiB memory"),
        ({"memory": 1000}, "1000 bytes memory"),
        ({"ephemeral-storage": 20 * 1024**2}, "20 MiB ephemeral-storage"),
        ({"cpu": 0}, "nothing"),
        ({}, "nothing"),
    ],
)
def test_amounts_are_described_for_people(resources: dict[str, int], text: str) -> None:
    assert describe(resources) == text


def test_containers_are_summed() -> None:
    assert pod_requests({"containers": [container("500m"), container("1"), container()]}) == {"cpu": 1500}


def test_a_limit_stands_in_for_a_missing_request() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "4", "nvidia.com/gpu": "1"}}
    assert pod_requests({"containers": [{"resources": resources}]}) == {"cpu": 1000, "nvidia.com/gpu": 1}


def test_the_hungriest_init_container_counts_when_it_asks_for_more() -> None:
    spec = {"containers": [container("1")], "initContainers": [container("3"), container("2")]}
    assert pod_requests(spec) == {"cpu": 3000}
    assert pod_requests({**spec, "containers": [container("2"), container("2")]}) == {"cpu": 4000}


def test_sidecars_run_beside_the_containers_and_the_later_init_containers() -> None:
    sidecar = container("1", restartPolicy="Always")
    assert pod_requests({"containers": [container("2")], "initContainers": [sidecar]}) == {"cpu": 3000}
    spec = {"containers": [container("1")], "initContainers": [sidecar, container("4")]}
    assert pod_requests(spec) == {"cpu": 5000}
    spec = {"containers": [container("1")], "initContainers": [container("4"), sidecar]}
    assert pod_requests(spec) == {"cpu": 4000}


def test_requests_of_the_whole_pod_replace_the_sum_and_its_limits_only_fill_gaps() -> None:
    containers = [container("1"), container("1")]
    assert pod_requests({"containers": containers, "resources": {"requests": {"cpu": "5"}}}) == {"cpu": 5000}
    limits = {"limits": {"cpu": "8", "memory": "1Gi"}}
    assert pod_requests({"containers": containers, "resources": limits}) == {"cpu": 2000, "memory": GI}


def test_overhead_comes_on_top() -> None:
    assert pod_requests({"containers": [container("1")], "overhead": {"cpu": "250m"}}) == {"cpu": 1250}


def test_a_pod_that_asks_for_nothing_requests_nothing() -> None:
    assert pod_requests({"containers": [{"name": "main", "image": "x"}]}) == {}
    assert pod_requests({}) == {}


cpus = st.integers(0, 8000).map(lambda milli: f"{milli}m")
pods = st.fixed_dictionaries(
    {
        "containers": st.lists(cpus.map(container), min_size=1, max_size=4),
        "initContainers": st.lists(
            st.builds(
                lambda cpu, sidecar: container(cpu, **({"restartPolicy": "Always"} if sidecar else {})),
                cpus,
                st.booleans(),
            ),
            max_size=4,
        ),
    }
)


@given(pods, cpus)
def test_one_more_container_asks_for_exactly_its_share_more_or_hides_behind_initialisation(
    spec: dict[str, Any], cpu: str
) -> None:
    before = pod_requests(spec).get("cpu", 0)
    after = pod_requests({**spec, "containers": [*spec["containers"], container(cpu)]}).get("cpu", 0)
    assert before <= after <= before + parse_resources({"cpu": cpu})["cpu"]


@given(pods, cpus, st.integers(0, 4))
def test_one_more_init_container_never_asks_for_less(spec: dict[str, Any], cpu: str, place: int) -> None:
    more = list(spec["initContainers"])
    more.insert(place, container(cpu))
    assert fits(pod_requests(spec), pod_requests({**spec, "initContainers": more}))


@pytest.mark.parametrize(
    "name",
    ["pods", "services", "requests.cpu", "cpu ", "a\nb", "/gpu", "gpu/", "x" * 24_000, f"example.com/{'x' * 700}"],
)
def test_what_no_container_can_ask_for_is_refused_in_few_words(name: str) -> None:
    with pytest.raises(InvalidQuantity) as refused:
        checked_request({name: 0})
    assert "is no resource of a container: ask for cpu, memory" in str(refused.value)
    assert len(str(refused.value)) < 600
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "nvidia.com/gpu"])
def test_what_a_container_can_ask_for_is_taken_up_to_a_bound(name: str) -> None:
    assert checked_request({name: MAXIMUM}) == {name: MAXIMUM}
    with pytest.raises(InvalidQuantity, match="is more than there can be: ask for less"):
        checked_request({name: MAXIMUM + 1})


def test_nothing_of_a_resource_is_left_out() -> None:
    assert checked_request({"cpu": 0, "memory": 5, "nvidia.com/gpu": 0}) == {"memory": 5}
