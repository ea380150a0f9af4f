"""A kind can be used once the API server says that it is established; before that, it may say nothing at all."""

import pytest

from localcluster.kinds import _is_established


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": []}])
def test_what_says_nothing_yet_is_not_established(status: object) -> None:
    assert not _is_established({} if status is None else {"status": status})


@pytest.mark.parametrize(("value", "expected"), [("True", True), ("False", False)])
def test_the_condition_says_it(value: str, expected: bool) -> None:
    others = {"type": "NamesAccepted", "status": "True"}
    conditions = [others, {"type": "Established", "status": value}]
    assert _is_established({"status": {"conditions": conditions}}) is expected
