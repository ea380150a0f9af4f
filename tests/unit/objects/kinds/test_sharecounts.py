"""The count of what shares have used, in a queue's status and back."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from batchyard.api.models.jobqueue import MAX_SHARES, JobQueueStatus
from batchyard.core.model.queue import FairShare
from batchyard.core.scheduling.fairshare.usage import ShareUsage
from batchyard.objects.kinds.jobqueue import render_queue_status
from batchyard.objects.kinds.sharecounts import read_count, render_count, shown_waiting
from unit.samples import NOW, make_queue

BLUE = ShareUsage("blue", 90.5, 250, NOW - 60)
RED = ShareUsage("red", 12.125, 0, NOW - 5)


def test_a_count_is_read_back_as_it_was() -> None:
    shown = render_count([BLUE, RED], {"red": 3}, NOW)
    assert shown["countedAt"] == "2026-01-01T00:00:00Z"
    assert shown["shares"][1] == {
        "shareIdentifier": "red",
        "usedVcpuSeconds": 12.125,
        "vcpus": 0,
        "runnable": 3,
        "lastUsedAt": "2025-12-31T23:59:55Z",
    }
    assert read_count({"fairShare": shown}) == ([BLUE, RED], NOW)
    assert shown_waiting(shown) == {"red": 3}


def test_a_share_that_only_waits_is_listed_too() -> None:
    shown = render_count([BLUE], {"red": 3}, NOW)
    assert [share["shareIdentifier"] for share in shown["shares"]] == ["blue", "red"]
    assert read_count({"fairShare": shown})[0][1] == ShareUsage("red", 0.0, 0, -inf)


def test_the_list_is_bounded_and_drops_who_used_least() -> None:
    many = [ShareUsage(f"share{number:03}", float(number), 0, NOW) for number in range(MAX_SHARES + 9)]
    shown = render_count(many, {}, NOW)["shares"]
    assert len(shown) == MAX_SHARES
    assert shown[0]["shareIdentifier"] == "share009"


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        "broken",
        {"countedAt": "yesterday", "shares": []},
        {"countedAt": "2026-01-01T00:00:00Z", "shares": [{"shareIdentifier": "red"}]},
        {"countedAt": "2026-01-01T00:00:00Z", "shares": ["red"]},
    ],
)
def test_what_cannot_be_read_is_no_count(shown: Any) -> None:
    assert read_count({"fairShare": shown}) == ([], -inf)


def test_only_queues_that_share_show_a_count() -> None:
    queue = replace(make_queue(), fair_share=FairShare())
    shown = render_count([BLUE, RED], {}, NOW)
    status = render_queue_status(queue, {}, [], {}, NOW, shown)
    assert status["fairShare"] == shown
    parsed = JobQueueStatus.model_validate(status)
    assert parsed.fair_share is not None
    assert parsed.fair_share.shares[0].used_vcpu_seconds == 90.5
    assert "fairShare" not in render_queue_status(make_queue(), {}, [], {}, NOW)
