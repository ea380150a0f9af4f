"""Terms that the API server would refuse are refused in words, before a job waits for a node that cannot come."""

from typing import Any

import pytest

from batchyard.core.definition.shape import misshapen

AT = "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def template(terms: Any) -> dict[str, Any]:
    rule = {} if terms is None else {"nodeSelectorTerms": terms}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rule}}
    return {"spec": {"containers": [{"name": "a"}], "affinity": affinity}}


def of_label(**requirement: Any) -> list[Any]:
    return [{"matchExpressions": [{"key": "zone", "operator": "Exists"}, requirement]}]


def of_field(**requirement: Any) -> list[Any]:
    return [{}, {"matchFields": [requirement]}]


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (None, " is empty, which no node meets: give at least one term, or take the affinity out"),
        ([], " is empty, which no node meets: give at least one term, or take the affinity out"),
        ("x", " must be a list"),
        (["x"], "[0] must be an object"),
        (of_label(operator="Exists"), "[0].matchExpressions[1] has no key: name a label"),
        (of_label(key="a", operator=7), "[0].matchExpressions[1].operator must be one of In, NotIn, Exists,"),
        (of_label(key="a"), "[0].matchExpressions[1] has no operator: give one of In, NotIn, Exists,"),
        (of_label(key="a", operator="In"), "[0].matchExpressions[1].values is empty: give at least one value"),
        (of_label(key="a", operator="NotIn", values=[]), "[0].matchExpressions[1].values is empty: give at least"),
        (of_label(key="a", operator="Exists", values=["b"]), "[0].matchExpressions[1].values must be left out for"),
        (of_label(key="a", operator="Gt"), "[0].matchExpressions[1].values must hold one whole number"),
        (of_label(key="a", operator="Lt", values=["1", "2"]), "[0].matchExpressions[1].values must hold one whole"),
        (of_label(key="a", operator="In", values=["b c"]), '[0].matchExpressions[1].values[0] is "b c" and must be'),
        (of_label(key="a b", operator="Exists"), '[0].matchExpressions[1].key is "a b" and must be the key of a label'),
        (of_field(operator="In", values=["n"]), "[1].matchFields[0].key must be metadata.name, the one field"),
        (of_field(key="metadata.name", operator="Exists"), "[1].matchFields[0].operator must be one of In, NotIn"),
        (of_field(key="metadata.name", values=["n"]), "[1].matchFields[0].operator must be one of In, NotIn"),
        (of_field(key="metadata.name", operator="In"), "[1].matchFields[0].values must hold the name of one node"),
        (of_field(key="metadata.name", operator="In", values=["n", "m"]), "[1].matchFields[0].values must hold the"),
    ],
)
def test_the_first_thing_that_is_wrong_is_named(terms: Any, sentence: str) -> None:
    assert misshapen(template(terms)).startswith(AT + sentence)


@pytest.mark.parametrize(
    "terms",
    [
        of_label(key="example.com/a", operator="In", values=["b", ""]),
        of_label(key="a", operator="DoesNotExist", values=[]),
        # The API server takes it, and the scheduler reads it as a term that no node meets.
        of_label(key="a", operator="Gt", values=["many"]),
        of_field(key="metadata.name", operator="NotIn", values=["n"]),
        [{}],
    ],
)
def test_what_the_api_server_takes_is_taken(terms: Any) -> None:
    assert misshapen(template(terms)) == ""
