"""The status of a ConsumableResource, there and back."""

from typing import Any

import pytest

from batchyard.core.model.consumable import Consumable, Count
from batchyard.objects.kinds.consumableresource import read_count, render_consumable_status
from unit.samples import NOW


def rendered(total: int = 5, taken: int = 2, count: Count | None = None, **fields: Any) -> dict[str, Any]:
    resource = Consumable("licence", "uid", 3, NOW, total, replenishable=count is None, **fields)
    return render_consumable_status(resource, in_use=1, taken=taken, count=count, previous={}, now=NOW)


def test_what_is_given_back() -> None:
    status = rendered()
    assert (status["inUse"], status["available"], status["observedGeneration"]) == (1, 3, 3)
    assert "consumption" not in status


def test_a_count_is_read_as_it_was_written() -> None:
    count = Count(4, NOW, frozenset({"b", "a"}))
    status = rendered(count=count)
    assert status["consumption"] == {
        "consumed": 4,
        "countedUntil": "2026-01-01T00:00:00Z",
        "countedRuns": ["a", "b"],
    }
    assert read_count(status, 0) == count
    assert read_count({}, NOW) == Count(0, NOW)
    assert "countedRuns" not in rendered(count=Count(0, NOW))["consumption"]


@pytest.mark.parametrize(
    ("fields", "ready", "reason"),
    [
        ({}, "True", "Usable"),
        ({"taken": 7}, "True", "Usable"),
        ({"total": 0}, "False", "NoneLeft"),
        ({"count": Count(5, NOW), "taken": 5}, "False", "NoneLeft"),
        ({"count": Count(4, NOW), "taken": 5}, "True", "Usable"),
        ({"refusal": "spec.total is required"}, "False", "InvalidSpec"),
    ],
)
def test_whether_jobs_can_get_any(fields: dict[str, Any], ready: str, reason: str) -> None:
    status = rendered(**fields)
    assert (status["conditions"][0]["status"], status["conditions"][0]["reason"]) == (ready, reason)
    assert status["available"] >= 0
