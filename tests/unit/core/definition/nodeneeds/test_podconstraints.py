"""What a pod says of its nodes is read from its spec, and nothing in it raises."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchyard.core.definition.nodeneeds.podconstraints import constraints_of, host_ports
from batchyard.core.definition.shape import misshapen
from batchyard.core.model.pods.constraints import ANY_ADDRESS, UNCONSTRAINED, Constraints, Requirement, Term

IN_A = {"key": "zone", "operator": "In", "values": ["b", "a", "b"]}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["n1"]}


def required(*terms: Any) -> dict[str, Any]:
    return under({"nodeSelectorTerms": list(terms)})


def under(rule: Any) -> dict[str, Any]:
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rule}}}


def test_a_pod_that_says_nothing_shares_one_object() -> None:
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}
    spec = {
        "containers": [{"name": "a", "ports": [{"containerPort": 80}]}],
        "nodeSelector": {},
        "nodeName": "",
        "affinity": {"nodeAffinity": preferred, "podAffinity": {}},
        "topologySpreadConstraints": [{}],
    }
    assert constraints_of(spec) is UNCONSTRAINED
    assert constraints_of({}) is UNCONSTRAINED


def test_every_part_is_read() -> None:
    spec = {
        **required({"matchExpressions": [IN_A], "matchFields": [NAMED]}, {}),
        "nodeSelector": {"pool": "x", "disk": "nvme"},
        "nodeName": "n1",
        "containers": [{"ports": [{"hostPort": 8080, "containerPort": 80}]}],
    }
    assert constraints_of(spec) == Constraints(
        selector=(("disk", "nvme"), ("pool", "x")),
        terms=(
            Term((Requirement("zone", "In", ("a", "b")),), (Requirement("metadata.name", "In", ("n1",)),)),
            Term(),
        ),
        node_name="n1",
        ports=(("TCP", 8080, ANY_ADDRESS),),
    )


@pytest.mark.parametrize("rule", [{}, {"nodeSelectorTerms": []}, {"nodeSelectorTerms": None}])
def test_affinity_that_is_required_without_terms_is_not_said_nothing(rule: Any) -> None:
    assert constraints_of(under(rule)).terms == (Term(),)


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"disk": 1}},
        {"nodeSelector": ["disk"]},
        {"nodeName": 7},
        {"affinity": []},
        {"affinity": {"nodeAffinity": "x"}},
        under({"nodeSelectorTerms": {"a": {}}}),
        required({"matchExpressions": [IN_A]}, "x"),
        required({"matchExpressions": [IN_A, {"key": "zone", "operator": "Like"}]}),
        required({"matchExpressions": [IN_A, {"key": ["zone"], "operator": "Exists"}]}),
        required({"matchExpressions": [{"key": "zone", "operator": {}}]}),
        required({"matchExpressions": [{**IN_A, "values": [1]}]}),
        required({"matchExpressions": [{**IN_A, "values": "a"}]}),
        required({"matchExpressions": "x"}),
        required({"matchExpressions": [None]}),
        required({"matchFields": [{**NAMED, "key": "spec.unschedulable"}]}),
        required({"matchFields": [{**NAMED, "operator": "Exists"}]}),
        {"containers": "x"},
        {"containers": [{"ports": [{"hostPort": True}, {"hostPort": "80"}, {"hostPort": -1}, 80]}]},
    ],
)
def test_what_is_malformed_counts_as_not_said(spec: Any) -> None:
    assert constraints_of(spec) is UNCONSTRAINED


@pytest.mark.parametrize(
    ("spec", "ports"),
    [
        ({"containers": [{"ports": [{"containerPort": 80}]}]}, []),
        ({"containers": [{"ports": [{"containerPort": 80, "hostPort": 0}]}]}, []),
        (
            {"containers": [{"ports": [{"hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}]}]},
            [("UDP", 53, "10.0.0.1")],
        ),
        (
            {"containers": [{"ports": [{"hostPort": 80}]}, {"ports": [{"hostPort": 80, "protocol": "TCP"}]}]},
            [("TCP", 80, ANY_ADDRESS)],
        ),
        ({"initContainers": [{"ports": [{"hostPort": 80}]}]}, []),
        ({"initContainers": [{"restartPolicy": "Always", "ports": [{"hostPort": 80}]}]}, [("TCP", 80, ANY_ADDRESS)]),
        (
            {
                "hostNetwork": True,
                "containers": [{"ports": [{"containerPort": 80}, {"containerPort": 9, "hostPort": 9}]}],
            },
            [("TCP", 9, ANY_ADDRESS), ("TCP", 80, ANY_ADDRESS)],
        ),
        (
            {
                "hostNetwork": True,
                "initContainers": [
                    {"ports": [{"containerPort": 1}]},
                    {"restartPolicy": "Always", "ports": [{"containerPort": 2}]},
                ],
            },
            [("TCP", 2, ANY_ADDRESS)],
        ),
        ({"hostNetwork": False, "containers": [{"ports": [{"containerPort": 80}]}]}, []),
    ],
)
def test_ports_count_as_the_scheduler_counts_them(spec: Any, ports: Any) -> None:
    assert list(host_ports(spec)) == ports
    assert list(constraints_of(spec).ports) == ports


words = st.sampled_from(["", "a", "In", "80", "\n"])
json = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**64) | st.just(0.5) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def objects(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, each of which is one of these values."""
    values = {name: of if isinstance(of, st.SearchStrategy) else st.sampled_from(of) for name, of in fields.items()}
    return st.fixed_dictionaries({}, optional=values)


