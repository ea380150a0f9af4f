"""Limits on what runs at the same time, on simulated nodes: of queues and their shares."""

from typing import Any

import pytest

from e2e.clusterapi import until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

ENDLESS = {"sim.batchyard.dev/never-finish": "true"}


def running(harness: Harness, beginning: str = "") -> set[str]:
    """Jobs whose pod exists."""
    found = harness.statuses().items()
    return {
        name for name, status in found if name.startswith(beginning) and status.get("state") in ("Starting", "Running")
    }


def test_a_queue_at_its_limit_says_so_and_keeps_nobody_else_waiting(
    harness: Harness, operator: OperatorProcess
) -> None:
    def limited(limit: int) -> Any:
        return harness.queue("limited", "wide", priority=10, limits={"maxRunningJobs": limit})

    harness.apply(
        harness.simulated_environment("wide", maxVcpus=8),
        limited(2),
        harness.queue("free", "wide"),
        harness.simulated_definition("endless", annotations=ENDLESS),
        harness.simulated_definition("second", duration="1s"),
        *(harness.job(f"held-{number}", "endless", "limited") for number in range(4)),
    )
    message = harness.wait_reason("held-2", "QueueLimitReached")["message"]
    assert "is at its limit: 2 of its jobs run, and spec.limits.maxRunningJobs is 2" in message
    harness.apply(harness.job("other", "second", "free"))
    harness.wait_state("other", "Succeeded")
    operator.replace()
    harness.apply(limited(3))
    harness.wait_state("held-2", "Running")
    harness.wait_reason("held-3", "QueueLimitReached")
    for name in ("held-0", "held-1"):
        harness.wait_state(name, "Running")
    assert running(harness) == {"held-0", "held-1", "held-2"}


def test_each_share_has_its_limit_and_indexes_count(harness: Harness) -> None:
    shares = [{"shareIdentifier": "guest*", "maxRunningJobs": 1}]
    harness.apply(
        harness.simulated_environment("wide", maxVcpus=16),
        harness.queue(
            "shared",
            "wide",
            schedulingPolicy={"type": "FairShare", "fairShare": {"shares": shares}},
            limits={"maxRunningJobsPerShare": 3},
        ),
        harness.simulated_definition("endless", annotations=ENDLESS),
        *(
            harness.job(f"{share}-{number}", "endless", "shared", shareIdentifier=share)
            for share in ("guest1", "guest2")
            for number in range(2)
        ),
        harness.job("staff", "endless", "shared", shareIdentifier="staff", array={"size": 10}),
    )
    for share in ("guest1", "guest2"):
        harness.wait_reason(f"{share}-1", "ShareLimitReached")
        harness.wait_state(f"{share}-0", "Running")
        assert running(harness, share) == {f"{share}-0"}
    until(lambda: len(harness.pods_of("staff")) == 3 or None, 60, lambda: f"{len(harness.pods_of('staff'))} pods")
    harness.wait_status(
        "staff", lambda status: all(words in status.get("message", "") for words in ("7 wait", "share staff of queue"))
    )
