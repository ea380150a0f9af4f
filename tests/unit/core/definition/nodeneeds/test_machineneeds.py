"""What a pod asks of its machine is read from its spec, and nothing in it raises."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchyard.core.definition.nodeneeds.machineneeds import machine_needs, unequal_limits
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.model.pods.constraints import UNCONSTRAINED

PRIVILEGED = {"privileged": True}
ON_THE_HOST = {"name": "data", "hostPath": {"path": "/data"}}


def container(name: str = "main", **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def asking(requests: Any = None, limits: Any = None, name: str = "main") -> dict[str, Any]:
    sides = {"requests": requests, "limits": limits}
    return container(name, resources={side: amounts for side, amounts in sides.items() if amounts is not None})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"hostNetwork": True}, "it has spec.hostNetwork"),
        ({"hostPID": True}, "it has spec.hostPID"),
        ({"hostIPC": True}, "it has spec.hostIPC"),
        ({"containers": [container(securityContext=PRIVILEGED)]}, "container main is privileged"),
        (
            {"containers": [container(), container("sidecar", securityContext=PRIVILEGED)]},
            "container sidecar is privileged",
        ),
        ({"initContainers": [container("prepare", securityContext=PRIVILEGED)]}, "container prepare is privileged"),
        ({"volumes": [{"name": "tmp", "emptyDir": {}}, ON_THE_HOST]}, "volume data is a hostPath"),
        ({"volumes": [{"name": "data", "hostPath": {}}]}, "volume data is a hostPath"),
        (
            {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]},
            "it claims devices (spec.resourceClaims)",
        ),
        ({"runtimeClassName": "gvisor"}, "it has the runtimeClassName gvisor"),
        ({"os": {"name": "windows"}}, "its os is windows"),
    ],
)
def test_what_only_a_machine_has_is_named(spec: dict[str, Any], words: str) -> None:
    assert machine_needs(spec) == words
    assert constraints_of(spec).machine == words


def test_of_several_things_the_first_is_named() -> None:
    spec = {"hostPID": True, "volumes": [ON_THE_HOST], "containers": [container(securityContext=PRIVILEGED)]}
    assert machine_needs(spec) == "it has spec.hostPID"
    del spec["hostPID"]
    assert machine_needs(spec) == "container main is privileged"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"hostNetwork": False, "hostPID": False, "hostIPC": False},
        {"containers": [container(securityContext={"privileged": False, "runAsUser": 0})]},
        {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "in", "persistentVolumeClaim": {"claimName": "in"}}]},
        {"volumes": [{"name": "data", "hostPath": None}]},
        {"runtimeClassName": "", "resourceClaims": []},
        {"os": {"name": "linux"}},
        {"os": {}},
        {"os": {"name": ""}},
        {"hostUsers": False, "shareProcessNamespace": True, "hostAliases": [{"ip": "10.0.0.1"}]},
    ],
)
def test_what_can_be_had_without_one_is_not(spec: dict[str, Any]) -> None:
    assert machine_needs(spec) == ""
    assert constraints_of(spec) is UNCONSTRAINED


def test_long_names_are_cut() -> None:
    assert len(machine_needs({"runtimeClassName": "x" * 500})) < 120


@pytest.mark.parametrize(
    ("requests", "limits", "words"),
    [
        ({"memory": "1Gi"}, {"memory": "2Gi"}, "container main requests 1 GiB memory and may use 2 GiB memory"),
        ({"cpu": "500m"}, {"cpu": "1"}, "container main requests 0.5 vCPU and may use 1 vCPU"),
        (
            {"cpu": 1, "memory": "1Gi"},
            {"cpu": 2, "memory": "2Gi"},
            "container main requests 1 vCPU and may use 2 vCPU",
        ),
        ({"cpu": "0"}, {"cpu": "1"}, "container main requests nothing and may use 1 vCPU"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, ""),
        ({"cpu": "1"}, {"cpu": "1000m"}, ""),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}, ""),
        ({"cpu": 1}, {"cpu": "1.0"}, ""),
        ({"cpu": "1", "memory": "1Gi"}, None, ""),
        (None, {"cpu": "1", "memory": "1Gi"}, ""),
        ({"cpu": "1"}, {"memory": "1Gi"}, ""),
        ({"ephemeral-storage": "1Gi"}, {"ephemeral-storage": "2Gi"}, ""),
    ],
)
def test_a_container_that_may_use_more_than_it_requests_is_named(requests: Any, limits: Any, words: str) -> None:
    spec = {"containers": [asking(requests, limits)]}
    assert unequal_limits(spec) == words
    assert constraints_of(spec).unequal == words


def test_all_containers_are_looked_at() -> None:
    more = asking({"cpu": "1"}, {"cpu": "2"}, "more")
    words = "container more requests 1 vCPU and may use 2 vCPU"
    assert unequal_limits({"containers": [asking({"cpu": "1"}, {"cpu": "1"}), more]}) == words
    assert unequal_limits({"initContainers": [more], "containers": [asking()]}) == words


def test_so_is_the_pod_as_a_whole() -> None:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    spec = {"resources": resources, "containers": [asking({"cpu": "1"}, {"cpu": "2"})]}
    assert unequal_limits(spec) == "the pod requests 1 GiB memory and may use 2 GiB memory"
    del resources["limits"]["memory"]
    assert unequal_limits(spec) == "container main requests 1 vCPU and may use 2 vCPU"


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [asking({"cpu": "many"}, {"cpu": "2"})]},
        {"containers": [asking({"cpu": {}}, {"cpu": "2"})]},
        {"containers": [asking(["cpu"], {"cpu": "2"})]},
        {"containers": [container(resources=["cpu"])], "resources": "1"},
        {"containers": [None, 7, {"securityContext": [True]}]},
        {"containers": {"main": container(securityContext=PRIVILEGED)}},
        {"volumes": {"data": ON_THE_HOST}},
        {"volumes": ["data", None]},
        {"hostNetwork": "true", "hostPID": 1, "hostIPC": [True]},
        {"containers": [container(securityContext={"privileged": "true"})]},
        {"os": "windows"},
    ],
)
def test_what_is_no_part_of_a_pod_counts_as_not_said(spec: dict[str, Any]) -> None:
    assert (machine_needs(spec), unequal_limits(spec)) == ("", "")


words = st.sampled_from(["", "main", "true", "1Gi", "\n", "é" * 100])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**64) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
amounts = st.dictionaries(st.sampled_from(["cpu", "memory"]), anything) | anything
containers = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": anything,
            "securityContext": st.fixed_dictionaries({}, optional={"privileged": anything}) | anything,
            "resources": st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts}) | anything,
        },
    )
    | anything,
    max_size=2,
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "containers": containers | anything,
        "initContainers": containers | anything,
        "volumes": st.lists(st.fixed_dictionaries({}, optional={"name": anything, "hostPath": anything}), max_size=2)
        | anything,
        "hostPID": anything,
        "resources": st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts}) | anything,
        "resourceClaims": anything,
        "runtimeClassName": anything,
        "os": st.fixed_dictionaries({}, optional={"name": anything}) | anything,
    },
)


@given(specs)
@example({"os": {"name": []}})
@example({"runtimeClassName": ["gvisor"]})
def test_nothing_raises_whatever_stands_there(spec: dict[str, Any]) -> None:
    for found in (machine_needs(spec), unequal_limits(spec)):
        assert isinstance(found, str)
        assert "\n" not in found
