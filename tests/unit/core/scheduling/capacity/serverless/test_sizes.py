"""What pods count for where they can only have certain sizes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.definition import Resolved
from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, parse_resources
from batchyard.core.model.serverless import fargate
from batchyard.core.model.serverless.offer import Sizes
from batchyard.core.scheduling.capacity.serverless.sizes import charged_in, request_in, size_of, sized, told_size
from unit.samples import FARGATE, VIRTUAL, make_environment, make_managed, make_resolved, make_serverless

MEBIBYTE, GIBIBYTE = 1024**2, 1024**3
SYSTEM = 256 * MEBIBYTE
TABLE: dict[int, list[float]] = {
    250: [0.5, 1, 2],
    500: [1, 2, 3, 4],
    1_000: [2, 3, 4, 5, 6, 7, 8],
    2_000: [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    4_000: [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30],
    8_000: [16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60],
    16_000: [32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120],
}
"""vCPUs in thousandths with the GiB of memory that exist beside them, as AWS lists them."""
ROWS = [(cpu, int(memory * GIBIBYTE)) for cpu, amounts in TABLE.items() for memory in amounts]
SMALL = (Sizes(1_000, (2 * GIBIBYTE, 4 * GIBIBYTE)), Sizes(2_000, (4 * GIBIBYTE, 8 * GIBIBYTE)))


def on_fargate(cpu: int, memory: int) -> tuple[int, int] | None:
    found = size_of({"cpu": cpu, "memory": memory}, fargate.SIZES, fargate.SYSTEM_MEMORY)
    return None if found is None else (found["cpu"], found["memory"])


def test_the_sizes_of_fargate_are_those_that_aws_lists() -> None:
    assert [(each.milli_vcpus, memory) for each in fargate.SIZES for memory in each.memory] == ROWS
    assert (fargate.SYSTEM_MEMORY, fargate.MOST_STORAGE) == (SYSTEM, 175 * GIBIBYTE)


@pytest.mark.parametrize(("cpu", "memory"), ROWS)
def test_a_pod_that_fills_a_size_gets_that(cpu: int, memory: int) -> None:
    """As long as it leaves the system its part."""
    assert on_fargate(cpu, memory - SYSTEM) == (cpu, memory)


@pytest.mark.parametrize(("cpu", "memory"), ROWS)
def test_with_a_byte_more_it_gets_the_next(cpu: int, memory: int) -> None:
    larger = [(more, least) for more, least in ROWS if more >= cpu and least > memory]
    assert on_fargate(cpu, memory - SYSTEM + 1) == min(larger, default=None)


@pytest.mark.parametrize(("cpu", "memory"), ROWS)
def test_with_a_thousandth_of_a_vcpu_more_it_gets_that_of_the_next_row(cpu: int, memory: int) -> None:
    larger = [(more, least) for more, least in ROWS if more > cpu and least >= memory]
    assert on_fargate(cpu + 1, memory - SYSTEM) == min(larger, default=None)


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        ({}, {"cpu": "250m", "memory": "512Mi"}),
        ({"cpu": "1m"}, {"cpu": "250m", "memory": "512Mi"}),
        ({"cpu": "250m", "memory": "256Mi"}, {"cpu": "250m", "memory": "512Mi"}),
        ({"cpu": "250m", "memory": "257Mi"}, {"cpu": "250m", "memory": "1Gi"}),
        ({"cpu": "300m", "memory": "600Mi"}, {"cpu": "500m", "memory": "1Gi"}),
        ({"cpu": "1", "memory": "8Gi"}, {"cpu": "2", "memory": "9Gi"}),
        ({"cpu": "1", "memory": "7936Mi"}, {"cpu": "1", "memory": "8Gi"}),
        ({"cpu": "8"}, {"cpu": "8", "memory": "16Gi"}),
        ({"cpu": "1", "memory": "60Gi"}, {"cpu": "16", "memory": "64Gi"}),
        ({"cpu": "16", "memory": "122624Mi"}, {"cpu": "16", "memory": "120Gi"}),
    ],
)
def test_it_is_the_smallest_that_holds_the_request_and_what_the_system_takes(
    request_: dict[str, str], size: dict[str, str]
) -> None:
    found = size_of(parse_resources(request_), fargate.SIZES, fargate.SYSTEM_MEMORY)
    assert found == parse_resources(size)


@pytest.mark.parametrize("request_", [{"cpu": "16001m"}, {"memory": "120Gi"}, {"cpu": "16", "memory": "122625Mi"}])
def test_what_is_larger_than_all_of_them_has_none(request_: dict[str, str]) -> None:
    assert size_of(parse_resources(request_), fargate.SIZES, fargate.SYSTEM_MEMORY) is None


tables = st.lists(
    st.builds(
        Sizes,
        st.integers(1, 20),
        st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True).map(lambda found: tuple(sorted(found))),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda size: size.milli_vcpus,
).map(lambda found: tuple(sorted(found)))
small = st.fixed_dictionaries({}, optional={"cpu": st.integers(0, 25), "memory": st.integers(0, 45)})
large = st.fixed_dictionaries(
    {}, optional={"cpu": st.integers(0, 17_000), "memory": st.integers(0, 125 * 1024).map(lambda n: n * MEBIBYTE)}
)


def holding(request: Resources, sizes: tuple[Sizes, ...], system: int) -> list[tuple[int, int]]:
    """All sizes that hold a request, written down once more."""
    asked = request.get("cpu", 0), request.get("memory", 0) + system
    every = ((each.milli_vcpus, memory) for each in sizes for memory in each.memory)
    return [(cpu, memory) for cpu, memory in every if cpu >= asked[0] and memory >= asked[1]]


def as_pair(size: dict[str, int] | None) -> tuple[int, int] | None:
    return None if size is None else (size["cpu"], size["memory"])


@given(tables, small, st.integers(0, 10))
def test_it_holds_all_of_it_and_is_the_least_that_does(
    sizes: tuple[Sizes, ...], request: Resources, system: int
) -> None:
    assert as_pair(size_of(request, sizes, system)) == min(holding(request, sizes, system), default=None)


@given(large)
def test_so_it_is_on_fargate(request: Resources) -> None:
    found = size_of(request, fargate.SIZES, fargate.SYSTEM_MEMORY)
    assert as_pair(found) == min(holding(request, fargate.SIZES, SYSTEM), default=None)
    if found is not None:
        assert found["cpu"] >= request.get("cpu", 0)
        assert found["memory"] - SYSTEM >= request.get("memory", 0)


@given(tables, small, small, st.integers(0, 10))
def test_who_asks_for_more_never_gets_less(
    sizes: tuple[Sizes, ...], request: Resources, more: Resources, system: int
) -> None:
    sum_of = {name: request.get(name, 0) + more.get(name, 0) for name in ("cpu", "memory")}
    less, most = (as_pair(size_of(each, sizes, system)) for each in (request, sum_of))
    if most is not None:
        assert less is not None
        assert less <= most


@given(large, large)
def test_nor_does_who_asks_for_more_on_fargate_get_less_of_either(request: Resources, more: Resources) -> None:
    sum_of = {name: request.get(name, 0) + more.get(name, 0) for name in ("cpu", "memory")}
    less, most = (size_of(each, fargate.SIZES, fargate.SYSTEM_MEMORY) for each in (request, sum_of))
    if most is not None:
        assert less is not None
        assert all(less[name] <= most[name] for name in ("cpu", "memory"))


def test_rows_that_follow_each_other_have_more_of_both() -> None:
    """So the one of the fewest vCPUs is the smallest."""
    assert all(a.milli_vcpus < b.milli_vcpus and a.memory[0] < b.memory[0] for a, b in pairwise(fargate.SIZES))
    assert all(list(each.memory) == sorted(set(each.memory)) for each in fargate.SIZES)


CHOOSY = Constraints(selector=(("kubernetes.io/os", "linux"),))


def test_each_of_several_pods_counts_for_itself_and_keeps_what_else_it_asks_for() -> None:
    pods = (
        PodSet(1, parse_resources({"cpu": "1", "memory": "8Gi", "ephemeral-storage": "30Gi"}), CHOOSY),
        PodSet(3, parse_resources({"cpu": "300m", "memory": "600Mi"})),
    )
    assert sized(pods, FARGATE) == (
        PodSet(1, parse_resources({"cpu": "2", "memory": "9Gi", "ephemeral-storage": "30Gi"}), CHOOSY),
        PodSet(3, parse_resources({"cpu": "500m", "memory": "1Gi"})),
    )


def test_one_that_is_too_large_stays_as_it_is() -> None:
    pods = (PodSet(1, {"cpu": 17_000}), PodSet(1, {"cpu": 1}))
    assert sized(pods, FARGATE) == (pods[0], PodSet(1, parse_resources({"cpu": "250m", "memory": "512Mi"})))


def test_where_there_are_no_sizes_each_is_what_it_asks_for() -> None:
    pods = (PodSet(1, {"cpu": 1}),)
    assert sized(pods, VIRTUAL) is pods


def job(**request: str) -> Resolved:
    return replace(make_resolved(), request=parse_resources(request))


FOUR = Gang(
    0,
    (
        NodeGroup((0,), {"spec": {}}, parse_resources({"cpu": "1", "memory": "8Gi"})),
        NodeGroup((1, 2, 3), {"spec": {}}, parse_resources({"cpu": "300m", "memory": "600Mi"})),
    ),
)
MULTI_NODE = replace(make_resolved(), gang=FOUR, request=FOUR.request)


def test_a_job_takes_the_size_of_its_pod_while_it_runs() -> None:
    asked = job(cpu="1", memory="8Gi")
    assert request_in(make_serverless(), asked) == parse_resources({"cpu": "2", "memory": "9Gi"})
    charged = charged_in(make_serverless(), asked)
    assert charged == replace(asked, request=parse_resources({"cpu": "2", "memory": "9Gi"}))
    assert charged.template is asked.template, "what the pods ask for stays as it is"


def test_a_multi_node_job_takes_those_of_all_its_pods() -> None:
    found = request_in(make_serverless(), MULTI_NODE)
    assert found == parse_resources({"cpu": "3500m", "memory": "12Gi", "pods": "4"})
    assert charged_in(make_serverless(), MULTI_NODE).gang is FOUR


def test_elsewhere_it_takes_what_it_asks_for() -> None:
    asked = job(cpu="1", memory="8Gi")
    for environment in (make_environment(), make_managed(), make_serverless(offer=VIRTUAL)):
        assert request_in(environment, asked) is asked.request
        assert charged_in(environment, asked) is asked
        assert told_size(environment, asked) == ""


def test_where_sizes_are_stated_they_count() -> None:
    environment = make_serverless(offer=VIRTUAL, sizes=SMALL)
    assert request_in(environment, job(cpu="1", memory="4Gi")) == parse_resources({"cpu": "1", "memory": "4Gi"})
    assert request_in(environment, job(cpu="1", memory="5Gi")) == parse_resources({"cpu": "2", "memory": "8Gi"})


def test_a_person_is_told_the_size_of_each_pod_once() -> None:
    assert told_size(make_serverless(), job(cpu="1", memory="8Gi")) == "2 vCPU, 9 GiB memory"
    assert told_size(make_serverless(), MULTI_NODE) == "2 vCPU, 9 GiB memory or 0.5 vCPU, 1 GiB memory"
    alike = replace(FOUR, groups=tuple(replace(each, request={"cpu": 100}) for each in FOUR.groups))
    assert told_size(make_serverless(), replace(MULTI_NODE, gang=alike)) == "0.25 vCPU, 512 MiB memory"
