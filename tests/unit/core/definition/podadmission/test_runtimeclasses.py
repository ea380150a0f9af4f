"""What a RuntimeClass writes into a pod, and with what a pod does not go together with it."""

from typing import Any

import pytest

from batchyard.core.definition.podadmission.runtimeclasses import applied, refusal
from batchyard.core.model.podadmission.runtimeclass import RuntimeClass

TOLERATION = {"key": "kata", "operator": "Exists"}
KATA = RuntimeClass("kata", {"cpu": 250}, {"runtime": "kata"}, (TOLERATION,))
SPEC: dict[str, Any] = {"runtimeClassName": "kata", "containers": []}


def test_overhead_selector_and_tolerations_are_added() -> None:
    own = {"nodeSelector": {"zone": "a"}, "tolerations": [{"key": "gpu"}, TOLERATION]}
    assert applied({**SPEC, **own}, KATA) == {
        **SPEC,
        "overhead": {"cpu": "250m"},
        "nodeSelector": {"zone": "a", "runtime": "kata"},
        "tolerations": [{"key": "gpu"}, TOLERATION],
    }
    assert applied(SPEC, RuntimeClass("kata")) == SPEC


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({}, ""),
        ({"overhead": {"cpu": "0.25"}}, ""),
        ({"overhead": {}}, ""),
        ({"overhead": {"cpu": "1"}}, "the pod's overhead is 1 vCPU, and that of RuntimeClass kata is 0.25 vCPU: take"),
        ({"nodeSelector": {"runtime": "kata", "zone": "a"}}, ""),
        ({"nodeSelector": {"runtime": "runc"}}, "the pod wants nodes with runtime=runc, and RuntimeClass kata those"),
    ],
)
def test_what_does_not_go_together_is_said(own: dict[str, Any], words: str) -> None:
    text = refusal({**SPEC, **own}, KATA)
    assert text.startswith(words)
    assert bool(text) == bool(words)


def test_overhead_without_one_of_the_class_is_refused() -> None:
    text = refusal({**SPEC, "overhead": {"cpu": "1"}}, RuntimeClass("kata"))
    assert "that of RuntimeClass kata is none: take overhead out" in text


def test_a_class_that_does_not_exist_is_named() -> None:
    assert refusal(SPEC, None).startswith("RuntimeClass kata does not exist: create it")