requirements = st.one_of(
    objects(key=["zone", "a/b"], operator=["In", "NotIn"], values=[["a"], ["a", "b"]]),
    objects(key=["zone"], operator=["Exists", "DoesNotExist"]),
    objects(key=["cores"], operator=["Gt", "Lt"], values=[["1"]]),
)
named = objects(key=["metadata.name"], operator=["In", "NotIn"], values=[["n1"]])
terms = objects(
    matchExpressions=st.lists(requirements, min_size=1, max_size=2), matchFields=st.lists(named, min_size=1, max_size=1)
)
rule = st.fixed_dictionaries({"nodeSelectorTerms": st.lists(terms, min_size=1, max_size=2)})
ports = objects(hostPort=[0, 80], containerPort=[80, 81], protocol=["TCP", "UDP"], hostIP=["10.0.0.1"])
containers = st.fixed_dictionaries(
    {"name": st.just("a")}, optional={"restartPolicy": st.just("Always"), "ports": st.lists(ports, max_size=2)}
)
specs = st.fixed_dictionaries(
    {"containers": st.lists(containers, min_size=1, max_size=2)},
    optional={
        "initContainers": st.lists(containers, max_size=1),
        "nodeName": st.just("n1"),
        "nodeSelector": st.just({"disk": "nvme"}),
        "hostNetwork": st.booleans(),
        "affinity": st.fixed_dictionaries(
            {"nodeAffinity": st.fixed_dictionaries({"requiredDuringSchedulingIgnoredDuringExecution": rule})}
        ),
    },
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object or list inside of a value, with each of its keys or positions."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """A pod's spec in which up to two places hold anything at all."""
    spec = copy.deepcopy(draw(specs))
    for _ in range(draw(st.integers(0, 2))):
        inside, key = draw(st.sampled_from(list(places(spec))))
        inside[key] = draw(json)
    return spec


@settings(max_examples=300)
@given(bent())
@example({"containers": [{"name": "a"}], **required({"matchExpressions": [{"key": "zone", "operator": []}]})})
def test_nothing_raises_whatever_stands_there(spec: Any) -> None:
    constraints = constraints_of(spec)
    assert constraints == constraints_of(spec)
    if not misshapen({"spec": spec}):
        said = spec.get("affinity") or {}
        for field in ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"):
            said = said.get(field) or {}
        assert len(constraints.terms) == len(said), "what is not refused is read"
        assert constraints.selector == tuple((spec.get("nodeSelector") or {}).items())
