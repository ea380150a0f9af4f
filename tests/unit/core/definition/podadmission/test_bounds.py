"""Which pods are refused for ever under LimitRanges, in words; what is not certain is not said."""

from typing import Any

import pytest

from batchyard.core.definition.podadmission.bounds import refusal
from batchyard.core.definition.podadmission.defaults import defaults_of
from batchyard.core.model.podadmission.limitrange import Bounds, LimitRange


def pod(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    named = [{"name": f"c{number}", "resources": each} for number, each in enumerate(containers)]
    return {"containers": named, **fields}


def asks(requests: str = "", limits: str = "") -> dict[str, Any]:
    sides = {"requests": requests, "limits": limits}
    return {side: {"cpu": amount} for side, amount in sides.items() if amount}


def said(spec: dict[str, Any], *ranges: LimitRange) -> str:
    return refusal(spec, ranges, defaults_of(ranges))


BOUNDED = LimitRange("bounds", {"cpu": 500}, {"cpu": 500}, container=Bounds({"cpu": 200}, {"cpu": 1000}))


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (asks(), ""),
        (asks("200m", "1"), ""),
        (asks("100m"), "container c0 requests 0.1 vCPU, and LimitRange bounds wants 0.2 vCPU at least"),
        (asks("0"), "container c0 requests no cpu, and LimitRange bounds wants 0.2 vCPU at least"),
        (asks(limits="1001m"), "container c0 has a limit of 1.001 vCPU, and LimitRange bounds allows 1 vCPU at most"),
        (asks("300m", "2"), "container c0 has a limit of 2 vCPU, and LimitRange bounds allows 1 vCPU at most"),
        (
            asks("501m"),
            "container c0 requests 0.501 vCPU, more than the limit of 0.5 vCPU that LimitRange bounds gives it",
        ),
    ],
)
def test_bounds_of_a_container_and_the_default_limit(resources: dict[str, Any], words: str) -> None:
    text = said(pod(resources), BOUNDED)
    assert text.startswith(words)
    assert bool(text) == bool(words)
    init = {"containers": [{"name": "main"}], "initContainers": pod(resources)["containers"]}
    assert said(init, BOUNDED) == text, "containers of the initialisation are held to the same"


def test_every_refusal_says_what_to_do() -> None:
    for resources in (asks("100m"), asks(limits="2"), asks("501m")):
        assert any(word in said(pod(resources), BOUNDED) for word in ("raised", "lowered"))


NO_DEFAULTS = LimitRange("bounds", container=Bounds({"cpu": 200}, {}))


def test_a_bound_on_what_is_not_asked_for_is_one() -> None:
    assert said(pod({}), NO_DEFAULTS).startswith("container c0 requests no cpu, and LimitRange bounds wants 0.2 vCPU")
    most = LimitRange("bounds", container=Bounds({}, {"cpu": 200}))
    assert said(pod(asks("100m")), most).startswith("container c0 has no limit for cpu, and LimitRange bounds allows")


WHOLE = LimitRange("whole", pod=Bounds({"cpu": 500}, {"cpu": 2000}))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (pod(asks("300m", "1"), asks("300m", "1")), ""),
        (pod(asks("200m", "1"), asks("200m", "1")), "the pod requests 0.4 vCPU, and LimitRange whole wants 0.5 vCPU"),
        (pod(asks("1", "1"), asks("1", "2")), "the pod has a limit of 3 vCPU, and LimitRange whole allows 2 vCPU"),
        (pod(asks("3")), "the pod requests 3 vCPU, and LimitRange whole allows 2 vCPU at most"),
        (pod(asks("1")), "the pod has no limit for cpu, and LimitRange whole allows 2 vCPU at most"),
        (pod(asks("1", "1"), overhead={"cpu": "5"}), ""),
        (pod(asks("3", "3"), resources={"limits": {"cpu": "1"}}), ""),
    ],
)
def test_bounds_of_the_whole_pod(spec: dict[str, Any], words: str) -> None:
    """Overhead is not looked at; of resources of the pod as a whole the API server judges alone."""
    text = said(spec, WHOLE)
    assert text.startswith(words)
    assert bool(text) == bool(words)


def test_what_depends_on_the_order_of_limit_ranges_is_not_said() -> None:
    less, more = LimitRange("less", {"cpu": 100}, {"cpu": 100}), LimitRange("more", {"cpu": 400}, {"cpu": 400})
    bounded = LimitRange("bounds", container=Bounds({"cpu": 200}, {"cpu": 300}))
    assert said(pod(asks()), less, more, bounded) == ""
    assert said(pod(asks("450m")), less, more) == ""
    assert said(pod(asks("250m", "350m")), less, more, bounded) != ""
