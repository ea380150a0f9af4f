"""Consumable resources on simulated nodes: licences that are given back, and tokens that are not."""

import pytest

from batchyard.api import names
from e2e.clusterapi import Json, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

ENDLESS = {"sim.batchyard.dev/never-finish": "true"}


def consumable(harness: Harness, total: int, kind: str = "Replenishable") -> Json:
    return harness.object(names.CONSUMABLE_RESOURCE, "pack", {"type": kind, "total": total})


def needed(harness: Harness, quantity: int = 1) -> list[Json]:
    return [{"name": harness.named("pack"), "quantity": quantity}]


def shown(harness: Harness, in_use: int, available: int) -> None:
    """Wait until the status says that."""
    wanted = {"inUse": in_use, "available": available}
    harness.wait_shown("consumableresources", "pack", lambda status: wanted.items() <= status.items())


def test_licences_are_locked_and_given_back(harness: Harness, operator: OperatorProcess) -> None:
    harness.apply(
        consumable(harness, 3),
        harness.simulated_environment("wide", maxVcpus=8),
        harness.queue("line", "wide"),
        harness.simulated_definition("holds", annotations=ENDLESS, consumableResources=needed(harness)),
        harness.simulated_definition("two", duration="1s", consumableResources=needed(harness, 2)),
        harness.simulated_definition("plain", duration="1s"),
        harness.job("first", "holds", "line"),
        harness.job("second", "holds", "line"),
    )
    shown(harness, 2, 1)
    harness.apply(harness.job("waits", "two", "line"))
    message = harness.wait_reason("waits", "ConsumableResourceUnavailable")["message"]
    assert "of which 1 of 3 are available" in message
    harness.apply(harness.job("plain", "plain", "line"))
    harness.wait_state("plain", "Succeeded")
    operator.replace()
    harness.kubectl("delete", "batchjob", "first")
    harness.wait_state("waits", "Succeeded")
    shown(harness, 1, 2)
    assert harness.kubectl("get", "cr", harness.named("pack"), "--no-headers").split()[1:5] == [
        "Replenishable",
        "3",
        "1",
        "2",
    ]


def test_what_is_used_up_is_refilled_by_raising_the_total(harness: Harness, operator: OperatorProcess) -> None:
    harness.apply(
        consumable(harness, 3, "NonReplenishable"),
        harness.simulated_environment("wide", maxVcpus=8),
        harness.queue("line", "wide"),
        harness.simulated_definition("uses", duration="1s", consumableResources=needed(harness)),
        harness.job("array", "uses", "line", array={"size": 5, "maxConcurrency": 2}),
    )
    until(lambda: len(harness.jobs_of("array")) == 3 or None, 60, lambda: f"{len(harness.jobs_of('array'))} Jobs")
    shown(harness, 0, 0)
    harness.wait_status("array", lambda status: "of which 0 of 3 are left" in status.get("message", ""))
    operator.replace()
    refused = harness.refused(consumable(harness, 3))
    assert "the type of a consumable resource cannot be changed" in refused
    harness.apply(consumable(harness, 6, "NonReplenishable"))
    harness.wait_state("array", "Succeeded")
    shown(harness, 0, 1)
