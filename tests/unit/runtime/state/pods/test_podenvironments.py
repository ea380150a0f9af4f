"""In which environment a pod is to run, by its name."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchyard.runtime.state.pods.podenvironments import environment_of
from batchyard.runtime.state.runs import Runs

LONG = "a" * 52
INDEXED = {"big-1", f"{LONG}-1", "both-3"}
ENVIRONMENTS = {
    "job-1": "spot",
    "job-1-n2": "spot",
    "big-1": "demand",
    "big-1-i17": "demand",
    f"{LONG}-1": "demand",
    "both-3": "demand",
    "both-3-4": "spot",
    "b" * 63: "spot",
}


class KnownRuns:
    """As much of `Runs` as is asked."""

    def __init__(self) -> None:
        self._known = {
            ("media", name): SimpleNamespace(
                name=name, owner=("media", name), environment=environment, indexed=object() if name in INDEXED else None
            )
            for name, environment in ENVIRONMENTS.items()
        }
        self._pods = {("media", "b" * 58 + "xyz12"): SimpleNamespace(run="b" * 63)}
        self.arrays = {key: run for key, run in self._known.items() if run.indexed is not None}

    def find(self, key: tuple[str, str]) -> Any:
        return self._known.get(key)

    def pod(self, key: tuple[str, str]) -> Any:
        return self._pods.get(key)


@pytest.mark.parametrize(
    ("pod", "environment"),
    [
        ("job-1-abcde", "spot"),
        ("job-1-n2-abcde", "spot"),
        ("job-2-abcde", ""),
        ("job-1", ""),
        ("big-1-17-abcde", "demand"),
        ("big-1-i17-abcde", "demand"),
        ("job-1-17-abcde", ""),
        (f"{LONG}-1-7-abcde", "demand"),
        (f"{LONG}-12345-abcde", ""),
        (f"{LONG[:52]}-1-12345-abcde"[-64:], ""),
        ("b" * 58 + "xyz12", "spot"),
        ("both-3-5-abcde", "demand"),
        ("both-3-4-abcde", ""),
        ("", ""),
    ],
)
def test_the_environment_is_that_of_the_run_that_the_name_tells(pod: str, environment: str) -> None:
    assert environment_of(cast("Runs", KnownRuns()), ("media", pod)) == environment
    assert environment_of(cast("Runs", KnownRuns()), ("audio", pod)) == ""


def test_where_the_name_of_an_array_was_shortened_it_is_the_only_one_that_begins_so() -> None:
    prefix = f"{LONG}-1"[: 58 - len("-12345-")] + "-12345-"
    assert environment_of(cast("Runs", KnownRuns()), ("media", f"{prefix}abcde")) == "demand"
